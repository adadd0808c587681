"""A stand-in for the aws provider, for tests: it keeps every input, invents what AWS would assign and writes a journal.

It proves order, protection, state and the contract. It proves nothing about AWS's own checks.
`RECORDING_AWS_JOURNAL` names the journal: one JSON object for each create, update and delete, in their order.
`RECORDING_AWS_FAILS` names a resource that can't be created. `RECORDING_AWS_ELSEWHERE` names a file of what others did
in the account: a JSON object of properties by id, null for what they deleted; `refresh` and `import` find it so.
"""

import json
import os
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aws_inventions import ANSWERS, TYPES, Place, answer, made_by_aws, new_id
from pulumi.provider.experimental import provider as p
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.server import main
from pulumi.runtime.rpc import UNKNOWN

VERSION = "7.51.1"
REPLACING = {
    "ami",
    "availabilityZone",
    "bucket",
    "cidrBlock",
    "instanceId",
    "privateIp",
    "subnetId",
    "targetGroupArn",
    "targetId",
    "volumeId",
    "vpcId",
}
Properties = Mapping[str, PropertyValue]


def wrap(value: object) -> PropertyValue:
    """Turn a plain value into a property (whose numbers are floats)."""
    if isinstance(value, Mapping):
        return PropertyValue({key: wrap(item) for key, item in value.items()})
    if isinstance(value, list):
        return PropertyValue([wrap(item) for item in value])
    if isinstance(value, int) and not isinstance(value, bool):
        return PropertyValue(float(value))
    return PropertyValue(value)  # type: ignore[arg-type]  # texts, truth values and None


def plain(value: PropertyValue) -> object:
    """Return the value without secrecy and dependencies."""
    inner = value.value
    if isinstance(inner, Mapping):
        return {key: plain(item) for key, item in inner.items()}
    if isinstance(inner, (list, tuple)):
        return [plain(item) for item in inner]
    return inner if isinstance(inner, (str, bool, float)) or inner is None else repr(inner)


def own_type(request: Any) -> str:
    """Return the resource's type: before a `$` stand the types of its parents."""
    kind = str(request.type).rsplit("$", 1)[-1]
    if kind not in TYPES:
        raise ValueError(f"the recording provider was not told about {kind}")
    return kind


def record(operation: str, request: Any, identity: str) -> None:
    """Add one line to the journal."""
    if path := os.environ.get("RECORDING_AWS_JOURNAL"):
        line = {"operation": operation, "type": own_type(request), "name": request.name, "id": identity}
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def made_before() -> Counter[str]:
    """Return how often each resource was created, by `type name`."""
    path = Path(os.environ.get("RECORDING_AWS_JOURNAL", ""))
    lines = map(json.loads, path.read_text(encoding="utf-8").splitlines()) if path.is_file() else ()
    return Counter(f"{line['type']} {line['name']}" for line in lines if line["operation"] == "create")


def done_elsewhere() -> dict[str, Any]:
    """Return what others did in the account, by id."""
    path = os.environ.get("RECORDING_AWS_ELSEWHERE")
    return dict(json.loads(Path(path).read_text(encoding="utf-8"))) if path and Path(path).exists() else {}


