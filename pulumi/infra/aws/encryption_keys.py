"""The keys of volumes, backups, secrets and monitoring. Without them nothing can be read: protected and retained."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.aws import key_policies
from infra.aws.iam_policies import Statement
from infra.aws.key_policies import Account
from infra.aws.partitions import Partition

DELETION_WINDOW_DAYS = 30  # the longest that KMS offers: time to notice a mistake
ROTATION_DAYS = 365  # FSBP KMS.4 asks for rotation; older material stays, so nothing is encrypted anew


@dataclass(frozen=True, kw_only=True)
class EncryptionKeysArgs:
    """Inputs. `label` names the environment in the keys' aliases; `backup_regions`: where a bucket for backups lies."""

    account_id: pulumi.Input[str]
    region: str
    partition: Partition
    label: str
    backup_regions: Sequence[str]
    tags: Mapping[str, str]


class EncryptionKeys(pulumi.ComponentResource):
    """Outputs: `data_arn`, `secrets_arn`, `monitoring_arn`, `backup_arns` (by region)."""

    def __init__(self, name: str, args: EncryptionKeysArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("freelance:security:EncryptionKeys", name, None, opts)
        self._name, self._args = name, args
        self.data_arn = self._key("data", "volumes of hosts", key_policies.data)
        self.secrets_arn = self._key("secrets", "secrets of the platform", key_policies.secrets)
        self.monitoring_arn = self._key("monitoring", "logs and alarms", key_policies.monitoring)
        self.backup_arns: dict[str, pulumi.Output[str]] = {}
        for region in args.backup_regions:
            if region == args.region:
                self.backup_arns[region] = self._key("backup", "backups", key_policies.backup)
            else:
                use = f"backup-{region}"
                self.backup_arns[region] = self._key(use, "backups", key_policies.backup, elsewhere=region)
        self.register_outputs(
            {
                "data_arn": self.data_arn,
                "secrets_arn": self.secrets_arn,
                "monitoring_arn": self.monitoring_arn,
                "backup_arns": self.backup_arns,
            }
        )

    def _key(
        self,
        use: str,
        encrypted: str,
        uses: Callable[[Account], list[Statement]],
        *,
        elsewhere: str | None = None,
    ) -> pulumi.Output[str]:
        args, name = self._args, f"{self._name}-{use}"

        def policy(account_id: str) -> str:
            account = Account(id=account_id, region=elsewhere or args.region, partition=args.partition)
            return json.dumps(key_policies.policy(account, uses(account)))

        key = aws.kms.Key(
            name,
            bypass_policy_lockout_safety_check=False,
            deletion_window_in_days=DELETION_WINDOW_DAYS,
            description=f"{args.label}: {encrypted}",
            enable_key_rotation=True,
            policy=pulumi.Output.from_input(args.account_id).apply(policy),
            region=elsewhere,
            rotation_period_in_days=ROTATION_DAYS,
            tags={**args.tags, "Name": f"{args.label}-{use}"},
            opts=pulumi.ResourceOptions(parent=self, protect=True, retain_on_delete=True),
        )
        aws.kms.Alias(
            name,
            name=f"alias/{args.label}-{use}",
            region=elsewhere,
            target_key_id=key.key_id,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return key.arn
