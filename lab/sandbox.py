"""Where hosts run: podman's own storage, settings and API socket, inside private namespaces where that is needed."""

import os
import shutil
import signal
import time
from pathlib import Path

from lab import aptcache, machine, network, podman_settings, processes
from lab.errors import LabError
from lab.paths import APT_PORT, LOGS, PODMAN_SOCKET, RUN, STATE
from lab.shell import run

SCRIPT = Path(__file__).with_name("sandbox_init.sh")
OWNER = RUN / "owner"
READY = RUN / "ready"
CGROUP = "freelance-lab"
SERVICE = ("podman", "system", "service", "--time=0", f"unix://{PODMAN_SOCKET}")
# Hosts that are killed write back what their volumes still hold.
CGROUP_TIMEOUT_S = 60.0
# A podman that takes longer hangs: it answers in a fraction of a second.
ANSWER_TIMEOUT_S = 30.0


def up() -> bool:
    """Make the lab's podman answer. True when something was started: no more than what died, so that hosts live on."""
    refuse_other_owner()
    if healthy():
        return False
    if _owner() == STATE and _hosts_side_runs() and _mend():
        return True
    _down_hosts_side()
    RUN.mkdir(mode=0o755, exist_ok=True)
    OWNER.write_text(f"{STATE}\n")
    podman_settings.write()
    aptcache.up()
    if machine.detect().sandbox:
        _start_sandbox()
    else:
        _start_plain_forwards()
    _start_podman()
    return True


def healthy() -> bool:
    """Whether every process of this clone's lab runs and podman answers."""
    if _owner() != STATE or not _hosts_side_runs():
        return False
    forwards = [] if machine.detect().sandbox else [f"apt-{name}" for name in network.gateways()]
    return all(processes.running(name) for name in ("apt-cache", "apt-forward", *forwards)) and _podman_answers()


def hosts_may_run() -> bool:
    """Whether hosts of this clone may be running, even with a podman that died."""
    if _owner() != STATE:
        return False
    return _hosts_side_runs() and (machine.detect().sandbox or (STATE / "storage").is_dir())


def _hosts_side_runs() -> bool:
    """Whether the sandbox is there, without which no host lives; hosts of the machine's own podman need nothing."""
    return not machine.detect().sandbox or all(processes.running(name) for name in ("sandbox", "sandbox-inner"))


def _podman_answers() -> bool:
    if processes.running("podman") is None:
        return False
    try:
        done = run(["podman", "--url", f"unix://{PODMAN_SOCKET}", "version"], check=False, timeout=ANSWER_TIMEOUT_S)
    except LabError:  # it hangs
        return False
    return done.returncode == 0


def _mend() -> bool:
    """Start again what died, the hosts left alone. False when podman does not answer even so."""
    podman_settings.write()
    aptcache.up()
    if not machine.detect().sandbox:
        _start_plain_forwards()
    if _podman_answers():
        return True
    processes.end("podman")
    PODMAN_SOCKET.unlink(missing_ok=True)
    try:
        _start_podman(again=True)
    except LabError:  # a sandbox that was killed counts as running until the last process in it is gone
        return False
    return _podman_answers()


def down() -> None:
    """End every process of this clone's lab. Volumes, images and stopped hosts stay."""
    if _others():
        return
    _down_hosts_side()
    aptcache.down()


def forget() -> None:
    """Take away the last traces on the machine: routes and ids."""
    if _others():
        return
    down()
    network.unblock()
    tree = RUN / "cgroup"
    if tree.is_mount():  # ours, on a machine that had none (see _cgroup); rmtree would walk into it
        run(["umount", tree])
    shutil.rmtree(RUN, ignore_errors=True)


def refuse_other_owner() -> None:
    """LabError while the lab of another clone runs: addresses and sockets are the machine's."""
    if (other := _owner()) in (None, STATE):
        return
    # The apt cache serves every clone, so it says nothing about whose hosts run.
    alive = [name for name in ("sandbox", "sandbox-inner", "podman") if processes.running(name)]
    # A clone that was deleted can't be asked to stop its lab; its processes are ended when ours start.
    if alive and other is not None and other.is_dir():
        raise LabError(
            f"the lab of {other.parent} runs on this machine ({', '.join(alive)}) and a machine has room for one: "
            "run `make down` there, then `make up` here"
        )


def _others() -> bool:
    """Whether what there is on this machine belongs to a clone that still exists and is not this one."""
    owner = _owner()
    return owner is not None and owner != STATE and owner.is_dir()


