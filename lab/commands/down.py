"""`make down`: shut the hosts down in order and end the lab's processes. All data, images and state stay."""

from concurrent.futures import ThreadPoolExecutor

from lab import podman, preflight, sandbox, volumes


def main(words: list[str]) -> int:
    """The command line: no arguments. Needs root, as the processes do."""
    del words
    preflight.refuse_no_root()
    sandbox.refuse_other_owner()
    stopped = 0
    if sandbox.healthy():
        names = [str(item["Names"][0]) for item in podman.containers() if item["State"] == "running"]
        with ThreadPoolExecutor(max_workers=8) as pool:
            list(pool.map(podman.stop_host, names))
        stopped = len(names)
    sandbox.down()
    for name in volumes.names():
        volumes.detach(name)
    print(f"{stopped} hosts stopped; all data is kept. `make up` starts them again.")
    return 0
