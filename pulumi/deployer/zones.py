"""What a deployer may do to zones of Route 53. They can't be told by tag or region: conditions take their place.

Source: Route 53 developer guide, "Using IAM policy conditions for fine-grained access control". A condition for all
values holds where there are none, so each of them asks that there be some.
"""

from collections.abc import Iterator

from deployer.policies import Statement, allow
from deployer.scope import Scope

RECORDS = "route53:ChangeResourceRecordSets"
OF_VPCS = {
    "route53:AssociateVPCWithHostedZone",
    "route53:CreateHostedZone",
    "route53:DisassociateVPCFromHostedZone",
}


def zones(actions: set[str], scope: Scope) -> Iterator[Statement]:
    """Yield records of the stack's domain, zones for its VPC, and the rest, for which IAM has no condition."""
    every = [f"arn:{scope.partition}:route53:::hostedzone/*"]
    names, kinds, vpcs = f"{RECORDS}NormalizedRecordNames", f"{RECORDS}RecordTypes", "route53:VPCs"
    below = [pattern for domain in scope.domains for pattern in (domain, f"*.{domain}")]
    yield allow(
        "WriteRecords",
        actions & {RECORDS},
        every,
        {
            "ForAllValues:StringLike": {names: below},
            "ForAllValues:StringEquals": {kinds: list(scope.record_types)},
            "Null": {names: "false", kinds: "false"},
        },
    )
    yield allow(
        "ZonesOfVpcs",
        actions & OF_VPCS,
        ["*"],  # a creation knows no zone yet
        {"ForAllValues:StringLike": {vpcs: list(scope.vpcs)}, "Null": {vpcs: "false"}},
    )
    yield allow("Zones", actions - OF_VPCS - {RECORDS}, [f"arn:{scope.partition}:route53:::change/*", *every])
