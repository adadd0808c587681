"""Empty the logs' default partitions, make months ahead, archive and drop old ones. Safe to stop and to repeat."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connections

from apps.common.deployment import deployment_lock
from apps.common.locks import refuse_beside_backup, session_lock
from apps.common.models import EventModel
from apps.common.owner import require_owner
from apps.common.partitions import Keeper, expire_archives, kept_tables, logs, upkeep
from apps.common.partman import MONTHS_AHEAD
from config.router import direct_alias

# Chosen once: every upkeep of one database asks for the same lock.
ADVISORY_LOCK = 7_301_960_243
# An archive is for what somebody asks about late; PIPL article 19: no longer than the purpose needs.
KEEP_ARCHIVES_DAYS = 365


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="say what waits and change nothing")
        parser.add_argument(
            "--archive", type=Path,
            help="folder for the months that are no longer kept; without it they stay and are reported",
        )  # fmt: skip
        parser.add_argument(
            "--keep-archives-days", type=int, default=KEEP_ARCHIVES_DAYS,
            help="days after which a file of that folder is deleted: it holds what people did, the erased ones too",
        )  # fmt: skip
        parser.add_argument("--database", default=direct_alias(), help="alias, by default the direct endpoint")
        parser.add_argument(
            "--wait", type=float, default=60.0, help="seconds to wait for another upkeep, or a deployment"
        )
        parser.add_argument("--lock-timeout", type=int, default=5000, help="milliseconds to wait for a table's lock")
        parser.add_argument("--attempts", type=int, default=5, help="attempts when a lock is not free")
        parser.add_argument("--pause", type=float, default=2.0, help="seconds after the first attempt, then longer")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 (Django's signature)
        alias, folder = options["database"], options["archive"]
        if options["keep_archives_days"] < 1:
            raise CommandError(f"--keep-archives-days {options['keep_archives_days']}: at least 1 is expected.")
        if folder is not None and not folder.is_dir():
            raise CommandError(f"--archive {folder}: no such folder. Make it, readable for this account alone.")
        try:
            for log in logs():
                require_owner(alias, log)
            self._refuse_strangers(alias)
            if not options["check"]:
                refuse_beside_backup(connections[alias])
                # Not beside a deployment: both make and alter tables.
                with (
                    deployment_lock(connections[alias], options["wait"]),
                    session_lock(connections[alias], ADVISORY_LOCK, options["wait"], "upkeep of partitions"),
                ):
                    keeper = Keeper(
                        alias=alias, lock_timeout_ms=options["lock_timeout"], attempts=options["attempts"],
                        pause_seconds=options["pause"],
                    )  # fmt: skip
                    for log in logs():
                        self._keep(keeper, log, folder, options["keep_archives_days"])
            report = {log._meta.db_table: asdict(upkeep(alias, log)) for log in logs()}
        except DatabaseError as error:
            raise CommandError(
                f"The database refused: {str(error).strip()}\nWhat was said before it is done and stays. Run the same "
                "command again: it goes on from there."
            ) from error
        # The last line is for programs.
        self.stdout.write(json.dumps(report, sort_keys=True))
        short = [table for table, waiting in report.items() if waiting["months_ahead"] < MONTHS_AHEAD]
        if short and not options["check"]:
            raise CommandError(
                f"{', '.join(short)}: fewer than {MONTHS_AHEAD} months ahead. pg_partman made none: another session "
                "may have been at it. Run the same command again."
            )

    @staticmethod
    def _refuse_strangers(alias: str) -> None:
        """Raise CommandError for a log that pg_partman does not know."""
        strangers = sorted({log._meta.db_table for log in logs()} - kept_tables(alias))
        if strangers:
            raise CommandError(
                f"pg_partman does not keep {', '.join(strangers)}: a migration has to say kept_by_partman of it."
            )

    def _keep(self, keeper: Keeper, log: type[EventModel], folder: Path | None, days: int) -> None:
        table = log._meta.db_table
        for month, rows in keeper.empty_default(log):
            self._say(f"{table}: {rows} rows of {month} moved out of the default partition")
        for name in keeper.make_months(log):
            self._say(f"{table}: {name} made")
        if folder is None:
            for name in upkeep(keeper.alias, log).to_retire:
                self._say(f"{table}: {name} is no longer kept, and waits for --archive")
            return
        for name, rows in keeper.retire(log, folder):
            self._say(f"{table}: {name} archived with {rows} rows, detached and dropped")
        for name in expire_archives(log, folder, days):
            self._say(f"{table}: {name} deleted, archived more than {days} days ago")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
