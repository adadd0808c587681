"""The whole first proof, with recorded commands: nothing before the name is typed, all of it taken away after."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from cost import price_file
from infra import stack_files
from infra.problems import SettingsError
from smoke import __main__ as smoke
from smoke import checks, settings
from smoke.commands import Done, StepError

from tests.unit.docs.aws_cli import problems
from tests.unit.smoke.recorded import Recorded, instances, refusal, tagged

ROOT = Path(__file__).parents[3]
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEexampleexampleexampleexampleexampleexample operator@example"
COSTS = smoke.costs
CLEANED = ("pulumi cancel", "pulumi stack import", "pulumi destroy", "pulumi stack rm")
PROVIDER = "awskms://alias/freelance-platform-state?region=eu-central-1"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of the test's own, whose production stack was initialised, on a real backend."""
    shutil.copy(ROOT / "Pulumi.yaml", tmp_path)
    content = yaml.safe_load((ROOT / "Pulumi.production.yaml").read_text(encoding="utf-8"))
    content["config"]["freelance-platform:ssh_public_key"] = KEY
    (tmp_path / "Pulumi.production.yaml").write_text(yaml.safe_dump({**content, "secretsprovider": PROVIDER}))
    monkeypatch.setattr(stack_files, "PROJECT_FILE", tmp_path / "Pulumi.yaml")
    for module in (smoke, checks):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(checks, "KEYS_SECONDS_MAX", checks.KEYS_AGAIN_SECONDS)
    monkeypatch.setattr("smoke.checks.time.sleep", lambda _: None)  # one module: the clean-up waits by it too
    monkeypatch.setattr(smoke, "costs", lambda: "what it costs")  # a run of the program; the tests about costs make it
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://state?region=eu-central-1")
    monkeypatch.delenv("PULUMI_IGNORE_AMBIENT_PLUGINS", raising=False)
    return tmp_path


def typed(text: str) -> Callable[[str], str]:
    return lambda _: text


def test_when_all_holds_only_what_is_locked_remains_to_be_said(project: Path) -> None:
    run = Recorded()
    rows = smoke.prove("production", run, typed("smoke\n"))
    assert {row.step for row in rows if not row.held} == {"empty the buckets", "look for what is left"}
    assert len(rows) == 8 + 8
    assert run.order("pulumi stack init", "pulumi preview", "pulumi up", *CLEANED) == sorted(
        run.order("pulumi stack init", "pulumi preview", "pulumi up", *CLEANED)
    )
    assert f"pulumi stack init smoke --secrets-provider {PROVIDER}" in run.asked
    assert not (project / "Pulumi.smoke.yaml").exists()
    assert "object lock" in smoke.table(rows)


def test_every_command_names_the_small_stack() -> None:
    run = Recorded()
    smoke.prove("production", run, typed("smoke"))
    for line in run.asked:
        if line.startswith("pulumi") and not line.startswith(
            ("pulumi version", "pulumi stack ls", "pulumi stack init smoke")
        ):
            assert "--stack smoke" in line
    assert not [line for line in run.asked if "production" in line]


def test_the_aws_cli_knows_each_command_and_option() -> None:
    run = Recorded()
    smoke.prove("production", run, typed("smoke"))
    lines = [line for line in run.asked if line.startswith("aws ")]
    assert len({tuple(line.split()[1:3]) for line in lines}) > 8
    assert not [problem for line in lines for problem in problems(line)]


@pytest.mark.parametrize("text", ["", "production", "yes", "Smoke"])
def test_nothing_is_made_before_its_name_is_typed(project: Path, text: str) -> None:
    run = Recorded()
    with pytest.raises(StepError, match="was typed, not smoke"):
        smoke.prove("production", run, typed(text))
    nothing_was_made(run, project)


def test_without_a_terminal_nothing_is_made(project: Path) -> None:
    def closed(_: str) -> str:
        raise EOFError

    run = Recorded()
    with pytest.raises(StepError, match="run it in a terminal"):
        smoke.prove("production", run, closed)
    nothing_was_made(run, project)


