"""Pulumi's LanguageRuntime protocol for Python programs: one interpreter is started for each program or plugin.

A stand-in for machines without the official language host, which no registry offers. It starts the stock
`pulumi-language-python-exec` (copied beside it from the engine's own Go module), so programs see what they always see.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent import futures
from pathlib import Path
from typing import IO, NoReturn

import grpc  # type: ignore[import-untyped]  # has no types of its own
from google.protobuf import empty_pb2, json_format  # type: ignore[import-untyped]  # the same
from pulumi.runtime.proto import language_pb2 as pb
from pulumi.runtime.proto import language_pb2_grpc, plugin_pb2

HERE = Path(__file__).resolve().parent
PROGRAM_RUNNER = HERE / "pulumi-language-python-exec"
SHOWN_TO_USER = 32  # the runner's exit status once it has reported the failure itself
ENGINE_PROCESS = "--engine-process="  # added by the script that starts this one: its parent at its very start
LOOK_EVERY_S = 0.5
MESSAGE_BYTES_MAX = 400 << 20  # the engine's own limit for a message
LIST_PACKAGES = (
    "import importlib.metadata as m, json; print(json.dumps(sorted({(d.name, d.version) for d in m.distributions()})))"
)


class NoInterpreterError(Exception):
    """The project's runtime options name no usable Python."""


def interpreter(info: pb.ProgramInfo) -> tuple[str, dict[str, str]]:
    """Return the project's Python and what its environment adds; `virtualenv` counts from the project's root."""
    chosen = json_format.MessageToDict(info.options).get("virtualenv")
    if not chosen:
        return os.environ.get("PULUMI_PYTHON_CMD") or sys.executable, {}
    root = (Path(info.root_directory) / str(chosen)).absolute()
    python = root / "bin" / "python"
    if not python.exists():
        raise NoInterpreterError(
            f"runtime option virtualenv: {root} is no virtual environment; make it: python3 -m venv {root} && "
            f"{root}/bin/pip install -r requirements.txt"
        )
    return str(python), {"VIRTUAL_ENV": str(root), "PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', '')}"}


