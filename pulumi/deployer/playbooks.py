"""What who runs the playbooks needs: the stack's outputs, its hosts and the values of its secrets.

It changes no resource, and pulumi stays the deployer's.
"""

from collections.abc import Iterator

from infra.ports import SSH

from deployer import state
from deployer.policies import Statement, allow
from deployer.scope import Scope


def statements(scope: Scope) -> Iterator[Statement]:
    """Yield the statements in the order in which a first run needs them."""
    secrets = [scope.arn("secretsmanager", f"secret:{name}", scope.region) for name in scope.secrets]
    through = {"kms:ViaService": scope.host("secretsmanager")}
    yield from state.read(scope)
    yield allow("FindHosts", {"ec2:DescribeInstances"}, ["*"], {"StringEquals": scope.here})
    yield allow("ReadKeysOfHosts", {"ec2:GetConsoleOutput"}, ["*"], {"StringEquals": scope.here | scope.owned})
    if scope.tunnel:
        yield allow(
            "ReachHosts",
            {"ec2-instance-connect:OpenTunnel"},
            ["*"],
            {"NumericEquals": {"ec2-instance-connect:remotePort": str(SSH)}, "StringEquals": scope.here | scope.owned},
        )
    # The lookup platform_secret reads, the module platform_secret_value writes what has no value yet.
    values = {f"secretsmanager:{action}" for action in ("DescribeSecret", "GetSecretValue", "PutSecretValue")}
    yield allow("UseSecrets", values, secrets)
    key = {"kms:Decrypt", "kms:GenerateDataKey"}
    yield allow("UseKeyOfSecrets", key, ["*"], {"StringEquals": scope.owned | through})
