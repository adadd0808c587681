"""`make test`: everything that proves the repository, side by side where it may be, with one table at the end.

    python3 -m tests.everything [GROUP…]        groups: see GROUPS; none means all but the ones run on purpose

A group brings along what it needs, such as the virtual environment or the lab. Only the standard library is used:
nothing is installed yet when it starts.
"""

import argparse
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import replace

from lab import lock, machine, preflight, sandbox
from lab.commands import up
from lab.errors import LabError
from lab.paths import LOGS, ROOT, STATE
from lab.steps import Result, Runner, Step
from tests.bench.backup.hosts import check_room, wanted_gigabytes

PARALLEL = 2  # The smallest machine has two cores. A third step gains nothing there, and clients that wait fail.
# What works on the lab's own cluster and must not be disturbed: one after the other, when everything else is over.
LIVE = ("host", "proofs", "proofs-all")
# What needs processors alone takes those that the proofs, which often wait for hosts, leave idle.
BESIDE_LIVE = ("unit", "engine", "ansible-lint", "mypy", "mypy of the application", "mypy of the roles")
LOWEST_PRIORITY = ("nice", "-n", "19")
# No test takes half as many seconds: one that hangs is ended and named, with where it hangs.
PYTEST = ("pytest", "--timeout=900")
FAILURE_LINES = 8
FAILURE_COLUMNS = 300
LONGEST = 5
TEST_PACKAGES = "packages of the tests"
NEW_LAB = "check of the new lab"
BENCH_SITE = "bench site"
CARD = STATE / "card.json"
ON_PURPOSE = ("molecule-all", "proofs-all", "bench")

PYTHON = ["ansible/plugins", "files/app", "lab", "pulumi", "roles", "tests"]
MYPY = [
    "ansible/plugins/callback",
    "ansible/plugins/filter",
    "ansible/plugins/inventory",
    "ansible/plugins/lookup",
    "ansible/plugins/module_utils",
    "ansible/plugins/modules",
    "ansible/plugins/support",
    "lab",
    "pulumi",
    "tests",
]
MYPY_ALONE = "tests/unit/pulumi/conftest.py"  # see pyproject.toml


def lint() -> list[Step]:
    """Style and types: one step for each tool."""
    scripts = (
        "'*.sh' activate.sh .envrc lab/run lab/engine/build lab/engine/pulumi-language-python .ci/run "
        "'lab/image/files/usr/local/sbin/*'"
    )
    shell = f"git ls-files -z {scripts} | xargs -0 shellcheck --external-sources"
    # Each by itself, as Ansible ships them; module_utils and the library of jobs need their paths.
    roles = (
        "for file in roles/*/{library,filter_plugins,files}/*.py; do "
        'MYPYPATH=$(dirname "$file"):roles/job_runner/files mypy "$file" || exit 1; done; '
        "MYPYPATH=roles/postgresql_access/module_utils exec mypy -p postgresql_access"
    )
    commands = {
        "ruff": ["bash", "-c", f"ruff check {' '.join(PYTHON)} && ruff format --check {' '.join(PYTHON)}"],
        "mypy": ["bash", "-c", f"mypy {' '.join(MYPY)} && mypy {MYPY_ALONE}"],
        "mypy of the application": ["bash", "-c", "cd files/app && mypy"],
        "mypy of the roles": ["bash", "-c", roles],
        "ansible-lint": ["ansible-lint", "--offline"],
        "yamllint": ["yamllint", "--strict", "."],
        "shellcheck": ["bash", "-c", shell],
    }
    return [tool(name, argv) for name, argv in commands.items()]


def tool(name: str, argv: list[str], needs: Iterable[str] = ()) -> Step:
    """A step in the virtual environment."""
    return Step(name=name, argv=argv, needs=["virtual environment", *needs], activated=True)


def scenarios(*names: str) -> list[Step]:
    """The molecule scenarios of these names, of all roles; one that several roles share is run once."""
    found = sorted(path.parent for path in ROOT.glob("roles/*/molecule/*/molecule.yml") if path.parent.name in names)
    folders = [folder for folder in found if not folder.is_symlink()]
    return [
        Step(
            name=f"molecule {folder.parents[1].name}{'' if folder.name == 'default' else f' {folder.name}'}",
            argv=["bash", "-c", f"cd {folder.parents[1].relative_to(ROOT)} && molecule test -s {folder.name}"],
            needs=["virtual environment", "packages image"],
            activated=True,
            environment={"NO_COLOR": "1", "MOLECULE_COMMAND_BORDERS": "0", "ANSIBLE_NOCOLOR": "1"},
        )
        for folder in folders
    ]


