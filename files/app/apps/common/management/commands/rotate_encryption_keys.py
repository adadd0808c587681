"""Bring encrypted columns and blind indexes to the current keys of the key file. Safe to stop and to repeat."""

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connections
from tqdm import tqdm

from apps.common.encryption.columns import sealed_tables
from apps.common.encryption.errors import EncryptionError
from apps.common.encryption.keys import rings
from apps.common.encryption.known_keys import compare, enlist, retire
from apps.common.encryption.rotation import Refused, outdated, require_keys, rotate
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
                report, twice, damaged = self._rotate(alias, tables, options)
        except EncryptionError as error:
            raise CommandError(
                f"{error} Batches before it are done, this one and those after it are as before."
            ) from error
        # The last line is for programs.
        self.stdout.write(json.dumps(report, sort_keys=True))
        if twice or damaged:
            raise CommandError("\n".join(self._said(twice, damaged)))

    @staticmethod
    def _said(twice: list[str], damaged: list[str]) -> Iterator[str]:
        if twice:
            yield (
                "The same value stands in two rows, written under two blind-index keys. These keep the old one: "
                f"{', '.join(twice)}. Decide whose the value is, clear the other one, and run this again."
            )
        if damaged:
            yield "These values cannot be opened. Their rows keep what they have, and the old key must stay:"
            yield from damaged

    @staticmethod
    def _rotate(alias: str, tables: Any, options: dict[str, Any]) -> tuple[dict[str, Any], list[str], list[str]]:
        connection, keys = connections[alias], rings()
        compare(connection, keys)
        report: dict[str, Any] = {
            "encryption": keys.encryption.current, "blind_index": keys.blind_index.current, "rotated": {}, "left": {},
        }  # fmt: skip
        twice: list[str] = []
        damaged: list[str] = []
        require_keys(alias, tables, keys)
        if not options["check"]:
            enlist(connection)
        for table in tables:
            waiting = outdated(alias, table, keys)
            if not options["check"]:
                refused = Refused()
                # None: no bar where nobody watches.
                with tqdm(total=waiting.count(), desc=table.name, unit="rows", disable=None) as bar:
                    report["rotated"][table.name] = 0
                    for done in rotate(waiting, keys, options["batch_rows"], refused):
                        report["rotated"][table.name] += done
                        bar.update(done)
                report["rotated"][table.name] -= len(refused.twice) + len(refused.damaged)
                twice += [f"{table.name} {key}" for key in refused.twice]
                damaged += refused.damaged
            report["left"][table.name] = waiting.count()
        if not options["check"] and not any(report["left"].values()):
            retire(connection, keys)
        return report, twice, damaged
