"""Every model says whose its rows are, and every column what becomes of it: what is new cannot be forgotten."""

from typing import Any

import pytest
from apps.accounts.models import User
from apps.common.encryption.fields import BlindIndexField
from apps.common.person import DERIVED, SELF_EVIDENT, Nobody, Personal, declarations, personal
from apps.common.redaction import Redaction
from django.apps import apps
from django.db.models import Field, ForeignKey, Model
from test_migrations import OWN_APPS


def own_models() -> list[type[Model]]:
    return [
        model
        for app in OWN_APPS
        for model in apps.get_app_config(app).get_models(include_auto_created=True)
    ]  # fmt: skip


def speaks_for_itself(column: "Field[Any, Any]") -> bool:
    return bool(
        column.primary_key
        or isinstance(column, (ForeignKey, *DERIVED))
        or column.choices
        or column.name in SELF_EVIDENT
        # A part of a composite key.
        or column.name == "id"
    )


def test_every_model_is_declared_once() -> None:
    declared = [declaration.model for declaration in declarations()]
    assert sorted(map(str, declared)) == sorted(map(str, own_models()))


def test_no_other_model_has_people() -> None:
    others = {model._meta.label for model in apps.get_models(include_auto_created=True)} - {
        model._meta.label for model in own_models()
    }
    # Whose a session is stands inside it: apps.common.sessions finds it.
    assert others == {
        "contenttypes.ContentType", "auth.Permission", "auth.Group", "auth.Group_permissions", "sessions.Session",
    }  # fmt: skip


@pytest.mark.parametrize("declared", personal(), ids=lambda declared: declared.model._meta.label)
class TestAModel:
    def test_it_says_what_becomes_of_each_column(self, declared: Personal) -> None:
        said = [*declared.replaced, *declared.redacted.split(), *declared.facts.split()]
        columns = {column.name: column for column in declared.model._meta.concrete_fields}
        assert len(said) == len(set(said))
        assert set(said) <= columns.keys()
        silent = [name for name, column in columns.items() if name not in said and not speaks_for_itself(column)]
        assert silent == ([] if not declared.deleted else silent)

    def test_it_names_columns_that_are_there(self, declared: Personal) -> None:
        columns = {column.name for column in declared.model._meta.concrete_fields}
        assert {
            *declared.identifying.split(),
            *declared.identifying_unless_a_word.split(),
            *declared.files.split(),
            *declared.secret.split(),
        } <= columns

    def test_everybody_it_refers_to_is_named(self, declared: Personal) -> None:
        named = {path.split("__")[0] for path in (*declared.people, *declared.mentioned)}
        people = {
            column.name
            for column in declared.model._meta.concrete_fields
            if isinstance(column, ForeignKey) and column.related_model is User
        }
        assert people <= named

    def test_an_index_goes_with_its_value(self, declared: Personal) -> None:
        for column in declared.model._meta.concrete_fields:
            if isinstance(column, BlindIndexField) and column.of in declared.replaced:
                assert declared.replaced[column.name] is None


@pytest.mark.parametrize("declared", [d for d in declarations() if isinstance(d, Nobody)], ids=lambda d: str(d.model))
def test_a_model_of_nobody_refers_to_nobody(declared: Nobody) -> None:
    assert not [column for column in declared.model._meta.concrete_fields if column.related_model is User]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("电话13800138000。", "电话***********。"),
        ("+86 138-0013-8000", "*****************"),
        ("138 0013 8000 或微信 LI_NA_24", "************* 或微信 ********"),
        ("订单 2138001380009 不是电话", "订单 2138001380009 不是电话"),
        ("李娜和李娜娜", "**和**娜"),
        ("li_na_240", "li_na_240"),
        (["李娜", {"李娜": 1}], ["**", {"**": 1}]),
        ("", ""),
        (None, None),
    ],
)
def test_a_persons_values_are_found_as_people_write_them(text: Any, left: Any) -> None:
    assert Redaction(["+8613800138000", "李娜", "li_na_24", "x", ""])(text) == left


def test_who_has_no_values_is_found_nowhere() -> None:
    assert Redaction(["", " "])("任何文字") == "任何文字"
