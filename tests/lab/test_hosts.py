"""Hosts as Pulumi resources: what happens behind Pulumi's back is seen and mended, and data outlives its host."""

import json
import shlex
import time
from collections.abc import Iterator

import pytest

from tests.lab.conftest import Machine


def write_marker(machine: Machine, host: str, volume: str) -> str:
    """Put a text that was never there before on a volume; the text."""
    marker = f"{host} {volume} {time.monotonic_ns()}"
    machine.run(
        f"lab/run ssh {host} 'echo {marker} | sudo dd of=/dev/lab/{host}-{volume} conv=notrunc,fsync status=none'"
    )
    return marker


def read_marker(machine: Machine, host: str, volume: str) -> str:
    """The text on a volume, read on its host."""
    return machine.out(f"lab/run ssh {host} 'sudo head -n 1 /dev/lab/{host}-{volume}'")


@pytest.fixture(autouse=True)
def declared_again(machine: Machine) -> Iterator[None]:
    """Settings that a test changed are those of the repository again."""
    yield
    (machine.root / "Pulumi.lab.yaml").write_text(machine.declared)


def test_a_second_up_changes_nothing(machine: Machine) -> None:
    machine.run("pulumi up --yes --skip-preview --stack lab --expect-no-changes")


def test_refresh_sees_a_removed_host_and_up_brings_it_back_with_its_data(machine: Machine) -> None:
    marker = write_marker(machine, "db2", "data")
    machine.run("podman rm --force --time 0 lab-db2")
    refreshed = machine.out("pulumi refresh --yes --skip-preview --stack lab")
    assert "freelance:lab:Host db2 deleted" in refreshed
    made = machine.out("pulumi up --yes --skip-preview --stack lab")
    assert "+ 1 created" in made
    # This SSH connection also shows that the new host's key is trusted.
    assert read_marker(machine, "db2", "data") == marker


def test_a_removed_host_comes_back_without_a_refresh(machine: Machine) -> None:
    machine.run("podman rm --force --time 0 lab-service1")
    assert "~ 1 updated" in machine.out("pulumi up --yes --skip-preview --stack lab")
    assert machine.out("lab/run ssh service1 hostname") == "service1"


def test_a_stopped_host_is_a_difference_and_up_starts_it(machine: Machine) -> None:
    machine.run("podman stop lab-db3")
    assert "~ 1 to update" in machine.out("pulumi preview --stack lab")
    machine.run("pulumi up --yes --skip-preview --stack lab")
    assert machine.out("lab/run ssh db3 hostname") == "db3"


def test_an_unreachable_podman_is_an_error_and_loses_nothing(machine: Machine) -> None:
    before = machine.state()
    machine.run("mv /run/freelance-lab/podman.sock /run/freelance-lab/away.sock")
    try:
        refresh = machine.run("pulumi refresh --yes --skip-preview --stack lab", check=False)
        up = machine.run("pulumi up --yes --skip-preview --stack lab", check=False)
    finally:
        machine.run("mv /run/freelance-lab/away.sock /run/freelance-lab/podman.sock")
    for done in (refresh, up):
        assert done.returncode != 0
        assert "podman does not answer" in done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr
    assert resources(machine.state()) == resources(before)
    machine.run("pulumi up --yes --skip-preview --stack lab --expect-no-changes")


def test_from_three_hosts_to_four_and_back(machine: Machine) -> None:
    machine.run("pulumi config set database_hosts 4 --stack lab")
    assert "+ 3 created" in machine.out("pulumi up --yes --skip-preview --stack lab")
    assert machine.out("lab/run ssh db1 hostname") == "db1"
    assert states(machine)["db4"] == "active"
    kept = machine.state()
    machine.run("pulumi config set database_hosts 3 --stack lab")
    unmarked = machine.run("pulumi up --yes --skip-preview --stack lab", check=False)
    assert unmarked.returncode != 0
    assert "retiring" in unmarked.stdout + unmarked.stderr
    assert resources(machine.state()) == resources(kept)
    machine.run("pulumi config set database_hosts 4 --stack lab")
    machine.run("pulumi config set --path 'retiring_hosts[0]' db4 --stack lab")
    machine.run("pulumi up --yes --skip-preview --stack lab")
    assert states(machine)["db4"] == "retiring"
    machine.run("pulumi config rm retiring_hosts --stack lab && pulumi config set database_hosts 3 --stack lab")
    assert "- 3 deleted" in machine.out("pulumi up --yes --skip-preview --stack lab")
    assert "db4" not in states(machine)
    assert "lab-db4" not in machine.out("podman ps --all --format '{{.Names}}'; ls .lab/volumes; losetup --list")


