"""What pgBackRest's repository can restore: the recoverable window, and the set and arguments for one target.

A pure function for restore_cluster.yml; standard library only. What can't be is told in `problem`, with its remedy.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

KINDS: Final = ("latest", "time", "name", "xid", "lsn")
# PostgreSQL's default, which initdb was left with.
SEGMENT_BYTES: Final = 16 * 1024**2
SEGMENTS_PER_LOG: Final = 2**32 // SEGMENT_BYTES
NOWHERE: Final = "0/0"
# What pgBackRest complains of (the first that fits), and what to do about it.
REMEDIES: Final = {
    r"repo-target-time": (
        "restore_repository_time is for a bucket that keeps versions, and is written as 2026-11-29 14:30:00+08:00"
    ),
    r"certificate has expired|certificate expired": (
        "a certificate has expired: renew it by ansible/playbooks/renew_certificates.yml"
    ),
    r"CryptoError|cipher|is or was the repo encrypted|FormatError": (
        "the passphrase does not fit: put the secret repository_cipher_passphrase back that it was made with"
    ),
    r"not valid for 'repo' option|not configured": "there is no repository of this number: take one that is configured",
    r"access denied|missing stanza|no valid backups": (
        "it does not hold this stanza: check the cluster's name and the repository in the stack"
    ),
}


class RefusalError(Exception):
    """Why there is no plan, and what to do."""


@dataclass(frozen=True)
class Window:
    """From when to when, and from where to where in the WAL, a repository reaches."""

    first: float
    last: float
    low: int
    high: int
    now: float

    def __str__(self) -> str:
        return f"The window is {_stamp(self.first)} to {_stamp(self.last)} (WAL {_lsn(self.low)} to {_lsn(self.high)})"


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S+00")


def _position(lsn: str) -> int:
    """Give the bytes before a position such as 0/5000028."""
    high, low = lsn.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def _lsn(position: int) -> str:
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"


def _segment_end(name: str) -> int:
    """Give the position after the last byte of a WAL segment: its name is timeline, log, segment."""
    return (int(name[8:16], 16) * SEGMENTS_PER_LOG + int(name[16:24], 16) + 1) * SEGMENT_BYTES


def _on_timeline(backup: Mapping[str, Any], timeline: int, history: str) -> bool:
    """Tell whether a set lies on the way to a timeline, whose history names each that was left, and where."""
    own = int(backup["archive"]["stop"][:8], 16)
    left = dict(re.findall(r"^\s*(\d+)\s+([0-9A-F]+/[0-9A-F]+)", history, re.MULTILINE))
    return own == timeline or (str(own) in left and _position(backup["lsn"]["stop"]) <= _position(left[str(own)]))


def _stanza(look: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a repository says of the stanza, once it is known to be the right one's."""
    stanza: dict[str, Any] = (json.loads(look["info"], strict=False) or [{}])[0]
    found = [state["status"] for state in stanza.get("repo", []) if state["key"] == request["repository"]]
    said = look["error"] or (
        "" if found and found[0]["code"] == 0 else (found or [{"message": "no answer"}])[0]["message"]
    )
    if said:
        remedy = next((text for pattern, text in REMEDIES.items() if re.search(pattern, said)), "")
        # What a wrong passphrase makes of a file is quoted in it.
        said = "".join(letter if letter.isprintable() else " " for letter in said)[:400]
        raise RefusalError(
            f"repository {request['repository']} offers nothing: "
            f"{remedy or 'mend it, or take another one by restore_repository'}. pgBackRest says: {said}"
        )
    system = str(stanza["db"][-1]["system-id"])
    if request["cluster"] not in ("", system):
        raise RefusalError(
            f"repository {request['repository']} holds cluster {system}, and here is cluster {request['cluster']}: it "
            "is another one's; check the stanza and the repository. To put that cluster in the place of this one: "
            f"-e restore_cluster_identifier={system}"
        )
    return stanza


