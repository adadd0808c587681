import json
import subprocess
from pathlib import Path

import pytest

MOUNT = "/var/lib/proof-data"
DEVICE = "/dev/lab/data-volume-default-1-data"
SPARE = "/dev/lab/data-volume-default-1-spare"
# One entry of a partition table (type 83, from sector 2048), the three empty ones and the table's signature.
PARTITION = (
    r"\0000\0000\0000\0000\0203\0000\0000\0000\0000\0010\0000\0000\0000\0020\0000\0000" + r"\0000" * 48 + r"\0125\0252"
)


def play(host, device, *, mount="/mnt/spare", size_gib=1, purpose="spare", check=False):  # noqa: PLR0913  one per fact
    """Run the role's own module on the host, with one volume declared."""
    given = {
        "volumes": [{"purpose": purpose, "device": device, "mount": mount, "size_gib": size_gib}],
        "owners": {purpose: "backup"},
        "mode": "0700",
        "options": ["noatime", "nodev", "nosuid"],
    }
    return host.ansible("xfs_volumes", json.dumps(given), check=check, become=True)


def snapshot(host, device):
    return host.check_output(f"sha256sum < {device}; ls /mnt; ls /etc/systemd/system")


def test_the_volume_is_mounted_as_xfs(host):
    mount = host.mount_point(MOUNT)
    assert (mount.exists, mount.filesystem) == (True, "xfs")
    assert {"noatime", "nodev", "nosuid"} <= set(mount.options)


def test_the_root_belongs_to_the_declared_user(host):
    root = host.file(MOUNT)
    assert (root.user, root.group, root.mode) == ("backup", "backup", 0o700)


def test_the_label_names_the_purpose(host):
    assert host.check_output(f"blkid --probe -s LABEL -o value {DEVICE}") == "p-data"


def test_the_mount_survives_a_reboot(host):
    unit = host.check_output(f"systemd-escape --path --suffix=mount {MOUNT}")
    assert host.service(unit).is_enabled
    host.check_output(f"systemctl stop '{unit}'")
    assert not host.mount_point(MOUNT).exists
    host.check_output("systemctl start local-fs.target")
    assert host.mount_point(MOUNT).exists


def test_a_full_volume_does_not_fill_the_machine(host):
    written = host.run(f"dd if=/dev/zero of={MOUNT}/full bs=1M count=3000")
    host.run(f"rm {MOUNT}/full")
    assert "No space left" in written.stderr


@pytest.mark.parametrize(
    ("command", "word"),
    [
        (f"mkswap {SPARE}", "swap"),
        (f"mkfs.xfs -q -f -L other {SPARE}", "xfs 'other'"),
        (f"printf %b '{PARTITION}' | dd of={SPARE} bs=1 seek=446 conv=notrunc", "dos"),
        (f"dd if=/dev/urandom of={SPARE} bs=1M count=1 conv=notrunc", "no known filesystem"),
    ],
)
def test_a_disk_with_something_foreign_is_refused_and_left_alone(host, command, word):
    host.check_output(command)
    before = snapshot(host, SPARE)
    answer = play(host, SPARE)
    assert "nothing was changed" in answer["msg"]
    assert word in answer["msg"]
    assert "if nobody needs" in answer["msg"]
    assert snapshot(host, SPARE) == before
    host.check_output(f"wipefs -qa {SPARE} && dd if=/dev/zero of={SPARE} bs=1M count=4 && blkdiscard {SPARE}")


def test_a_disk_smaller_than_declared_is_refused(host):
    answer = play(host, SPARE, size_gib=5)
    assert "nothing was changed" in answer["msg"]
    assert "1.00 GiB, 5 GiB are declared" in answer["msg"]


def test_a_device_that_is_missing_is_refused(host):
    assert "no block device" in play(host, "/dev/lab/none")["msg"]


def test_a_device_mounted_elsewhere_is_refused(host):
    assert f"mounted on {MOUNT}" in play(host, DEVICE, purpose="data", mount="/mnt/data", size_gib=2)["msg"]


def test_files_that_the_volume_would_hide_are_named(host):
    host.check_output("mkdir -p /mnt/spare && touch /mnt/spare/precious")
    assert "precious" in play(host, SPARE)["msg"]
    host.check_output("rm -r /mnt/spare")


def test_what_was_altered_behind_its_back_is_mended(host):
    host.check_output(f"chmod 755 {MOUNT}; mount -o remount,atime,suid {MOUNT}")
    unit = "/etc/systemd/system/var-lib-proof\\\\x2ddata.mount"
    host.check_output(f"rm /etc/systemd/system/local-fs.target.wants/var-lib-proof*; echo '# x' >> {unit}")
    found = play(host, DEVICE, purpose="data", mount=MOUNT, size_gib=2, check=True)
    assert len(found["differences"]) == 4, found
    play(host, DEVICE, purpose="data", mount=MOUNT, size_gib=2)
    assert play(host, DEVICE, purpose="data", mount=MOUNT, size_gib=2)["differences"] == []
    assert host.file(MOUNT).mode == 0o700


def test_a_device_that_grew_is_used_whole_while_it_is_in_use(host):
    before = int(host.check_output(f"stat -f -c %b {MOUNT}"))
    lab = Path(__file__).parents[5] / "lab/run"
    volumes = ["--volume", "data=3", "--volume", "spare=1"]
    name = ["--network", "molecule", "--name", "data-volume-default-1"]
    subprocess.run([lab, "hosts", "create", *name, *volumes], check=True, capture_output=True)
    play(host, DEVICE, purpose="data", mount=MOUNT, size_gib=3)
    assert int(host.check_output(f"stat -f -c %b {MOUNT}")) > 1.4 * before
