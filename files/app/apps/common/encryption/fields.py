"""Model fields whose values PostgreSQL sees encrypted, and the indexes by which they are found."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator
from django.db import models
from django.db.models import Model
from django.db.models.query_utils import DeferredAttribute

from apps.common.encryption import blind_index
from apps.common.encryption.envelope import Place, key_number, seal, unseal
from apps.common.encryption.keys import KeyRing
from apps.common.encryption.known_keys import blind_index_ring, encryption_ring, is_retired

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper


def _may_stay(number: int, ring: KeyRing) -> bool:
    """Say whether what a key of this number made may be written again: an older key may have been retired since."""
    return number == ring.current or not is_retired(ring, number)


class Ciphertext(bytes):
    """A value as the database holds it."""

    def __repr__(self) -> str:
        return "<ciphertext>"


class _DecryptedAttribute(DeferredAttribute):
    """Opens a value when it is asked for: who only reads other columns needs no key."""

    def __get__(self, instance: Model | None, cls: Any = None) -> Any:
        value = super().__get__(instance, cls)
        if instance is not None and isinstance(value, Ciphertext):
            field: EncryptedTextField = self.field  # type: ignore[assignment]  # this is its own descriptor
            sealed, place = value, field.place(instance)
            value = unseal(sealed, place, encryption_ring())
            instance.__dict__[field.attname] = value
            field.remember(instance, value, place, sealed)
        return value

    def __set__(self, instance: Model, value: Any) -> None:
        # Without it the instance's own dictionary would answer before __get__ is asked.
        instance.__dict__[self.field.attname] = value


class EncryptedTextField(models.TextField):  # type: ignore[type-arg]  # generic for the checker alone
    """Text that is sealed for its row when the row is saved. "" is stored as NULL.

    A text that is saved unchanged keeps its ciphertext, unless that is of a retired key: the database takes another one
    for another text.
    The database cannot judge the text: the validators run at each save and raise ValidationError. What knows no row
    (`update`, `bulk_update`, filters, `dumpdata`) is refused; a blind index finds rows.
    """

    descriptor_class = _DecryptedAttribute

    def __init__(self, *args: Any, max_length: int, **fields: Any) -> None:
        super().__init__(*args, **{"max_length": max_length, "null": True, "blank": True, **fields})
        self.validators.append(MaxLengthValidator(max_length))

    def get_internal_type(self) -> str:
        return "BinaryField"

    def place(self, instance: Model) -> Place:
        return self.place_of(instance._meta.pk.to_python(instance.pk))

    def place_of(self, key: object) -> Place:
        return Place(self.model._meta.db_table, str(self.column), str(key))

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Ciphertext | None:  # noqa: ARG002 (Django's signature)
        return None if value is None else Ciphertext(value)

    def pre_save(self, model_instance: Model, add: bool) -> Ciphertext | None:  # noqa: ARG002 (the same)
        text = getattr(model_instance, self.attname)
        if text is None or text == "":
            return None
        if not isinstance(text, str):
            raise TypeError(f"{self}: a text is expected, not {type(text).__name__}.")
        try:
            self.run_validators(text)
        except ValidationError as error:
            raise ValidationError({self.name: error.error_list}) from None
        place = self.place(model_instance)
        known = model_instance.__dict__.get(self._memory)
        if known is None or known[:2] != (text, place) or not _may_stay(key_number(known[2]), encryption_ring()):
            sealed = seal(text, place, encryption_ring(to_write=True))
            self.remember(model_instance, text, place, Ciphertext(sealed))
        held: Ciphertext = model_instance.__dict__[self._memory][2]
        return held

    def remember(self, instance: Model, text: str, place: Place, sealed: Ciphertext) -> None:
        """Keep with the instance what the database has for this text."""
        instance.__dict__[self._memory] = (text, place, sealed)

    @property
    def _memory(self) -> str:
        return f"_sealed_{self.attname}"

    def get_prep_value(self, value: Any) -> Any:
        return value

    def get_db_prep_value(self, value: Any, connection: "BaseDatabaseWrapper", prepared: bool = False) -> Any:  # noqa: ARG002 (the same)
        if value is not None and not isinstance(value, Ciphertext):
            raise TypeError(f"{self} is sealed for its row: write it by save() or bulk_create().")
        return None if value is None else bytes(value)

    def get_lookup(self, lookup_name: str) -> Any:
        """Know `isnull` alone: no two ciphertexts are equal."""
        return super().get_lookup(lookup_name) if lookup_name == "isnull" else None

    def value_to_string(self, obj: Model) -> str:  # noqa: ARG002 (the same)
        raise TypeError(f"{self} is not for fixtures: export_person shows it.")


class BlindIndexField(models.BinaryField):  # type: ignore[type-arg]  # generic for the checker alone
    """The blind index of the encrypted field named `of`, kept with it. `candidates` finds rows by it."""

    def __init__(self, *args: Any, of: str, ignores_case: bool = False, **fields: Any) -> None:
        super().__init__(*args, **{"null": True, "editable": False, **fields})
        self.of = of
        self.ignores_case = ignores_case

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        name, path, args, fields = super().deconstruct()
        return str(name), path, list(args), {**fields, "of": self.of, "ignores_case": self.ignores_case}

    def pre_save(self, model_instance: Model, add: bool) -> bytes | None:  # noqa: ARG002 (Django's signature)
        text = getattr(model_instance, self.of)
        if not text:
            return None
        # As with the text: by an older key it stays.
        held = model_instance.__dict__.get(self.attname)
        if held is not None and bytes(held) in self.candidates(text):
            number = blind_index.key_number(bytes(held))
            return bytes(held) if _may_stay(number, blind_index_ring()) else self.index(text)
        return self.index(text)

    def index(self, text: str) -> bytes:
        """Return the index of a text by the current key."""
        return blind_index.blind_index(self._normal(text), *self._place(), blind_index_ring(to_write=True))

    def candidates(self, text: str) -> list[bytes]:
        """Return the index of a text by each key that a row may still have."""
        return blind_index.candidates(self._normal(text), *self._place(), blind_index_ring())

    def _normal(self, text: str) -> str:
        return text.lower() if self.ignores_case else text

    def _place(self) -> tuple[str, str]:
        return self.model._meta.db_table, str(self.column)


def candidates(model: type[Model], index: str, text: str) -> list[bytes]:
    """Return what a row with this text has in its blind index, one for each key: for `filter(…__in=…)`."""
    field = model._meta.get_field(index)
    assert isinstance(field, BlindIndexField)  # noqa: S101 (a mistake in a query, seen at its first run)
    return field.candidates(text)


class SealedShape(models.CheckConstraint):
    """What the database can say of encrypted columns. Their texts are judged by the validators alone."""

    def validate(self, *args: Any, **kwargs: Any) -> None:
        """Leave it to the database: before a save there is no ciphertext."""


class IsSealed(models.Func):
    """The column holds NULL, or an envelope of `least` to `characters` characters of at most `bytes_each` bytes."""

    output_field = models.BooleanField()

    def __init__(self, column: str, characters: int, least: int = 1, bytes_each: int = 4) -> None:
        # An envelope begins with its format and has 71 bytes of its own.
        shape = "octet_length(%(expressions)s) BETWEEN {} AND {} AND get_byte(%(expressions)s, 0) = 1"
        shape = shape.format(71 + least, 71 + bytes_each * characters)
        super().__init__(models.F(column), template=f"(%(expressions)s IS NULL OR {shape})")


class IsIndexed(models.Func):
    """The blind index is there exactly when the value is."""

    output_field = models.BooleanField()
    arg_joiner = " IS NULL) = ("
    template = "(%(expressions)s IS NULL)"

    def __init__(self, column: str, index: str) -> None:
        super().__init__(models.F(column), models.F(index))


class EncryptedModel(models.Model):
    """A row with encrypted columns: a blind index is written with its value, also by `update_fields`."""

    class Meta:
        abstract = True

    def save(self, *args: Any, update_fields: Iterable[str] | None = None, **kwargs: Any) -> None:
        if update_fields is not None:
            written = set(update_fields)
            fields = [field for field in self._meta.concrete_fields if isinstance(field, BlindIndexField)]
            update_fields = written | {field.name for field in fields if field.of in written}
        super().save(*args, update_fields=update_fields, **kwargs)
