"""Down and up keep everything, a killed run is gone on from, destroy leaves nothing."""

import json
import subprocess
import time

from tests.lab.conftest import Machine
from tests.lab.test_hosts import read_marker, write_marker


def test_down_stops_all_and_up_brings_it_back_with_its_data(machine: Machine) -> None:
    marker = write_marker(machine, "db1", "data")
    assert "4 hosts stopped" in machine.out("lab/run down")
    assert "is down; its data is kept" in machine.run("lab/run status", check=False).stdout
    # No host, no process and no loop device is left; a packet for the lab ends here and not at a router.
    assert machine.out("cat /run/freelance-lab/*.pid 2>/dev/null; true") == ""
    assert str(machine.root) not in machine.out("losetup --list")
    assert "blackhole 10.99.0.0/24" in machine.out("ip route show type blackhole")
    machine.up()
    assert read_marker(machine, "db1", "data") == marker
    assert machine.run("lab/run status").stdout.count(" running ") == 4


def test_a_killed_pulumi_leaves_no_lock_behind(machine: Machine) -> None:
    machine.run("podman rm --force --time 0 lab-db1 lab-db2 lab-db3")
    with subprocess.Popen(machine.argv("exec pulumi up --yes --skip-preview --stack lab")) as process:
        deadline = time.monotonic() + 30
        # Killed in the middle of making hosts: the lock stays, and Pulumi doesn't know how far it got.
        while "lab-db1" not in machine.out("podman ps --all --format '{{.Names}}'") and time.monotonic() < deadline:
            time.sleep(0.2)
        machine.run("pkill -KILL -x pulumi")
        process.wait()
    # The engine's plugins end with it, or they would make hosts beside the next run.
    deadline = time.monotonic() + 30
    while machine.out("pgrep -f 'lab[.]provider|language[_]host' || true") and time.monotonic() < deadline:
        time.sleep(0.2)
    assert machine.out("pgrep -f 'lab[.]provider|language[_]host' || true") == ""
    assert machine.out("find .lab/state/.pulumi/locks -name '*.json'")
    machine.run("lab/run part hosts")
    assert machine.run("lab/run status").stdout.count(" running ") == 4
    machine.run("pulumi up --yes --skip-preview --stack lab --expect-no-changes")


def test_a_living_pulumi_is_not_interrupted(machine: Machine) -> None:
    machine.run("podman stop lab-db1")
    with subprocess.Popen(machine.argv("exec pulumi up --yes --skip-preview --stack lab")) as process:
        deadline = time.monotonic() + 30
        while not machine.out("find .lab/state/.pulumi/locks -name '*.json'") and time.monotonic() < deadline:
            time.sleep(0.05)
        done = machine.run("lab/run part hosts", check=False)
        assert process.wait() == 0
    assert done.returncode == 1
    assert "is at work on stack lab" in done.stderr


def test_a_killed_sandbox_comes_up_again_with_its_data(machine: Machine) -> None:
    marker = write_marker(machine, "db2", "wal")
    machine.run("kill -KILL $(cut -d ' ' -f 1 /run/freelance-lab/sandbox-inner.pid)")
    machine.up()
    assert read_marker(machine, "db2", "wal") == marker


def test_destroy_is_refused_while_another_stack_is_in_the_labs_backend(machine: Machine) -> None:
    machine.run("pulumi stack init other")
    try:
        refused = machine.run("YES=1 lab/run destroy", check=False)
    finally:
        machine.run("pulumi stack rm other --yes; pulumi stack select lab")
    assert refused.returncode == 1
    assert "holds the state of freelance-platform/other too" in refused.stderr
    assert machine.run("lab/run status").stdout.count(" running ") == 4


def test_a_preset_backend_is_not_the_labs(machine: Machine) -> None:
    machine.run("PULUMI_BACKEND_URL=file:///nowhere PULUMI_CONFIG_PASSPHRASE=another lab/run part hosts")
    assert machine.run("lab/run status").stdout.count(" running ") == 4


def test_the_card_is_printed_again_at_any_time(machine: Machine) -> None:
    machine.run("ansible-playbook -i localhost, ansible/playbooks/initialise_secrets.yml")
    printed = machine.out("make card")
    card = json.loads((machine.root / ".lab/card.json").read_text())
    assert len(card["connections"]) == 4
    lines = {line.strip() for line in printed.splitlines()}
    assert all({way["psql"], way["libpq"], way["jdbc"]} <= lines for way in card["connections"].values())


def test_destroy_asks_first_and_then_leaves_nothing(machine: Machine) -> None:
    refused = machine.run("make destroy < /dev/null", check=False)
    assert "nobody is there to confirm" in refused.stderr
    typed = "echo {} | script --quiet --return --command 'make destroy' /dev/null"
    mistyped = machine.run(typed.format("la"), check=False)
    assert "not confirmed, nothing was removed" in mistyped.stdout
    assert 0 not in (refused.returncode, mistyped.returncode)
    assert machine.run("lab/run status").stdout.count(" running ") == 4
    confirmed = machine.out(typed.format("lab"))
    assert "Volumes: lab-db1-data, " in confirmed
    assert "Type lab to go on" in confirmed
    assert not (machine.root / ".lab").exists()
    assert str(machine.root) not in machine.out("losetup --list; mount")
    assert machine.out("ip route; ip -br link show type veth; ls -d /run/freelance-lab 2>/dev/null; true") == ""
    machine.up()  # and from nothing again
