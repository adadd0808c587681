"""Comparison of wanted and live settings: units as PostgreSQL reads them, changes as small as they can be."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.loading import load

SCRIPT = Path(__file__).parents[3] / "ansible" / "plugins" / "filter" / "postgresql_settings.py"
settings = load(SCRIPT)

leaves: Any = st.one_of(st.integers(-2, 2), st.booleans(), st.sampled_from(["on", "off"]))
branches = st.dictionaries(st.sampled_from("abc"), leaves, max_size=3)
configurations = st.dictionaries(st.sampled_from("abcd"), st.one_of(leaves, branches), max_size=4)


def apply(live: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Merge as Patroni does: None removes, dictionaries merge, the rest replaces."""
    merged = dict(live)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = apply(merged[key], value)
        else:
            merged[key] = value
    return merged


@pytest.mark.parametrize(
    ("wanted", "live", "vartype", "unit"),
    [
        ("8GB", "1048576", "integer", "8kB"),
        ("64MB", "8192", "integer", "8kB"),
        ("60s", "60", "integer", "s"),
        ("1min", "60000", "integer", "ms"),
        (0.9, "0.9", "real", None),
        (100, "100", "integer", None),
        ("on", "on", "bool", None),
        (True, "on", "bool", None),
        ("LZ4", "lz4", "enum", None),
        ("2ms", "2", "real", "ms"),
    ],
)
def test_equal_values_in_other_words_are_no_drift(wanted: object, live: str, vartype: str, unit: str | None) -> None:
    row = {"name": "x", "setting": live, "unit": unit, "vartype": vartype, "pending_restart": False}
    assert settings.settings_drift([row], {"x": wanted}) == []


def test_drift_pending_restart_and_unknown_names_are_listed() -> None:
    rows = [
        {"name": "work_mem", "setting": "4096", "unit": "kB", "vartype": "integer", "pending_restart": False},
        {"name": "shared_buffers", "setting": "16384", "unit": "8kB", "vartype": "integer", "pending_restart": True},
    ]
    found = settings.settings_drift(rows, {"work_mem": "8MB", "shared_buffers": "128MB", "no_such": 1})
    assert [(row["name"], row["live"], row["pending_restart"]) for row in found] == [
        ("no_such", None, False),
        ("shared_buffers", "16384 8kB", True),
        ("work_mem", "4096 kB", False),
    ]


@given(configurations)
def test_equal_configurations_need_no_patch(live: dict[str, Any]) -> None:
    assert settings.configuration_patch(live, live) == {}


@given(configurations, configurations)
def test_a_patch_leads_to_what_is_wanted(live: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert apply(live, settings.configuration_patch(live, wanted)) == wanted


def test_a_pause_is_left_to_the_operator() -> None:
    assert settings.configuration_patch({"pause": True, "ttl": 30}, {"ttl": 20}) == {"ttl": 20}
