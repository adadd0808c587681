"""The hosts' images: Debian made by mmdebstrap, and a layer with the platform's packages downloaded into it.

Both are built once: the first is a tar file in the user's cache, named by the hash of its recipe; each image in
podman's storage carries its hash as a label, so a changed recipe is seen.
"""

import hashlib
import os
import time
from pathlib import Path

from lab import podman, processes
from lab.errors import LabError
from lab.mirrors import debian_sources
from lab.paths import APT_CACHE_PORT, APT_PORT, CACHE, IMAGE_HOST, IMAGE_PACKAGES, NETWORKS, SUITE
from lab.sandbox import inside
from lab.shell import as_root, run

RECIPE = Path(__file__).with_name("image")
LABEL = "freelance.recipe"
BUILD_TIMEOUT_S = 900.0
# Clones at other commits may need their version of the image again.
KEPT = 3
# What both images run, and how they are told to stop (systemd's manual: SIGRTMIN+3 halts).
INIT = ('CMD ["/usr/local/sbin/lab-init"]', "STOPSIGNAL SIGRTMIN+3")
# An image in the making; the number before it is its builder's process.
PARTIAL = ".part"
RETRIES = 3


def names(file: str) -> list[str]:
    """Package names of a list in the recipe."""
    lines = (RECIPE / file).read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def recipe_hash(*, packages: bool = False) -> str:
    """Hash of everything that decides what the image holds, the mirror's state apart."""
    digest = hashlib.sha256(" ".join([SUITE, *INIT]).encode())
    for path in sorted(RECIPE.rglob("*")):
        if path.is_file() and (packages or path.name != "platform_packages.txt"):
            digest.update(f"{path.relative_to(RECIPE)} {path.stat().st_mode & 0o111:o}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def tar_path() -> Path:
    """Where the host image's tar file lies once it is built."""
    return CACHE / "images" / f"{SUITE}-{recipe_hash()}.tar"


def build() -> Path:
    """Build the host image's tar file unless it is there. Needs root and the apt cache."""
    target = tar_path()
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(f".{os.getpid()}{PARTIAL}")
    sources = target.with_suffix(".list")
    sources.write_text("".join(f"{line}\n" for line in debian_sources()))
    options = [
        "--format=tar",
        "--variant=minbase",
        f'--aptopt=Acquire::Retries "{RETRIES}"',
        '--aptopt=Acquire::Languages "none"',
        '--aptopt=Acquire::Check-Valid-Until "false"',
        f'--aptopt=Acquire::http::Proxy "http://127.0.0.1:{APT_CACHE_PORT}"',
        "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/doc/*",
        f"--include={','.join(names('host_packages.txt'))}",
        "--customize-hook=./customize.sh",
    ]
    command = ["mmdebstrap", "--quiet", *options, SUITE, str(partial), str(sources)]
    try:
        done = run(as_root(command), check=False, timeout=BUILD_TIMEOUT_S, cwd=RECIPE)
        if done.returncode:
            raise LabError(
                f"mmdebstrap can't build the host image: {done.stderr.strip()}\nIs the package archive reachable "
                f"({sources.read_text().split()[1]})? What was downloaded is kept; `make up` tries again"
            )
        partial.rename(target)
    finally:
        partial.unlink(missing_ok=True)
    tidy(target.parent)
    return target


def tidy(folder: Path) -> None:
    """Remove all but the newest images, and what builds that were killed left; never what another build is at."""
    for left in folder.glob(f"*{PARTIAL}"):
        if processes.start_time(int(left.stem.rpartition(".")[2])) is None:
            left.unlink(missing_ok=True)
    for old in sorted(folder.glob("*.tar"), key=lambda path: path.stat().st_mtime)[:-KEPT]:
        old.unlink(missing_ok=True)
        old.with_suffix(".list").unlink(missing_ok=True)


def import_host_image() -> bool:
    """Put the tar file into podman's storage. True when it was not there in this version."""
    wanted = recipe_hash()
    if podman.image_label(IMAGE_HOST, LABEL) == wanted:
        return False
    changes = [*INIT, f"LABEL {LABEL}={wanted}"]
    options = [word for change in changes for word in ("--change", change)]
    run(as_root(inside(["podman", "import", "--quiet", *options, str(build()), IMAGE_HOST])), timeout=BUILD_TIMEOUT_S)
    return True


def build_packages_layer() -> bool:
    """The host image plus the platform's packages in apt's archive. True when it had to be made."""
    wanted = recipe_hash(packages=True)
    if podman.image_label(IMAGE_PACKAGES, LABEL) == wanted:
        return False
    import_host_image()
    podman.ensure_network("molecule", NETWORKS["molecule"])
    name = f"packages-{time.monotonic_ns()}"
    proxy = f"http://{NETWORKS['molecule'][1]}:{APT_PORT}"
    script = (
        f"set -eu; export DEBIAN_FRONTEND=noninteractive http_proxy={proxy}; o='-q -o Acquire::Retries={RETRIES}'\n"
        f"apt-get $o update\napt-get $o install --yes --download-only {' '.join(names('platform_packages.txt'))}\n"
    )
    try:
        done = podman.podman(
            "run", "--name", name, "--label", f"{podman.LABEL}=molecule", "--network", "molecule", "--no-hosts",
            "--dns=none", "--security-opt", "seccomp=unconfined", IMAGE_HOST, "sh", "-c", script,
            check=False, timeout=BUILD_TIMEOUT_S,
        )  # fmt: skip
        if done.returncode:
            raise LabError(
                f"apt can't download the platform's packages after {RETRIES} tries: {done.stderr.strip()}\nIs the "
                f"package archive reachable ({debian_sources()[0].split()[1]})? The same command tries again, and what "
                "was downloaded is kept"
            )
        changes = [*INIT, f"LABEL {LABEL}={wanted}"]
        options = [word for change in changes for word in ("--change", change)]
        podman.podman("commit", "--quiet", *options, name, IMAGE_PACKAGES, timeout=BUILD_TIMEOUT_S)
    finally:
        podman.podman("rm", "--force", "--ignore", name)
    podman.podman("image", "prune", "--force")  # versions that no host and no name refers to
    return True
