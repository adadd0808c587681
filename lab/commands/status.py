"""`make status`: what of the lab runs."""

from collections.abc import Mapping, Sequence
from typing import Any

from lab import machine, members, network, podman, processes, sandbox, stack, volumes
from lab.errors import LabError

HEADER = ("host", "address", "state", "role", "member", "lag", "timeline", "services", "volumes, used of GiB")


def main(words: list[str]) -> int:
    """The command line: no arguments. Status 0 when every declared host and service runs and a leader is known, also
    when the hosts run and are not configured yet.
    """
    del words
    sandbox.refuse_other_owner()  # what runs is another clone's
    names = ["apt-cache", "apt-forward", "podman"]
    names += ["sandbox"] if machine.detect().sandbox else [f"apt-{name}" for name in network.gateways()]
    print(f"machine    {machine.detect().reason}")
    print("processes  " + ", ".join(f"{name} {processes.running(name) or 'DOWN'}" for name in names))
    if not sandbox.healthy():
        print("The lab is down; its data is kept. `make up` starts it.")
        return 1
    try:
        found = {str(item["Names"][0]): item for item in podman.hosts()}
        environment, declared = stack.contract()["environment"], stack.hosts()
    except LabError as error:
        print(error)
        return 1
    states = {name: str(found.get(f"{environment}-{name}", {}).get("State", "MISSING")) for name in declared}
    live = members.look({name: host for name, host in declared.items() if states[name] == "running"})
    rows = [_row(environment, name, host, states[name], live.get(name)) for name, host in declared.items()]
    print("\n" + table([HEADER, *rows]))
    if others := sorted(set(found) - {f"{environment}-{name}" for name in declared}):
        print(f"\nnot declared (molecule's and throwaway hosts): {', '.join(others)}")
    if set(states.values()) == {"running"} and not any("active" in one.services.values() for one in live.values()):
        print("\nThe hosts run, and nothing of the platform on them: `make up` configures them.")
        return 0
    wrong = problems(declared, states, live)
    if wrong:
        print("\n" + "\n".join(wrong))
    return 1 if wrong else 0


def problems(
    declared: Mapping[str, Mapping[str, Any]], states: Mapping[str, str], live: Mapping[str, members.Live]
) -> list[str]:
    """Each thing that is not as declared, in words."""
    wrong = [f"{name} is {state}: `make up` starts it" for name, state in states.items() if state != "running"]
    wrong += [f"{name} does not answer over SSH" for name, one in live.items() if not one.answers]
    wrong += [
        f"{name}: {service} is {state}"
        for name, one in live.items()
        for service, state in one.services.items()
        if state != "active"
    ]
    databases = [name for name, host in declared.items() if not host["serves"] and host["state"] == "active"]
    if not any(live[name].role.endswith("leader") for name in databases if name in live):
        wrong.append(
            "no leader is known: etcd has no quorum, or nobody leads (`sudo patronictl list` on a host says which)"
        )
    return wrong


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as what is in them."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _row(
    environment: str, name: str, host: Mapping[str, Any], state: str, live: members.Live | None
) -> tuple[str, ...]:
    live = live or members.Live(answers=False)
    # Those that run by name only: what differs is what one looks for.
    services = [one if said == "active" else f"{one} {said.upper()}" for one, said in live.services.items()]
    sizes = ", ".join(_volume(environment, name, volume) for volume in host["volumes"])
    said = state if live.answers or state != "running" else "NO SSH"
    kept = ("retiring " if host["state"] == "retiring" else "") + live.role
    return (name, host["address"], said, kept, live.state, live.lag, live.timeline, " ".join(services), sizes)


def _volume(environment: str, host: str, volume: Mapping[str, Any]) -> str:
    found = volumes.find(f"{environment}-{host}-{volume['purpose']}")
    used = "MISSING" if found is None else f"{found.file.stat().st_blocks * 512 / volumes.GIB:.1f}"
    return f"{volume['purpose']} {used}/{volume['size_gib']}"
