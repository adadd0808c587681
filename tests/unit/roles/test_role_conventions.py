"""Rules that hold for every role: specs agree with defaults, names follow the house, no failure is hidden."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from .role_files import ROLES, ROOT, Role

TASK_LINES_MAX = 80
MODULE_LINES_MAX = 300
TEST_LINES_MAX = 400
FORBIDDEN_MODULES = {"ansible.builtin.lineinfile", "lineinfile"}
STEPS = ("preflight", "install", "configure", "service")

each_role = pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)


def test_there_are_roles_to_test() -> None:
    assert {"host_baseline", "data_volume", "tls_certificate"} <= {role.name for role in ROLES}


@each_role
def test_each_default_is_declared_with_the_same_value(role: Role) -> None:
    declared = {name: option["default"] for name, option in role.options.items() if "default" in option}
    assert role.defaults == declared


@each_role
def test_each_option_is_required_or_has_a_default(role: Role) -> None:
    neither = [n for n, o in role.options.items() if not o.get("required") and "default" not in o]
    both = [n for n, o in role.options.items() if o.get("required") and "default" in o]
    assert (neither, both) == ([], [])


def undescribed(options: dict[str, Any], prefix: str = "") -> list[str]:
    """Names of options, nested ones too, that lack type or description."""
    found = []
    for name, option in options.items():
        if not option.get("description") or not option.get("type"):
            found.append(f"{prefix}{name}")
        if option.get("type") == "list" and not option.get("elements"):
            found.append(f"{prefix}{name} (elements)")
        found += undescribed(option.get("options") or {}, f"{prefix}{name}.")
    return found


@each_role
def test_each_option_says_its_type_and_what_it_is(role: Role) -> None:
    assert undescribed(role.options) == []


@each_role
def test_names_say_whose_they_are(role: Role) -> None:
    inputs = [name for name in {**role.defaults, **role.options} if not name.startswith(f"{role.name}_")]
    internal = set(role.read("vars/main.yml") or {})
    for _, task in role.tasks():
        if "register" in task:
            internal.add(task["register"])
        internal.update(name for name in task.get("ansible.builtin.set_fact") or {} if name != "cacheable")
    strangers = [name for name in internal if not name.startswith(f"__{role.name}_")]
    assert (inputs, strangers) == ([], [])


@each_role
def test_the_main_file_only_routes_and_each_step_has_its_tag(role: Role) -> None:
    tasks = role.read("tasks/main.yml")
    for task in tasks:
        name = task.get("ansible.builtin.import_tasks") or task.get("ansible.builtin.include_tasks", {}).get("file")
        assert name is not None, task
        tags = task["tags"] if isinstance(task["tags"], list) else [task["tags"]]
        assert {role.name, f"{role.name}_{str(name).removesuffix('.yml')}"} <= set(tags), task
    # Included, not imported: check_site.yml has played the checks of all roles before, and a task that is skipped in an
    # import would forget what it registered then.
    preflight = tasks[0]
    assert preflight["ansible.builtin.include_tasks"]["file"] == "preflight.yml"
    assert preflight["ansible.builtin.include_tasks"]["apply"]["tags"] == preflight["tags"]
    assert preflight["when"] == "not preflights_passed | default(false)"


@each_role
def test_task_names_say_their_file(role: Role) -> None:
    wrong = []
    for path, task in role.tasks():
        if path.parent.name == "handlers" or path.name == "main.yml":
            continue
        name = str(task.get("name", ""))
        if not re.match(rf"{re.escape(path.stem.replace('_', ' ').capitalize())} \| [A-Z]", name):
            wrong.append(f"{path.name}: {name!r}")
    assert wrong == []


@each_role
def test_no_task_hides_a_failure_or_a_secret_for_good(role: Role) -> None:
    wrong = []
    for path, task in role.tasks():
        if task.get("ignore_errors") or task.get("ignore_unreachable"):
            wrong.append(f"{path.name}: {task['name']}: ignore_errors")
        if "no_log" in task and f"{role.name}_secure_logging" not in str(task["no_log"]):
            wrong.append(f"{path.name}: {task['name']}: no_log is not {role.name}_secure_logging")
        wrong += [f"{path.name}: {task['name']}: {module}" for module in FORBIDDEN_MODULES & set(task)]
    assert wrong == []


@each_role
def test_a_command_and_a_failure_that_counts_for_nothing_give_their_reason(role: Role) -> None:
    wrong = []
    for path in role.task_files():
        for chunk in re.split(r"\n(?=\s*- name:)", path.read_text()):
            commands = re.search(r"^\s+ansible\.builtin\.(command|shell):", chunk, re.MULTILINE)
            unfailing = re.search(r"failed_when: false *(\n|$)", chunk)
            if unfailing or (commands and "#" not in chunk):
                wrong.append(f"{path.name}: {chunk.strip().splitlines()[0]}")
    assert wrong == []


@each_role
def test_files_have_a_size_to_feel_at_home_in(role: Role) -> None:
    limits = dict.fromkeys(role.path.glob("tasks/**/*.yml"), TASK_LINES_MAX)
    limits |= {
        path: MODULE_LINES_MAX for folder in ("library", "module_utils") for path in role.path.glob(f"{folder}/*.py")
    }
    limits |= dict.fromkeys(role.path.glob("molecule/**/*.py"), TEST_LINES_MAX)
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in limits}
    assert {name: length for name, length in lengths.items() if length > limits[ROOT / name]} == {}


def scenario_roles(converge: Path) -> set[str]:
    """Roles that a scenario plays: those of its plays and of the playbooks they import, else that of its folder."""
    if not converge.exists():
        return {converge.parents[2].name}
    text = converge.read_text()
    imported = [(converge.parent / name).resolve(strict=True) for name in re.findall(r"import_playbook: (\S+)", text)]
    words = set(re.findall(r"[a-z_]+", text))
    return ({role.name for role in ROLES} & words).union(*map(scenario_roles, imported))


@each_role
def test_each_role_has_its_files_and_is_played_by_a_default_scenario(role: Role) -> None:
    assert [
        name for name in ("README.md", "defaults/main.yml", "meta/main.yml") if not (role.path / name).exists()
    ] == []
    # Roles that prove each other share one scenario by a link: `molecule test` works in each of them.
    scenario = (role.path / "molecule/default").resolve()
    assert role.name in scenario_roles(scenario / "converge.yml")
    assert list(scenario.glob("tests/test_*.py"))


@pytest.mark.parametrize("role", [role for role in ROLES if role.options], ids=lambda role: role.name)
def test_each_role_with_options_is_played_with_others_than_the_defaults(role: Role) -> None:
    # The roles that share a scenario share its alternative, beside it.
    scenario = (role.path / "molecule/default").resolve().parent / "alternative"
    assert list(scenario.glob("tests/test_*.py"))
    assert role.name in scenario_roles(scenario / "converge.yml")
    given = yaml.safe_load((scenario / "molecule.yml").read_text())["provisioner"]["inventory"]["group_vars"]["all"]
    assert [name for name in given if name in role.defaults and given[name] != role.defaults[name]]


def test_host_names_of_scenarios_are_unique() -> None:
    names = [
        platform["name"]
        for path in sorted((ROOT / "roles").glob("*/molecule/*/molecule.yml"))
        if not path.parent.is_symlink()
        for platform in yaml.safe_load(path.read_text())["platforms"]
    ]
    assert len(set(names)) == len(names), sorted(name for name in names if names.count(name) > 1)


def test_readmes_are_current() -> None:
    checked = subprocess.run(
        [sys.executable, ROOT / "lab/role_readme.py", "--check"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
