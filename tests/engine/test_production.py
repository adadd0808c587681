"""The life of a production stack on the real engine: each test goes on from the one before it.

AWS is played by the recording provider; its journal says what would have been changed.
"""

import json
import re
from pathlib import Path

from engine_workspace import Engine
from golden_checks import KEPT_FOR_EVER, assert_first_preview, assert_golden, assert_order, assert_settled
from infra.secret_names import SECRETS


def test_a_first_preview_is_judged_and_changes_nothing(engine: Engine) -> None:
    assert_first_preview(engine)


def test_up_makes_what_was_reviewed_in_an_order_that_works(engine: Engine) -> None:
    engine.up()
    assert_golden(engine)
    assert_order(engine)


def test_a_finished_stack_is_settled(engine: Engine) -> None:
    assert_settled(engine)


def test_what_holds_data_is_protected_and_retained(engine: Engine) -> None:
    holding = [resource for resource in engine.state() if resource["type"] in KEPT_FOR_EVER]
    secrets = len(SECRETS) + 2  # certificate and key of the authority are two more
    assert len(holding) == 3 * 3 + 4 + 2 + secrets  # three volumes on each of three hosts, keys, backups and their log
    assert all(resource.get("protect") and resource.get("retainOnDelete") for resource in holding)


def test_the_state_holds_references_and_no_secret(engine: Engine) -> None:
    text = json.dumps(engine.state())
    found = re.findall(r'"(?:\w*_)?(?:password|passphrase|key)": "([^"]+)"', text)
    assert len(found) > 10
    assert all(value.startswith(("aws-secretsmanager:arn:", "arn:")) for value in found), found
    assert (engine.home / "passphrase").read_text() not in text


def test_a_secret_setting_is_refused_and_never_reaches_the_state(engine: Engine) -> None:
    engine.run("config", "set", "--secret", "ssh_proxy_command", "ssh -W %h:%p hunter2@bastion")
    refused = engine.run("up", "--yes", "--skip-preview", check=False)
    assert refused.returncode != 0
    assert "ssh_proxy_command: kept as a secret" in refused.stdout + refused.stderr
    files = [path for path in Path(engine.home, "state").rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if b"hunter2" in path.read_bytes()]


def test_destroy_is_stopped_before_anything_that_holds_data(engine: Engine) -> None:
    before = len(engine.journal())
    stopped = engine.run("destroy", "--yes", settings={}, check=False)
    assert stopped.returncode != 0
    assert "protected" in stopped.stdout + stopped.stderr
    assert engine.changes(before) == []


def test_a_destroy_without_preview_keeps_what_holds_data_and_an_up_brings_the_rest_back(engine: Engine) -> None:
    before = len(engine.journal())
    stopped = engine.run("destroy", "--yes", "--skip-preview", check=False)
    assert stopped.returncode != 0
    assert "protected" in stopped.stdout + stopped.stderr
    assert not [line for line in engine.journal(before) if line["type"] in KEPT_FOR_EVER]
    engine.up()
    assert_golden(engine)
