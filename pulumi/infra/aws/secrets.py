"""Entries of Secrets Manager, without values: `initialise_secrets.yml` fills them, so that no state ever holds one."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.aws import iam_policies

RECOVERY_DAYS = 30  # the longest that Secrets Manager offers: time to notice a mistake


@dataclass(frozen=True, kw_only=True)
class SecretsArgs:
    """Inputs. `prefix`: what each entry's name begins with, as in `<project>/<environment>`."""

    prefix: str
    names: Sequence[str]
    account_id: pulumi.Input[str]
    kms_key_arn: pulumi.Input[str]
    tags: Mapping[str, str]


class Secrets(pulumi.ComponentResource):
    """Outputs: `references` by name, as the contract has them: ARNs."""

    def __init__(self, name: str, args: SecretsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("freelance:security:Secrets", name, None, opts)
        policy = pulumi.Output.from_input(args.account_id).apply(secret_policy)
        self.references: dict[str, pulumi.Output[str]] = {}
        for secret in args.names:
            entry = aws.secretsmanager.Secret(
                f"{name}-{secret}",
                description=f"{secret} of {args.prefix}; filled by initialise_secrets.yml",
                kms_key_id=args.kms_key_arn,
                name=f"{args.prefix}/{secret}",
                policy=policy,
                recovery_window_in_days=RECOVERY_DAYS,
                tags={**args.tags, "Name": secret},
                # Without the passphrase no backup opens; without the authority no host gets a certificate.
                opts=pulumi.ResourceOptions(parent=self, protect=True, retain_on_delete=True),
            )
            self.references[secret] = pulumi.Output.concat("aws-secretsmanager:", entry.arn)
        self.register_outputs({"references": self.references})


def secret_policy(account_id: str) -> str:
    """Return an entry's policy: it allows nobody anything, IAM does; no other account, and nobody without TLS."""
    every_action, this_entry = "secretsmanager:*", "*"
    refusals = [
        iam_policies.refuse(
            "OwnAccountOnly", every_action, this_entry, {"StringNotEquals": {"aws:PrincipalAccount": account_id}}
        ),
        iam_policies.tls_only(every_action, this_entry),
    ]
    return json.dumps(iam_policies.policy(refusals))
