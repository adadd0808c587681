"""Work on everybody's rows is refused to who does not see them all: it would take some of them for the whole."""

import io

import pytest
from apps.common.management.commands import maintain_partitions, rebuild_search_index, roll_up_statistics
from django.core.management import CommandError, call_command

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
