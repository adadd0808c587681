"""What all endpoints of AWS's services in the network have, gateway and interfaces: the service's name and a policy."""

import pulumi

from infra.aws import iam_policies

# China has it too for S3 and each service of `infra.aws.interface_endpoints`; others begin with `cn.` there (ec2, sts,
# …). Sources: `getDefaultEndpointPrefix` of aws-cdk-lib/aws-ec2/lib/vpc-endpoint.ts, which lists those others, and
# eksctl's `chinaPartitionServiceHasChinaPrefix`.
SERVICE_PREFIX = "com.amazonaws"


def service_name(service: str, region: str) -> str:
    """Return the name under which an endpoint of a service is asked for."""
    return f"{SERVICE_PREFIX}.{region}.{service}"


def own_account_alone(account_id: pulumi.Input[str], *whose: str) -> pulumi.Output[str]:
    """Return an endpoint's policy. IAM says who may do what; this says that `whose` account it is must be this one.

    So nobody carries data out by the credentials of another account.
    """
    statement = {
        "Sid": "OwnAccountAlone",
        "Effect": "Allow",
        "Principal": "*",
        "Action": "*",
        "Resource": "*",
        "Condition": {"StringEquals": dict.fromkeys(whose, account_id)},
    }
    return pulumi.Output.json_dumps(iam_policies.policy([statement]))
