"""The apt cache: apt-cacher-ng on the machine's loopback and a socket file that leads to it."""

import fcntl
import socket
from pathlib import Path

from lab import processes
from lab.errors import LabError
from lab.paths import APT_CACHE_PORT, CACHE, LOGS, RUN
from lab.shell import run

SOCKET = RUN / "apt.sock"


def up() -> None:
    """Start what is not running yet. Several callers may ask at once."""
    RUN.mkdir(mode=0o755, exist_ok=True)
    with (RUN / "apt.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if processes.running("apt-cache") is None:
            refuse_taken_port()
            processes.start("apt-cache", ["apt-cacher-ng", "-c", _config(), "ForeGround=1"], LOGS / "apt-cache.log")
        if processes.running("apt-forward") is None:
            SOCKET.unlink(missing_ok=True)
            log = LOGS / "apt-forward.log"
            forward = ["socat", f"UNIX-LISTEN:{SOCKET},fork", f"TCP:127.0.0.1:{APT_CACHE_PORT}"]
            processes.start("apt-forward", forward, log)
            processes.wait_for(SOCKET, "apt-forward", log)


def down() -> None:
    """End both processes; what was downloaded stays."""
    processes.end("apt-forward")
    processes.end("apt-cache")
    SOCKET.unlink(missing_ok=True)


def _config() -> Path:
    folder = CACHE / "apt"
    for name in ("cache", "config", "log"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    # A machine whose own apt goes through a proxy has no other way out.
    proxy = run(["apt-config", "dump", "--format", "%v", "Acquire::http::Proxy"]).stdout.strip()
    (folder / "config" / "acng.conf").write_text(
        f"CacheDir: {folder}/cache\n"
        f"LogDir: {folder}/log\n"
        "SupportDir: /usr/lib/apt-cacher-ng\n"
        f"Port: {APT_CACHE_PORT}\n"
        "BindAddress: 127.0.0.1\n" + (f"Proxy: {proxy}\n" if proxy.startswith("http") else "")
    )
    return folder / "config"


def refuse_taken_port() -> None:
    """LabError when another program listens where the apt cache would."""
    if processes.running("apt-cache") is not None:
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", APT_CACHE_PORT))
        except OSError as error:
            raise LabError(
                f"port 127.0.0.1:{APT_CACHE_PORT} is taken by another program and the lab's apt cache needs it: "
                f"find it with `ss -ltnp 'sport = :{APT_CACHE_PORT}'`, stop it, then `make up`"
            ) from error
