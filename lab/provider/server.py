"""The plugin's server: hands Pulumi's requests to `lab.provider.resources`, each in a thread of its own."""

import asyncio
import functools
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import grpc  # type: ignore[import-untyped]  # no stubs come with it
from pulumi.provider.experimental import provider as api
from pulumi.provider.experimental.server import ProviderServicer
from pulumi.runtime.proto import provider_pb2_grpc

from lab import volumes
from lab.errors import LabError
from lab.provider.resources import HANDLERS, Handler, Volume, changed_inputs
from lab.provider.values import plain, wrapped

NAME, VERSION = "freelance", "1.0.0"


class LabProvider(api.Provider):
    """Networks, volumes and hosts on one machine."""

    async def get_schema(self, request: api.GetSchemaRequest) -> api.GetSchemaResponse:
        """Name and version: the program declares the resources' classes itself."""
        del request
        return api.GetSchemaResponse(json.dumps({"name": NAME, "version": VERSION}))

    async def check_config(self, request: api.CheckRequest) -> api.CheckResponse:
        """The provider itself has nothing to set."""
        return api.CheckResponse(inputs=request.new_inputs)

    async def diff_config(self, request: api.DiffRequest) -> api.DiffResponse:
        """Nothing to set, nothing that differs."""
        del request
        return api.DiffResponse(changes=False)

    async def configure(self, request: api.ConfigureRequest) -> api.ConfigureResponse:
        """Previews see the real plan."""
        del request
        return api.ConfigureResponse(accept_secrets=True, supports_preview=True, accept_outputs=True)

    async def check(self, request: api.CheckRequest) -> api.CheckResponse:
        """Refuse inputs by property, before anything is made."""
        found = _handler(request).check(plain(request.old_inputs), plain(request.new_inputs))
        failures = [api.CheckFailure(key, reason) for key, reason in found.items()]
        return api.CheckResponse(inputs=request.new_inputs, failures=failures)

    async def diff(self, request: api.DiffRequest) -> api.DiffResponse:
        """Declared differences and those that the live thing shows."""
        handler = _handler(request)
        state = plain(request.old_state)
        changed = [key for key in changed_inputs(state, plain(request.new_inputs)) if key not in request.ignore_changes]
        replaces = [key for key in changed if key not in handler.updatable]
        drifted = [] if replaces else await asyncio.to_thread(handler.drifted, state)
        kinds = api.PropertyDiffKind
        details = {key: api.PropertyDiff(kinds.UPDATE, input_diff=False) for key in drifted}
        for key in changed:
            details[key] = api.PropertyDiff(kinds.UPDATE_REPLACE if key in replaces else kinds.UPDATE, input_diff=True)
        # Names and addresses are fixed: the old one has to go before the new one can be.
        return api.DiffResponse(
            changes=bool(details), replaces=replaces, delete_before_replace=True, detailed_diff=details
        )

    async def create(self, request: api.CreateRequest) -> api.CreateResponse:
        """Make the resource."""
        if request.preview:
            return api.CreateResponse("", request.properties)
        inputs = plain(request.properties)
        outputs = await asyncio.to_thread(_handler(request).create, inputs)
        return api.CreateResponse(inputs["name"], wrapped(outputs))

    async def update(self, request: api.UpdateRequest) -> api.UpdateResponse:
        """Change it in place."""
        if request.preview:
            return api.UpdateResponse(request.news)
        return api.UpdateResponse(wrapped(await asyncio.to_thread(_handler(request).update, plain(request.news))))

    async def read(self, request: api.ReadRequest) -> api.ReadResponse:
        """Look at it; inputs stay as they were declared."""
        state = plain(request.properties)
        if "name" not in state:  # `pulumi import` knows nothing but the id
            raise LabError(
                f"{request.type} {request.resource_id} can't be imported: declare it, and `pulumi up` takes over a "
                "network or a volume of that name with its data, and makes a host anew"
            )
        live = await asyncio.to_thread(_handler(request).read, state)
        if live is None:
            return api.ReadResponse("", {}, {})
        return api.ReadResponse(request.resource_id, wrapped(live), request.inputs)

    async def delete(self, request: api.DeleteRequest) -> None:
        """Remove it."""
        await asyncio.to_thread(_handler(request).delete, plain(request.properties))


class _Servicer(ProviderServicer):
    """Shows the lab's own errors as they are written; the library would add its stack trace to each."""


def _readable(name: str) -> Callable[..., Awaitable[Any]]:
    inherited = getattr(ProviderServicer, name)

    @functools.wraps(inherited)
    async def method(self: _Servicer, request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        try:
            return await inherited(self, request, context)
        except Exception as error:
            if isinstance(error.__context__, LabError):
                message = str(error.__context__)
                if isinstance(HANDLERS.get(_kind(request.urn.split("::")[2])), Volume):
                    message = message.replace(volumes.URN, request.urn)
                await context.abort(grpc.StatusCode.UNKNOWN, message)
            raise

    return method


for _name in ("Check", "Diff", "Create", "Update", "Delete", "Read"):
    setattr(_Servicer, _name, _readable(_name))


def _kind(qualified: str) -> str:
    """The type alone: a component's child carries its parent's type in front, parent$type."""
    return qualified.rpartition("$")[2]


def _handler(request: Any) -> Handler:
    kind = _kind(str(request.type))
    if kind not in HANDLERS:
        raise LabError(f"resource type {kind!r} is none of {', '.join(sorted(HANDLERS))}")
    return HANDLERS[kind]


def serve(words: list[str]) -> None:
    """Serve until Pulumi ends the process. `words`: the engine's address and options that are ignored."""

    async def run() -> None:
        server = grpc.aio.server()
        servicer = _Servicer(words, VERSION, LabProvider(), engine_address=words[0])
        provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()
        await server.wait_for_termination()

    try:
        asyncio.run(run())
    except KeyboardInterrupt:
        sys.exit(130)
