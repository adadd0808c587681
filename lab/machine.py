"""What kind of machine this is: whether plain podman is enough or the sandbox is needed."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Machine:
    """`sandbox`: hosts run in private namespaces; `reason` says why (not)."""

    sandbox: bool
    reason: str


def detect(mounts: str | None = None, systemd_folder: Path = Path("/run/systemd/system")) -> Machine:
    """Judge by the mount table and by systemd's own mark (sd_booted(3))."""
    table = Path("/proc/self/mounts").read_text() if mounts is None else mounts
    kinds = {line.split()[1]: line.split()[2] for line in table.splitlines() if line}
    plain = kinds.get("/sys/fs/cgroup") == "cgroup2"
    systemd = systemd_folder.is_dir()
    if systemd and plain:
        return Machine(sandbox=False, reason="systemd and a plain cgroup2 tree: hosts run on the machine's own podman")
    missing = " and ".join(
        text for text, there in (("no systemd", systemd), ("no plain cgroup2 tree", plain)) if not there
    )
    return Machine(sandbox=True, reason=f"{missing}: hosts run in a private sandbox")


def cgroup2_mount(mounts: str | None = None) -> Path | None:
    """Where this machine has its cgroup2 tree, if anywhere."""
    table = Path("/proc/self/mounts").read_text() if mounts is None else mounts
    for line in table.splitlines():
        _, target, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(target)
    return None
