"""What an app says about the people in its rows: whose they are, and what becomes of each column when one is erased.

The module `person` of each app lists its models in DECLARED; a test fails for a model or column that nothing is said
about. Keys, references, choices and the moments of writing need no word: without the account they lead nowhere.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any
from uuid import UUID

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db.models import Field, Model, Q, QuerySet
from django.utils.module_loading import module_has_submodule

from apps.common.encryption.fields import BlindIndexField
from apps.common.models import AuditLog, EncryptionKey, Erasure, Release
from apps.common.search.fields import WordVectorField

# Made of other columns.
DERIVED = (BlindIndexField, WordVectorField)
SELF_EVIDENT = {"created_at", "updated_at", "currency", "search_version"}


@dataclass(frozen=True, kw_only=True)
class Personal:
    """A model with rows of people. Names of columns stand in one text with spaces between."""

    model: type[Model]
    # Lookups from a row to those whose it is: an export shows it to them.
    people: tuple[str, ...]
    # Lookups to others that it speaks of or who handled it: it is not shown to them.
    mentioned: tuple[str, ...] = ()
    # The row goes with the person, also with one who is mentioned.
    deleted: bool = False
    # What takes the place of a column, in rows whose the person is.
    replaced: Mapping[str, Any] = field(default_factory=dict)
    # Texts that stay because others rely on them; the person's own values in them are blacked out.
    redacted: str = ""
    # Numbers, dates and texts that stay as they are.
    facts: str = ""
    # Values that identify the person: these are blacked out.
    identifying: str = ""
    # The same, of values that may also be a word of the language: that one stays.
    identifying_unless_a_word: str = ""
    # Keys in the object storage: whoever keeps the files deletes them.
    files: str = ""
    # Never shown, not even to the person.
    secret: str = ""
    # Name of a row's result in the cache, with {} for its key.
    remembered: str = ""
    # The table takes new rows alone: its texts are redacted for an erasure.
    append_only: bool = False
    # Other triggers that keep the row as it is, from the owner too.
    held_by: str = ""

    def rows(self, alias: str, person_id: UUID, *, mentioned: bool = False) -> QuerySet[Any]:
        """Return the person's rows in order, with `mentioned` also those that speak of them."""
        condition = Q()
        for path in (*self.people, *(self.mentioned if mentioned else ())):
            condition |= Q(**{path: person_id})
        return self.model._base_manager.using(alias).filter(condition).order_by("pk")

    def values(self, alias: str, person_id: UUID, names: str) -> Iterator[Any]:
        """Yield what these columns hold in the person's rows, but not what an erasure has put there."""
        for name in names.split():
            rows = self.rows(alias, person_id)
            if (instead := self.replaced.get(name)) is not None:
                rows = rows.exclude(**{name: instead})
            for row in rows:
                value = getattr(row, name)
                yield from value if isinstance(value, list) else [value] if value else []

    def shown(self) -> "list[Field[Any, Any]]":
        """Return the columns of an export."""
        hidden = self.secret.split()
        return [
            column
            for column in self.model._meta.concrete_fields
            if column.name not in hidden and not isinstance(column, DERIVED)
        ]


@dataclass(frozen=True)
class Nobody:
    """A model without people."""

    model: type[Model]


@dataclass(frozen=True)
class Obstacle:
    """What has to be settled before a person is erased; `said` continues "…: ", a number and the name of the model."""

    model: type[Model]
    people: tuple[str, ...]
    condition: Q
    said: str


# Takes an alias and a person: brings what is theirs to its end.
Closing = Callable[[str, UUID], object]


def _listed(name: str) -> Iterator[Any]:
    """Yield what the apps' modules list under a name, later apps first: their rows speak of those of earlier ones."""
    for app in reversed(list(apps.get_app_configs())):
        if app.module is not None and module_has_submodule(app.module, "person"):
            yield from getattr(import_module(f"{app.name}.person"), name, ())


def declarations() -> list[Personal | Nobody]:
    return list(_listed("DECLARED"))


def personal() -> list[Personal]:
    """Return the models with rows of people, in the order in which they are erased."""
    return [declared for declared in declarations() if isinstance(declared, Personal)]


def obstacles() -> list[Obstacle]:
    return list(_listed("OBSTACLES"))


def closings() -> list[Closing]:
    return list(_listed("CLOSINGS"))


def person_named(alias: str, text: str) -> Any:
    """Return the account with this user name or key. Raises DoesNotExist."""
    accounts = get_user_model()._base_manager.using(alias)
    try:
        return accounts.get(pk=UUID(text))
    except ValueError:
        return accounts.get(username=text)


DECLARED = (
    # audit_forget empties personal_changes at the end of an erasure: not even the owner may change an entry.
    Personal(
        model=AuditLog,
        people=("person_id",),
        mentioned=("actor_id",),
        facts="table_name row_id person_id changes personal_changes actor_id login_role statement_role transaction_id",
    ),
    # Found again by its key alone: what is left to do.
    Personal(model=Erasure, people=("person_id",), facts="person_id files"),
    Nobody(EncryptionKey),
    Nobody(Release),
)
