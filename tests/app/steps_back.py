"""Steps back of the history, without what makes Django's `migrate` slow: it draws the models of every later step."""

from config.router import all_on
from django.db import connections
from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import ProjectState


def steps_back(executor: MigrationExecutor, target: tuple[str, str]) -> list[tuple[Migration, ProjectState]]:
    """Return what `migrate` undoes to come to the target, in this order, and the state before each."""
    states = {}
    state = executor.loader.project_state([])
    for migration, _ in executor.migration_plan(executor.loader.graph.leaf_nodes(), clean_start=True):
        states[migration.app_label, migration.name] = state
        state = migration.mutate_state(state)
    plan = executor.migration_plan([target])
    return [(migration, states[migration.app_label, migration.name]) for migration, _ in plan]


def take_back(executor: MigrationExecutor, steps: list[tuple[Migration, ProjectState]]) -> None:
    for migration, before in steps:
        executor.unapply_migration(before.clone(), migration)


def go_back(alias: str, app: str, name: str) -> None:
    """Undo what came after the migration of this app and name."""
    executor = MigrationExecutor(connections[alias])
    with all_on(alias):
        take_back(executor, steps_back(executor, (app, name)))
