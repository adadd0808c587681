"""What operators read of backups and of capacity, played as they do: each host has told its part."""

import pytest

from tests.host.environment import ROOT, Environment
from tests.proofs.tools import play

PLAYBOOKS = "ansible/playbooks"
LAB = ("-i", "inventories/lab")


def test_the_plan_of_capacity_knows_each_pool_and_volume_and_the_leaders_databases(lab: Environment) -> None:
    shown = play(*LAB, f"{PLAYBOOKS}/show_capacity.yml")
    assert shown.code == 0, shown.output
    page = (ROOT / str(lab.declared(lab.hosts("all")[0])["environment_directory"]) / "capacity.html").read_text("utf-8")
    wanted = [f"{host} pool freelance_platform" for host in lab.hosts("database")]
    wanted += [
        f"{host} disk {volume['mount']}"
        for host in [*lab.hosts("database"), *lab.hosts("repository")]
        for volume in lab.declared(host)["platform_host"]["volumes"]
    ]
    wanted += ["connections", "database freelance_platform"]
    assert [what for what in wanted if what not in shown.text or what not in page] == []


@pytest.mark.usefixtures("lab")
def test_the_overview_of_backups_names_what_can_be_restored_and_fails_when_it_is_too_old() -> None:
    young = play(*LAB, f"{PLAYBOOKS}/show_backups.yml")
    assert (young.code != 0) == ("PROBLEM: " in young.text), young.output
    assert not any(told in young.text for told in ("the newest full is ", "last successful ")), young.output
    # None is this young: what the limits of the environment say is what counts.
    limits = '{"environment_thresholds": {"backup_age_hours_max": {"full": 0}}}'
    shown = play(*LAB, f"{PLAYBOOKS}/show_backups.yml", "-e", limits)
    assert shown.code != 0, shown.output
    assert "PROBLEM: repository 1: the newest full is " in shown.text
    assert all(what in shown.text for what in ("full", "globals_", "full_backup_freelance_platform_"))
