"""Whether the AWS CLI knows a command: its commands and options are made from the same models that boto3 has."""

import shlex
from collections.abc import Iterator
from functools import cache

from botocore import xform_name  # type: ignore[import-untyped]  # it has no types
from botocore.loaders import Loader  # type: ignore[import-untyped]  # the same
from botocore.model import ServiceModel  # type: ignore[import-untyped]  # the same

EVERYWHERE = {"--max-items", "--output", "--profile", "--query", "--region"}  # the CLI's own
# No operation of an API.
CUSTOM = {
    ("configure", "set"),
    ("configure", "sso"),
    ("ec2-instance-connect", "open-tunnel"),
    ("s3", "sync"),
    ("sso", "login"),
}
SERVICES = {"s3api": "s3"}


@cache
def operations(service: str) -> dict[str, set[str]]:
    """Return the options of each command of a service."""
    model = ServiceModel(Loader().load_service_model(SERVICES.get(service, service), "service-2"))
    found = {}
    for name in model.operation_names:
        shape = model.operation_model(name).input_shape
        members = shape.members if shape else {}
        options = {f"--{xform_name(member, '-')}" for member in members}
        # A truth value is its option, or `--no-…`; one in a structure of its own (an instance's attribute) likewise.
        switches = {f"--no-{option[2:]}" for option in options}
        found[xform_name(name, "-")] = options | switches
    return found


def problems(line: str) -> Iterator[str]:
    """Yield what is wrong with one command line."""
    words = shlex.split(line)
    assert words[0] == "aws"
    if words[1].startswith("--") or tuple(words[1:3]) in CUSTOM:
        return
    known = operations(words[1])
    if words[2] not in known:
        yield f"aws {words[1]} has no {words[2]}: {line}"
        return
    for word in words[3:]:
        if word.startswith("--") and word not in known[words[2]] | EVERYWHERE:
            yield f"aws {words[1]} {words[2]} has no {word}: {line}"
