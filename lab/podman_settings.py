"""podman's storage and settings for the lab: files in the clone's own folder, named by two variables."""

from lab import machine
from lab.paths import RUN, STATE
from lab.shell import run

# Processes in all hosts together; PostgreSQL alone starts hundreds.
HOST_PROCESSES_MAX = 20_000


def write() -> None:
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


def words() -> list[str]:
    """The words in front of a podman command that make it use the lab's own storage and settings."""
    return [
        "env",
        "--unset=CONTAINER_HOST",
        f"CONTAINERS_STORAGE_CONF={STATE}/storage.conf",
        f"CONTAINERS_CONF={STATE}/containers.conf",
    ]
