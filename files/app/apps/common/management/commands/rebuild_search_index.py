"""Cut the words of every row that was written without them or by another dictionary. Safe to stop and to repeat."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from tqdm import tqdm

from apps.common.owner import require_owner
from apps.common.search.rebuild import rebuild, searchable_models, stale
from apps.common.search.words import dictionary_version
from config.router import all_on, direct_alias


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="count the stale rows and change nothing")
        parser.add_argument("--batch-rows", type=int, default=500, help="rows of one transaction")
        parser.add_argument("--database", default=direct_alias(), help="alias, by default the direct endpoint")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 (Django's signature)
        alias = options["database"]
        report: dict[str, Any] = {"dictionary": dictionary_version(), "rebuilt": {}, "stale": {}}
        with all_on(alias):
            for model in searchable_models():
                require_owner(alias, model)
                table, waiting = model._meta.db_table, stale(model, alias).count()
                if not options["check"]:
                    report["rebuilt"][table] = 0
                    # None: no bar where nobody watches.
                    with tqdm(total=waiting, desc=table, unit="rows", disable=None) as bar:
                        for done in rebuild(model, alias, options["batch_rows"]):
                            report["rebuilt"][table] += done
                            bar.update(done)
                    waiting = stale(model, alias).count()
                report["stale"][table] = waiting
        # The last line is for programs.
        self.stdout.write(json.dumps(report, sort_keys=True))
