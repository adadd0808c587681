#!/usr/bin/python3
"""Inspect all volumes of a host, refuse what is foreign, then make, mount and grow what is declared."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: xfs_volumes
short_description: Volumes with an XFS filesystem, mounted for good
options:
  volumes: {type: list, elements: dict, required: true, description: Purpose, device, mount and size_gib of each.}
  owners: {type: dict, required: true, description: Owner of a volume's root by purpose.}
  mode: {type: str, required: true, description: Mode of a volume's root.}
  options: {type: list, elements: str, required: true, description: Mount options.}
"""
RETURN = """
differences: {type: list, description: What differed from the declaration, in words., returned: always}
has_programs: {type: bool, description: Whether xfsprogs is installed., returned: always}
"""

GIB = 1024**3
MIB = 1024**2
UNITS = Path("/etc/systemd/system")
# XFS leaves a rest at the end that is too small for an allocation group's first blocks.
GROWTH_MIN_BYTES = 16 * MIB
# MiB of a device without a signature that are read before it counts as empty: half a second on a slow disk.
BLANK_SAMPLES = 64
UNIT = """# Managed by the role data_volume: a change made here is undone by its next run.
[Unit]
Description=Volume for {purpose}
Before=local-fs.target

[Mount]
What={device}
Where={mount}
Type=xfs
Options={options}
TimeoutSec=60

[Install]
WantedBy=local-fs.target
"""


@dataclass(frozen=True)
class Volume:
    """A declared volume."""

    purpose: str
    device: str
    mount: str
    size_gib: int

    @property
    def label(self) -> str:
        """XFS allows 12 characters."""
        return f"p-{self.purpose}"

    @property
    def unit(self) -> str:
        """The mount unit's name, escaped as by systemd-escape --path."""
        path = self.mount.strip("/").replace("\\", "\\x5c").replace("-", "\\x2d")
        return path.replace("/", "-") + ".mount"


