"""The hosts' images: Debian made by mmdebstrap, and a layer with the platform's packages downloaded into it.

Both are built once: the first is a tar file in the user's cache, named by the hash of its recipe; each image in
podman's storage carries its hash as a label, so a changed recipe is seen.
"""

import hashlib
import os
import time
from pathlib import Path

from lab import podman
from lab.errors import LabError
from lab.paths import APT_CACHE_PORT, APT_PORT, CACHE, IMAGE_HOST, IMAGE_PACKAGES, NETWORKS, SUITE
from lab.sandbox import inside
from lab.shell import as_root, run

RECIPE = Path(__file__).with_name("image")
LABEL = "freelance.recipe"
BUILD_TIMEOUT_S = 900.0
# Clones at other commits may need their version of the image again.
KEPT = 3
RETRIES = 3


def names(file: str) -> list[str]:
    """Package names of a list in the recipe."""
    lines = (RECIPE / file).read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def recipe_hash(*, packages: bool = False) -> str:
    """Hash of everything that decides what the image holds, the mirror's state apart."""
    digest = hashlib.sha256(SUITE.encode())
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
    partial = target.with_suffix(f".{os.getpid()}.tar")
    sources = target.with_suffix(".list")
    sources.write_text("".join(f"{line}\n" for line in debian_sources()))
    options = [
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
    for old in sorted(target.parent.glob("*.tar"), key=lambda path: path.stat().st_mtime)[:-KEPT]:
        old.unlink()
        old.with_suffix(".list").unlink(missing_ok=True)
    return target


def debian_sources() -> list[str]:
    """One-line sources of the hosts, on the mirror that the machine's own apt uses."""
    listing = run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(ORIGIN) $(LABEL)", "Created-By: Packages"]
    ).stdout
    main = security = None
    for line in listing.splitlines():
        uri, _, origin, label, *_ = [*line.split(), "", "", ""]
        if origin == "Debian" and label == "Debian":
            main = main or uri
        elif origin == "Debian" and label == "Debian-Security":
            security = security or uri
    if main is None or security is None:
        raise LabError(
            "this machine's apt knows no Debian main and security archive, whose mirror the hosts would use: "
            "add them to /etc/apt/sources.list.d, run `apt-get update`, then `make up`"
        )
    main, security = through_cache(main), through_cache(security)
    return [
        f"deb {main} {SUITE} main",
        f"deb {main} {SUITE}-updates main",
        f"deb {security} {SUITE}-security main",
    ]


def through_cache(uri: str) -> str:
    """The form in which apt-cacher-ng fetches an https mirror; an http one stays as it is."""
    return uri.replace("https://", "http://HTTPS///", 1)


def import_host_image() -> bool:
    """Put the tar file into podman's storage. True when it was not there in this version."""
    wanted = recipe_hash()
    if podman.image_label(IMAGE_HOST, LABEL) == wanted:
        return False
    changes = ['CMD ["/lib/systemd/systemd"]', "STOPSIGNAL SIGRTMIN+3", f"LABEL {LABEL}={wanted}"]
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
        podman.podman(
            "run", "--name", name, "--label", f"{podman.LABEL}=molecule", "--network", "molecule", "--no-hosts",
            "--dns=none", "--security-opt", "seccomp=unconfined", IMAGE_HOST, "sh", "-c", script,
            timeout=BUILD_TIMEOUT_S,
        )  # fmt: skip
        changes = ['CMD ["/lib/systemd/systemd"]', "STOPSIGNAL SIGRTMIN+3", f"LABEL {LABEL}={wanted}"]
        options = [word for change in changes for word in ("--change", change)]
        podman.podman("commit", "--quiet", *options, name, IMAGE_PACKAGES, timeout=BUILD_TIMEOUT_S)
    finally:
        podman.podman("rm", "--force", "--ignore", name)
    podman.podman("image", "prune", "--force")  # versions that no host and no name refers to
    return True
