"""`make status`: what of the lab runs."""

from lab import machine, network, podman, processes, sandbox, stack, volumes
from lab.errors import LabError


def main(words: list[str]) -> int:
    """The command line: no arguments. Status 0 when every declared host runs."""
    del words
    names = ["apt-cache", "apt-forward", "podman"]
    names += ["sandbox"] if machine.detect().sandbox else [f"apt-{name}" for name in network.gateways()]
    print(f"machine    {machine.detect().reason}")
    print("processes  " + ", ".join(f"{name} {processes.running(name) or 'DOWN'}" for name in names))
    if not sandbox.healthy():
        print("The lab is down; its data is kept. `make up` starts it.")
        return 1
    found = {str(item["Names"][0]): item for item in podman.hosts()}
    try:
        environment, declared = stack.contract()["environment"], stack.hosts()
    except LabError as error:
        print(error)
        return 1
    print(f"\n{'host':<10} {'address':<12} {'state':<10} {'serves':<18} volumes")
    rows = {name: str(found.get(f"{environment}-{name}", {}).get("State", "MISSING")) for name in declared}
    for name, host in declared.items():
        sizes = ", ".join(_volume(environment, name, volume) for volume in host["volumes"])
        serves = ",".join(host["serves"]) or ("database+etcd" if host["etcd_member"] else "database")
        print(f"{name:<10} {host['address']:<12} {rows[name]:<10} {serves:<18} {sizes}")
    others = sorted(set(found) - {f"{environment}-{name}" for name in declared})
    if others:
        print(f"\nnot declared (molecule's and throwaway hosts): {', '.join(others)}")
    return 0 if set(rows.values()) == {"running"} else 1


def _volume(environment: str, host: str, volume: dict[str, object]) -> str:
    found = volumes.find(f"{environment}-{host}-{volume['purpose']}")
    used = "MISSING" if found is None else f"{found.file.stat().st_blocks * 512 / volumes.GIB:.1f}"
    return f"{volume['purpose']} {used}/{volume['size_gib']} GiB"
