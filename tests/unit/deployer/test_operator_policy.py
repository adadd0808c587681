"""Who runs the playbooks may do all that these call, for one stack, and changes no resource."""

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from deployer import playbooks
from deployer.__main__ import OPERATOR, for_operator
from deployer.scope import scope_of
from dry_run import Declaration
from infra.ports import SSH

from tests.unit.deployer.evaluation import allows

ROOT = Path(__file__).parents[3]
ACCOUNT, REGION, PROJECT = "123456789012", "eu-central-1", "freelance-platform"
STATE = f"arn:aws:s3:::{PROJECT}-state-{ACCOUNT}"
VALUES = "ansible/plugins/modules/platform_secret_value.py"
# Each file that asks AWS for something, or starts what does. A further one needs a test here, and perhaps an action.
CALLERS = {
    "ansible/plugins/filter/connection_card.py",  # prints a command that reads a secret
    "ansible/plugins/lookup/aws_cli_problems.py",  # asks the AWS CLI for its version alone
    "ansible/plugins/lookup/platform_secret.py",
    "ansible/plugins/module_utils/aws_refusal.py",  # reads errors
    VALUES,
    "inventories/production_by_tags/aws_ec2.yml",
}
ASKS_AWS = re.compile(r"\bamazon\.aws\.|\bboto3\b|\bbotocore\b|open-tunnel|\baws (ec2|s3|kms|secretsmanager)\b")


@pytest.fixture(scope="module")
def operator() -> list[dict[str, Any]]:
    (text,) = for_operator("production").values()
    return list(json.loads(text)["Statement"])


def context(environment: str = "production", **more: str) -> dict[str, str]:
    tags = {"aws:ResourceTag/Project": PROJECT, "aws:ResourceTag/Environment": environment}
    return {"aws:RequestedRegion": REGION, **tags, **more}


def secret(environment: str) -> str:
    return f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{PROJECT}/{environment}/monitor_password-AbCdEf"


def test_no_other_file_asks_aws_for_anything() -> None:
    folders = [ROOT / name for name in ("ansible", "roles", "inventories")]
    files = [path for folder in folders for path in folder.rglob("*") if path.suffix in (".yml", ".py", ".j2", ".sh")]
    found = {str(path.relative_to(ROOT)) for path in files if ASKS_AWS.search(path.read_text(encoding="utf-8"))}
    assert found == CALLERS


def test_secrets_of_the_stack_are_read_and_filled_and_no_others(operator: list[dict[str, Any]]) -> None:
    nodes = ast.walk(ast.parse((ROOT / VALUES).read_text(encoding="utf-8")))
    called = [node.func for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    calls = {function.attr for function in called if ast.unparse(function.value) == "client"}
    assert "put_secret_value" in calls
    # The lookup amazon.aws.secretsmanager_secret calls one of them too: get_secret_value.
    for call in calls | {"get_secret_value"}:
        action = f"secretsmanager:{call.title().replace('_', '')}"
        assert allows(operator, action, secret("production")), action
        assert not allows(operator, action, secret("staging")), action
    key, service = (
        f"arn:aws:kms:{REGION}:{ACCOUNT}:key/one",
        {"kms:ViaService": f"secretsmanager.{REGION}.amazonaws.com"},
    )
    for action in ("kms:Decrypt", "kms:GenerateDataKey"):
        assert allows(operator, action, key, context(**service))
        assert not allows(operator, action, key, context("staging", **service))
        assert not allows(operator, action, key, context())


def test_the_inventory_by_tags_finds_hosts(operator: list[dict[str, Any]]) -> None:
    given = yaml.safe_load((ROOT / "inventories/production_by_tags/aws_ec2.yml").read_text(encoding="utf-8"))
    assert given["plugin"] == "amazon.aws.aws_ec2"
    assert not {"use_ssm_inventory", "route53_enabled"} & set(given)  # each would ask another service
    for region in given["regions"]:  # without any, it would ask which there are
        assert allows(operator, "ec2:DescribeInstances", "*", {"aws:RequestedRegion": region})


def test_the_inventory_by_contract_reads_the_stacks_record_and_no_other(operator: list[dict[str, Any]]) -> None:
    assert allows(operator, "s3:ListBucket", STATE)
    for path in (".pulumi/meta.yaml", f".pulumi/stacks/{PROJECT}/production.json"):
        assert allows(operator, "s3:GetObject", f"{STATE}/{path}")
        assert not allows(operator, "s3:PutObject", f"{STATE}/{path}")
    assert not allows(operator, "s3:GetObject", f"{STATE}/.pulumi/stacks/{PROJECT}/staging.json")
    aliases = {"kms:ResourceAliases": (f"alias/{PROJECT}-state",)}
    assert allows(operator, "kms:Decrypt", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/state", aliases)


def test_hosts_are_reached_by_ssh_alone_and_their_keys_are_read(operator: list[dict[str, Any]]) -> None:
    endpoint = f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance-connect-endpoint/eice-1"
    instance = f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/i-1"
    port = "ec2-instance-connect:remotePort"

    def tunnel(environment: str, number: int) -> bool:
        action = "ec2-instance-connect:OpenTunnel"
        return allows(operator, action, endpoint, context(environment, **{port: str(number)}))

    assert tunnel("production", SSH)
    assert not tunnel("production", 5432)
    assert not tunnel("staging", SSH)
    assert allows(operator, "ec2:GetConsoleOutput", instance, context())
    assert not allows(operator, "ec2:GetConsoleOutput", instance, context("staging"))


def test_a_stack_without_an_endpoint_opens_no_tunnel(stacks: dict[str, Declaration]) -> None:
    for name, declared in stacks.items():
        made = {action for s in playbooks.statements(scope_of(declared)) for action in s["Action"]}
        assert ("ec2-instance-connect:OpenTunnel" in made) == (name != "production-cn")


def test_nothing_is_changed_but_values_of_secrets(operator: list[dict[str, Any]]) -> None:
    actions = {action for statement in operator for action in statement["Action"]}
    reads = {action for action in actions if action.split(":")[1].startswith(("Decrypt", "Describe", "Get", "List"))}
    assert actions - reads == {
        "ec2-instance-connect:OpenTunnel",
        "kms:GenerateDataKey",
        "secretsmanager:PutSecretValue",
    }


@pytest.mark.parametrize("page", ["aws.md", "aws.zh-CN.md"])
def test_the_guide_names_the_file(page: str) -> None:
    assert f"docs/{OPERATOR}.json" in (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert list(for_operator("production")) == [f"{OPERATOR}.json"]
