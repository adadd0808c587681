"""What a machine lacks is said before anything is changed on it."""

import json
import re
from pathlib import Path

import pytest

from lab.paths import CACHE
from tests.lab.conftest import Machine


def snapshot(machine: Machine) -> str:
    """Files with what small ones hold, routes, links, firewall, packages, what is cached, processes' ids of the lab."""
    # Not sudo's own note of who asked it.
    files = "find .lab /run -xdev -not -path '/run/sudo*'"
    return machine.out(
        f"{files} 2>/dev/null | sort; {files} -type f -size -1048576c -exec sha256sum {{}} + | sort;"
        f" ip route; ip -br link; nft list ruleset; dpkg-query --show; find {CACHE} | sort; true"
    )


REFUSALS = {
    "a disk that is too small": ("", "LAB_DISK_FREE_GIB_MIN=999999", "", "needs 999999 GiB"),
    "no root": ("", "setpriv --reuid=65534 --regid=65534 --clear-groups", "", "neither root"),
    "a route that is taken": (
        "ip link add other type bridge && ip link set other up && ip route add 10.99.0.0/16 dev other",
        "",
        "ip link delete other",
        "already routed on this machine (10.99.0.0/16 dev other)",
    ),
    "a port that is taken": (
        "(socat TCP-LISTEN:3143,bind=127.0.0.1,fork STDOUT >/dev/null 2>&1 & echo $! > /run/taken); sleep 0.3",
        "env",
        "kill $(cat /run/taken); rm /run/taken",
        "port 127.0.0.1:3143 is taken",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_up_refuses_and_changes_nothing(empty_machine: Machine, case: str) -> None:
    before, prefix, after, message = REFUSALS[case]
    empty_machine.run("lab/run sandbox down", check=False)
    empty_machine.run(before or "true")
    there = snapshot(empty_machine)
    try:
        done = empty_machine.run(f"{prefix} lab/run up", check=False)
        assert snapshot(empty_machine) == there
    finally:
        empty_machine.run(after or "true")
    assert done.returncode == 1, done.stdout + done.stderr
    assert message in done.stderr
    assert "make up" in done.stderr or "run " in done.stderr or "free some" in done.stderr


def test_up_refuses_a_disk_without_room_for_what_is_still_to_come(empty_machine: Machine) -> None:
    empty_machine.run("mkdir /run/small && mount -t tmpfs -o size=1g tmpfs /run/small && cp -r lab /run/small")
    try:
        there = empty_machine.out("find /run/small")
        # Without an engine on PATH, as on a new machine.
        command = "FREELANCE_CACHE=/run/small/cache PATH=/usr/bin:/bin /run/small/lab/run up"
        done = empty_machine.run(command, check=False)
        assert empty_machine.out("find /run/small") == there
    finally:
        empty_machine.run("umount --lazy /run/small && rmdir /run/small")
    assert done.returncode == 1, done.stdout + done.stderr
    assert (
        "the disk of /run/small has 1 GiB free and the lab needs 15 GiB more (engine build 3.2, host image 0.2, "
        "downloaded packages 0.3, virtual environment 0.8, podman's images and hosts 3.5, volumes 7): free some"
    ) in done.stderr


def test_up_refuses_a_setting_before_anything_is_built(empty_machine: Machine, tmp_path: Path) -> None:
    wrong = empty_machine.declared.replace("config:\n", "config:\n  freelance-platform:database_hosts: 2\n")
    empty_machine.run("lab/run sandbox down", check=False)
    there = snapshot(empty_machine)
    (empty_machine.root / "Pulumi.lab.yaml").write_text(wrong)
    try:
        done = empty_machine.run(f"FREELANCE_CACHE={tmp_path} lab/run up", check=False)
    finally:
        (empty_machine.root / "Pulumi.lab.yaml").write_text(empty_machine.declared)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "database_hosts: 2; 1 or at least 3 are possible: two hosts can't tell" in done.stdout
    assert "run `make up` again" in done.stdout
    # What was printed and how long it took is kept; of what is built for all clones nothing was begun.
    changed = set(snapshot(empty_machine).splitlines()) ^ set(there.splitlines())
    assert [line for line in changed if not re.search(r"\.lab(/logs.*|/lock|/times\.json)?$", line)] == []
    assert [path.name for path in tmp_path.iterdir()] == ["environment.lock"]


def test_a_second_lab_on_the_same_machine_is_refused(machine: Machine) -> None:
    machine.run("lab/run sandbox up")
    other = machine.root.with_name("other")
    machine.run(f"mkdir {other} && cp -r --no-dereference lab activate.sh {other}/")
    there = snapshot(machine)
    done = machine.run(f"{other}/lab/run sandbox up", check=False)
    machine.run(f"rm -r {other}")
    assert done.returncode == 1
    assert f"the lab of {machine.root} runs on this machine" in done.stderr
    assert snapshot(machine) == there


def test_a_smaller_volume_is_refused_by_the_preview(machine: Machine) -> None:
    machine.run("lab/run sandbox up")
    state = json.loads(machine.state())
    machine.run("pulumi config set data_volume_gib 3 --stack lab")
    done = machine.run("pulumi preview --stack lab", check=False)
    (machine.root / "Pulumi.lab.yaml").write_text(machine.declared)
    assert done.returncode != 0
    assert "has 4 GiB and XFS can't shrink, so 3 GiB is refused" in done.stdout + done.stderr
    assert json.loads(machine.state()) == state
