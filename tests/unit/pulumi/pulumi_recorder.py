"""Runs the Pulumi program to its end without an engine and keeps every request that it made."""

import json
import runpy
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

ROOT = Path(__file__).parents[3]
for folder in ("pulumi", "tests/engine"):
    sys.path.insert(0, str(ROOT / folder))

import example_stacks  # noqa: E402 - after the paths above
import pulumi  # noqa: E402 - after the paths above
from aws_inventions import ANSWERS, TYPES, Place, answer, made_by_aws, new_id  # noqa: E402 - after the paths above
from golden_files import ID_DIGITS  # noqa: E402 - after the paths above
from infra import stack_files  # noqa: E402 - after the paths above
from pulumi.runtime import mocks, rpc  # noqa: E402 - after the paths above

PROJECT = "freelance-platform"
STACK_TYPE = "pulumi:pulumi:Stack"
PUBLIC_KEY, STACKS = example_stacks.PUBLIC_KEY, example_stacks.STACKS


@dataclass(frozen=True)
class Resource:
    """One registration: inputs as the provider sees them, and the options of the raw request."""

    type: str
    name: str
    urn: str
    parent: str  # empty for what stands in the stack itself
    named: frozenset[str]  # URNs of those that it waits for and takes no output of
    inputs: Mapping[str, Any]
    protect: bool
    retain: bool
    delete_before_replace: bool
    ignore_changes: tuple[str, ...]
    depends_on: frozenset[str]  # URNs: those that it names and those whose outputs it takes
    aliases: tuple[str, ...]  # URNs, or the name or type that differs


@dataclass
class Recording:
    """What a run of the program declared and exported."""

    resources: list[Resource] = field(default_factory=list)
    contract: dict[str, Any] = field(default_factory=dict)
    lookups: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)  # the last digits of each id, and the resource's name

    def of_type(self, suffix: str) -> list[Resource]:
        """Return the resources of one type, such as `aws:ebs/volume:Volume`; fail when there are none."""
        found = [resource for resource in self.resources if resource.type == suffix]
        assert found, f"no {suffix} was declared"
        return found

    def named(self, name: str, kind: str) -> Resource:
        """Return the one resource of this name and type."""
        (found,) = [resource for resource in self.of_type(kind) if resource.name == name]
        return found

    def before(self, resource: Resource) -> set[str]:
        """Return the URNs of all that exists before a resource is made, and stays until it is gone."""
        known = {each.urn: each for each in self.resources}
        found, waiting = set[str](), set(resource.depends_on)
        while waiting:
            urn = waiting.pop()
            found.add(urn)
            waiting |= (known[urn].depends_on if urn in known else frozenset()) - found
        return found


class _Answers(mocks.Mocks):
    def __init__(self, place: Place, previous: Mapping[str, Any] | None, recording: Recording) -> None:
        self.place, self.previous, self.recording = place, previous, recording
        self.request = threading.local()  # mocks are told no URN, and requests come from several threads

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        if args.token == "pulumi:pulumi:readStackOutputs":
            return {"outputs": {"contract": self.previous} if self.previous else {}}, []
        if args.token not in ANSWERS:
            raise AssertionError(f"unannounced lookup: {args.token}")
        self.recording.lookups[args.token] = args.args
        return answer(args.token, self.place), []

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        if not args.custom:
            return "", args.inputs
        if args.typ.startswith("freelance:lab:"):  # their outputs are their inputs and what they are found to be
            return args.name, {**args.inputs, "running": True}
        assert args.typ in TYPES, f"unannounced type: {args.typ}"
        bucket = args.inputs.get("bucket") if args.typ == "aws:s3/bucket:Bucket" else None
        identity = new_id(args.typ, self.request.urn, bucket)
        self.recording.ids[identity[-ID_DIGITS:]] = args.name
        return identity, {**made_by_aws(args.typ, identity, self.place), **args.inputs}


class _Monitor(mocks.MockMonitor):
    """Keeps the raw requests: mocks see no options."""

    def __init__(self, answers: _Answers, recording: Recording) -> None:
        super().__init__(answers)
        self.answers, self.recording = answers, recording

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - protocol
        urn = self.make_urn(request.parent, request.type, request.name)
        if request.type != STACK_TYPE:
            taken = {urn for origins in request.propertyDependencies.values() for urn in origins.urns}
            self.recording.resources.append(
                Resource(
                    type=request.type,
                    name=request.name,
                    urn=urn,
                    parent="" if f"::{STACK_TYPE}::" in request.parent else request.parent.rsplit("::", 1)[-1],
                    named=frozenset(request.dependencies) - taken,
                    inputs=rpc.deserialize_properties(request.object),
                    protect=request.protect,
                    retain=request.retainOnDelete,
                    delete_before_replace=request.deleteBeforeReplace,
                    ignore_changes=tuple(request.ignoreChanges),
                    depends_on=frozenset(request.dependencies),
                    aliases=tuple(alias.urn or alias.spec.name or alias.spec.type for alias in request.aliases),
                )
            )
        self.answers.request.urn = urn
        return super().RegisterResource(request)  # type: ignore[no-untyped-call]  # the SDK's


@cache
def config_in(stack: str) -> Mapping[str, str]:
    """Return the configuration of an example stack, completed."""
    config, _ = stack_files.from_files(stack)
    return example_stacks.completed(config)


def config_of(stack: str, **settings: object) -> dict[str, str]:
    """Return a stack's configuration as the engine passes it: the example with changes."""
    changes = {key if ":" in key else f"{PROJECT}:{key}": value for key, value in settings.items()}
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in changes.items()}
    return {**config_in(stack), **texts}


def record(stack: str, *, previous: Mapping[str, Any] | None = None, **settings: object) -> Recording:
    """Run the whole program for a stack; return once everything that it started has ended."""
    recording = Recording()
    config = config_of(stack, **settings)
    answers = _Answers(Place(config.get("aws:region", "")), previous, recording)
    pulumi.runtime.set_mocks(answers, project=PROJECT, stack=stack, monitor=_Monitor(answers, recording))
    pulumi.runtime.set_all_config(config)

    exports: dict[str, Any] = {}

    @pulumi.runtime.test  # type: ignore[untyped-decorator]  # the SDK's
    def program() -> pulumi.Output[None]:
        runpy.run_path(str(ROOT / "pulumi" / "__main__.py"), run_name="__main__")
        return pulumi.Output.from_input(exports["contract"]).apply(recording.contract.update)

    try:
        with mock.patch.object(pulumi, "export", exports.__setitem__):  # without an engine there is no stack
            program()
    finally:
        pulumi.runtime.set_all_config({})
    return recording
