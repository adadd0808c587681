"""Erase a person: README.md says what goes and what stays. All of it or nothing, and there is no way back."""

import json
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ObjectDoesNotExist
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from apps.common.encryption.errors import EncryptionError
from apps.common.erasure import StillNeededError, erase, refuse_obstacles
from apps.common.owner import require_owner
from apps.common.person import person_named
from config.router import DIRECT, all_on


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("person", help="user name, or key of the account")
        parser.add_argument("--check", action="store_true", help="say what stands in the way and change nothing")
        parser.add_argument("--database", default=DIRECT, help="alias of the owner's connection")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 (Django's signature)
        alias = options["database"]
        require_owner(alias, get_user_model())
        report: dict[str, Any] = {}
        try:
            with all_on(alias):
                person = person_named(alias, options["person"])
                refuse_obstacles(alias, person.pk)
                report = {} if options["check"] else erase(alias, person.pk)
        except ObjectDoesNotExist:
            raise CommandError(f"There is no account {options['person']}.") from None
        except StillNeededError as error:
            raise CommandError(str(error)) from error
        except (EncryptionError, DatabaseError) as error:
            raise CommandError(f"{str(error).strip()}\nNothing was erased.") from error
        # The last line is for programs. Only its key names the person from now on.
        self.stdout.write(json.dumps({"person": str(person.pk), **report}, sort_keys=True))
