"""The Debian mirror that the machine's own apt uses, in the form in which hosts can use it."""

from pathlib import Path

from lab.errors import LabError
from lab.paths import SUITE
from lab.shell import run

# Debian's cloud images name a file with mirrors, which hosts don't have (apt-transport-mirror(1)).
MIRROR_FILE = "mirror+file:"


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
    main, security = through_cache(first_mirror(main)), through_cache(first_mirror(security))
    return [
        f"deb {main} {SUITE} main",
        f"deb {main} {SUITE}-updates main",
        f"deb {security} {SUITE}-security main",
    ]


def first_mirror(uri: str) -> str:
    """The URL itself; of a file with mirrors its first one. LabError when that has none."""
    if not uri.startswith(MIRROR_FILE):
        return uri
    path = Path("/" + uri.removeprefix(MIRROR_FILE).strip("/"))
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise LabError(f"apt's sources name {path}, which can't be read ({error.strerror}): mend them") from error
    mirrors = [line.split()[0] for line in lines if line.split() and not line.lstrip().startswith("#")]
    usable = [mirror for mirror in mirrors if mirror.startswith(("http://", "https://"))]
    if not usable:
        raise LabError(
            f"apt's sources name {path}, and no line of it is an http or https mirror for the hosts: add one"
        )
    return usable[0].rstrip("/") + "/"


def through_cache(uri: str) -> str:
    """The form in which apt-cacher-ng fetches an https mirror; an http one stays as it is."""
    return uri.replace("https://", "http://HTTPS///", 1)
