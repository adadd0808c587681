"""The models are those of the guide, in its apps and by its names; of each foreign key is said why its rows stay or go.

What PostgreSQL keeps of them: test_migrations.
"""

import ast
import itertools
import re
from pathlib import Path

import pytest
from django.apps import apps

APPS = Path(__file__).resolve().parents[2] / "files/app/apps"
GUIDE = Path(__file__).parent / "data" / "guides_models.txt"
LISTED = dict(line.split(": ") for line in GUIDE.read_text().splitlines() if not line.startswith("#"))
# Private columns of an account, and what the reports of orders are summed up in.
BESIDES = {
    "accounts": {"UserPrivate"},
    "orders": {"CategorySummary", "FreelancerSummary"},
}
# "PROTECT (both): …" stands above the first of two keys.
CHOICE = re.compile(r"\b(CASCADE|PROTECT|SET_NULL|SET_DEFAULT|RESTRICT|DO_NOTHING)(?: \((both|all \w+)\))?:")
MEANT = {"": 1, "both": 2, "all three": 3, "all four": 4, "all five": 5}


def test_the_guide_lists_fifty_three_models() -> None:
    assert sum(len(names.split()) for names in LISTED.values()) == 53


@pytest.mark.parametrize("app", LISTED)
def test_an_app_has_the_models_of_the_guide(app: str) -> None:
    ours = {model.__name__ for model in apps.get_app_config(app).get_models()}
    assert ours == {*LISTED[app].split(), *BESIDES.get(app, ())}


def without_a_reason(source: str) -> list[str]:
    """Return the foreign keys of a file whose on_delete is not the one that the comment above gives a reason for."""
    lines, found = source.splitlines(), []
    for model in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef)):
        choice, meant = "", 0
        for field in model.body:
            call = getattr(field, "value", None)
            chosen = [key.value for key in getattr(call, "keywords", ()) if key.arg == "on_delete"]
            if not chosen:
                continue
            above = itertools.takewhile(
                lambda line: line.startswith("#"), map(str.strip, lines[field.lineno - 2 :: -1])
            )
            if comment := CHOICE.search(" ".join(reversed([line.lstrip("# ") for line in above]))):
                choice, meant = comment[1], MEANT[comment[2] or ""]
            if meant == 0 or ast.unparse(chosen[0]) != f"models.{choice}":
                found.append(f"{model.name}: {lines[field.lineno - 1].strip()}")
            meant -= 1
        if meant > 0:
            found.append(f"{model.name}: a comment speaks of {meant} more")
    return found


def test_what_becomes_of_the_rows_of_a_key_is_chosen_for_a_reason() -> None:
    files = [file for file in APPS.glob("*/**/*.py") if "migrations" not in file.parts]
    sources = {file: file.read_text() for file in files if "on_delete=" in file.read_text()}
    assert len(sources) > 20
    found = {str(file.relative_to(APPS)): without_a_reason(source) for file, source in sources.items()}
    assert {file: keys for file, keys in found.items() if keys} == {}


def test_a_key_whose_choice_is_not_explained_is_found_out() -> None:
    key = "    {0} = models.ForeignKey(Gig, on_delete=models.{1})\n"
    one = f"class Made(Model):\n    # PROTECT: it stays.\n{key.format('gig', 'PROTECT')}"
    assert without_a_reason(one) == []
    assert without_a_reason(one.replace("# PROTECT", "# CASCADE"))
    assert without_a_reason(one + key.format("other", "PROTECT"))
    assert without_a_reason(one.replace("PROTECT:", "PROTECT (both):"))
    assert without_a_reason(one.replace("PROTECT:", "PROTECT (both):") + key.format("other", "PROTECT")) == []
