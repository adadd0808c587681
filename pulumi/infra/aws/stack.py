"""One environment on AWS: what each part of the program is told."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.aws.settings import AwsSettings
from infra.settings import Settings
from infra.topology import Topology


@dataclass(frozen=True, kw_only=True)
class Stack:
    """The topology with its settings, the account that it goes to, and the tags that everything in it has."""

    topology: Topology
    settings: Settings
    aws: AwsSettings
    account_id: pulumi.Output[str]
    tags: Mapping[str, str]

    @classmethod
    def of(cls, topology: Topology) -> "Stack":
        """Ask AWS whose account it is."""
        settings, given = topology.settings, topology.settings.aws
        assert given is not None  # noqa: S101 - the target says so; this tells the type checker
        return cls(
            topology=topology,
            settings=settings,
            aws=given,
            account_id=aws.get_caller_identity_output().account_id,
            tags={"Project": settings.project, "Environment": settings.environment, "ManagedBy": "pulumi"},
        )

    @property
    def label(self) -> str:
        """Project and environment, for names that an account has once."""
        return f"{self.settings.project}-{self.settings.environment}"

    @property
    def path(self) -> str:
        """The same as a path, for names that have levels."""
        return f"{self.settings.project}/{self.settings.environment}"
