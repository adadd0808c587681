"""etcd: what Patroni keeps there is shown to nobody without a password, and its members are the declared ones."""

import json
import shlex
import subprocess
from types import SimpleNamespace

from tests.host.environment import Environment
from tests.host.plan import ETCD

SECONDS_MAX = 30


def test_nobody_reads_without_a_password(etcd_host: SimpleNamespace) -> None:
    assert "user name is empty" in etcd_host.commands["etcd_keys"]


def test_its_members_are_the_declared_ones_and_each_has_joined(environment: Environment) -> None:
    names = environment.hosts("etcd")
    contracts = {name: environment.declared(name)["platform_host"] for name in names}
    # By standard input: a password in an argument would be shown to every user of the host.
    ask = shlex.join([*ETCD, "member", "list", "-w", "json"])
    ask = f"read -r ETCDCTL_PASSWORD; export ETCDCTL_PASSWORD ETCDCTL_USER=root; {ask}"
    done = subprocess.run(
        [*environment.ssh(names[0]), "sudo", "sh", "-c", shlex.quote(ask)],
        input=f"{environment.secret('etcd_root_password')}\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS_MAX,
    )
    assert done.returncode == 0, done.stderr
    members = json.loads(done.stdout)["members"]
    assert {member.get("name", "not started"): member["peerURLs"] for member in members} == {
        name: [f"https://{contract['address']}:2380"] for name, contract in contracts.items()
    }
    assert [member["name"] for member in members if member.get("isLearner")] == []