def _time(value: str, window: Window) -> float:
    """Return the seconds of a time that can be a target."""
    try:
        asked = datetime.fromisoformat(value)
    except ValueError:
        asked = None
    if asked is None or asked.tzinfo is None:
        raise RefusalError("is no time with its zone; write it as 2026-11-29 14:30:00+08:00")
    seconds = asked.timestamp()
    if seconds > window.now:
        raise RefusalError(f"lies in the future, it is {_stamp(window.now)} now; take a time inside the window")
    if seconds <= window.first:
        raise RefusalError("lies before the window; take a later time, or another repository that goes back further")
    if seconds > window.last:
        raise RefusalError(
            "lies after the newest WAL that was archived; take an earlier time, or restore_target=latest"
        )
    return seconds


def _target(kind: str, value: str, window: Window) -> tuple[str, float]:
    """Return the target for pgBackRest, and what it is compared by: seconds, or bytes of WAL."""
    if kind == "time":
        seconds = _time(value, window)
        text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S.%f+00")
        return text, seconds
    if kind == "lsn":
        if not re.fullmatch(r"[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}", value):
            raise RefusalError("is no position in the WAL; write it as 0/5000028")
        if not window.low <= _position(value) <= window.high:
            raise RefusalError("lies outside of what is archived; take a position inside")
        return value, _position(value)
    if kind == "xid" and not re.fullmatch(r"[1-9][0-9]{0,18}", value):
        raise RefusalError("is no transaction's number; write it in digits")
    if kind == "name" and not re.fullmatch(r"[^\s'\"\\]{1,63}", value):
        raise RefusalError("is no restore point's name; 1 to 63 characters without blanks and quotes")
    if kind == "latest" and value:
        raise RefusalError("was given although restore_target=latest needs no value; leave it out, or name its kind")
    # Where a name or a transaction lies is known only when it is met.
    return value, 0


def _choose(sets: list[dict[str, Any]], label: str, kind: str, number: float) -> dict[str, Any]:
    """Take the set that was asked for, or the newest that was finished before the target."""
    labels = ", ".join(found["label"] for found in sets)
    named = [found for found in sets if label in ("", found["label"])]
    if not named:
        raise RefusalError(f"restore_set={label} is not in the repository; it holds {labels}")
    stops: dict[str, Callable[[dict[str, Any]], bool]] = {
        "time": lambda found: found["timestamp"]["stop"] < number,
        "lsn": lambda found: _position(found["lsn"]["stop"]) <= number,
    }
    fitting = [found for found in named if stops.get(kind, bool)(found)]
    if not fitting:
        raise RefusalError(
            f"restore_set={label} was finished after the target; take an earlier one of {labels}, or none"
        )
    return fitting[-1]


def _refuse_gap(kind: str, number: float, end: Mapping[str, Any], loses: bool) -> None:
    """Refuse a target beyond the first segment that the archive lacks: recovery would end there, or fail."""
    whole = {
        "time": number <= end["time"],
        "lsn": number <= _segment_end(end["segment"]),
    }.get(kind, end["newest"] or loses)
    if not whole:
        accept = "" if kind in ("time", "lsn") else ", or accept it: -e restore_without_newest=true"
        raise RefusalError(
            f"the archive lacks WAL after segment {end['segment']}, which came at {_stamp(end['time'])}, and what was "
            f"written later would be lost. Mend the archive, take an earlier target or another repository{accept}"
        )


def _usable(look: Mapping[str, Any], stanza: Mapping[str, Any], repository: int) -> list[dict[str, Any]]:
    """Return the sets that can be restored on the timeline of a look, the oldest first."""
    ours = {"id": stanza["db"][-1]["id"], "repo-key": repository}
    good = [found for found in stanza["backup"] if found["database"] == ours and not found.get("error")]
    return [
        found
        for found in good
        if found["label"] in look["reach"] and _on_timeline(found, look["timeline"], look["history"])
    ]


