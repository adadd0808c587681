"""Fill the daily figures and the ratings from the facts, as the owner of the tables. Safe to stop and to repeat."""

import json
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connections
from django.utils import timezone
from tqdm import tqdm

from apps.common.deployment import deployment_lock
from apps.common.locks import refuse_beside_backup, session_lock
from apps.common.owner import require_owner
from apps.common.retry import retried
from apps.common.rollup import ADVISORY_LOCK, CHINA, RollUp, fill, plan
from config.router import DIRECT


def day_of(text: str) -> date:
    """Return the day that an argument names. Raises ArgumentTypeError."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no day: YYYY-MM-DD is expected") from error


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--day", type=day_of, help="a day in China, by default yesterday")
        parser.add_argument("--from", type=day_of, help="first day of several")
        parser.add_argument("--to", type=day_of, help="last day of several, by default yesterday")
        parser.add_argument(
            "--wait", type=float, default=60.0, help="seconds to wait for another roll-up, or a deployment"
        )
        parser.add_argument("--database", default=DIRECT, help="alias of the owner's connection")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 (Django's signature)
        alias = options["database"]
        first, last = self._days(options)
        try:
            # Who does not see every row would write zeros over the figures of others.
            require_owner(alias, get_user_model())
            refuse_beside_backup(connections[alias])
            # Not beside a deployment, whose migrations may be waiting for a table.
            with (
                deployment_lock(connections[alias], options["wait"]),
                session_lock(connections[alias], ADVISORY_LOCK, options["wait"], "roll-up"),
            ):
                written = self._fill(alias, plan(first, last))
        except DatabaseError as error:
            raise CommandError(f"The database refused: {str(error).strip()}") from error
        report = {"from": str(first), "to": str(last), "days": (last - first).days + 1, "written": written}
        # The last line is for programs.
        self.stdout.write(json.dumps(report, sort_keys=True))

    @staticmethod
    def _days(options: dict[str, Any]) -> tuple[date, date]:
        """Return the first and the last day that the options name. Raises CommandError."""
        day, first, last = options["day"], options["from"], options["to"]
        today = timezone.localdate(timezone=CHINA)
        yesterday = today - timedelta(days=1)
        if day and (first or last):
            raise CommandError("--day is one day, --from and --to are several: give one or the other.")
        if last and not first:
            raise CommandError("--to is the last day of several: name the first one with --from.")
        first, last = (first, last or yesterday) if first else (day or yesterday, day or yesterday)
        if max(first, last) > today:
            raise CommandError(f"{max(first, last)} is in the future: in China it is {today}.")
        if first > last:
            raise CommandError(f"--from {first} is after --to {last}.")
        return first, last

    @staticmethod
    def _fill(alias: str, steps: Sequence[tuple[RollUp, date | None]]) -> dict[str, int]:
        """Take the steps, each in a transaction of its own, and return the rows written by table."""
        written = {roll_up.table: 0 for roll_up, _ in steps}
        # None: no bar where nobody watches.
        for roll_up, day in tqdm(steps, desc="statistics", unit="table", disable=None):
            try:
                written[roll_up.table] += retried(partial(fill, roll_up, alias, day), using=alias)
            except DatabaseError as error:
                step = f"{roll_up.table} of {day}" if day else roll_up.table
                raise CommandError(
                    f"{step}: {str(error).strip()}\nWhat came before it stays. Run the same command again: what is "
                    "right already is not written a second time."
                ) from error
        return written
