"""Wanted PostgreSQL and Patroni settings against the live ones: what differs, and the smallest change that mends it.

Pure functions for the role `patroni` and for the host verification (import by path); standard library only.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

# Factors to the smallest unit of a family: bytes, microseconds. Source: PostgreSQL manual, "Setting Parameters".
BYTES: Final = {"B": 1, "kB": 1024, "MB": 1024**2, "GB": 1024**3, "TB": 1024**4}
MICROSECONDS: Final = {
    "us": 1,
    "ms": 1000,
    "s": 1_000_000,
    "min": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
}
TRUE: Final = {"on", "true", "yes", "1"}
FALSE: Final = {"off", "false", "no", "0"}
NUMBER: Final = re.compile(r"^\s*(-?[0-9.]+(?:e-?[0-9]+)?)\s*([A-Za-z]*)\s*$")
# Left as they are in Patroni's live configuration: an operator's pause is deliberate and ends by `patronictl resume`.
KEPT: Final = ("pause",)


def _unit_factor(unit: str) -> tuple[str, float] | None:
    """Give the family and factor of a unit as pg_settings writes it: `8kB` is eight kB."""
    count, name = re.match(r"^(\d*)(.*)$", unit).groups()  # type: ignore[union-attr]  # this pattern matches any text
    for family, factors in (("bytes", BYTES), ("time", MICROSECONDS)):
        if name in factors:
            return family, int(count or 1) * factors[name]
    return None


def normal(value: object, vartype: str, unit: str | None) -> str | float | bool:
    """Bring a setting into a form that compares: booleans, numbers in `unit` (as in pg_settings), text as it is."""
    text = ("on" if value else "off") if isinstance(value, bool) else str(value).strip()
    if vartype == "bool":
        return text.lower() in TRUE if text.lower() in TRUE | FALSE else text
    if vartype not in {"integer", "real"}:
        return text.lower() if vartype == "enum" else text
    found = NUMBER.match(text)
    if found is None:
        return text
    number, given = float(found[1]), found[2]
    if given and unit:
        source, target = _unit_factor(given), _unit_factor(unit)
        if source is None or target is None or source[0] != target[0]:
            return text
        number = number * source[1] / target[1]
    return round(number) if vartype == "integer" else number


def settings_drift(rows: Iterable[Mapping[str, Any]], wanted: Mapping[str, object]) -> list[dict[str, object]]:
    """List what differs from `wanted` on a live server.

    `rows` come from pg_settings: name, setting, unit, vartype, context, pending_restart.
    The result has one entry for each setting that is unknown, different or waiting for a restart: name, wanted, live,
    pending_restart.
    """
    live = {str(row["name"]).lower(): row for row in rows}
    drift: list[dict[str, object]] = []
    for name, value in sorted(wanted.items()):
        row = live.get(name.lower())
        if row is None:
            drift.append({"name": name, "wanted": value, "live": None, "pending_restart": False})
            continue
        vartype, unit = str(row["vartype"]), row.get("unit")
        same = normal(value, vartype, unit) == normal(row["setting"], vartype, unit)
        # Patroni hands some parameters over on the command line, and those never show as pending.
        waits = bool(row["pending_restart"]) or (not same and row.get("context") == "postmaster")
        if not same or waits:
            shown = f"{row['setting']} {unit or ''}".strip()
            drift.append({"name": name, "wanted": value, "live": shown, "pending_restart": waits})
    return drift


def configuration_patch(
    live: Mapping[str, Any], wanted: Mapping[str, Any], kept: Iterable[str] = KEPT
) -> dict[str, Any]:
    """Give the PATCH for Patroni's /config that turns `live` into `wanted`: new values, None for what has to go.

    Empty when nothing differs. Keys in `kept` are never touched.
    """
    patch: dict[str, Any] = {}
    for key in sorted({*live, *wanted} - set(kept)):
        if key not in wanted:
            patch[key] = None
        elif isinstance(wanted[key], Mapping) and isinstance(live.get(key), Mapping):
            inner = configuration_patch(live[key], wanted[key], ())
            if inner:
                patch[key] = inner
        elif (
            key not in live or live[key] != wanted[key] or isinstance(live[key], bool) != isinstance(wanted[key], bool)
        ):
            patch[key] = wanted[key]
    return patch


class FilterModule:
    """Ansible's way in."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name the filters."""
        return {"settings_drift": settings_drift, "configuration_patch": configuration_patch}
