"""Write everything that the database holds of a person into a JSON file that only its owner reads."""

import json
import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ObjectDoesNotExist
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from tqdm import tqdm

from apps.common.encryption.errors import EncryptionError
from apps.common.export import export
from apps.common.owner import require_owner
from apps.common.person import person_named
from config.router import DIRECT, all_on


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("person", help="user name, or key of the account")
        parser.add_argument("--output", type=Path, required=True, help="file to make; one that is there is refused")
        parser.add_argument("--database", default=DIRECT, help="alias of the owner's connection")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 (Django's signature)
        alias, file = options["database"], Path(options["output"])
        require_owner(alias, get_user_model())
        try:
            with all_on(alias):
                person = person_named(alias, options["person"])
                counts = self._write(alias, person.pk, file)
        except ObjectDoesNotExist:
            raise CommandError(f"There is no account {options['person']}.") from None
        except FileExistsError:
            raise CommandError(f"{file} is there already: name another file.") from None
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror}.") from error
        except (EncryptionError, DatabaseError) as error:
            raise CommandError(f"{str(error).strip()}\nNothing was exported.") from error
        # The last line is for programs.
        self.stdout.write(json.dumps({"person": str(person.pk), "rows": sum(counts.values()), "tables": counts}))

    @staticmethod
    def _write(alias: str, person_id: Any, file: Path) -> dict[str, int]:
        """Write the file under another name until it is whole. Raises FileExistsError."""
        part = file.with_name(f"{file.name}.part")
        # Of a run that was killed.
        part.unlink(missing_ok=True)
        try:
            # Not wider for a moment either.
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            # None: no bar where nobody watches.
            with (
                os.fdopen(descriptor, "w", encoding="utf-8") as out,
                tqdm(desc="export", unit="rows", disable=None) as bar,
            ):
                counts = export(alias, person_id, out, bar.update)
            # Not a rename, which would replace a file that is there.
            file.hardlink_to(part)
        finally:
            part.unlink(missing_ok=True)
        return counts