def test_the_costs_are_shown_before_the_question(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smoke, "costs", COSTS)
    shown: list[str] = []

    def ask(_: str) -> str:
        shown.append(capsys.readouterr().out)
        return "smoke"

    smoke.prove("production", Recorded(), ask)
    assert "2 hours of it: about" in shown[0]
    assert "In account 123456789012, eu-central-1, as arn:aws:iam::123456789012:user/eve." in shown[0]


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({"aws sts get-caller-identity": refusal("ExpiredToken")}, "no credentials for AWS: log in"),
        ({"pulumi stack ls": [{"name": "smoke"}]}, "smoke-aws-clean"),
        ({"pulumi stack init smoke": Done(status=1, stdout="", stderr="no such key")}, "no such key"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_made(project: Path, answers: dict[str, Any], message: str) -> None:
    run = Recorded()
    run.answers |= answers
    with pytest.raises(StepError, match=message):
        smoke.prove("production", run, typed("smoke"))
    nothing_was_made(run, project)


def test_a_stack_without_a_key_for_its_secrets_is_refused(project: Path) -> None:
    file = project / "Pulumi.production.yaml"
    file.write_text(file.read_text().replace("awskms://", "passphrase"))
    run = Recorded()
    with pytest.raises(StepError, match="names no secretsprovider"):
        smoke.prove("production", run, typed("smoke"))
    nothing_was_made(run, project)


def test_where_no_tunnel_leads_to_the_host_nothing_is_made(project: Path) -> None:
    file = project / "Pulumi.production.yaml"
    file.write_text(file.read_text().replace("eu-central-1", "cn-north-1"))
    run = Recorded()
    with pytest.raises(StepError, match="cn-north-1 has no connect endpoint"):
        smoke.prove("production", run, typed("smoke"))
    nothing_was_made(run, project)


def test_settings_that_the_program_refuses_leave_no_file(project: Path) -> None:
    file = project / "Pulumi.production.yaml"
    file.write_text(file.read_text().replace("aws:region", "aws:regoin") + "")
    with pytest.raises((SettingsError, StepError)):
        smoke.prove("production", Recorded(), typed("smoke"))
    assert not (project / "Pulumi.smoke.yaml").exists()


@pytest.mark.parametrize("failing", ["pulumi preview", "pulumi up", "aws ec2 get-console-output", "ansible db1"])
def test_what_was_made_is_taken_away_whatever_failed(project: Path, failing: str) -> None:
    run = Recorded()
    run.answers[failing] = Done(status=1, stdout="", stderr="broken")
    rows = smoke.prove("production", run, typed("smoke"))
    assert [row for row in rows if (not row.held and "broken" in row.note) or "showed no host key" in row.note]
    run.order(*CLEANED)
    assert not (project / "Pulumi.smoke.yaml").exists()


def test_an_interrupted_run_takes_away_what_it_made() -> None:
    run = Recorded()

    class Interrupted(Recorded):
        def __call__(self, argv: Any, **options: Any) -> Done:
            if argv[:2] == ["pulumi", "up"]:
                raise KeyboardInterrupt
            return run(argv, **options)

    with pytest.raises(KeyboardInterrupt):
        smoke.prove("production", Interrupted(), typed("smoke"))
    run.order(*CLEANED)


@pytest.mark.parametrize("record", ["no JSON", {"deployment": None}, {}])
def test_a_record_that_nobody_understands_is_told_and_what_was_made_is_destroyed_all_the_same(record: Any) -> None:
    run = Recorded()
    run.answers["pulumi stack export"] = record
    rows = smoke.prove("production", run, typed("smoke"))
    (row,) = [row for row in rows if row.step == "take protections from the record"]
    assert not row.held
    assert "printed no " in row.note
    run.order("pulumi destroy", "pulumi stack rm")


def test_a_lock_that_was_left_is_taken_away_before_the_record_is_written_and_none_is_no_failure() -> None:
    run = Recorded()
    run.answers["pulumi cancel"] = Done(status=255, stdout="", stderr="no update is in progress")
    rows = smoke.prove("production", run, typed("smoke"))
    first = next(line for line in run.asked[run.order("aws elbv2 describe-target-health")[0] :] if "pulumi" in line)
    assert first == "pulumi cancel --yes --stack smoke"
    (row,) = [row for row in rows if row.step == "unlock the record"]
    assert row.held
    assert "no update is in progress" in row.note


def test_cleaning_takes_away_a_stack_that_is_there() -> None:
    run = Recorded()
    run.answers["pulumi stack ls"] = [{"name": "smoke"}]
    smoke.clean("production", run)
    run.order(*CLEANED)


def test_a_stack_of_that_name_with_more_hosts_than_the_proof_makes_is_left_alone() -> None:
    run = Recorded()
    run.answers["pulumi stack ls"] = [{"name": "smoke"}]
    two = [{"urn": f"i{at}", "type": "aws:ec2/instance:Instance", "id": f"i-{at}"} for at in (1, 2)]
    run.answers["pulumi stack export"] = {"deployment": {"resources": two}}
    with pytest.raises(StepError, match=r"stack smoke has 2 instances(?s:.*)pulumi stack rename"):
        smoke.clean("production", run)
    assert not [line for line in run.asked if line.startswith(("pulumi stack import", "pulumi destroy"))]


def test_cleaning_again_when_no_stack_is_left_says_so_and_is_no_failure(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "Pulumi.smoke.yaml").write_text("config: {}")
    run = Recorded()
    run.answers |= {"aws resourcegroupstaggingapi get-resources": tagged(), "aws ec2 describe-instances": instances()}
    monkeypatch.setattr(smoke, "real", run)
    monkeypatch.setattr(sys, "argv", ["smoke", "clean", "production"])
    assert smoke.main() == 0
    assert "no stack smoke is there: nothing to take away" in capsys.readouterr().out
    assert not (project / "Pulumi.smoke.yaml").exists()
    assert not [line for line in run.asked if "--stack" in line]


def test_a_record_that_can_not_be_removed_is_reported_and_kept(project: Path) -> None:
    run = Recorded()
    run.answers["pulumi stack rm"] = Done(status=1, stdout="", stderr="still has resources")
    rows = smoke.prove("production", run, typed("smoke"))
    assert "still has resources" in next(row.note for row in rows if row.step == "forget the stack")
    assert (project / "Pulumi.smoke.yaml").exists()


def test_the_small_stack_is_small_and_apart(project: Path) -> None:
    small = settings.write("production")
    assert (small.environment, small.database_hosts, len(small.zones)) == ("smoke", 1, 1)
    assert small.database_size.cores == 2
    assert "smoke" in small.ssh.known_hosts_file
    content = yaml.safe_load((project / "Pulumi.smoke.yaml").read_text())
    assert "secretsprovider" not in content


def test_the_small_host_has_no_size_and_no_connections_of_the_large_stack(project: Path) -> None:
    file = project / "Pulumi.production.yaml"
    usual = settings.write("production").connections
    settings.file().unlink()
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    large = {
        "database_memory_mib": 131072,
        "database_host_sizes": {"db2": {"cores": 16, "memory_mib": 131072}},
        "max_connections": 3000,
        "pooler_connections": 400,
        "direct_connections": 200,
        "reserved_connections": 20,
    }
    content["config"] |= {f"freelance-platform:{key}": value for key, value in large.items()}
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    small = settings.write("production")
    assert (small.database_host_sizes, small.connections) == ({}, usual)


def test_prices_of_the_small_stack_are_in_the_file_that_is_shipped() -> None:
    settings.write("production")
    by_hand = [row for row in price_file.read()["eu-central-1"].rows.values() if row.illustrative]
    assert "illustrative" in COSTS() or not by_hand


def nothing_was_made(run: Recorded, project: Path) -> None:
    assert not [line for line in run.asked if line.startswith(("pulumi preview", "pulumi up", "pulumi destroy"))]
    assert not (project / "Pulumi.smoke.yaml").exists()
