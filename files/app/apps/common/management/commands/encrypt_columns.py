"""Move plain values of older releases into the encrypted columns. Safe to stop and to repeat."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connections
from tqdm import tqdm

from apps.common.encryption import plain
from apps.common.encryption.columns import sealed_tables
from apps.common.encryption.errors import EncryptionError
from apps.common.encryption.known_keys import enlist
from apps.common.owner import require_owner
from config.router import DIRECT, all_on


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="count the rows with plain values and change nothing")
        parser.add_argument("--batch-rows", type=int, default=500, help="rows of one transaction")
        parser.add_argument("--database", default=DIRECT, help="alias of the owner's connection")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 (Django's signature)
        alias = options["database"]
        report: dict[str, dict[str, int]] = {"encrypted": {}, "left": {}}
        for table in sealed_tables():
            require_owner(alias, table.model)
            try:
                with all_on(alias):
                    waiting = plain.plain_rows(alias, table)
                    if waiting is not None and not options["check"]:
                        # A deployment stops before the plain columns go, and has enlisted nothing then.
                        enlist(connections[alias])
                        # None: no bar where nobody watches.
                        with tqdm(total=waiting.count(), desc=table.name, unit="rows", disable=None) as bar:
                            report["encrypted"][table.name] = 0
                            for done in plain.encrypt(waiting, options["batch_rows"]):
                                report["encrypted"][table.name] += done
                                bar.update(done)
                    report["left"][table.name] = waiting.count() if waiting is not None else 0
            except (EncryptionError, DatabaseError) as error:
                raise CommandError(
                    f"{table.name}: {str(error).strip()}\nBatches before it are done, this one and those after it are"
                    " as before: run the same command again."
                ) from error
        # The last line is for programs.
        self.stdout.write(json.dumps(report, sort_keys=True))