def groups() -> dict[str, list[Step]]:
    """What each group of tests runs."""
    return {
        "lint": lint(),
        "unit": [tool("unit", [*PYTEST, "-v", "-n2", "--dist=loadfile", "tests/unit"])],
        # A stack's tests go on from each other, two stacks beside each other.
        "engine": [
            tool(
                "engine",
                [*PYTEST, "-n2", "--dist=loadfile", "--no-loadscope-reorder", "tests/engine"],
                needs=["Pulumi engine"],
            )
        ],
        "aws": [tool("aws", [*PYTEST, "tests/aws"])],
        "app": [tool("app", [*PYTEST, "tests/app"], needs=["packages image"])],
        # A lab of its own, in an inner machine.
        "lab": [tool("lab", [*PYTEST, "tests/lab"], needs=["hosts"])],
        "molecule": scenarios("default"),
        "molecule-all": scenarios("default", "alternative"),
        "host": [tool("host", [*PYTEST, "tests/host"], needs=[TEST_PACKAGES, up.CARD])],
        "proofs": [tool("proofs", [*PYTEST, "tests/proofs", "-m", "not long"], needs=[up.CARD])],
        "proofs-all": [tool("proofs", ["pytest", "tests/proofs"], needs=[up.CARD])],
        "bench": [
            tool(
                "bench pulumi",
                ["python", "tests/bench/bench_pulumi.py", "--json", "docs/results/pulumi.json"],
                needs=["Pulumi engine"],
            ),
            # Not beside each other: each wants the machine for itself.
            replace(tool(BENCH_SITE, ["python", "-m", "tests.bench.bench_site"]), after=["bench pulumi"]),
            replace(
                tool("bench application", ["python", "-m", "tests.bench.application"], needs=["packages image"]),
                after=[BENCH_SITE],
            ),
            replace(
                tool("bench backup", ["python", "-m", "tests.bench.backup"], needs=["packages image"]),
                after=["bench application"],
            ),
        ],
    }


def chosen(names: Iterable[str]) -> list[Step]:
    """The steps of these groups and all that they need, in the order in which they are numbered."""
    lab = [sys.executable, "-m", "lab"]
    by_name = {step.name: step for step in up.steps(verify=False)}
    environment = dict(by_name["host image"].environment)
    for name, words, need in (
        (TEST_PACKAGES, ["part", "test-packages"], "system packages"),
        ("packages image", ["image", "packages"], "image into podman"),
    ):
        by_name[name] = Step(name=name, argv=[*lab, *words], needs=[need], environment=environment)
    tests = [step for name in names for step in groups()[name]]
    wanted: set[str] = set()
    queue = list(tests)
    while queue:
        step = queue.pop()
        queue += [by_name[need] for need in step.needs if need not in wanted]
        wanted.update(step.needs)
    if {"proofs", "proofs-all"} & set(names) and not CARD.exists():
        # The one moment at which the hosts are there and nothing is on them.
        by_name[NEW_LAB] = tool(NEW_LAB, ["pytest", "-s", "tests/proofs/test_0_new_lab.py"], needs=["hosts"])
        by_name["site"] = replace(by_name["site"], after=[NEW_LAB])
        wanted.add(NEW_LAB)
    if "bench" in names:
        # That one has a lab in a clone of its own, and a machine has room for one. Nor is anything built beside it.
        for name in ("host image", "sandbox"):
            by_name[name] = replace(by_name[name], after=[BENCH_SITE])
    live = [step for step in tests if step.name in LIVE]
    beside = [step for step in tests if live and step.name in BESIDE_LIVE]
    quiet = [step for step in tests if step not in (*live, *beside)]
    ordered = [step for step in by_name.values() if step.name in wanted] + quiet
    for step in live:
        before = [one.name for one in ordered]
        ordered.append(
            Step(name=step.name, argv=step.argv, needs=step.needs, after=before, activated=True, environment={})
        )
    # Behind the others in this list, so that what is live never waits for a place.
    return ordered + [replace(step, argv=[*LOWEST_PRIORITY, *step.argv]) for step in beside]


def count(result: Result) -> tuple[int, int, int]:
    """Passed, failed, skipped: what pytest says in the step's log; a step without such a line is one test."""
    text = result.log.read_text(errors="replace") if result.log.exists() else ""
    found: Counter[str] = Counter()
    for line in re.findall(r"^=+ (.*) in [\d.]+s", text, re.MULTILINE):
        for number, word in re.findall(r"(\d+) (passed|failed|skipped|error)", line):
            found[word] += int(number)
    failed = found["failed"] + found["error"]
    if result.status != "done":
        return found["passed"], failed or 1, found["skipped"]
    return found["passed"] or 1, failed, found["skipped"]


