"""Debian packages that the lab, and its tests, need on the machine itself."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from lab.errors import LabError
from lab.paths import CACHE
from lab.shell import as_root, run

PACKAGES = (
    "apt-cacher-ng",
    "ca-certificates",
    "conmon",
    "git",
    "iproute2",
    "iptables",
    "mmdebstrap",
    "netavark",
    "nftables",
    "openssh-client",
    "podman",
    "postgresql-client",
    "procps",
    "python3-venv",
    "runc",
    "socat",
    "util-linux",
)
# What clients use that tests play: a JDBC driver and Java to start it.
TEST_PACKAGES = ("default-jdk-headless", "libpostgresql-jdbc-java")
INSTALL_TIMEOUT_S = 900.0
# A machine that was just made may run its daily upgrade.
LOCK_TIMEOUT_S = 300
RETRIES = 3
# Its package starts a service for the whole network; the lab runs its own on loopback.
SERVICE = "apt-cacher-ng.service"
# There from before we install that package until its service is off, also when we are killed in between. A machine
# that had the package keeps its service: somebody else's.
SERVICE_MARK = CACHE / "apt-cacher-ng-service-to-disable"
SYSTEMD = Path("/run/systemd/system")


def missing(wanted: Sequence[str]) -> list[str]:
    """Those that are not installed."""
    answer = run(["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n", *wanted], check=False)
    installed = {
        name
        for name, _, status in (line.partition(" ") for line in answer.stdout.splitlines())
        if status == "installed"
    }
    return [name for name in wanted if name not in installed]


def ensure(wanted: Sequence[str] = PACKAGES) -> list[str]:
    """Install what is missing; the names. apt tries each download again before it gives up."""
    absent = missing(wanted)
    if not absent:
        _disable_service()
        return []
    if "apt-cacher-ng" in absent:
        SERVICE_MARK.parent.mkdir(parents=True, exist_ok=True)
        SERVICE_MARK.touch()
    settings = (f"Acquire::Retries={RETRIES}", f"DPkg::Lock::Timeout={LOCK_TIMEOUT_S}")
    options = [word for setting in settings for word in ("--option", setting)]
    quiet = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet", *options]
    update = run(as_root([*quiet, "update"]), check=False, timeout=INSTALL_TIMEOUT_S)
    install = run(
        as_root([*quiet, "install", "--yes", "--no-install-recommends", *absent]),
        check=False,
        timeout=INSTALL_TIMEOUT_S,
    )
    if install.returncode:
        raise LabError(
            f"apt can't install {', '.join(absent)} after {RETRIES} tries: {(update.stderr + install.stderr).strip()}\n"
            "Is the package archive of /etc/apt/sources.list.d reachable? Try `apt-get update`, then `make up` goes on"
        )
    _disable_service()
    return absent


def _disable_service() -> None:
    if not SERVICE_MARK.exists():
        return
    if shutil.which("systemctl"):
        now = ["--now"] if SYSTEMD.is_dir() else []
        run(as_root(["systemctl", "disable", *now, SERVICE]))
    SERVICE_MARK.unlink()
