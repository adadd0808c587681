"""Runs on a database host, as root, with the standard library alone: prints what a repository holds as JSON.

Arguments: stanza, number of the repository, timeline to stay on (0: the newest), segment to wait for ("-": none), time
as of which a bucket with versions is read ("-": now). Changes nothing.
"""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

SECONDS_MAX = 600
ARRIVAL_SECONDS_MAX = 20
SEGMENT_BYTES = 16 * 1024**2
SEGMENTS_PER_LOG = 2**32 // SEGMENT_BYTES


class RefusedError(Exception):
    """pgBackRest gave no answer; the message is its own."""


def pgbackrest(stanza: str, *argv: str) -> str:
    """Run pgBackRest as the database's system user."""
    command = ["runuser", "-u", "postgres", "--", "env", "-C", "/", "pgbackrest", f"--stanza={stanza}", *argv]
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS_MAX, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RefusedError(str(error)) from error
    # What is read with a wrong passphrase is quoted as it is: any bytes.
    said, complaint = (text.decode(errors="replace") for text in (done.stdout, done.stderr))
    if done.returncode != 0:
        raise RefusedError(" ".join((complaint or said).split())[-800:])
    return said


def number(segment: str) -> int:
    """Return the place of a segment in the WAL: its name is timeline, log, segment."""
    return int(segment[8:16], 16) * SEGMENTS_PER_LOG + int(segment[16:24], 16)


def ends(timeline: int, history: str) -> list[tuple[int, int]]:
    """Return the timelines on the way to one, each with the number of the segment in which it was left."""
    left = re.findall(r"^\s*(\d+)\s+([0-9A-F]+)/([0-9A-F]+)", history, re.MULTILINE)
    found = [(int(own), ((int(high, 16) << 32) + int(low, 16)) // SEGMENT_BYTES) for own, high, low in left]
    return [*found, (timeline, sys.maxsize)]


def reach(start: str, arrived: Mapping[str, float], way: list[tuple[int, int]]) -> str:
    """Return the last segment that can be replayed from one on, before the first that the archive lacks."""
    last, place = "", number(start)
    while True:
        timeline = next(own for own, end in way if place < end)
        name = f"{timeline:08X}{place // SEGMENTS_PER_LOG:08X}{place % SEGMENTS_PER_LOG:08X}"
        if name not in arrived:
            return last
        last, place = name, place + 1


def files(ask: Callable[..., str], folder: str, *, past: bool) -> dict[str, Any]:
    """Return what lies in an archive, by `FOLDER/NAME`."""
    listed: dict[str, Any] = json.loads(ask("--output=json", *([] if past else ["--recurse"]), "repo-ls", folder))
    if not past:
        return listed
    # pgBackRest fails on a list of more than a thousand versions: https://github.com/pgbackrest/pgbackrest/issues/2854
    folders = [name for name, entry in listed.items() if entry["type"] == "path" and name != "."]
    inside = {
        f"{inner}/{name}": entry
        for inner in folders
        for name, entry in json.loads(ask("--output=json", "repo-ls", f"{folder}/{inner}")).items()
    }
    return {**listed, **inside}


def segments(listed: Mapping[str, Any]) -> dict[str, float]:
    """Return all segments of an archive, and when each came."""
    named = ((re.search(r"/([0-9A-F]{24})-[0-9a-f]{40}", name), found) for name, found in listed.items())
    return {match[1]: found["time"] for match, found in named if match}


def main(stanza: str, repository: str, timeline: int, awaited: str, as_of: str) -> dict[str, Any]:
    """Ask."""
    past = as_of != "-"
    ask = partial(pgbackrest, stanza, f"--repo={repository}", *([f"--repo-target-time={as_of}"] if past else []))
    seen: dict[str, Any] = {"error": "", "info": "[]", "arrived": True, "timeline": 0, "history": "", "reach": {}}
    try:
        seen["info"] = ask("--output=json", "info")
        stanzas = json.loads(seen["info"], strict=False)
        # A stanza that was upgraded holds several archives; the last is of today's cluster.
        held = [found for found in stanzas[0].get("archive", []) if found["max"]] if stanzas else []
        if held:
            folder = f"archive/{stanza}/{held[-1]['id']}"
            deadline = time.monotonic() + ARRIVAL_SECONDS_MAX
            listed = files(ask, folder, past=past)
            arrived = segments(listed)
            while not past and awaited not in ("-", *arrived) and time.monotonic() < deadline:
                time.sleep(1)
                listed = files(ask, folder, past=past)
                arrived = segments(listed)
            seen["arrived"] = awaited in ("-", *arrived)
            # After the wait: a leader may just have begun a timeline of its own.
            seen["timeline"] = timeline or int(max(arrived, default=held[-1]["max"])[:8], 16)
            history = f"{seen['timeline']:08X}.history"
            known = (*arrived, *(backup["archive"]["start"] for backup in stanzas[0]["backup"]))
            # A repository that was added on a timeline has none of it, and nothing from before. Else it was lost.
            if history in listed or any(int(name[:8], 16) < seen["timeline"] for name in known):
                seen["history"] = ask("repo-get", f"{folder}/{history}")
            way = ends(seen["timeline"], seen["history"])
            newest = max((name for name in arrived if int(name[:8], 16) == seen["timeline"]), default="")
            for backup in stanzas[0]["backup"]:
                last = reach(backup["archive"]["start"], arrived, way)
                # A set is whole from the segment on in which it ended.
                if last and number(last) >= number(backup["archive"]["stop"]):
                    seen["reach"][backup["label"]] = {"segment": last, "time": arrived[last], "newest": last >= newest}
    except RefusedError as refused:
        seen["error"] = str(refused)
    return {**seen, "now": time.time()}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), *sys.argv[4:6])))