def test_what_is_unmounted_on_a_host_is_gone_for_services_with_their_own_view_of_mounts_too(machine: Machine) -> None:
    script = (
        "set -eu; mkdir -p /mnt/probe; mount -t tmpfs probe /mnt/probe; "
        # exec: it has returned when the service has its own view.
        "systemd-run --quiet --unit=probe --property=PrivateTmp=yes --property=Type=exec sleep 60; "
        "seen=/proc/$(systemctl show --property=MainPID --value probe)/mountinfo; "
        "grep --count /mnt/probe $seen; umount /mnt/probe; grep --count /mnt/probe $seen || true; systemctl stop probe"
    )
    assert machine.out(f"lab/run ssh db3 sudo sh -c {shlex.quote(shlex.quote(script))}") == "1\n0"


def test_a_larger_volume_grows_under_the_running_host(machine: Machine) -> None:
    marker = write_marker(machine, "db1", "wal")
    began = machine.out("lab/run ssh db1 stat -c %Y /proc/1")
    machine.run("pulumi config set wal_volume_gib 3 --stack lab")
    machine.run("pulumi up --yes --skip-preview --stack lab")
    assert machine.out("lab/run ssh db1 sudo blockdev --getsize64 /dev/lab/db1-wal") == str(3 * 1024**3)
    assert read_marker(machine, "db1", "wal") == marker
    assert machine.out("lab/run ssh db1 stat -c %Y /proc/1") == began
    # A volume never shrinks: for later tests this is the declared size.
    machine.declared = (machine.root / "Pulumi.lab.yaml").read_text()


def test_a_bare_destroy_is_refused_before_anything_goes(machine: Machine) -> None:
    marker, before, there = write_marker(machine, "db1", "data"), machine.state(), hosts(machine)
    destroyed = machine.run("pulumi destroy --yes --stack lab", check=False)
    assert destroyed.returncode != 0
    assert "protected" in destroyed.stdout + destroyed.stderr
    assert hosts(machine) == there
    assert len(there) == 4
    assert resources(machine.state()) == resources(before)
    assert read_marker(machine, "db1", "data") == marker


def test_a_destroy_without_preview_takes_the_hosts_and_up_brings_them_back_with_their_data(machine: Machine) -> None:
    marker, kept = write_marker(machine, "service1", "repository"), machine.out("ls .lab/volumes/*.img")
    destroyed = machine.run("pulumi destroy --yes --skip-preview --stack lab", check=False)
    assert destroyed.returncode != 0
    assert "protected" in destroyed.stdout + destroyed.stderr
    assert hosts(machine) == []
    assert machine.out("ls .lab/volumes/*.img") == kept
    machine.run("pulumi up --yes --skip-preview --stack lab")
    assert read_marker(machine, "service1", "repository") == marker


URN = "urn:pulumi:lab::freelance-platform::freelance:lab:Volume::db3-wal"


def test_a_lost_volume_is_never_replaced_by_an_empty_one(machine: Machine) -> None:
    marker, before = write_marker(machine, "db3", "wal"), machine.state()
    machine.run("mv .lab/volumes/lab-db3-wal.img .lab/away.img")
    try:
        for command in ("preview", "up --yes --skip-preview", "refresh --yes --skip-preview"):
            done = machine.run(f"pulumi {command} --stack lab", check=False)
            assert done.returncode != 0, command
            assert "volume lab-db3-wal has lost its file" in done.stdout + done.stderr
            assert f"pulumi state delete --force --target-dependents '{URN}'" in done.stdout + done.stderr
        assert machine.run("ls .lab/volumes/lab-db3-wal.img", check=False).returncode != 0
        assert resources(machine.state()) == resources(before)
    finally:
        machine.run("mv .lab/away.img .lab/volumes/lab-db3-wal.img")
    machine.run("pulumi up --yes --skip-preview --stack lab --expect-no-changes")
    assert read_marker(machine, "db3", "wal") == marker


def test_a_lost_volume_that_is_given_up_is_made_again_with_its_host(machine: Machine) -> None:
    kept = write_marker(machine, "db3", "data")
    machine.run("rm .lab/volumes/lab-db3-wal.img")
    machine.run(f"pulumi state delete --yes --force --target-dependents '{URN}' --stack lab")
    assert "+ 2 created" in machine.out("pulumi up --yes --skip-preview --stack lab")
    assert read_marker(machine, "db3", "data") == kept
    # The kernel lets go of the old device once its last mount is gone, a moment after the old host is.
    machine.run(
        f"for _ in {{1..60}}; do losetup --list | grep -q '{machine.root}.*(deleted)' || exit 0; sleep 1; done; exit 1"
    )
    machine.run("pulumi up --yes --skip-preview --stack lab --expect-no-changes")


def hosts(machine: Machine) -> list[str]:
    """Names of the hosts that run."""
    return sorted(machine.out("podman ps --format '{{.Names}}'").split())


def resources(state: str) -> dict[str, object]:
    """What the stack has, by name, without times and operations."""
    found = json.loads(state)["deployment"].get("resources", [])
    return {one["urn"]: (one.get("id"), one.get("outputs"), one.get("protect")) for one in found}


def states(machine: Machine) -> dict[str, str]:
    """Database hosts of the contract with their state."""
    contract = json.loads(machine.out("pulumi stack output contract --json --stack lab"))
    return {host["name"]: host["state"] for host in contract["clusters"]["main"]["hosts"]}
