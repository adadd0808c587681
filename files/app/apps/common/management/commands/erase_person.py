"""Erase a person: README.md says what goes and what stays. All of it or nothing, and there is no way back."""

import json
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.core.exceptions import ObjectDoesNotExist
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from apps.common.encryption.errors import EncryptionError
from apps.common.erasure import StillNeededError, erase, refuse_obstacles
from apps.common.models import Erasure
from apps.common.owner import require_owner
from apps.common.person import person_named
from config.router import DIRECT, all_on


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("person", nargs="?", help="user name, or key of the account")
        parser.add_argument(
            "--list", action="store_true",
            help="print every erasure, one JSON a line: to be kept outside of the database, and for what is left to do",
        )  # fmt: skip
        parser.add_argument(
            "--files-deleted", action="store_true", help="erase nobody: the files of this person are deleted"
        )
        parser.add_argument("--check", action="store_true", help="say what stands in the way and change nothing")
        parser.add_argument("--database", default=DIRECT, help="alias of the owner's connection")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 (Django's signature)
        alias = options["database"]
        require_owner(alias, get_user_model())
        if options["list"]:
            for erasure in Erasure.objects.using(alias).order_by("created_at", "id"):
                self._say(erasure.person_id, at=erasure.created_at.isoformat(), files=erasure.files)
            return
        if not options["person"]:
            raise CommandError("Name the person, or ask for --list.")
        try:
            with all_on(alias):
                person_id = person_named(alias, options["person"]).pk
                report = self._done(alias, person_id, options)
        except ObjectDoesNotExist:
            raise CommandError(f"There is no account {options['person']}.") from None
        except StillNeededError as error:
            raise CommandError(str(error)) from error
        except (EncryptionError, DatabaseError) as error:
            raise CommandError(f"{str(error).strip()}\nNothing was erased.") from error
        # The last line is for programs. Only its key names the person from now on.
        self._say(person_id, **report)

    @staticmethod
    def _done(alias: str, person_id: UUID, options: dict[str, Any]) -> dict[str, Any]:
        if options["files_deleted"]:
            Erasure.objects.using(alias).filter(person_id=person_id).update(files=[])
            return {"files": []}
        refuse_obstacles(alias, person_id)
        return {} if options["check"] else erase(alias, person_id)

    def _say(self, person_id: UUID, **report: Any) -> None:
        self.stdout.write(json.dumps({"person": str(person_id), **report}, sort_keys=True))
