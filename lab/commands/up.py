"""`make up`: everything from nothing to a running, verified, migrated cluster in the lab.

Each step may have been done before; killed anywhere and run again, it goes on from there.
"""

import argparse
import json
import sys
import time

from lab import lock, machine, preflight
from lab.paths import LOGS, ROOT, STATE
from lab.steps import Result, Runner, Step

# Engine and image take a core or the network each; the other two places are for the quick steps.
PARALLEL = 4
CARD = "connection card"
PLAYBOOKS = "ansible/playbooks"
TIMES = STATE / "times.json"


def steps(*, verify: bool = True) -> list[Step]:
    """What has to be done, in the order of the numbers that are printed."""
    lab = [sys.executable, "-m", "lab"]
    pythonpath = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}

    def own(name: str, *words: str, needs: tuple[str, ...] = ("system packages",)) -> Step:
        activated = words in {("part", "stack"), ("part", "hosts")}
        return Step(name=name, argv=[*lab, *words], needs=needs, environment=pythonpath, activated=activated)

    plan = [
        own("system packages", "part", "packages", needs=()),
        own("virtual environment", "part", "environment"),
        # Settings that can't work are refused before anything is built for them; reading them takes PyYAML.
        Step(
            name="settings",
            argv=["python", "pulumi/check_settings.py", "lab"],
            needs=["virtual environment"],
            environment=pythonpath,
            activated=True,
        ),
        Step(name="Pulumi engine", argv=["lab/engine/build"], needs=["settings"]),
        own("host image", "image", "tar", needs=("settings",)),
        own("sandbox", "sandbox", "up", needs=("settings",)),
        own("image into podman", "image", "host", needs=("host image", "sandbox")),
        Step(
            name="secrets",
            argv=["ansible-playbook", "-i", "localhost,", f"{PLAYBOOKS}/initialise_secrets.yml"],
            needs=["settings"],
            activated=True,
        ),
        own("stack", "part", "stack", needs=("Pulumi engine",)),
        own("hosts", "part", "hosts", needs=("stack", "secrets", "image into podman")),
        Step(name="site", argv=["ansible-playbook", f"{PLAYBOOKS}/site.yml"], needs=["hosts"], activated=True),
        Step(name=CARD, argv=["ansible-playbook", f"{PLAYBOOKS}/show_card.yml"], needs=["site"], activated=True),
    ]
    if verify:
        # After the card: a test connects with exactly what it says.
        plan.append(Step(name="verification", argv=["pytest", "tests/host"], needs=[CARD], activated=True))
    return plan


def main(words: list[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="lab/run up", description=__doc__)
    parser.add_argument("--no-verification", action="store_true", help="leave out `pytest tests/host`")
    given = parser.parse_args(words)
    preflight.refuse()
    plan = steps(verify=not given.no_verification)
    with lock.held() as descriptor:
        print(f"This machine: {machine.detect().reason}.")
        results = Runner(plan, root=ROOT, logs=LOGS / "up", parallel=PARALLEL, lock=descriptor).run()
        _keep_times(results)
    if any(result.status != "done" for result in results):
        print("\nThe lab is not up. Mend what is said above and run `make up` again: it goes on from there.")
        return 1
    card = next(result for result in results if result.name == CARD)
    print(f"\n{card.log.read_text()}")
    return 0


def _keep_times(results: list[Result]) -> None:
    TIMES.write_text(
        json.dumps(
            {
                "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                "steps": [
                    {"name": one.name, "status": one.status, "seconds": round(one.seconds, 1), "remark": one.remark}
                    for one in results
                ],
            },
            indent=2,
        )
        + "\n"
    )