class RecordingAws(p.Provider):
    """Accepts the resource types of `aws_inventions` and nothing else, in the region that it is configured for."""

    place: Place
    made: Counter[str]

    def outputs(self, kind: str, identity: str, inputs: Properties) -> dict[str, PropertyValue]:
        """Return all outputs of a resource; one may lie in another region than the provider's."""
        region = inputs.get("region")
        place = Place(str(region.value)) if region else self.place
        return {**{key: wrap(value) for key, value in made_by_aws(kind, identity, place).items()}, **inputs}

    async def check_config(self, request: p.CheckRequest) -> p.CheckResponse:
        """Accept any configuration of the provider."""
        return p.CheckResponse(inputs=request.new_inputs)

    async def diff_config(self, _: p.DiffRequest) -> p.DiffResponse:
        """See no change in the configuration."""
        return p.DiffResponse(changes=False)

    async def configure(self, request: p.ConfigureRequest) -> p.ConfigureResponse:
        """Ask for secrets as such and for creations in previews."""
        self.place, self.made = Place(str(request.args["region"].value)), made_before()
        return p.ConfigureResponse(accept_secrets=True, supports_preview=True, accept_outputs=False)

    async def check(self, request: p.CheckRequest) -> p.CheckResponse:
        """Refuse a type that nobody announced and a zone that the region does not have."""
        own_type(request)
        zone = request.new_inputs.get("availabilityZone")
        wrong = zone is not None and zone.value not in (*self.place.zones, UNKNOWN)
        failures = [p.CheckFailure("availabilityZone", f"no such zone: {zone.value}")] if wrong and zone else None
        return p.CheckResponse(inputs=request.new_inputs, failures=failures)

    async def diff(self, request: p.DiffRequest) -> p.DiffResponse:
        """Compare each input with the state; some can't be changed in place."""
        kind, old, new = p.PropertyDiffKind, request.old_state, request.new_inputs
        changed = [key for key in new if key not in old or plain(new[key]) != plain(old[key])]
        # The request has no old inputs. What is in the state and neither an input now nor made by AWS was one.
        removed = sorted(set(old) - set(new) - set(made_by_aws(own_type(request), request.resource_id, self.place)))
        kinds = dict.fromkeys(changed, (kind.UPDATE, kind.UPDATE_REPLACE))
        kinds |= dict.fromkeys(removed, (kind.DELETE, kind.DELETE_REPLACE))
        return p.DiffResponse(
            changes=bool(kinds),
            diffs=list(kinds),
            replaces=[key for key in kinds if key in REPLACING],
            delete_before_replace=False,
            detailed_diff={key: p.PropertyDiff(both[key in REPLACING], True) for key, both in kinds.items()},
        )

    async def create(self, request: p.CreateRequest) -> p.CreateResponse:
        """Invent an id; in a preview all that AWS would assign is unknown."""
        kind = own_type(request)
        if request.preview:
            blank, known = self.outputs(kind, "", request.properties), request.properties
            return p.CreateResponse("", {k: v if k in known else PropertyValue(UNKNOWN) for k, v in blank.items()})
        if os.environ.get("RECORDING_AWS_FAILS") == request.name:
            raise RuntimeError(f"InsufficientInstanceCapacity: {request.name} can't be created (told to fail)")
        # A bucket's id is its name.
        bucket = request.properties.get("bucket") if kind == "aws:s3/bucket:Bucket" else None
        key = f"{kind} {request.name}"
        identity = new_id(kind, request.urn, str(bucket.value) if bucket else None, self.made[key])
        self.made[key] += 1
        record("create", request, identity)
        return p.CreateResponse(identity, self.outputs(kind, identity, request.properties))

    async def update(self, request: p.UpdateRequest) -> p.UpdateResponse:
        """Take the new inputs over."""
        if not request.preview:
            record("update", request, request.resource_id)
        return p.UpdateResponse(self.outputs(own_type(request), request.resource_id, request.news))

    async def delete(self, request: p.DeleteRequest) -> None:
        """Write it down; refuse an instance that is protected from it, as EC2 does."""
        protected = request.properties.get("disableApiTermination")
        if protected is not None and plain(protected) is True:
            raise ValueError(f"OperationNotPermitted: the instance {request.resource_id} may not be terminated")
        record("delete", request, request.resource_id)

    async def read(self, request: p.ReadRequest) -> p.ReadResponse:
        """Find a resource as it is in the state, unless something else was done to it; find no other one."""
        elsewhere, kind = done_elsewhere(), own_type(request)
        found = elsewhere.get(request.resource_id, {})
        if found is None:
            return p.ReadResponse()  # `refresh` takes it out of the state
        if not found and not request.properties:
            raise LookupError(f"{kind} {request.resource_id} does not exist")  # an empty answer would be imported
        inputs = {**request.inputs, **{key: wrap(value) for key, value in found.items()}}
        return p.ReadResponse(request.resource_id, self.outputs(kind, request.resource_id, inputs), inputs)

    async def invoke(self, request: p.InvokeRequest) -> p.InvokeResponse:
        """Answer the lookups above and no others."""
        if request.tok not in ANSWERS:
            failure = p.CheckFailure("", f"the recording provider was not told about {request.tok}")
            return p.InvokeResponse(failures=[failure])
        found = answer(request.tok, self.place)
        return p.InvokeResponse({key: wrap(value) for key, value in found.items()})

    async def get_schema(self, _: p.GetSchemaRequest) -> p.GetSchemaResponse:
        """Name the package."""
        return p.GetSchemaResponse(json.dumps({"name": "aws", "version": VERSION}))

    async def cancel(self) -> None:
        """Nothing is under way."""


if __name__ == "__main__":
    main(sys.argv[1:], VERSION, RecordingAws())
