"""Short texts. Their columns are `text`: a CHECK says by its name what is too long, a type would not even say where.

Migrations see Django's own TextField of the same `max_length`.
"""

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models.expressions import Combinable
from django.db.models.functions import Length
from django.db.models.lookups import LessThanOrEqual

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

    # Generic for the checker alone.
    Field = models.Field[str | Combinable, str]
    CharField = models.CharField[str | Combinable, str]
    URLField = models.URLField[str | Combinable, str]
else:
    Field, CharField, URLField = models.Field, models.CharField, models.URLField

# Bytes of a name; PostgreSQL cuts a longer one without a word.
NAME_BYTES_MAX = 63


def at_most(table: str, column: str, characters: int) -> models.CheckConstraint:
    """Return the rule that a column holds at most so many characters."""
    name = f"{table}_{column}_at_most_{characters}_characters"
    if len(name.encode()) > NAME_BYTES_MAX:
        name = name.removesuffix("_characters")
    return models.CheckConstraint(condition=LessThanOrEqual(Length(column), characters), name=name)


class _TextColumn(Field):
    def db_type(self, connection: "BaseDatabaseWrapper") -> str:  # noqa: ARG002 (Django's signature)
        return "text"

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.TextField", list(args), kwargs


class _Limited(_TextColumn):
    def contribute_to_class(self, cls: type[models.Model], name: str, private_only: bool = False) -> None:
        super().contribute_to_class(cls, name, private_only)
        meta = cls._meta
        if meta.abstract or self.max_length is None:
            return
        limit = at_most(meta.db_table, self.attname, self.max_length)
        # A model of a migration's state brings it along.
        if limit.name not in {constraint.name for constraint in meta.constraints}:
            meta.constraints = [*meta.constraints, limit]
            # Where `makemigrations` looks whether there are any.
            meta.original_attrs["constraints"] = meta.constraints


class RuledCharField(_TextColumn, CharField):
    """Text of a few known values, or of a shape: a CHECK of the model's own leaves no room for one that is too long."""


class LimitedCharField(_Limited, CharField):
    """Text of at most `max_length` characters, held by the CHECK `<table>_<column>_at_most_<n>_characters`."""


class LimitedURLField(_Limited, URLField):
    """The same of an address."""
