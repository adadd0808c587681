"""`manage.py migrate` as in the guide: on the direct endpoint, as the owner of the tables."""

from typing import Any

from django.core.management.base import CommandParser
from django.core.management.commands.migrate import Command as DjangoMigrate

from config.router import all_on, direct_alias


class Command(DjangoMigrate):
    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(database=direct_alias())

    def handle(self, *args: Any, **options: Any) -> str | None:
        with all_on(options["database"]):
            return super().handle(*args, **options)
