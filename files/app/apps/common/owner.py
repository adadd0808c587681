"""Work on everybody's rows is done by the owner of the tables: another role would silently see some of them only."""

from django.conf import settings
from django.core.management import CommandError
from django.db import connections
from django.db.models import Model

from config.router import DIRECT


def require_owner(alias: str, model: type[Model]) -> None:
    """Raise CommandError unless the alias is there and its role owns the model's table."""
    if alias not in settings.DATABASES:
        raise CommandError(
            f"There is no database alias {alias}: this is done by the owner of the tables. Name the alias {DIRECT} by"
            " DB_DIRECT_HOST, DB_DIRECT_USER and DB_DIRECT_PASSWORD."
        )
    table = model._meta.db_table
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT current_user::text, tableowner::text FROM pg_tables WHERE tablename = %s", [table])
        role, owner = cursor.fetchone() or ("", "")
    if role != owner or not owner:
        raise CommandError(f"This is done by the owner of {table}, {owner or 'which is not there'}, not by {role}.")
