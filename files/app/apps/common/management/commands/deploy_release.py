"""Bring the database to this release: migrations, initial data, superuser, and a record of it. Safe to repeat."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from apps.common import deployment
from apps.common.encryption.errors import EncryptionError
from apps.common.locks import announced
from config.router import all_on, direct_alias


class Command(BaseCommand):
    help = __doc__ or ""
    # Django's checks would run again in `migrate`.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--release", required=True, help="id of the release, recorded in common_release")
        parser.add_argument("--check", action="store_true", help="show what would be done and change nothing")
        parser.add_argument("--database", default=direct_alias(), help="alias, by default the direct endpoint")
        parser.add_argument("--wait", type=float, default=60.0, help="seconds to wait for another deployment")
        parser.add_argument("--lock-timeout", type=int, default=5000, help="milliseconds to wait for a table's lock")
        parser.add_argument("--attempts", type=int, default=5, help="attempts when a lock is not free")
        parser.add_argument("--pause", type=float, default=2.0, help="seconds after the first attempt, then longer")
        parser.add_argument(
            "--superuser-from-stdin", action="store_true",
            help='read {"username": …, "password": …} from standard input: arguments are visible to other processes',
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 (Django's signature)
        if settings.UNKNOWN_VARIABLES:
            raise CommandError("\n".join([*settings.UNKNOWN_VARIABLES, "Nothing was changed."]))
        superuser = self._superuser() if options["superuser_from_stdin"] else None
        connection = connections[options["database"]]
        with all_on(options["database"]):
            try:
                connection.ensure_connection()
                if options["check"]:
                    report = self._plan(options, superuser)
                else:
                    with (
                        announced(connection, deployment.ANNOUNCING_LOCK),
                        deployment.deployment_lock(connection, options["wait"]),
                    ):
                        report = self._deploy(options, superuser)
            except EncryptionError as error:
                raise CommandError(f"{error} Nothing was changed.") from error
            except DatabaseError as error:
                raise CommandError(f"The database refused: {str(error).strip()}") from error
        # The last line is for programs.
        self.stdout.write(json.dumps(report, ensure_ascii=False, sort_keys=True))

    def _superuser(self) -> dict[str, str]:
        try:
            value = json.load(sys.stdin)
            return {"username": str(value["username"]), "password": str(value["password"])}
        except (ValueError, KeyError, TypeError) as error:
            raise CommandError('Standard input must hold {"username": …, "password": …}.') from error

    def _plan(self, options: dict[str, Any], superuser: dict[str, str] | None) -> dict[str, Any]:
        connection = connections[options["database"]]
        deployment.refuse_wrong_keys(connection)
        pending = self._pending(connection)
        newest = deployment.newest_release(connection)
        fixtures = newest is None or newest.fixtures_digest != deployment.fixture_digest()
        account = ""
        if superuser and pending:
            # Without its table, or with columns still missing, the account can only be new or unknown.
            account = "created" if newest is None else "unknown"
        elif superuser:
            account = deployment.superuser_change(options["database"], **superuser)
        record = newest is None or newest.release != options["release"]
        return self._report(pending, fixtures=fixtures, account=account, record=record)

    def _deploy(self, options: dict[str, Any], superuser: dict[str, str] | None) -> dict[str, Any]:
        connection = connections[options["database"]]
        alias = connection.alias
        deployment.refuse_wrong_keys(connection)
        pending = self._pending(connection)
        point = deployment.restore_point(connection)
        with deployment.recorded_if_it_fails(connection, options["release"], point):
            if pending:
                deployment.apply_migrations(
                    connection, options["lock_timeout"], options["attempts"], options["pause"], options["verbosity"]
                )
            deployment.enlist_keys(connection)
            newest = deployment.newest_release(connection)
            digest = deployment.fixture_digest()
            fixtures = newest is None or newest.fixtures_digest != digest
            if fixtures:
                for row in deployment.add_initial_data(alias):
                    self.stdout.write(f"Initial data: {row} was left out, another row has its name.")
            account = deployment.superuser_change(alias, **superuser) if superuser else ""
            if superuser and account:
                deployment.ensure_superuser(alias, **superuser)
        recorded = newest is not None and newest.release == options["release"]
        record = bool(pending) or fixtures or not recorded
        if record:
            deployment.record(connection, options["release"], digest, pending, point)
        return self._report(pending, fixtures=fixtures, account=account, record=record)

    def _pending(self, connection: BaseDatabaseWrapper) -> list[str]:
        """Show what is pending and return it. Raises CommandError where an earlier run left an index half-built."""
        pending = deployment.pending_plan(connection)
        if not pending:
            self.stdout.write("No migration is pending.")
        for number, name in enumerate(pending, start=1):
            self.stdout.write(f"[{number}/{len(pending)}] {name}")
        self.stdout.flush()
        if pending:
            deployment.refuse_invalid_indexes(connection)
        return pending

    @staticmethod
    def _report(pending: list[str], *, fixtures: bool, account: str, record: bool) -> dict[str, Any]:
        changed = bool(pending) or fixtures or bool(account) or record
        return {"changed": changed, "migrations": pending, "fixtures": fixtures, "superuser": account, "record": record}
