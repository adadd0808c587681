"""The bucket for the access log of another one. It has none itself: its log would be about its log."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.aws import bucket_policies
from infra.aws.private_bucket import Lifecycle, PrivateBucketArgs, private_bucket

PREFIX = "access/"
KEPT_DAYS = 365  # a year: an intrusion is often noticed only after months
NONCURRENT_DAYS = 30  # time to notice that a log was deleted


@dataclass(frozen=True, kw_only=True)
class AccessLogsBucketArgs:
    """Inputs. `source_bucket_arn`: whose log it takes; `region`: the source's, where it is not the stack's."""

    bucket: pulumi.Input[str]
    source_bucket_arn: pulumi.Input[str]
    account_id: pulumi.Input[str]
    region: str | None
    tags: Mapping[str, str]


class AccessLogsBucket(pulumi.ComponentResource):
    """Outputs: `bucket` (its name, once logs may be written to it)."""

    def __init__(self, name: str, args: AccessLogsBucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("freelance:backup:AccessLogsBucket", name, None, opts)
        # Neither locked nor with a key of ours: S3 delivers logs to no such bucket.
        # Source: S3 user guide, "Enabling server access logging", important notes.
        bucket = private_bucket(
            name,
            PrivateBucketArgs(
                bucket=args.bucket,
                lock=False,
                encryption={"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}},
                lifecycle=Lifecycle(
                    id="a-year-of-logs", expiration={"days": KEPT_DAYS}, noncurrent_days=NONCURRENT_DAYS
                ),
                region=args.region,
                tags=args.tags,
            ),
            parent=self,
        )
        policy = pulumi.Output.all(bucket.arn, args.source_bucket_arn, args.account_id).apply(
            lambda known: bucket_policies.policy(known[0], [bucket_policies.log_delivery(known[0], PREFIX, *known[1:])])
        )
        written = aws.s3.BucketPolicy(
            f"{name}-policy", bucket=bucket.name, policy=policy, region=args.region, opts=bucket.kept
        )
        self.bucket: pulumi.Output[str] = written.bucket
        self.register_outputs({"bucket": self.bucket})
