"""Our stand-in for the Python language host behaves as the official one where a user would notice."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from engine_workspace import ROOT, Engine, make_engine

PROJECT = "name: small\nruntime: {name: python, options: {toolchain: pip, virtualenv: .venv}}\n"


@pytest.fixture(scope="module")
def small(home: Path) -> Engine:
    """A project of its own with an empty program."""
    if not subprocess.run([ROOT / "lab/engine/build"], capture_output=True, text=True, check=True).stdout:
        pytest.skip("an official engine with its own language host is on PATH: ours is not used")
    engine = make_engine(home, stack="dev")
    # Programs of one length follow each other within a second: a compiled one would be taken for the next.
    engine.environment["PYTHONDONTWRITEBYTECODE"] = "1"
    for link in engine.project.iterdir():
        if link.name != ".venv":
            link.unlink()
    (engine.project / "Pulumi.yaml").write_text(PROJECT)
    program(engine, "")
    engine.run("stack", "init")
    return engine


def program(engine: Engine, text: str) -> None:
    (engine.project / "__main__.py").write_text(text)


def test_a_program_gets_its_configuration_and_exports(small: Engine) -> None:
    program(
        small,
        "import os, pulumi, sys\n"
        "pulumi.export('greeting', pulumi.Config().require('greeting'))\n"
        "pulumi.export('hidden', pulumi.Config().require_secret('hidden'))\n"
        "pulumi.export('names', [pulumi.get_project(), pulumi.get_stack(), pulumi.get_organization()])\n"
        "pulumi.export('virtual', os.environ['VIRTUAL_ENV'])\n",
    )
    small.run("config", "set", "greeting", "你好")
    small.run("config", "set", "--secret", "hidden", "hunter2")
    small.run("up", "--yes", "--skip-preview")
    shown = json.loads(small.run("stack", "output", "--json").stdout)
    assert shown == {
        "greeting": "你好",
        "hidden": "[secret]",
        "names": ["small", "dev", "organization"],
        "virtual": str(small.project / ".venv"),
    }
    assert "hunter2" not in json.dumps(small.state())


def test_a_failure_shows_the_users_own_traceback(small: Engine) -> None:
    program(small, "def deep():\n    return 1 / 0\n\ndeep()\n")
    failed = small.run("preview", check=False)
    shown = failed.stdout + failed.stderr
    assert failed.returncode != 0
    assert "Program failed with an unhandled exception" in shown
    assert "ZeroDivisionError: division by zero" in shown
    assert "language_host" not in shown


def test_a_refusal_shows_its_message_alone(small: Engine) -> None:
    program(small, "import pulumi\nraise pulumi.RunError('not like this')\n")
    failed = small.run("preview", check=False)
    assert failed.returncode != 0
    assert "not like this" in failed.stdout + failed.stderr
    assert "Traceback" not in failed.stdout + failed.stderr


def test_a_program_that_ends_by_itself_is_a_failure(small: Engine) -> None:
    program(small, "import os\nos._exit(3)\n")
    failed = small.run("preview", check=False)
    assert failed.returncode != 0
    assert "the Python program ended with status 3" in failed.stdout + failed.stderr


def test_about_names_the_projects_interpreter(small: Engine) -> None:
    about = subprocess.run(
        ["pulumi", "about", "--json"],
        cwd=small.project,
        env=small.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    shown = json.loads(about.stdout)
    assert shown["runtime"]["executable"] == str(small.project / ".venv/bin/python")
    assert re.fullmatch(r"3\.\d+\.\d+\S*", shown["runtime"]["version"])
    assert "pulumi" in {dependency["name"] for dependency in shown["dependencies"]}


def test_a_missing_virtual_environment_is_named_with_the_remedy(small: Engine) -> None:
    project = small.project / "Pulumi.yaml"
    project.write_text(PROJECT.replace("virtualenv: .venv", "virtualenv: elsewhere"))
    try:
        failed = small.run("preview", check=False)
    finally:
        project.write_text(PROJECT)
    assert failed.returncode != 0
    assert "elsewhere is no virtual environment; make it: python3 -m venv" in failed.stdout + failed.stderr


def test_a_plugin_written_in_python_is_run(small: Engine) -> None:
    plugin = small.project / "echo"
    plugin.mkdir()
    (plugin / "PulumiPlugin.yaml").write_text("runtime: python\n")
    (plugin / "__main__.py").write_text(
        "import json, sys\n"
        "from pulumi.provider.experimental import provider as p\n"
        "from pulumi.provider.experimental.server import main\n"
        "class Echo(p.Provider):\n"
        "    async def get_schema(self, request): return p.GetSchemaResponse(json.dumps({'name': 'echo'}))\n"
        "    async def check_config(self, request): return p.CheckResponse(inputs=request.new_inputs)\n"
        "    async def configure(self, request): return p.ConfigureResponse(accept_secrets=True)\n"
        "    async def check(self, request): return p.CheckResponse(inputs=request.new_inputs)\n"
        "    async def create(self, request): return p.CreateResponse('heard', request.properties)\n"
        "main(sys.argv[1:], '1.0.0', Echo())\n"
    )
    (small.project / "Pulumi.yaml").write_text(PROJECT + "plugins: {providers: [{name: echo, path: ./echo}]}\n")
    program(
        small,
        "import pulumi\n"
        "echo = pulumi.CustomResource('echo:index:Call', 'call', {'said': 'hello'})\n"
        "pulumi.export('id', echo.id)\n",
    )
    try:
        small.run("up", "--yes", "--skip-preview")
        assert json.loads(small.run("stack", "output", "--json").stdout)["id"] == "heard"
    finally:
        (small.project / "Pulumi.yaml").write_text(PROJECT)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_run_leaves_no_program_behind(small: Engine, tmp_path: Path, by: signal.Signals) -> None:
    marker = tmp_path / "pid"
    program(
        small,
        f"import os, pathlib, time\npathlib.Path({str(marker)!r}).write_text(str(os.getpid()))\ntime.sleep(60)\n",
    )
    command = ["pulumi", "preview", "--non-interactive", "--stack", "dev"]
    running = subprocess.Popen(
        command, cwd=small.project, env=small.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        deadline = time.monotonic() + 30
        while not marker.exists() or not marker.read_text():
            assert time.monotonic() < deadline, "the program did not begin"
            time.sleep(0.1)
        child = int(marker.read_text())
        os.kill(running.pid, by)
        assert running.wait(timeout=30) != 0
    finally:
        if running.poll() is None:
            running.kill()
    deadline = time.monotonic() + 10
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not alive(child)