class Children:
    """The programs that run now: each ends with its call, all of them end with the host."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()

    def start(
        self,
        context: grpc.ServicerContext,
        command: Sequence[str],
        environment: dict[str, str],
        cwd: str,
        capture: bool,
    ) -> subprocess.Popen[bytes]:
        """Start a program; the engine cancels the call to stop it."""
        pipe = subprocess.PIPE if capture else None
        child = subprocess.Popen(
            command, env=environment, cwd=cwd or None, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe
        )
        self._running.add(child)

        def end() -> None:
            self._running.discard(child)
            if child.poll() is None:
                child.terminate()

        if not context.add_callback(end):  # the call ended before its program began
            end()
        return child

    def end_all(self) -> None:
        """Ask each program to end."""
        for child in list(self._running):
            if child.poll() is None:
                child.terminate()


class PythonHost(language_pb2_grpc.LanguageRuntimeServicer):
    """Answers the engine. Method names are the protocol's."""

    def __init__(self, engine: str) -> None:
        self.engine = engine
        self.children = Children()

    def Handshake(self, request: pb.LanguageHandshakeRequest, _: object) -> pb.LanguageHandshakeResponse:  # noqa: N802 - protocol
        """Keep the engine's address: programs log through it."""
        self.engine = request.engine_address or self.engine
        return pb.LanguageHandshakeResponse()

    def GetPluginInfo(self, _: empty_pb2.Empty, __: object) -> plugin_pb2.PluginInfo:  # noqa: N802 - protocol
        """Report the version of the engine that this host was built with."""
        return plugin_pb2.PluginInfo(version=(HERE / "VERSION").read_text(encoding="utf-8").strip())

    def GetRequiredPackages(self, _: pb.GetRequiredPackagesRequest, __: object) -> pb.GetRequiredPackagesResponse:  # noqa: N802 - protocol
        """Announce none: providers are found when the program first uses them."""
        return pb.GetRequiredPackagesResponse()

    def RuntimeOptionsPrompts(self, _: pb.RuntimeOptionsRequest, __: object) -> pb.RuntimeOptionsResponse:  # noqa: N802 - protocol
        """Ask nothing: this is for `pulumi new`."""
        return pb.RuntimeOptionsResponse()

    def About(self, request: pb.AboutRequest, context: grpc.ServicerContext) -> pb.AboutResponse:  # noqa: N802 - protocol
        """Name the interpreter and its version."""
        python = self._interpreter_or_abort(request.info, context)[0]
        shown = subprocess.run([python, "--version"], capture_output=True, text=True, check=True).stdout
        return pb.AboutResponse(executable=python, version=shown.removeprefix("Python ").strip())

    def GetProgramDependencies(  # noqa: N802 - protocol
        self, request: pb.GetProgramDependenciesRequest, context: grpc.ServicerContext
    ) -> pb.GetProgramDependenciesResponse:
        """List the packages of the project's interpreter."""
        python = self._interpreter_or_abort(request.info, context)[0]
        found = json.loads(subprocess.run([python, "-c", LIST_PACKAGES], capture_output=True, check=True).stdout)
        return pb.GetProgramDependenciesResponse(
            dependencies=[pb.DependencyInfo(name=name, version=version) for name, version in found]
        )

    def Run(self, request: pb.RunRequest, context: grpc.ServicerContext) -> pb.RunResponse:  # noqa: N802 - protocol
        """Run the program to its end."""
        info = request.info
        try:
            python, extra = interpreter(info)
        except NoInterpreterError as error:
            return pb.RunResponse(error=str(error))
        flags = {
            "monitor": request.monitor_address,
            "engine": self.engine,
            "project": request.project,
            "stack": request.stack,
            "organization": request.organization,
            "pwd": request.pwd,
            "root_directory": info.root_directory,
            "dry_run": str(request.dryRun).lower(),
            "parallel": str(request.parallel),
        }
        program = os.path.normpath(Path(info.program_directory) / (info.entry_point or "."))
        given = [f"--{name}={value}" for name, value in flags.items() if value]
        environment = os.environ | extra
        environment["PULUMI_CONFIG"] = json.dumps(dict(request.config))
        environment["PULUMI_CONFIG_SECRET_KEYS"] = json.dumps(list(request.configSecretKeys))
        command = [python, "-u", str(PROGRAM_RUNNER), *given, program, *request.args]
        status = self.children.start(context, command, environment, "", capture=False).wait()
        if status == SHOWN_TO_USER:
            return pb.RunResponse(bail=True)
        return pb.RunResponse(error=f"the Python program ended with status {status}" if status else "")

    def RunPlugin(self, request: pb.RunPluginRequest, context: grpc.ServicerContext) -> Iterator[pb.RunPluginResponse]:  # noqa: N802 - protocol
        """Run a plugin written in Python (a provider, or a policy pack) and pass on what it prints."""
        python, extra = self._interpreter_or_abort(request.info, context)
        target = request.info.program_directory
        start = (
            ["-m", "pulumi.policy", *request.args, target] if request.kind == "analyzer" else [target, *request.args]
        )
        environment = dict(entry.split("=", 1) for entry in request.env) | extra
        child = self.children.start(context, [python, "-u", *start], environment, request.pwd, capture=True)
        output: queue.Queue[pb.RunPluginResponse | None] = queue.Queue()

        def pump(name: str, pipe: IO[bytes]) -> None:
            while chunk := os.read(pipe.fileno(), 1 << 16):
                shown = pb.RunPluginResponse(stdout=chunk) if name == "stdout" else pb.RunPluginResponse(stderr=chunk)
                output.put(shown)
            output.put(None)

        for name in ("stdout", "stderr"):
            threading.Thread(target=pump, args=(name, getattr(child, name)), daemon=True).start()
        for _ in ("stdout", "stderr"):
            yield from iter(output.get, None)
        yield pb.RunPluginResponse(exitcode=child.wait())

    @staticmethod
    def _interpreter_or_abort(info: pb.ProgramInfo, context: grpc.ServicerContext) -> tuple[str, dict[str, str]]:
        try:
            return interpreter(info)
        except NoInterpreterError as error:
            abort(context, str(error))


def abort(context: grpc.ServicerContext, message: str) -> NoReturn:
    """End a call with a message for the user (`context.abort` raises)."""
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, message)
    raise AssertionError(message)


def main() -> None:
    """Serve until the engine ends this process or takes the connection away."""
    engine = next((argument for argument in sys.argv[1:] if not argument.startswith("-")), "")
    host = PythonHost(engine)
    limits = [
        ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
        ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    ]
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=16), options=limits)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)
    port = server.add_insecure_port("127.0.0.1:0")

    def stop(*_: object) -> None:
        host.children.end_all()
        server.stop(grace=1)

    def stop_with(engine_process: int) -> None:
        # An engine that was killed tells nobody, and orphans would work on beside the next run.
        while os.getppid() == engine_process:
            time.sleep(LOOK_EVERY_S)
        stop()

    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, stop)
    started_by = next((word for word in sys.argv[1:] if word.startswith(ENGINE_PROCESS)), None)
    if started_by:
        parent = int(started_by.removeprefix(ENGINE_PROCESS))
        threading.Thread(target=stop_with, args=(parent,), daemon=True).start()
    server.start()
    sys.stdout.write(f"{port}\n")  # the engine reads the port from the first line
    sys.stdout.flush()
    server.wait_for_termination()


if __name__ == "__main__":
    main()