class Host:
    """The host as it is: devices, mounts, programs."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module

    def run(self, *words: str) -> str:
        """Run a program, fail with its own words."""
        status, out, err = self.module.run_command(list(words))
        if status:
            self.module.fail_json(msg=f"{' '.join(words)}: exit status {status}: {err.strip() or out.strip()}")
        return str(out)

    def mounts(self) -> list[tuple[str, str, set[str]]]:
        """Device number, mount point and options of each mount."""
        found = []
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            words = line.split()
            found.append((words[2], words[4].encode().decode("unicode_escape"), set(words[5].split(","))))
        return found

    def signatures(self, device: str) -> list[tuple[str, str]]:
        """Type and label of each signature of the device."""
        text = self.run("wipefs", "--no-act", "--json", "--output", "TYPE,LABEL", device)
        listed = json.loads(text).get("signatures", []) if text.strip() else []
        return [(item.get("type") or "unknown", item.get("label") or "") for item in listed]


def number(device: str) -> str:
    """Return major:minor of a block device."""
    rdev = Path(device).stat().st_rdev
    return f"{os.major(rdev)}:{os.minor(rdev)}"


def size_of(device: str) -> int:
    """Return the size in bytes."""
    with Path(device).open("rb") as file:
        return file.seek(0, os.SEEK_END)


def is_blank(device: str) -> bool:
    """Tell whether the first and the last MiB, and those sampled evenly between them, hold nothing but zeros."""
    last = size_of(device) - MIB
    with Path(device).open("rb") as file:
        for sample in range(BLANK_SAMPLES):
            file.seek(last * sample // (BLANK_SAMPLES - 1))
            if file.read(MIB).strip(b"\0"):
                return False
    return True


def problem_of(volume: Volume, host: Host) -> str | None:
    """Say why the volume must not be touched, None when it may be."""
    device = volume.device
    if not Path(device).is_block_device():
        return f"{device} is no block device of this host; attach the volume or correct its device"
    size = size_of(device)
    if size < volume.size_gib * GIB:
        return (
            f"{device} has {size / GIB:.2f} GiB, {volume.size_gib} GiB are declared for {volume.purpose}; "
            "enlarge the device or declare its real size"
        )
    places = [place for numbers, place, _ in host.mounts() if numbers == number(device)]
    if [place for place in places if place != volume.mount]:
        return f"{device} is mounted on {places[0]}, declared is {volume.mount}; unmount it or correct the declaration"
    return foreign_content(volume, host) or (None if places else hidden_files(volume, host))


def foreign_content(volume: Volume, host: Host) -> str | None:
    """Say what the device holds that is not ours."""
    device, found = volume.device, host.signatures(volume.device)
    if found and found != [("xfs", volume.label)]:
        listed = ", ".join(f"{kind} {label!r}" if label else kind for kind, label in found)
        return (
            f"{device} holds {listed}, allowed is an empty device or xfs {volume.label!r}; "
            f"if nobody needs what is on it: wipefs --all {device}"
        )
    if not found and not is_blank(device):
        return (
            f"{device} holds data that no known filesystem explains, allowed is an empty device; "
            f"if nobody needs it: blkdiscard --zeroout {device}"
        )
    return None


def hidden_files(volume: Volume, host: Host) -> str | None:
    """Say what the mount point holds that the volume would hide."""
    path = Path(volume.mount)
    others = [place for _, place, _ in host.mounts() if place == volume.mount]
    entries = sorted(entry.name for entry in path.iterdir()) if path.is_dir() else []
    if others or entries:
        what = "another filesystem" if others else f"{len(entries)} entries ({', '.join(entries[:3])})"
        return f"{volume.mount} holds {what}, which {volume.device} would hide; move that away"
    return None


class Maker:
    """Brings one volume to what is declared; in check mode it only says what it would do."""

    def __init__(self, host: Host, given: dict[str, Any]) -> None:
        self.host, self.given = host, given
        self.check_mode = host.module.check_mode
        self.differences: list[str] = []

    def differs(self, text: str) -> bool:
        """Note a difference; tells whether to mend it."""
        self.differences.append(text)
        return not self.check_mode

    def make(self, volume: Volume) -> None:
        """Do all of it, in the order in which it can be done."""
        if not self.host.signatures(volume.device) and self.differs(f"{volume.device}: no filesystem"):
            self.host.run("mkfs.xfs", "-q", "-L", volume.label, volume.device)
        self.unit(volume)
        mounted = [options for _, place, options in self.host.mounts() if place == volume.mount]
        if not mounted:
            if not self.differs(f"{volume.mount}: not mounted"):
                return
            # It belongs to root: while the volume is missing, no service can write where its data should be.
            Path(volume.mount).mkdir(mode=0o755, parents=True, exist_ok=True)
            self.host.run("systemctl", "start", volume.unit)
        elif not set(self.given["options"]) <= mounted[-1] and self.differs(f"{volume.mount}: mount options"):
            self.host.run("mount", "-o", ",".join(["remount", *self.given["options"]]), volume.mount)
        self.own(volume)
        self.grow(volume)

    def unit(self, volume: Volume) -> None:
        """The mount unit, enabled."""
        path, wanted = UNITS / volume.unit, UNITS / "local-fs.target.wants" / volume.unit
        options = ",".join(self.given["options"])
        text = UNIT.format(options=options, **vars(volume))
        if (not path.exists() or path.read_text() != text) and self.differs(f"{path}: content"):
            path.write_text(text)
            path.chmod(0o644)
            self.host.run("systemctl", "daemon-reload")
        if not wanted.is_symlink() and self.differs(f"{volume.unit}: not enabled"):
            self.host.run("systemctl", "enable", volume.unit)

    def own(self, volume: Volume) -> None:
        """Owner and mode of the root of the filesystem."""
        name, path = self.given["owners"][volume.purpose], Path(volume.mount)
        try:
            owner = pwd.getpwnam(name)
        except KeyError:
            if self.check_mode:  # looked at before the users are made
                self.differences.append(f"{volume.mount}: owner {name!r} is no user yet")
                return
            self.host.module.fail_json(
                msg=f"{volume.mount}: owner {name!r} is no user of this host; make the user first"
            )
            return
        mode, state = int(self.given["mode"], 8), path.stat()
        same = (state.st_uid, state.st_gid, state.st_mode & 0o7777) == (owner.pw_uid, owner.pw_gid, mode)
        if not same and self.differs(f"{volume.mount}: owner or mode"):
            os.chown(path, owner.pw_uid, owner.pw_gid)
            path.chmod(mode)

    def grow(self, volume: Volume) -> None:
        """Take the rest of a device that grew."""
        if shutil.which("xfs_growfs") is None:
            return
        geometry = self.host.run("xfs_growfs", "-n", volume.mount)
        data = re.search(r"^data\s+=\s+bsize=(\d+)\s+blocks=(\d+)", geometry, re.MULTILINE)
        if data is None:
            self.host.module.fail_json(msg=f"{volume.mount}: xfs_growfs -n printed no geometry: {geometry}")
            return
        rest = size_of(volume.device) - int(data[1]) * int(data[2])
        if rest >= GROWTH_MIN_BYTES and self.differs(f"{volume.mount}: {rest / GIB:.2f} GiB of the device unused"):
            self.host.run("xfs_growfs", "-d", volume.mount)


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "volumes": {"type": "list", "elements": "dict", "required": True},
            "owners": {"type": "dict", "required": True},
            "mode": {"type": "str", "required": True},
            "options": {"type": "list", "elements": "str", "required": True},
        },
        supports_check_mode=True,
    )
    host, given = Host(module), module.params
    names = ("purpose", "device", "mount", "size_gib")
    volumes = [Volume(**{name: item[name] for name in names}) for item in given["volumes"]]
    problems = [problem for problem in (problem_of(volume, host) for volume in volumes) if problem]
    if problems:
        module.fail_json(msg="nothing was changed: " + "; ".join(problems))
    maker = Maker(host, given)
    for volume in volumes:
        maker.make(volume)
    module.exit_json(
        changed=bool(maker.differences),
        differences=maker.differences,
        has_programs=shutil.which("mkfs.xfs") is not None,
    )


if __name__ == "__main__":
    main()
