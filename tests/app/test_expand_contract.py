"""The example of docs/changing-the-schema.md on a real server: code of both releases works between its steps."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from apps.accounts.models import User
from config.router import all_on
from django.db import ProgrammingError, connections, transaction
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState
from expand_contract import contract, expand, move
from test_migration_safety import findings
from test_migrations import objects, rows

STEPS = {"expand": expand.Migration, "move": move.Migration, "contract": contract.Migration}
OLD, NEW = "https://img.cn/old.png", "https://img.cn/new.png"


class Deployments:
    """A database that one step after the other is applied to; `User` is the release before the example."""

    def __init__(self, alias: str) -> None:
        self.connection = connections[alias]
        self.states = [MigrationLoader(self.connection).project_state()]
        self.done: list[Migration] = []

    def apply(self, step: str) -> None:
        migration = STEPS[step](step, "accounts")
        with self.connection.schema_editor(atomic=migration.atomic) as editor:
            self.states.append(migration.apply(self.states[-1].clone(), editor))
        self.done.append(migration)

    def unapply(self) -> None:
        migration = self.done.pop()
        with self.connection.schema_editor(atomic=migration.atomic) as editor:
            migration.unapply(self.states[-2].clone(), editor)
        self.states.pop()

    def next_release(self) -> Any:
        """Return the model of the release that knows the new column alone."""
        state: ProjectState = self.states[0].clone()
        for step in STEPS.values():
            step("any", "accounts").mutate_state(state, preserve=False)
        return state.apps.get_model("accounts", "User")


@pytest.fixture
def deployments(deployed: str) -> Iterator[Deployments]:
    with all_on(deployed):
        yield Deployments(deployed)


def test_both_releases_write_and_read_after_the_expansion(deployments: Deployments) -> None:
    untouched = User.objects.create_user("untouched", avatar_url=OLD)
    touched = User.objects.create_user("touched", avatar_url=OLD)
    deployments.apply("expand")
    # The release before: it makes rows, changes and reads them, and does not name the new column.
    made = User.objects.create_user("made", avatar_url=OLD)
    User.objects.filter(pk=made.pk).update(avatar_url=NEW)
    touched.nickname = "新名"
    touched.save()
    assert User.objects.get(pk=touched.pk).avatar_url == OLD

    deployments.apply("move")
    later = deployments.next_release()
    pictures = dict(later.objects.values_list("pk", "picture_url"))
    assert pictures == {untouched.pk: OLD, touched.pk: OLD, made.pk: NEW}
    # The next release does not name the old column, and the one before sees what it writes.
    born = later.objects.create(username="born", password="!", status="active", picture_url=NEW)
    later.objects.filter(pk=untouched.pk).update(picture_url=NEW)
    assert User.objects.get(pk=born.pk).avatar_url == NEW
    assert User.objects.get(pk=untouched.pk).avatar_url == NEW
    later.objects.filter(pk=untouched.pk).update(picture_url="")
    assert User.objects.get(pk=untouched.pk).avatar_url == ""


def test_the_release_before_is_over_when_the_old_column_goes(deployments: Deployments) -> None:
    person = User.objects.create_user("person", avatar_url=OLD)
    for step in STEPS:
        deployments.apply(step)
    later = deployments.next_release()
    assert later.objects.get(pk=person.pk).picture_url == OLD
    later.objects.filter(pk=person.pk).update(picture_url=NEW)
    alias = deployments.connection.alias
    for query in (User.objects.filter(pk=person.pk), User.objects.filter(avatar_url=OLD)):
        with pytest.raises(ProgrammingError, match="avatar_url does not exist"), transaction.atomic(alias):
            list(query)


def test_every_step_goes_back_and_no_value_is_lost(deployments: Deployments) -> None:
    before = objects(deployments.connection)
    person = User.objects.create_user("person", avatar_url=OLD)
    for step in STEPS:
        deployments.apply(step)
    deployments.next_release().objects.filter(pk=person.pk).update(picture_url=NEW)
    for _ in STEPS:
        deployments.unapply()
    assert User.objects.get(pk=person.pk).avatar_url == NEW
    assert objects(deployments.connection) == before


def test_roles_with_rights_by_column_read_what_replaces_a_column(deployments: Deployments) -> None:
    readers = ["freelance_ledger", "freelance_staff", "reporting_user"]
    for step, undone, column in (("expand", 0, "picture_url"), ("contract", 1, "avatar_url")):
        deployments.apply(step)
        for _ in range(undone):
            deployments.unapply()
        for role in readers:
            asked = "SELECT has_column_privilege(%s, 'accounts_user', %s, 'SELECT')"
            assert rows(deployments.connection, asked, role, column) == [(True,)]


def test_the_linter_names_the_step_that_ends_the_release_before(deployments: Deployments, tmp_path: Path) -> None:
    texts = {}
    for step, migration in STEPS.items():
        with deployments.connection.schema_editor(collect_sql=True, atomic=False) as editor:
            state = deployments.states[-1].clone()
            deployments.states.append(migration(step, "accounts").apply(state, editor, collect_sql=True))
        texts[step] = "BEGIN;\n{}\nCOMMIT;\n".format("\n".join(editor.collected_sql))
    dropped = {"ban-drop-column", "ban-drop-constraint", "ban-drop-function"}
    assert findings(tmp_path, texts) == {("contract", rule) for rule in dropped}
