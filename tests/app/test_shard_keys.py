"""Each table has said what it would be split by: a column that leads to a person."""

import pytest
from config.shard_keys import IN_ONE_PLACE, ON_EVERY_SHARD, SHARD_KEYS
from django.apps import apps
from django.db.models import Field

PERSON = "accounts_user"
OWN = {
    model._meta.db_table: model
    for model in apps.get_models()
    if model._meta.managed and model.__module__.startswith("apps.")
}
# The audit log outlives the rows that it is about, and so has no foreign keys; nor has an app that accounts stand on.
WITHOUT_FOREIGN_KEY = {"common_auditlog", "common_erasure"}


def column(table: str) -> "Field[object, object]":
    (found,) = [field for field in OWN[table]._meta.concrete_fields if field.column == SHARD_KEYS[table]]
    return found


def test_every_table_has_one_answer_and_nothing_else_has() -> None:
    answers = [*SHARD_KEYS, *ON_EVERY_SHARD, *IN_ONE_PLACE]
    assert sorted(answers) == sorted(OWN)


@pytest.mark.parametrize("table", SHARD_KEYS)
def test_a_shard_key_is_a_column_that_leads_to_a_person(table: str) -> None:
    seen = {table}
    while table != PERSON:
        key = column(table)
        if table in WITHOUT_FOREIGN_KEY:
            assert not key.is_relation
            return
        assert key.related_model is not None, f"{table}.{key.column} leads nowhere"
        table = key.related_model._meta.db_table
        assert table not in seen, f"{table}: in a circle"
        seen.add(table)
    assert column(PERSON).primary_key


@pytest.mark.parametrize("table", sorted(ON_EVERY_SHARD | IN_ONE_PLACE))
def test_what_has_no_shard_key_belongs_to_nobody(table: str) -> None:
    people = [field.name for field in OWN[table]._meta.concrete_fields if field.related_model is OWN[PERSON]]
    assert people == []
