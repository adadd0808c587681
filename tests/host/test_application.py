"""The schema is at the application's release, and its first data is there."""

from types import SimpleNamespace
from typing import Any

from tests.host.environment import ROOT, Environment


def test_every_migration_of_the_release_is_applied(leader: SimpleNamespace) -> None:
    applied = {(row["app"], row["name"]) for row in leader.queries["migrations"]}
    ours = {(path.parent.parent.name, path.stem) for path in (ROOT / "files/app/apps").glob("*/migrations/[0-9]*.py")}
    assert ours
    assert ours - applied == set()


def test_the_release_on_the_host_is_the_one_that_the_database_names(
    leader: SimpleNamespace, environment: Environment
) -> None:
    first = environment.hosts("database")[0]
    current = environment.connection(first).run("readlink -f /opt/freelance-platform/current").stdout.strip()
    assert current.rpartition("/")[2] == leader.queries["release"][0]["release"]


def test_the_applications_settings_and_keys_are_for_its_user_alone(
    found: dict[str, Any], environment: Environment
) -> None:
    files = found[environment.hosts("database")[0]]["files"]
    for file in (files["/etc/freelance-platform/app.env"], files["/etc/freelance-platform/keys.json"]):
        assert (file["owner"], file["group"], file["mode"]) == ("root", "freelance", "0640")


def test_initial_data_is_there(leader: SimpleNamespace) -> None:
    assert leader.queries["skills"][0]["value"] > 0
