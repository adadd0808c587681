"""What operators read of backups and of capacity, played as they do: each host has told its part."""

import json
import re

from tests.host.environment import ROOT, Environment
from tests.proofs.tools import play, script, scripts

PLAYBOOKS = "ansible/playbooks"
LAB = ("-i", "inventories/lab")
INFO = "runuser -u postgres -- env -C / pgbackrest --stanza=main --output=json info"
RECORD = "cat /var/lib/freelance-backup/drill-record.json 2> /dev/null || true"


def written(lab: Environment, name: str) -> str:
    """The page that a playbook has written."""
    folder = str(lab.declared(lab.hosts("all")[0])["environment_directory"])
    return (ROOT / folder / name).read_text("utf-8")


def section(page: str, heading: str) -> str:
    """A part of a page, from its heading to the next."""
    assert heading in page
    return page.partition(f"<h2>{heading}</h2>")[2].partition("<h2>")[0]


def test_the_plan_of_capacity_knows_each_pool_and_volume_and_the_leaders_databases(lab: Environment) -> None:
    shown = play(*LAB, f"{PLAYBOOKS}/show_capacity.yml")
    assert shown.code == 0, shown.output
    page = written(lab, "capacity.html")
    wanted = [f"{host} pool freelance_platform" for host in lab.hosts("database")]
    wanted += [
        f"{host} disk {volume['mount']}"
        for host in [*lab.hosts("database"), *lab.hosts("repository")]
        for volume in lab.declared(host)["platform_host"]["volumes"]
    ]
    wanted += [f"{host} memory" for host in [*lab.hosts("database"), *lab.hosts("repository")]]
    wanted += ["connections", "database freelance_platform"]
    assert [what for what in wanted if what not in shown.text or what not in page] == []
    assert re.search(r"<td>table [a-z_]+</td>", page)
    # One drawing for each row.
    assert page.count("<svg") == page.count("<tr><td>") >= len(wanted)


def test_the_overview_of_backups_names_what_can_be_restored_and_fails_when_it_is_too_old(lab: Environment) -> None:
    [stanza] = json.loads(script(lab, lab.hosts("repository")[0], INFO))
    archived = max(each["max"] or "" for each in stanza["archive"])
    records = [json.loads(text) for text in scripts(lab, dict.fromkeys(lab.hosts("database"), RECORD)).values() if text]
    young = play(*LAB, f"{PLAYBOOKS}/show_backups.yml")
    assert (young.code != 0) == ("PROBLEM: " in young.text), young.output
    assert not any(told in young.text for told in ("the newest full is ", "last successful ")), young.output
    # None is this young: what the limits of the environment say is what counts.
    limits = '{"environment_thresholds": {"backup_age_hours_max": {"full": 0}}}'
    shown = play(*LAB, f"{PLAYBOOKS}/show_backups.yml", "-e", limits)
    assert shown.code != 0, shown.output
    assert "PROBLEM: repository 1: the newest full is " in shown.text
    assert all(what in shown.text for what in ("full", "globals_", "full_backup_freelance_platform_"))
    page = written(lab, "backups.html")
    assert page.count("<svg") == 1
    window = section(page, "What can be restored")
    assert max(re.findall(r"<td>([0-9A-F]{24})</td>", window)) >= archived
    assert re.search(r"(<td>20\d\d-\d\d-\d\d \d\d:\d\d</td>){2}", window)
    last = max(records, key=lambda record: str(record["finished"]), default={"backup_label": "none yet"})
    assert str(last["backup_label"]) in section(page, "Last restore drill")
