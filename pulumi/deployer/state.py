"""What Pulumi does to the record of a stack, in a bucket that holds those of the project's other stacks too."""

from collections.abc import Iterator

from deployer.policies import Statement, allow
from deployer.scope import Scope

# The bucket's and the key's names are those of docs/aws.md, section 3.
# Source of the paths: pulumi, pkg/backend/diy (meta.go, store.go, lock.go, stack_tags.go).
META = ".pulumi/meta.yaml"


def kept(scope: Scope) -> Iterator[Statement]:
    """Yield what an `up` needs: to write the stack's own record, and to encrypt its secrets."""
    stack = f"{scope.project}/{scope.environment}"
    own = [f".pulumi/stacks/{stack}.*", *(f".pulumi/{kind}/{stack}/*" for kind in ("backups", "history"))]
    own.append(f".pulumi/locks/organization/{stack}/*")
    yield _find(scope)
    # `pulumi stack ls` reads the record of each stack of the project (backend.go, ListStacks).
    yield allow("ReadStates", {"s3:GetObject"}, _objects(scope, f".pulumi/stacks/{scope.project}/*"))
    yield allow("KeepState", {"s3:DeleteObject", "s3:GetObject", "s3:PutObject"}, _objects(scope, META, *own))
    yield _key(scope, "EncryptState", "Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey")


def read(scope: Scope) -> Iterator[Statement]:
    """Yield what it takes to ask the stack for its outputs."""
    yield _find(scope)
    record = f".pulumi/stacks/{scope.project}/{scope.environment}.*"
    yield allow("ReadState", {"s3:GetObject"}, _objects(scope, META, record))
    yield _key(scope, "DecryptState", "Decrypt")


def copied(scope: Scope) -> Iterator[Statement]:
    """Yield what a copy of all records into the second bucket needs, and to see their versions."""
    places = {"s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketVersions"}
    yield allow("FindStates", places, _objects(scope))
    yield allow("ReadStates", {"s3:GetObject", "s3:GetObjectVersion"}, _objects(scope, "*"))
    yield allow("CopyStates", {"s3:PutObject"}, [f"arn:{scope.partition}:s3:::{scope.project}-state-copy-*/*"])
    yield _key(scope, "CopyEncrypted", "Decrypt", "GenerateDataKey")


def _find(scope: Scope) -> Statement:
    return allow("FindState", {"s3:GetBucketLocation", "s3:ListBucket"}, _objects(scope))


def _objects(scope: Scope, *paths: str) -> list[str]:
    bucket = f"arn:{scope.partition}:s3:::{scope.project}-state-*"
    return [f"{bucket}/{path}" for path in paths] or [bucket]


def _key(scope: Scope, sid: str, *actions: str) -> Statement:
    alias = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": f"alias/{scope.project}-state"}}
    return allow(sid, {f"kms:{action}" for action in actions}, [scope.arn("kms", "key/*", "*")], alias)
