"""Fill an empty database with a marketplace: the same seed gives the same people, orders and money."""

import json
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connections
from tqdm import tqdm

from apps.common.encryption.errors import EncryptionError
from apps.common.encryption.known_keys import blind_index_ring, encryption_ring, enlist
from apps.seeding.copying import SeedRefusedError, seed_marketplace
from config.router import DIRECT, all_on

# About so many: what the progress bar expects before the rows are made.
ROWS_PER_USER = 57


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--users", type=int, required=True, help=f"people; about {ROWS_PER_USER} rows for each")
        parser.add_argument("--seed", type=int, required=True, help="number that decides everything")
        parser.add_argument("--database", default=DIRECT, help="alias, by default the direct endpoint")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 (Django's signature)
        alias, users = options["database"], options["users"]
        if alias not in settings.DATABASES:
            raise CommandError(
                f"There is no database alias {alias}: a seed is written by the owner of the tables, on the direct"
                " endpoint. Name it by DB_DIRECT_HOST and its account."
            )
        if users < 1:
            raise CommandError(f"--users {users}: at least 1 is expected.")
        # None: no bar where nobody watches.
        with all_on(alias), tqdm(total=users * ROWS_PER_USER, desc="seed", unit="rows", disable=None) as bar:
            try:
                enlist(connections[alias])
                # Compared before a COPY keeps the connection for itself.
                encryption_ring(to_write=True)
                blind_index_ring(to_write=True)
                written = seed_marketplace(alias, users, options["seed"], bar.update)
            except (SeedRefusedError, EncryptionError) as error:
                raise CommandError(str(error)) from error
            except DatabaseError as error:
                raise CommandError(f"The database refused: {str(error).strip()}") from error
            # It was an estimate.
            bar.total = bar.n
        # The last line is for programs.
        self.stdout.write(json.dumps({"rows": sum(written.values()), "tables": written}, sort_keys=True))