def _plan(look: Mapping[str, Any], request: Mapping[str, Any], plan: dict[str, Any]) -> None:
    """Fill the plan in; refuses what can't be."""
    kind, value, repository, timeline = request["kind"], request["value"], request["repository"], look["timeline"]
    if kind not in KINDS:
        raise RefusalError(f"restore_target={kind}: one of {', '.join(KINDS)}, undo; say which")
    stanza = _stanza(look, request)
    sets = _usable(look, stanza, repository)
    if not sets:
        raise RefusalError(
            f"repository {repository} holds no usable set of timeline {timeline}; take another repository"
        )
    ends = [look["reach"][found["label"]] for found in sets]
    last, high = max(end["time"] for end in ends), max(_segment_end(end["segment"]) for end in ends)
    window = Window(sets[0]["timestamp"]["stop"], last, _position(sets[0]["lsn"]["stop"]), high, look["now"])
    plan |= {"window": str(window), "sets": [found["label"] for found in sets]}
    try:
        target, number = _target(kind, value, window)
    except RefusalError as refusal:
        raise RefusalError(f"restore_target_value={value} {refusal}") from refusal
    chosen = _choose(sets, request["set"], kind, number)
    end = look["reach"][chosen["label"]]
    _refuse_gap(kind, number, {**end, "newest": end["newest"] and look["arrived"]}, request["without_newest"])
    action = [] if kind == "latest" else [f"--target={target}", "--target-action=promote"]
    plan |= {
        "set": chosen["label"],
        "bytes": chosen["info"]["size"],
        "system": str(stanza["db"][-1]["system-id"]),
        # PostgreSQL itself fails where it misses a target; without one, a repository that stops answering looks to it
        # like the end of the archive.
        "least": _lsn(_segment_end(end["segment"]) - SEGMENT_BYTES) if kind == "latest" else NOWHERE,
        "arguments": [
            f"--repo={repository}",
            f"--set={chosen['label']}",
            f"--type={'default' if kind == 'latest' else kind}",
            *action,
            # A number wants its history, which a repository that was added on this timeline does not hold.
            f"--target-timeline={timeline if timeline == 1 or look['history'] else 'current'}",
            # pgBackRest hands it on to what fetches WAL.
            *([f"--repo-target-time={request['repository_time']}"] if request["repository_time"] else []),
        ],
    }


def recovery_plan(look: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
    """Plan a restore from what look_at_repository.py saw.

    `request` has kind, value, repository, set (empty: the newest that serves), cluster (the system identifier that is
    known here, empty where none is), without_newest and repository_time (empty: as it is now).
    """
    plan: dict[str, Any] = {
        "problem": "",
        "window": "",
        "sets": [],
        "set": "",
        "bytes": 0,
        "system": "",
        "least": NOWHERE,
        "arguments": [],
    }
    try:
        _plan(look, request, plan)
    except RefusalError as refusal:
        plan["problem"] = f"{refusal}. {plan['window']}".removesuffix(". ") + "."
    return plan


def recovery_spans(look: Mapping[str, Any]) -> dict[str, Any]:
    """Tell from when to when a repository can be restored, of what look_at_repository.py saw on any host.

    Each span without a gap has the seconds of its first and last moment, its last segment, and whether that is the
    newest there. `error` says why there are none to tell.
    """
    stanza: dict[str, Any] = (json.loads(look["info"], strict=False) or [{}])[0]
    repository = next((state["key"] for state in stanza.get("repo", [])), 0)
    spans: dict[str, dict[str, Any]] = {}
    for found in _usable(look, stanza, repository) if look["reach"] else []:
        end = look["reach"][found["label"]]
        span = {"first": found["timestamp"]["stop"], "last": end["time"], "newest": end["newest"]}
        spans.setdefault(end["segment"], {**span, "segment": end["segment"]})
    return {"repository": repository, "error": look["error"], "spans": list(spans.values())}


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name the filters of this file."""
        return {"recovery_plan": recovery_plan, "recovery_spans": recovery_spans}
