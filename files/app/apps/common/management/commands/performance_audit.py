"""Measure the database against the guide's KPIs. Changes nothing."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from config.measuring import Row
from config.monitoring import KPIS, SECTIONS, run_performance_audit
from config.router import LEADER

# The whole lists are in --json.
SHOWN_ROWS = 10
SHOWN_CHARACTERS = 100


class Command(BaseCommand):
    help = __doc__ or ""
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="write everything as JSON instead of tables")
        parser.add_argument(
            "--strict", action="store_true", help="exit with status 1 when a KPI is missed or was not measured"
        )
        parser.add_argument(
            "--allow-not-measured", action="append", default=[], choices=[kpi.name for kpi in KPIS],
            help="KPI that --strict does without where it cannot be measured; may be given more than once",
        )  # fmt: skip
        parser.add_argument(
            "--database", default=LEADER,
            help="alias whose account asks, by default the application's; direct sees the statements of all roles",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 (Django's signature)
        try:
            report = run_performance_audit(options["database"])
        except DatabaseError as error:
            raise CommandError(f"The database refused: {str(error).strip()}") from error
        if options["json"]:
            self.stdout.write(json.dumps(report, ensure_ascii=False, indent=2))
        else:
            self._show(report)
        if options["strict"]:
            _refuse(report["kpis"], options["allow_not_measured"])

    def _show(self, report: dict[str, Any]) -> None:
        self._table("KPIs of the database guide", [_of_kpi(kpi) for kpi in report["kpis"]])
        self._table("Database", [{"": name, "value": value} for name, value in report["database"].items()], 99)
        health = report["health"]
        endpoints = [{"alias": alias, **endpoint} for alias, endpoint in health["endpoints"].items()]
        self._table(f"Endpoints: {health['status']}", endpoints)
        for name in SECTIONS:
            title = name.replace("_", " ").capitalize()
            if report[name] is None:
                self.stdout.write(f"\n{title}: not measured. {report['not_measured'][name]}")
            else:
                self._table(title, report[name])
        self.stdout.write("")
        for note in report["not_visible"]:
            self.stdout.write(f"Not visible to {report['database']['role']}: {note}")

    def _table(self, title: str, rows: list[Row], shown: int = SHOWN_ROWS) -> None:
        if not rows:
            self.stdout.write(f"\n{title}: none")
            return
        # Not every row has every column: an endpoint that does not answer has its error alone.
        columns = list(dict.fromkeys(name for row in rows for name in row))
        lines = [columns, *([_cell(row.get(name)) for name in columns] for row in rows[:shown])]
        widths = [max(len(line[place]) for line in lines) for place in range(len(columns))]
        self.stdout.write(f"\n{title}")
        for line in lines:
            self.stdout.write("  " + "  ".join(map(str.ljust, line, widths)).rstrip())
        if len(rows) > shown:
            self.stdout.write(f"  … and {len(rows) - shown} more (--json)")


def _refuse(kpis: list[Row], may_lack: list[str]) -> None:
    """Raise CommandError for KPIs that were missed, or not measured although they have to be."""
    missed = [kpi["title"] for kpi in kpis if kpi["status"] == "missed"]
    unknown = [kpi["name"] for kpi in kpis if kpi["status"] == "not measured" and kpi["name"] not in may_lack]
    found = {"Missed": missed, "Not measured": unknown}
    if missed or unknown:
        parts = [f"{what}: {'; '.join(names)}." for what, names in found.items() if names]
        raise CommandError(" ".join(parts), returncode=1)


def _of_kpi(kpi: Row) -> Row:
    limit = " ".join(f"{sign} {kpi[key]}" for key, sign in (("below", "<"), ("above", ">")) if kpi[key] is not None)
    value = None if kpi["value"] is None else f"{_cell(kpi['value'])} {kpi['unit']}".rstrip()
    return {"KPI": kpi["title"], "value": value, "limit": limit, "status": kpi["status"], "reason": kpi["reason"]}


def _cell(value: Any) -> str:
    """Return a value as people read it; "-" for one that is not known."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.1f}"
    if isinstance(value, int):
        return f"{value:,}"
    text = str(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 1]}…"
