"""What the proofs have in common: the user's own commands, looks at hosts, waiting, and a client that writes on."""

import json
import os
import pty
import re
import select
import shlex
import signal
import subprocess
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg

from tests.host import clients
from tests.host.environment import ROOT, SOCKETS, Environment

SITE = "ansible/playbooks/site.yml"
PLAY_SECONDS_MAX = 1200
RETRY_SECONDS = 0.2
WRITER_STOP_SECONDS_MAX = 60
MEMBERS = "runuser -u postgres -- timeout 15 patronictl -c /etc/patroni/config.yml list -f json"

Snapshot = Callable[[], dict[str, str]]
Members = Callable[[], dict[str, dict[str, Any]]]


@dataclass(frozen=True)
class Run:
    """What a run of ansible-playbook has done. `changed` holds (host, task) pairs.

    `told` holds what a changed task said about a host, with its differences, as (host, text); filled by `observe` only.
    `results` likewise: (event, host, task, result).
    """

    code: int
    output: str
    seconds: float
    changed: list[tuple[str, str]] = field(default_factory=list)
    told: list[tuple[str, str]] = field(default_factory=list)
    results: list[tuple[str, str, str, dict[str, Any]]] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The output without line breaks: messages are wrapped anywhere."""
        return " ".join(self.output.split())


def _environment(**extra: str) -> dict[str, str]:
    return {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), **extra}


def _run(arguments: tuple[str, ...], environment: dict[str, str]) -> tuple[subprocess.CompletedProcess[str], float]:
    started = time.monotonic()
    done = subprocess.run(
        ["ansible-playbook", *arguments],
        capture_output=True,
        text=True,
        timeout=PLAY_SECONDS_MAX,
        cwd=ROOT,
        env=environment,
        check=False,
    )
    return done, time.monotonic() - started


def _changed(output: str) -> list[tuple[str, str]]:
    task, changed = "", []
    for line in output.splitlines():
        if found := re.match(r"(?:TASK|RUNNING HANDLER) \[(.+)\] \*", line):
            task = found[1]
        elif found := re.match(r"changed: \[([^\] ]+)", line):
            changed.append((found[1], task))
    return changed


def play(*arguments: str, **environment: str) -> Run:
    """Run ansible-playbook as a user does, bounded in time. `environment` adds variables."""
    done, seconds = _run(arguments, _environment(**environment))
    return Run(done.returncode, done.stdout + done.stderr, seconds, _changed(done.stdout))


def typed(*arguments: str, question: str, answer: str) -> Run:
    """Run ansible-playbook at a terminal of its own, and type an answer where it asks a question."""
    started, said = time.monotonic(), b""
    terminal, end = pty.openpty()
    with subprocess.Popen(
        # A terminal that is not the session's own is not asked.
        ["setsid", "--ctty", "ansible-playbook", *arguments],
        stdin=end,
        stdout=end,
        stderr=end,
        cwd=ROOT,
        env=_environment(),
    ) as process:
        os.close(end)
        with suppress(OSError):  # what ends the last program that writes to it
            while time.monotonic() - started < PLAY_SECONDS_MAX:
                if select.select([terminal], [], [], 1)[0]:
                    said += os.read(terminal, 65536)
                elif process.poll() is not None:
                    break
                # As people do, once nothing more comes: what is typed before it reads is thrown away.
                elif question in said.decode(errors="replace"):
                    os.write(terminal, f"{answer}\r".encode())
            else:
                process.kill()
    os.close(terminal)
    output = said.decode(errors="replace")
    return Run(process.returncode, output, time.monotonic() - started, _changed(output))


def observe(*arguments: str) -> Run:
    """Run ansible-playbook with differences, its results told as data: what changed each host, and how."""
    done, seconds = _run(("--diff", *arguments), _environment(ANSIBLE_STDOUT_CALLBACK="ansible.posix.jsonl"))
    changed, told, results = [], [], []
    for line in done.stdout.splitlines():
        if not line.startswith("{"):
            continue
        event = json.loads(line)
        if not event["_event"].startswith("v2_runner_on_") or "hosts" not in event:
            continue
        task = event["task"]["name"]
        for host, result in event["hosts"].items():
            results.append((event["_event"].removeprefix("v2_runner_on_"), host, task, result))
            if result.get("changed"):
                changed.append((host, task))
                told.append((host, f"{task}\n{plain(result)}"))
    failures = [
        f"{host}: {task}: {result.get('msg', '')}" for event, host, task, result in results if event == "failed"
    ]
    output = "\n".join([*failures, done.stderr]) if results else done.stdout + done.stderr
    return Run(done.returncode, output, seconds, changed, told, results)


def killed(*arguments: str, at: str) -> str:
    """Start ansible-playbook and kill it with all its processes when it begins the task `at`; what it had printed."""
    with subprocess.Popen(
        ["ansible-playbook", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env=_environment(),
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("TASK [") and at in line:
                os.killpg(process.pid, signal.SIGKILL)
                break
        status = process.wait(timeout=PLAY_SECONDS_MAX)
    output = "".join(lines)
    assert status == -signal.SIGKILL, f"the run ended with {status} before it came to {at!r}:\n{output[-3000:]}"
    return output


def script(lab: Environment, host: str, text: str) -> str:
    """Run a bash script on a host as root; each of its commands must succeed. It goes by standard input, so a secret
    in it is in no list of processes."""
    values = lab.declared(host)
    SOCKETS.mkdir(mode=0o700, parents=True, exist_ok=True)
    done = subprocess.run(
        [
            *("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ControlMaster=auto"),
            *("-o", "ControlPersist=300s", "-o", f"ControlPath={SOCKETS}/%C"),
            *("-i", str(values["ansible_ssh_private_key_file"]), "-p", str(values["ansible_port"])),
            *shlex.split(str(values["ansible_ssh_common_args"])),
            f"{values['ansible_user']}@{values['ansible_host']}",
            # All of it is read before the first command starts: what reads its own input finds none.
            """sudo bash -euo pipefail -c 'eval "$(cat)"'""",
        ],
        input=text,
        capture_output=True,
        text=True,
        timeout=300,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, (
        f"{host}: status {done.returncode}: {done.stderr[-2000:]}{done.stdout[-2000:]}\n{text[:300]}"
    )
    return done.stdout.strip()


def psql(*statements: str, database: str = "freelance_platform") -> str:
    """The command that runs SQL in a database on the host where it is run, as the superuser."""
    words = [word for statement in statements for word in ("-c", shlex.quote(statement))]
    return f"runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1 -d {database} {' '.join(words)}"


def plain(value: object, name: str = "") -> str:
    """A task's result as lines of text."""
    if isinstance(value, dict):
        return "\n".join(plain(inner, str(key)) for key, inner in value.items())
    if isinstance(value, list):
        return "\n".join([f"{name}:", *(f"- {plain(inner)}" for inner in value)])
    return f"{name}: {value}" if name else str(value)


