"""The lab's provider under the real engine, as far as no host is needed; tests/lab has the rest."""

import json
from pathlib import Path

import pytest
from engine_workspace import Engine, make_engine

URN = "urn:pulumi:lab::freelance-platform::freelance:lab:Volume::db1-data"
LOST = {"name": "nobody-has-this", "size_gib": 1, "attached": True}


@pytest.fixture(scope="module")
def lab(home: Path) -> Engine:
    """An engine with a stack `lab` in which a protected volume is, whose file this machine does not have."""
    engine = make_engine(home, stack="lab")
    engine.write_config({})
    engine.run("stack", "init")
    exported = json.loads(engine.run("stack", "export").stdout)
    provider = "urn:pulumi:lab::freelance-platform::pulumi:providers:freelance::default"
    exported["deployment"]["resources"] = [
        {"urn": provider, "custom": True, "id": "lab", "type": "pulumi:providers:freelance"},
        {
            "urn": URN,
            "custom": True,
            "id": LOST["name"],
            "type": "freelance:lab:Volume",
            "inputs": LOST,
            "outputs": LOST,
            "protect": True,
            "provider": f"{provider}::lab",
        },
    ]
    file = engine.home / "state.json"
    file.write_text(json.dumps(exported))
    engine.run("stack", "import", "--file", str(file))
    return engine


def test_a_refresh_does_not_drop_a_lost_volume(lab: Engine) -> None:
    refused = lab.run("refresh", "--yes", "--skip-preview", check=False)
    shown = refused.stdout + refused.stderr
    assert refused.returncode != 0
    assert "volume nobody-has-this has lost its file" in shown
    assert f"pulumi state delete --force --target-dependents '{URN}'" in shown
    assert "Traceback" not in shown
    assert [one["urn"] for one in lab.state() if one["type"] == "freelance:lab:Volume"] == [URN]


def test_an_import_is_refused_in_words(lab: Engine) -> None:
    words = ["freelance:lab:Volume", "other", "lab-other", "--yes", "--generate-code=false"]
    refused = lab.run("import", *words, check=False)
    shown = refused.stdout + refused.stderr
    assert refused.returncode != 0
    assert "lab-other can't be imported: declare it, and `pulumi up` takes over" in shown
    assert "Traceback" not in shown


def test_giving_a_lost_volume_up_is_a_command_of_its_own(lab: Engine) -> None:
    lab.run("state", "delete", "--yes", "--force", "--target-dependents", URN)
    assert [one for one in lab.state() if one["type"] == "freelance:lab:Volume"] == []
