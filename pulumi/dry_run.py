"""What a stack declares, found by running its target without engine, account or provider, as a first preview would.

For tools that must know each resource (cost, the deployer's permissions): what the program declares can't be forgotten.
"""

import importlib
import threading
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
from infra import stack_config, stack_files, topology
from infra.aws.settings import AwsSettings
from infra.problems import Problem, SettingsError
from infra.settings import Settings
from infra.target import Declare
from infra.topology import Topology
from pulumi import _types  # the SDK's own reader of annotations: it has no public one
from pulumi.runtime import mocks, rpc

ACCOUNT = "000000000000"
NESTING_MAX = 4  # of what a lookup answers
# No host is made, so what an example stack leaves to its reader is no obstacle.
PLACEHOLDER = "REPLACE_WITH_"
SAMPLES = {
    "ssh_public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEexampleexampleexampleexampleexampleexample nobody",
    "image_id": "ami-00000000000000000",
}


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One registration; `components` are the types of its parents, outermost first, `owner` the innermost's name."""

    type: str
    name: str
    owner: str
    components: tuple[str, ...]
    inputs: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """All that a stack declares. `lookups` are tokens such as `aws:ec2/getAmi:getAmi`."""

    topology: Topology
    resources: tuple[Resource, ...]
    lookups: frozenset[str]

    @property
    def settings(self) -> Settings:
        """The stack's settings."""
        return self.topology.settings

    @property
    def aws(self) -> AwsSettings:
        """What of them only AWS knows."""
        assert self.settings.aws  # noqa: S101 - another target was refused; this tells the type checker
        return self.settings.aws

    @property
    def types(self) -> frozenset[str]:
        """Types of the provider's resources, without components."""
        return frozenset(resource.type for resource in self.resources)


def example_stacks() -> list[str]:
    """Return the names of the stacks whose files say that their target is aws."""
    target = f"{stack_files.project_name()}:target"
    names = sorted(path.name.split(".")[1] for path in stack_files.PROJECT_FILE.parent.glob("Pulumi.*.yaml"))
    return [name for name in names if stack_files.from_files(name)[0].get(target) == "aws"]


def declaration(stack: str, **changes: str) -> Declaration:
    """Run the stack's target; `changes` to its settings as the engine passes them. Raises SettingsError."""
    config, secret = stack_files.from_files(stack)
    return declaration_of(stack, config, secret, **changes)


def declaration_of(stack: str, config: dict[str, str], secret: set[str], **changes: str) -> Declaration:
    """Run the target of a stack that need not have a file. Raises SettingsError."""
    project = stack_files.project_name()
    samples = {f"{project}:{key}": value for key, value in SAMPLES.items()}
    config = config | {key: value for key, value in samples.items() if config[key].startswith(PLACEHOLDER)}
    config |= {f"{project}:{key}": value for key, value in changes.items()}
    settings = stack_config.read(config, project=project, stack=stack, secret_keys=secret)
    if settings.aws is None:
        finding = f"{settings.target} has nothing that an account would pay for or allow"
        raise SettingsError([Problem("target", finding, "name a stack with `target: aws`")])
    plan = topology.plan(settings)
    declare: Declare = importlib.import_module(f"infra.{settings.target}.program").declare

    answers = _Answers(settings.aws, settings.zones)
    monitor = _Monitor(answers)
    mocks.set_mocks(answers, project=project, stack=stack, preview=True, monitor=monitor)
    pulumi.runtime.set_all_config(config)

    @mocks.test  # type: ignore[untyped-decorator]  # the SDK's; it waits for all that the program started
    def run() -> None:
        declare(plan)

    try:
        run()
    finally:
        pulumi.runtime.set_all_config({})
    resources = tuple(sorted(monitor.declared, key=lambda resource: (resource.type, resource.name)))
    return Declaration(topology=plan, resources=resources, lookups=frozenset(answers.lookups))


@dataclass
class _Answers(mocks.Mocks):
    """Leaves what AWS would make unknown, as a preview does, and answers lookups by the shape of their results."""

    settings: AwsSettings
    zones: Sequence[str]
    lookups: set[str] = field(default_factory=set)

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        self.lookups.add(args.token)
        known: dict[str, Any] = {
            "accountId": ACCOUNT,
            "names": list(self.zones),
            "partition": self.settings.partition.name,
            "region": self.settings.region,
        }
        shape = _types.output_type_types(_result_type(args.token))
        return {name: known.get(name, _sample(kind, name)) for name, kind in shape.items()}, []

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        return (None if args.custom else ""), args.inputs


class _Monitor(mocks.MockMonitor):
    """Keeps the raw requests: mocks are not told whose child a resource is."""

    def __init__(self, answers: _Answers) -> None:
        super().__init__(answers)
        self.declared: list[Resource] = []
        self.lock = threading.Lock()

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - protocol
        if request.custom and not request.type.startswith("pulumi:"):  # a provider of its own is no resource
            # …::parent$types::name
            *_, types, owner = str(request.parent).split("::") if request.parent else ("", "")
            inputs = rpc.deserialize_properties(request.object, keep_unknowns=True)
            with self.lock:
                self.declared.append(
                    Resource(
                        type=request.type,
                        name=request.name,
                        owner=owner,
                        components=tuple(kind for kind in types.split("$") if kind.startswith("freelance:")),
                        inputs=inputs,
                    )
                )
        return super().RegisterResource(request)  # type: ignore[no-untyped-call]  # the SDK's


def _result_type(token: str) -> type:
    """Return the class that holds a lookup's results: `aws:ec2/getAmi:getAmi` is GetAmiResult."""
    package, module, function = token.split(":")
    folder = module.split("/", maxsplit=1)[0]
    name = f"pulumi_{package}" if folder == "index" else f"pulumi_{package}.{folder}"
    result: type = getattr(importlib.import_module(name), f"{function[0].upper()}{function[1:]}Result")
    return result


def _sample(kind: Any, name: str, depth: int = 0) -> Any:
    """Return a value of this shape."""
    if depth > NESTING_MAX:
        return None
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if type(None) in arguments:
        return _sample(next(part for part in arguments if part is not type(None)), name, depth)
    if origin is not None:
        return [_sample(arguments[0], name, depth + 1)] if len(arguments) == 1 else {}
    if isinstance(kind, type) and _types.is_output_type(kind):
        return {key: _sample(part, key, depth + 1) for key, part in _types.output_type_types(kind).items()}
    return {str: f"{name}-sample", bool: False, int: 1, float: 1.0}.get(kind)
