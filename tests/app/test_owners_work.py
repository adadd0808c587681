"""Work on everybody's rows is refused to who does not see them all: it would take some of them for the whole."""

import io

import pytest
from apps.common.locks import EXIT_NOT_NOW
from apps.common.management.commands import maintain_partitions, rebuild_search_index, roll_up_statistics
from django.core.management import CommandError, call_command
from server import Server
from sessions import session

COMMANDS = ("maintain_partitions", "rebuild_search_index", "refresh_statistics_views", "roll_up_statistics")


@pytest.mark.usefixtures("migrated")
@pytest.mark.parametrize("command", COMMANDS)
def test_the_application_is_refused_before_anything_is_read(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def reached(*_: object) -> None:
        raise AssertionError(command)

    for module, name in (
        (maintain_partitions, "upkeep"), (rebuild_search_index, "stale"), (roll_up_statistics, "plan"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, reached)
    with pytest.raises(CommandError, match=r"done by the owner of .*, freelance_owner, not by freelance_user"):
        call_command(command, "--database", "default", stdout=io.StringIO())


@pytest.mark.parametrize("command", ["maintain_partitions", "refresh_statistics_views", "roll_up_statistics"])
def test_upkeep_waits_for_a_dump_and_for_no_client_that_calls_itself_one(
    command: str, deployed: str, server: Server
) -> None:
    options = ("--database", deployed)
    with session(server, "backup") as dumping, session(server, "freelance_user") as client:
        client.execute("SET application_name = 'pg_dump'")
        call_command(command, *options, stdout=io.StringIO())
        dumping.execute("SET application_name = 'pg_dump'")
        with pytest.raises(CommandError, match="A backup or a dump is running") as told:
            call_command(command, *options, stdout=io.StringIO())
        assert told.value.returncode == EXIT_NOT_NOW
        dumping.execute("SET application_name = 'psql'")
        call_command(command, *options, stdout=io.StringIO())
