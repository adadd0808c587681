"""Refresh the materialized views of statistics beside their readers, as the owner of the tables. Safe to repeat."""

import json
import time
from argparse import ArgumentParser
from functools import partial
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connections
from tqdm import tqdm

from apps.common.deployment import deployment_lock
from apps.common.locks import refuse_beside_backup, session_lock
from apps.common.materialized import ADVISORY_LOCK, materialized_views, refresh
from apps.common.owner import require_owner
from apps.common.retry import retried
from config.router import DIRECT


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="name the views and change nothing")
        parser.add_argument(
            "--wait", type=float, default=60.0, help="seconds to wait for another refresh, or a deployment"
        )
        parser.add_argument("--database", default=DIRECT, help="alias of the owner's connection")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 (Django's signature)
        alias = options["database"]
        seconds = {}
        try:
            require_owner(alias, get_user_model())
            if options["check"]:
                self.stdout.write(json.dumps({"to_refresh": [view._meta.db_table for view in materialized_views()]}))
                return
            refuse_beside_backup(connections[alias])
            # Not beside a deployment, whose migrations may be waiting for a view.
            with (
                deployment_lock(connections[alias], options["wait"]),
                session_lock(connections[alias], ADVISORY_LOCK, options["wait"], "refresh"),
            ):
                # None: no bar where nobody watches.
                for view in tqdm(materialized_views(), desc="views", unit="view", disable=None):
                    started = time.monotonic()
                    retried(partial(refresh, view, alias), using=alias)
                    seconds[view._meta.db_table] = round(time.monotonic() - started, 3)
        except DatabaseError as error:
            raise CommandError(f"The database refused: {str(error).strip()}") from error
        # The last line is for programs.
        self.stdout.write(json.dumps({"refreshed_seconds": seconds}, sort_keys=True))
