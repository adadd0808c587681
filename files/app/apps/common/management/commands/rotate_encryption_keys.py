"""Bring encrypted columns and blind indexes to the current keys of the key file. Safe to stop and to repeat."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from apps.common.encryption.columns import sealed_tables
from apps.common.encryption.errors import EncryptionError
from apps.common.encryption.keys import rings
from apps.common.encryption.rotation import outdated, require_keys, rotate
from apps.common.owner import require_owner
from config.router import DIRECT, all_on


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="count the rows of older keys and change nothing")
        parser.add_argument("--batch-rows", type=int, default=500, help="rows of one transaction")
        parser.add_argument("--database", default=DIRECT, help="alias of the owner's connection")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 (Django's signature)
        alias, tables = options["database"], sealed_tables()
        for table in tables:
            require_owner(alias, table.model)
        try:
            with all_on(alias):
                report, refused = self._rotate(alias, tables, options)
        except EncryptionError as error:
            raise CommandError(
                f"{error} Batches before it are done, this one and those after it are as before."
            ) from error
        # The last line is for programs.
        self.stdout.write(json.dumps(report, sort_keys=True))
        if refused:
            raise CommandError(
                "The same value stands in two rows, written under two blind-index keys. These keep the old one: "
                f"{', '.join(refused)}. Decide whose the value is, clear the other one, and run this again."
            )

    @staticmethod
    def _rotate(alias: str, tables: Any, options: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
        keys = rings()
        report: dict[str, Any] = {
            "encryption": keys.encryption.current, "blind_index": keys.blind_index.current, "rotated": {}, "left": {},
        }  # fmt: skip
        refused: list[str] = []
        for table in tables:
            require_keys(alias, table, keys)
        for table in tables:
            waiting = outdated(alias, table, keys)
            if not options["check"]:
                kept: list[Any] = []
                # None: no bar where nobody watches.
                with tqdm(total=waiting.count(), desc=table.name, unit="rows", disable=None) as bar:
                    report["rotated"][table.name] = 0
                    for done in rotate(waiting, keys, options["batch_rows"], kept):
                        report["rotated"][table.name] += done
                        bar.update(done)
                report["rotated"][table.name] -= len(kept)
                refused += [f"{table.name} {key}" for key in kept]
            report["left"][table.name] = waiting.count()
        return report, refused
