"""Where hosts run: podman's own storage, settings and API socket, inside private namespaces where that is needed."""

import os
import shutil
import signal
import time
from pathlib import Path

from lab import aptcache, machine, network, processes
from lab.errors import LabError
from lab.paths import APT_PORT, LOGS, PODMAN_SOCKET, RUN, STATE
from lab.shell import run

SCRIPT = Path(__file__).with_name("sandbox_init.sh")
OWNER = RUN / "owner"
READY = RUN / "ready"
CGROUP = "freelance-lab"
SERVICE = ("podman", "system", "service", "--time=0", f"unix://{PODMAN_SOCKET}")
# Processes in all hosts together; PostgreSQL alone starts hundreds.
HOST_PROCESSES_MAX = 20_000
CGROUP_TIMEOUT_S = 10.0


def up() -> bool:
    """Make the lab's podman answer. True when something had to be started."""
    refuse_other_owner()
    if healthy():
        return False
    _down_hosts_side()
    RUN.mkdir(mode=0o755, exist_ok=True)
    OWNER.write_text(f"{STATE}\n")
    write_settings()
    aptcache.up()
    if machine.detect().sandbox:
        _start_sandbox()
    else:
        _start_plain_forwards()
    _start_podman()
    return True


def healthy() -> bool:
    """Whether every process of this clone's lab runs and podman answers."""
    if _owner() != STATE:
        return False
    names = ["apt-cache", "apt-forward", "podman"]
    names += (
        ["sandbox", "sandbox-inner"] if machine.detect().sandbox else [f"apt-{name}" for name in network.gateways()]
    )
    if not all(processes.running(name) for name in names):
        return False
    return run(["podman", "--url", f"unix://{PODMAN_SOCKET}", "version"], check=False).returncode == 0


def down() -> None:
    """End every process of the lab. Volumes, images and stopped hosts stay."""
    _down_hosts_side()
    aptcache.down()


def forget() -> None:
    """Take away the last traces on the machine: routes and ids."""
    down()
    network.unblock()
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


def _owner() -> Path | None:
    """The environment folder of the clone whose lab was started last."""
    return Path(OWNER.read_text().strip()) if OWNER.exists() else None


def write_settings() -> None:
    """podman's storage and settings: the lab's own, so that nothing of the machine's podman is touched."""
    (STATE / "networks").mkdir(parents=True, exist_ok=True)
    sandboxed = machine.detect().sandbox
    temporary = "/run/freelance-podman" if sandboxed else str(RUN / "podman")
    (STATE / "storage.conf").write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{STATE}/storage"\nrunroot = "{temporary}/storage"\n'
    )
    files = int(run(["sh", "-c", "ulimit -Hn"]).stdout)
    lines = [
        "[containers]",
        "pids_limit = 0",
        f'default_ulimits = ["nofile={files}:{files}", "nproc={HOST_PROCESSES_MAX}:{HOST_PROCESSES_MAX}"]',
        'log_driver = "k8s-file"',
        "[engine]",
        'events_logger = "file"',
        # crun needs CAP_SYS_RESOURCE and refuses a hybrid cgroup tree.
        'runtime = "runc"',
        f'tmp_dir = "{temporary}/libpod"',
        *(['cgroup_manager = "cgroupfs"'] if sandboxed else []),
        "[network]",
        'network_backend = "netavark"',
        f'network_config_dir = "{STATE}/networks"',
    ]
    (STATE / "containers.conf").write_text("\n".join(lines) + "\n")


def podman_settings() -> list[str]:
    """The words in front of a podman command that make it use the lab's own storage and settings."""
    return [
        "env",
        "--unset=CONTAINER_HOST",
        f"CONTAINERS_STORAGE_CONF={STATE}/storage.conf",
        f"CONTAINERS_CONF={STATE}/containers.conf",
    ]


def inside(argv: list[str]) -> list[str]:
    """The same command where the hosts' podman lives: its settings, its namespaces, never the API socket."""
    pid = processes.running("sandbox-inner")
    if pid is None:
        return [*podman_settings(), *argv]
    procs = _cgroup() / "control" / "cgroup.procs"
    enter = ["nsenter", f"--target={pid}", "--mount", "--net", "--pid", "--cgroup", "--wd=/"]
    return ["sh", "-c", f'echo $$ > "{procs}" && exec "$@"', "sh", *enter, "--", *podman_settings(), *argv]


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
        *podman_settings(),
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
        listen = f"TCP-LISTEN:{APT_PORT},bind={address},freebind,fork,reuseaddr"
        processes.start(f"apt-{name}", ["socat", listen, f"UNIX-CONNECT:{aptcache.SOCKET}"], LOGS / f"apt-{name}.log")
    network.guard_plain()


def _start_podman() -> None:
    inner = processes.running("sandbox-inner")
    log = LOGS / ("podman.log" if inner is None else "sandbox.log")
    if inner is None:
        processes.start("podman", [*podman_settings(), *SERVICE], log)
    else:
        # Started by the sandbox's first process, which sees another number for it than we do.
        processes.wait_for(PODMAN_SOCKET, "sandbox", log)
        served = next(pid for pid in processes.children(inner) if processes.command_name(pid) == "podman")
        processes.record("podman", served)
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
