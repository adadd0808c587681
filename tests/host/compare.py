"""What was found against what was declared, as pure functions that need no host."""

import datetime
import ipaddress
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

KEYWORD_ADDRESSES = ("all", "samehost", "samenet")
STUB_RESOLVER = {"127.0.0.53", "127.0.0.54"}
DNS = 53
KERNEL_SCOPE = ("net.",)  # what a container may set for itself
DAYS_BACK_MAX = 8  # a job runs at least once a week
CRON_FIELDS = 5
# A job of the application waits for a backup or a deployment: freelance_job.py.
WAITING_JOB_SECONDS_MAX = 5 * 3600


class Answers(dict[str, Any]):
    """Answers to queries by name. One that could not be answered ends the test in the server's own words."""

    def __getitem__(self, name: str) -> Any:
        answer = super().get(name, "it was not asked")
        assert not isinstance(answer, str), f"query {name}: {answer}"
        return answer


def hba_row(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Return a declared rule in the words of pg_hba_file_rules."""
    address, netmask = rule.get("address") or None, None
    if address and address not in KEYWORD_ADDRESSES:
        network = ipaddress.ip_network(address)
        address, netmask = str(network.network_address), str(network.netmask)
    options = [f"{name}={value}" for name, value in sorted((rule.get("options") or {}).items())]
    return {
        "type": rule["type"],
        "database": list(rule["databases"]),
        "user_name": list(rule["roles"]),
        "address": address,
        "netmask": netmask,
        "auth_method": rule["method"],
        "options": options,
    }


def ident_row(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Return a declared map in the words of pg_ident_file_mappings."""
    return {"map_name": rule["map"], "sys_name": rule["system_user"], "pg_username": rule["role"]}


def rows(found: Sequence[Mapping[str, Any]], wanted: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Compare rows in their order, by the columns of the wanted ones."""
    columns = wanted[0] if wanted else {}
    live = [{name: row[name] for name in columns} for row in found]
    pairs = enumerate(zip_longest(live, wanted), start=1)
    return [{"row": number, "found": have, "wanted": want} for number, (have, want) in pairs if have != want]


def is_stub_resolver(socket: Mapping[str, Any]) -> bool:
    """Tell whether a socket is systemd-resolved's own, which answers this host alone, by UDP and TCP alike."""
    return socket["program"] == "systemd-resolve" and socket["port"] == DNS and socket["address"] in STUB_RESOLVER


def kernel_settings(declared: Mapping[str, Any]) -> dict[str, str]:
    """Return the kernel settings that a host must show, the reserved huge pages too."""
    wanted = {name: str(value) for name, value in declared["host_baseline_sysctl"].items()}
    if pages := int(declared["host_baseline_huge_pages"]):
        wanted["vm.nr_hugepages"] = str(pages)
    if declared["host_baseline_virtual"] == "container":
        return {name: value for name, value in wanted.items() if name.startswith(KERNEL_SCOPE)}
    return wanted


def time_source(answer: str) -> str | None:
    """Return the source that the clock goes by, of those that `chronyc -c -N sources` lists; None: it goes by none."""
    lines = [line.split(",") for line in answer.splitlines()]
    return next((fields[2] for fields in lines if fields[1:2] == ["*"]), None)


def last_due(schedule: str, now: float, utc_offset_seconds: int) -> float | None:
    """Return when a crontab schedule last came due (epoch), or None when it did not in DAYS_BACK_MAX."""
    zone = datetime.timezone(datetime.timedelta(seconds=utc_offset_seconds))
    moment = datetime.datetime.fromtimestamp(now, zone).replace(second=0, microsecond=0)
    fields = schedule.split()
    for _ in range(DAYS_BACK_MAX * 24 * 60):
        if _is_due(fields, moment):
            return moment.timestamp()
        moment -= datetime.timedelta(minutes=1)
    return None


def due_since(schedule: str, seen: Mapping[str, Any], crontab: str, seconds_max: float) -> float | None:
    """Return when a job was last due on a host, or None where the host did not yet live through such a time."""
    clock = seen["clock"]
    # A job that began just now may still run.
    moment = last_due(schedule, clock["now"] - seconds_max, clock["utc_offset_seconds"])
    since = max(seen["files"][crontab]["modified"], clock["started"])
    return moment if moment is not None and moment > since else None


def _is_due(fields: list[str], moment: datetime.datetime) -> bool:
    if len(fields) != CRON_FIELDS:
        raise ValueError(f"{' '.join(fields)}: a schedule has {CRON_FIELDS} fields")
    minute, hour, day, month, weekday = fields
    sunday_first = moment.isoweekday() % 7
    days = [_fits(day, moment.day, 1), _fits(weekday, sunday_first, 0) or (sunday_first == 0 and _fits(weekday, 7, 0))]
    # crontab(5): where both are restricted, either one is enough.
    fits_day = any(days) if day[0] != "*" and weekday[0] != "*" else all(days)
    return (
        fits_day and _fits(minute, moment.minute, 0) and _fits(hour, moment.hour, 0) and _fits(month, moment.month, 1)
    )


def _fits(field: str, value: int, first: int) -> bool:
    for part in field.split(","):
        span, _, step = part.partition("/")
        low, _, high = span.partition("-")
        start, end = (first, value) if low == "*" else (int(low), int(high or (value if step else low)))
        if start <= value <= end and (value - start) % int(step or 1) == 0:
            return True
    return False
