"""All rules."""

from policy.rule import Rule
from policy.rules import (
    balancer,
    ebs,
    ec2,
    iam,
    kms,
    monitoring,
    network,
    platform_wide,
    s3,
    s3_policies,
    secrets_manager,
)

MODULES = (ec2, ebs, network, s3, s3_policies, kms, secrets_manager, iam, balancer, monitoring, platform_wide)
ALL = tuple(rule for module in MODULES for rule in vars(module).values() if isinstance(rule, Rule))
