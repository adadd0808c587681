#!/usr/bin/python
"""Ansible module: give an entry of Secrets Manager its value, unless it has one.

The first line has no 3: Ansible puts the controller's own interpreter, which has boto3, in the place of this one alone.
"""

from __future__ import annotations

import re
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    import boto3  # type: ignore[import-untyped]  # it has no types
    import botocore.exceptions as aws_errors  # type: ignore[import-untyped]  # it has no types
    from ansible.module_utils.aws_refusal import explain
except ImportError:  # an environment without AWS needs neither
    boto3 = None

DOCUMENTATION = r"""
module: platform_secret_value
short_description: Give an entry of Secrets Manager its value, unless it has one
description:
  - Pulumi makes the entry, with its key, policy and tags, and never knows the value; this module touches nothing else.
  - An empty value and a placeholder (C(CHANGE_ME)) count as none, as they do for the lookup C(platform_secret).
options:
  arn: {type: str, required: true, description: "ARN of the entry; without its last six letters it serves as well."}
  value: {type: str, description: The value to be; without one the entry is only looked at.}
  replace: {type: bool, default: false, description: Whether a value that is there is replaced.}
"""
EXAMPLES = r"""
- name: Fill an entry
  platform_secret_value: {arn: "arn:aws:secretsmanager:eu-west-1:123456789012:secret:a/b", value: "{{ made }}"}
"""
RETURN = r"""
filled: {type: bool, returned: success, description: Whether the entry had a value before.}
"""

PLACEHOLDER = re.compile(r"\s*(change_me|$)", re.IGNORECASE)


def is_filled(client: Any, arn: str) -> bool:
    """Whether the entry has a value. Raises ResourceNotFoundException when there is no such entry."""
    if not client.describe_secret(SecretId=arn).get("VersionIdsToStages"):
        return False
    try:
        text = client.get_secret_value(SecretId=arn).get("SecretString", "")
    except client.exceptions.ResourceNotFoundException:  # a version that nobody finished
        return False
    return not PLACEHOLDER.match(text)


def main() -> None:
    """Fill one entry."""
    module = AnsibleModule(
        argument_spec={
            "arn": {"type": "str", "required": True},
            "value": {"type": "str", "no_log": True},
            "replace": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    if boto3 is None:
        module.fail_json(msg=missing_required_lib("boto3"))
    arn, value = module.params["arn"], module.params["value"]
    try:
        client = boto3.client("secretsmanager", region_name=arn.split(":")[3])
        filled = is_filled(client, arn)
        changed = value is not None and (module.params["replace"] or not filled)
        if changed and not module.check_mode:
            client.put_secret_value(SecretId=arn, SecretString=value)
    except (aws_errors.ClientError, aws_errors.BotoCoreError) as error:
        refusal = explain(error, arn, "write")
        words = "there is no such entry; run `pulumi up`, which makes it" if refusal.missing else refusal
        module.fail_json(msg=f"secret {arn}: {words}")
    module.exit_json(changed=changed, filled=filled)


if __name__ == "__main__":
    main()
