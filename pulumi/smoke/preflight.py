"""What must be so before anything is made. Each problem names its remedy; nothing in the account is changed here."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from smoke import record
from smoke.commands import Run, StepError, answer, must
from smoke.settings import NAME

AWS_CLI_MIN = (2, 12)  # Source: AWS CLI changelog 2.12.0, `ec2-instance-connect open-tunnel`
TOOLS = ("pulumi", "aws", "ansible")


@dataclass(frozen=True, kw_only=True)
class Account:
    """Whose account it is and who asks."""

    id: str
    arn: str


def check_tools(run: Run) -> None:
    """Refuse a missing program and an old AWS CLI."""
    for tool in TOOLS:
        argv = [tool, "version"] if tool == "pulumi" else [tool, "--version"]
        done = run(argv)
        if done.status:
            raise StepError(f"{tool} is needed on PATH: {done.stderr.strip()} (docs/aws.md, what you need)")
        if tool == "aws":
            found = re.match(r"aws-cli/(\d+)\.(\d+)", done.stdout)
            if not found or tuple(map(int, found.groups())) < AWS_CLI_MIN:
                least = ".".join(map(str, AWS_CLI_MIN))
                raise StepError(f"{done.stdout.strip() or 'aws'}: version {least} or later is needed for tunnels")


def check_engine(environment: Mapping[str, str] = os.environ) -> None:
    """Refuse the engine that `make up` builds: it takes no plugin from elsewhere, the provider `aws` neither."""
    if environment.get("PULUMI_IGNORE_AMBIENT_PLUGINS"):
        raise StepError("Pulumi's official release is needed on PATH before `source activate.sh` (docs/aws.md)")


def check_backend(environment: Mapping[str, str] = os.environ) -> None:
    """Refuse the lab's state: `make destroy` removes it, and with it the record of what an account holds."""
    url = environment.get("PULUMI_BACKEND_URL", "")
    if not url or url.startswith("file:"):
        raise StepError(
            f"PULUMI_BACKEND_URL is {url or 'not set'}: name the bucket that keeps the state of real stacks first, "
            "`export PULUMI_BACKEND_URL='s3://<bucket>?region=<region>'` (docs/aws.md)"
        )


def account(run: Run, region: str) -> Account:
    """Return whose credentials these are. Raises StepError without any."""
    try:
        found = answer(run, ["aws", "sts", "get-caller-identity", "--region", region, "--output", "json"])
    except StepError as error:
        raise StepError(
            f"no credentials for AWS: log in (`aws sso login`, AWS_PROFILE), then run it again\n{error}"
        ) from None
    return Account(id=str(found["Account"]), arn=str(found["Arn"]))


def is_there(run: Run, stack: str) -> bool:
    """Whether the backend has a stack of this name."""
    return f'"{stack}"' in must(run, ["pulumi", "stack", "ls", "--json"])


def check_stack_is_ours(run: Run) -> None:
    """Refuse to take a stack away that the proof can't have made: it has one host."""
    hosts = record.resources(record.read(run), record.INSTANCE)
    if len(hosts) > 1:
        raise StepError(
            f"stack {NAME} has {len(hosts)} instances, and the proof makes one: it is another's. Give it "
            f"another name (`pulumi stack rename --stack {NAME}`), or take it away as docs/aws.md says"
        )


def check_name_is_free(run: Run, stack: str) -> None:
    """Refuse to go on where a run before this one left its stack."""
    if is_there(run, stack):
        raise StepError(f"stack {stack} is there from an earlier run: `make smoke-aws-clean` takes it away first")
