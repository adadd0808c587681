"""`site.yml --check` on a new lab: hosts that were made and never configured.

Runs by its name alone, after `pulumi up` and before the first site.yml: pytest tests/proofs/test_0_new_lab.py
"""

from collections import Counter
from collections.abc import Callable

from tests.host.environment import Environment
from tests.proofs import unchecked
from tests.proofs.tools import SITE, Snapshot, observe

# The first thing that a run leaves on a host.
CONFIGURED = "test ! -e /etc/ssl/platform/ca.crt || echo configured"


def test_a_check_of_the_new_lab_lists_what_it_would_do(
    lab: Environment, everywhere: Callable[[str], dict[str, str]], file_snapshot: Snapshot
) -> None:
    used = [host for host, text in everywhere(CONFIGURED).items() if text]
    assert used == [], (
        f"{', '.join(used)}: configured before, so this is no new lab. It can be checked between `pulumi up`"
        " and the first site.yml only: make destroy, then make up"
    )
    before = file_snapshot()
    run = observe(SITE, "--check")
    assert run.code == 0, run.output[-6000:]
    assert file_snapshot() == before, "the check has changed a file"
    changes = Counter(host for host, _ in run.changed)
    assert set(changes) == set(lab.hosts("all")), "a host for which no change is listed"
    roles = {task.partition(" : ")[0] for _, task in run.changed}
    print("\nchanges that a run would make: " + ", ".join(f"{host} {changes[host]}" for host in sorted(changes)))
    print(f"by {len(roles)} roles: {', '.join(sorted(roles))}")
    unchecked.tell(run)