def _owner() -> Path | None:
    """The environment folder of the clone whose lab was started last."""
    return Path(OWNER.read_text().strip()) if OWNER.exists() else None


def inside(argv: list[str]) -> list[str]:
    """The same command where the hosts' podman lives: its settings, its namespaces, never the API socket."""
    pid = processes.running("sandbox-inner")
    if pid is None:
        return [*podman_settings.words(), *argv]
    procs = _cgroup() / "control" / "cgroup.procs"
    enter = ["nsenter", f"--target={pid}", "--mount", "--net", "--pid", "--cgroup", "--wd=/"]
    return ["sh", "-c", f'echo $$ > "{procs}" && exec "$@"', "sh", *enter, "--", *podman_settings.words(), *argv]


def _down_hosts_side() -> None:
    # The apt cache is left alone: an image may be in the making from it.
    processes.end("podman")
    processes.end("sandbox-inner", number=signal.SIGKILL)
    processes.end("sandbox", number=signal.SIGKILL)
    for name in network.gateways():
        processes.end(f"apt-{name}")
    network.unlink()
    for path in (PODMAN_SOCKET, READY):
        path.unlink(missing_ok=True)
    _remove_cgroup()


def _start_sandbox() -> None:
    group = _cgroup()
    group.mkdir(exist_ok=True)
    log = LOGS / "sandbox.log"
    flags = ["--mount", "--net", "--pid", "--cgroup", "--fork", "--kill-child"]
    enter = f'echo $$ > "{group}/cgroup.procs" && exec "$@"'
    command = [
        "sh",
        "-c",
        enter,
        "sh",
        "unshare",
        *flags,
        str(SCRIPT),
        str(RUN),
        str(APT_PORT),
        *podman_settings.words(),
        *SERVICE,
    ]
    outer = processes.start("sandbox", command, log)
    processes.wait_for(READY, "sandbox", log)
    inner = processes.children(outer)[0]
    processes.record("sandbox-inner", inner)
    # Out of the root of the lab's own tree: a cgroup with processes can't hand controllers to its children.
    (group / "control" / "cgroup.procs").write_text(f"{outer}\n")
    network.link(inner)


def _start_plain_forwards() -> None:
    """No sandbox: each gateway's apt port leads to the cache, and nft keeps hosts from reaching further."""
    for name, address in network.gateways().items():
        if processes.running(f"apt-{name}") is not None:
            continue
        listen = f"TCP-LISTEN:{APT_PORT},bind={address},freebind,fork,reuseaddr"
        processes.start(f"apt-{name}", ["socat", listen, f"UNIX-CONNECT:{aptcache.SOCKET}"], LOGS / f"apt-{name}.log")
    network.guard_plain()


def _start_podman(*, again: bool = False) -> None:
    """Have podman serve its API. In the sandbox its first process does that, unless what it started is gone."""
    inner = processes.running("sandbox-inner")
    log = LOGS / ("sandbox.log" if inner and not again else "podman.log")
    if inner and not again:
        # The sandbox's first process sees another number for it than we do.
        processes.wait_for(PODMAN_SOCKET, "sandbox", log)
        served = next(pid for pid in processes.children(inner) if processes.command_name(pid) == "podman")
        processes.record("podman", served)
    else:
        started = processes.start("podman", inside([*SERVICE]), log)
        processes.wait_for(PODMAN_SOCKET, "podman", log)
        if inner:
            processes.record("podman", processes.children(started)[0])  # behind nsenter, which only waits for it
    processes.wait_for(PODMAN_SOCKET, "podman", log)
    if "SUDO_UID" in os.environ:
        os.chown(PODMAN_SOCKET, int(os.environ["SUDO_UID"]), -1)


def _cgroup() -> Path:
    found = machine.cgroup2_mount()
    if found is None:
        found = RUN / "cgroup"
        found.mkdir(parents=True, exist_ok=True)
        run(["mount", "-t", "cgroup2", "cgroup2", found])
    return found / CGROUP


def _remove_cgroup() -> None:
    mount = machine.cgroup2_mount()
    group = mount / CGROUP if mount else None
    if group is None or not group.is_dir():
        return
    deadline = time.monotonic() + CGROUP_TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            for folder, _, _ in os.walk(group, topdown=False):
                Path(folder).rmdir()
        except OSError:  # processes that were killed are still on their way out
            time.sleep(0.1)
            continue
        return
    raise LabError(f"{group} still has processes {CGROUP_TIMEOUT_S:g} s after the lab was ended: see its cgroup.procs")