def scripts(lab: Environment, texts: dict[str, str]) -> dict[str, str]:
    """Run a script of its own on each host, side by side."""
    with ThreadPoolExecutor(max(len(texts), 1)) as pool:
        return dict(zip(texts, pool.map(lambda name: script(lab, name, texts[name]), texts), strict=True))


def wait_for(what: str, condition: Callable[[], bool], seconds_max: float) -> float:
    """Wait until a condition holds; returns the seconds. Fails with `what` when the time is over."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds_max, f"{what}: not within {seconds_max:.0f} s"
        time.sleep(1)
    return time.monotonic() - started


def healthy(members: dict[str, dict[str, Any]], count: int) -> bool:
    """Tell whether all members run, one of them leads and all others acknowledge commits."""
    states = [member["State"] in {"running", "streaming"} for member in members.values()]
    roles = sorted(member["Role"] for member in members.values())
    return all(states) and roles == ["Leader", *["Quorum Standby"] * (count - 1)]


def leader_of(members: dict[str, dict[str, Any]]) -> str:
    """Name the member that leads."""
    return next((name for name, member in members.items() if member["Role"] == "Leader"), "")


def differences(before: dict[str, str], after: dict[str, str], ignored: str = "") -> dict[str, list[str]]:
    """Lines that only one of two snapshots has, by host; lines that match the pattern `ignored` are left out."""
    found = {}
    for host in before.keys() | after.keys():
        lines = set(before.get(host, "").splitlines()) ^ set(after.get(host, "").splitlines())
        if different := sorted(line for line in lines if not (ignored and re.search(ignored, line))):
            found[host] = different
    return found


class Writer(threading.Thread):
    """Writes rows until it is stopped and remembers which were acknowledged. Connects anew after each error of the
    database's; any other ends it and is raised by `stop`.

    A row whose connection broke is in doubt: nobody told whether it was committed, so either is right, once.
    """

    def __init__(self, card: dict[str, Any]) -> None:
        super().__init__(daemon=True)
        self.card, self.mark = card, uuid.uuid4().hex[:8]
        self.acknowledged: list[str] = []
        self.in_doubt: set[str] = set()
        self.error: BaseException | None = None
        self.longest_gap = 0.0
        self.last_write = time.monotonic()
        self._end = threading.Event()

    def run(self) -> None:
        try:
            self._write()
        except BaseException as error:  # a thread has nobody to raise it to
            self.error = error

    def _write(self) -> None:
        connection, number = None, 0
        while not self._end.is_set():
            number += 1
            slug = f"proof-{self.mark}-{number}"
            try:
                connection = connection or clients.connect(self.card, "pooled")
                self.in_doubt.add(slug)
                connection.execute(clients.INSERT_SKILL, {"slug": slug})
            except psycopg.Error:
                connection = None
                time.sleep(RETRY_SECONDS)
                continue
            self.in_doubt.remove(slug)
            now = time.monotonic()
            self.longest_gap = max(self.longest_gap, now - self.last_write)
            self.last_write = now
            self.acknowledged.append(slug)
            time.sleep(0.02)

    def stop(self) -> None:
        """End the thread; raises what ended it before."""
        self._end.set()
        self.join(timeout=WRITER_STOP_SECONDS_MAX)
        assert not self.is_alive(), f"the writer did not end within {WRITER_STOP_SECONDS_MAX} s"
        if self.error is not None:
            raise AssertionError(f"the writer ended early: {self.error!r}") from self.error

    def lost(self) -> set[str]:
        """Return acknowledged rows that are not there, and remove what was written.

        Fails where a row is there twice, or one that was neither acknowledged nor in doubt.
        """
        with clients.connect(self.card, "pooled") as connection:
            pattern = f"proof-{self.mark}-%"
            rows = connection.execute("select slug from accounts_skill where slug like %s", [pattern])
            kept = Counter(row[0] for row in rows)
            clients.delete_skills(connection, pattern)
        assert [slug for slug, times in kept.items() if times > 1] == [], "kept twice"
        assert kept.keys() - set(self.acknowledged) - self.in_doubt == set(), "nobody wrote these"
        print(f"\n{len(self.acknowledged)} acknowledged; {len(self.in_doubt & kept.keys())} in doubt were kept")
        return set(self.acknowledged) - kept.keys()


@contextmanager
def writing(card: dict[str, Any]) -> Iterator[Writer]:
    """Have a client write all the while; it has begun when the block begins."""
    writer = Writer(card)
    writer.start()
    try:
        wait_for("first writes", lambda: len(writer.acknowledged) > 20, 30)
        yield writer
    finally:
        writer.stop()