def say_failures(results: Iterable[Result]) -> None:
    """Each failed or ended step with pytest's own summary or else the end of its log: the last thing a reader sees."""
    for result in results:
        if result.status in ("failed", "stopped"):
            lines = result.log.read_text(errors="replace").splitlines() if result.log.exists() else []
            told = [line for line in lines if re.match(r"(FAILED|ERROR) ", line)] or lines[-FAILURE_LINES:]
            print(
                "\n".join(
                    [f"  {result.name} (all of it: {result.log})", *(f"    {line[:FAILURE_COLUMNS]}" for line in told)]
                )
            )


def say_longest(results: Sequence[Result]) -> None:
    """Where the time went, in a line beside the result."""
    longest = sorted(results, key=lambda result: -result.seconds)[:LONGEST]
    print(f"\nLongest: {', '.join(f'{result.name} {result.seconds:.0f} s' for result in longest)}.")


def say_skips(results: Iterable[Result]) -> None:
    """Each skipped test with its reason."""
    for result in results:
        text = result.log.read_text(errors="replace") if result.log.exists() else ""
        for line in sorted(set(re.findall(r"^SKIPPED .*", text, re.MULTILINE))):
            print(f"  {result.name}: {line}")


def left_out(names: Iterable[str]) -> dict[str, list[str]]:
    """What these groups leave to a larger one that is run on purpose, by the name of that one."""
    proofs = sorted(ROOT.glob("tests/proofs/test_*.py"))
    parts = {
        "molecule": [step.name for step in scenarios("alternative")],
        "proofs": [path.stem for path in proofs if "pytest.mark.long" in path.read_text()],
    }
    return {f"{name}-all": parts[name] for name in parts if name in names and f"{name}-all" not in names}


def main(words: list[str]) -> int:
    """Run the groups; the last line counts what passed, failed and was skipped."""
    every = list(groups())
    parser = argparse.ArgumentParser(prog="python3 -m tests.everything", description=__doc__)
    parser.add_argument("groups", nargs="*", choices=[*every, []], metavar="GROUP", help=", ".join(every))
    names = parser.parse_args(words).groups or [name for name in every if name not in ON_PURPOSE]
    try:
        return run(names)
    except LabError as error:
        print(f"tests: {error}", file=sys.stderr)
        return 1


def run(names: list[str]) -> int:
    """Run these groups. LabError when the machine lacks something or somebody is at work on the lab."""
    if "bench" in names:
        # Its last step wants the disk, and is an hour away.
        check_room(wanted_gigabytes())
    steps = chosen(names)
    # What starts no host disturbs nobody: lint is fine beside a running `make up`, or the lab of another clone.
    with_hosts = "sandbox" in {step.name for step in steps}
    if with_hosts:
        preflight.refuse()
    else:
        preflight.refuse_no_root()
    print(f"This machine: {machine.detect().reason}.")
    was_up = sandbox.healthy()
    tests = {NEW_LAB, *(step.name for name in names for step in groups()[name])}
    with lock.held() if with_hosts else nullcontext() as descriptor:
        runner = Runner(steps, root=ROOT, logs=LOGS / "test", parallel=PARALLEL, keep_going=True, lock=descriptor)
        results = runner.run()
    counted = [count(result) for result in results if result.name in tests or result.status != "done"]
    passed, failed, skipped = (sum(column) for column in zip(*counted, strict=True))
    if {"proofs", "proofs-all"} & set(names) and NEW_LAB not in {step.name for step in steps}:
        skipped += 1
    if skipped:
        print("\nSkipped, with the reason:")
        say_skips(results)
        if NEW_LAB not in {step.name for step in steps}:
            print(f"  {NEW_LAB}: the lab was configured before; `make destroy`, then `make test` checks a new one")
    if left := left_out(names):
        print("\nLeft out on purpose:")
        for group, parts in left.items():
            print(f"  {', '.join(parts)}: `make {group}`")
    if failed:
        print("\nFailed:")
        say_failures(results)
    if with_hosts and not was_up and sandbox.healthy():
        print("\nThe lab was not up before, so it is stopped (its data is kept; `make up` brings it back).")
        # With root's rights, which this process may not have.
        subprocess.run([ROOT / "lab" / "run", "down"], check=False)
    say_longest(results)
    print(f"\n{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
