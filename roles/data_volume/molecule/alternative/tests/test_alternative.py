import pytest


@pytest.mark.parametrize(("mount", "owner"), [("/srv/proof", "backup"), ("/srv/proof-wal", "www-data")])
def test_each_volume_has_its_own_owner_mode_and_options(host, mount, owner):
    root = host.file(mount)
    assert (root.user, root.group, root.mode) == (owner, owner, 0o750)
    assert {"noatime", "noexec"} <= set(host.mount_point(mount).options)


def test_each_volume_has_its_own_space(host):
    devices = {host.mount_point(mount).device for mount in ("/srv/proof", "/srv/proof-wal")}
    assert len(devices) == 2


def test_a_program_on_the_volume_can_not_be_run(host):
    refused = host.run("cp /bin/true /srv/proof/true && /srv/proof/true")
    assert "Permission denied" in refused.stderr
