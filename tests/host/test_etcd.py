"""etcd: what Patroni keeps there is shown to nobody without a password."""

from types import SimpleNamespace


def test_nobody_reads_without_a_password(etcd_host: SimpleNamespace) -> None:
    assert "user name is empty" in etcd_host.commands["etcd_keys"]
