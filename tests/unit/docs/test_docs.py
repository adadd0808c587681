"""What the documents tell somebody to type exists, in both languages."""

import ast
import json
import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from tests.unit.docs.aws_cli import problems

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
TRANSLATED = [page for page in sorted((ROOT / "docs").glob("*.md")) if not page.name.endswith(".zh-CN.md")]
AWS = [ROOT / "docs/aws.md", ROOT / "docs/aws.zh-CN.md"]
FOLDERS = ("ansible", "docs", "files", "inventories", "lab", "pulumi", "roles", "tests")
MADE_BY_ITS_READER = {
    "inventories/production/known_hosts",
    "inventories/<environment>/",
    "inventories/<environment>/group_vars/all.yml",
}
PLACEHOLDER = re.compile(r"<[^>]*>|…")


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path) -> list[str]:
    """Return the fenced blocks."""
    return re.findall(r"^```sh\n(.*?)^```", text_of(page), re.MULTILINE | re.DOTALL)


def spans(page: Path) -> list[str]:
    """Return what stands between backticks in a line."""
    prose = re.sub(r"^```.*?^```", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"`([^`]+)`", prose)


def commands(page: Path) -> list[str]:
    """Return each command: lines of blocks, with those that go on, and spans."""
    lines = [line.split("  #")[0] for block in blocks(page) for line in block.replace("\\\n", " ").splitlines()]
    return [line.strip() for line in [*lines, *spans(page)] if line.strip()]


def starting(page: Path, *words: str) -> list[list[str]]:
    found = []
    for line in commands(page):
        if line.split()[: len(words)] == list(words):
            found.append(shlex.split(line))
    return found


def actions_of_refusals() -> dict[str, tuple[str, str]]:
    """Return what a refused lookup or module asks for: `ACTIONS` of the file that both use."""
    tree = ast.parse(text_of(ROOT / "ansible/plugins/module_utils/aws_refusal.py"))
    (value,) = (
        node.value for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ACTIONS"
    )
    actions: dict[str, tuple[str, str]] = ast.literal_eval(value)
    return actions


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_make_target_and_its_variables_exist(page: Path) -> None:
    makefile = text_of(ROOT / "Makefile")
    targets, variables = (
        set(re.findall(r"^([a-z-]+):", makefile, re.M)),
        set(re.findall(r"^([A-Z_]+) \?=", makefile, re.M)),
    )
    for words in starting(page, "make"):
        for word in words[1:]:
            if "…" in word or word in ("YES=1",):
                continue
            name, given, _ = word.partition("=")
            assert name in (variables if given else targets), f"{page.name}: make {word}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_playbook_inventory_and_tag_exists(page: Path) -> None:
    site = "".join(text_of(ROOT / "ansible/playbooks" / name) for name in ("prepare_site.yml", "site.yml"))
    for words in starting(page, "ansible-playbook"):
        for option, value in pairwise(words):
            if option in ("-i",) and "," not in value:
                assert (ROOT / value).is_dir(), value
            if option == "--tags":
                assert all(re.search(rf"\b{tag}\b", site) for tag in value.split(",")), value
        assert all((ROOT / word).is_file() for word in words if word.endswith(".yml")), words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_setting_that_a_command_changes_exists(page: Path) -> None:
    schema = yaml.safe_load(text_of(ROOT / "Pulumi.yaml"))["config"]
    for words in [*starting(page, "pulumi", "config", "set"), *starting(page, "pulumi", "config", "rm")]:
        name = next(word for word in words[3:] if not word.startswith("-"))
        assert re.split(r"[.\[]", name)[0] in schema, words


@pytest.mark.parametrize("page", AWS, ids=lambda page: page.name)
def test_each_setting_of_the_table_of_settings_exists(page: Path) -> None:
    schema = yaml.safe_load(text_of(ROOT / "Pulumi.yaml"))["config"]
    (table,) = re.findall(r"^## 4\..*?(?=^## 5\.)", text_of(page), re.M | re.S)
    named = {span for row in re.findall(r"^\| (`.*?) \|", table, re.M) for span in re.findall(r"`([^`]+)`", row)}
    assert len(named) > 8
    assert named <= {*schema, "aws:region"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_path_exists(page: Path) -> None:
    # The engine itself asks for its policy pack.
    for line in (re.sub(r"--policy-pack \S+", "", line) for line in commands(page)):
        for path in re.findall(rf"(?<![\w/.<:])(?:{'|'.join(FOLDERS)})/[\w./*<>-]*[\w/>*-]", line):
            if path in MADE_BY_ITS_READER or PLACEHOLDER.search(path):
                continue
            assert list(ROOT.glob(path)), f"{page.name}: {path}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text_of(page)):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("page", AWS, ids=lambda page: page.name)
def test_the_aws_cli_knows_each_command_and_option(page: Path) -> None:
    lines = [line for line in commands(page) if line.startswith("aws ")]
    lines += [line for block in blocks(page) for line in re.findall(r"\$\((aws [^()]*)\)", block)]
    assert len(lines) > 10
    assert not [problem for line in lines for problem in problems(line)]


def test_who_runs_playbooks_is_given_what_their_refusals_ask_for() -> None:
    policy = json.loads((ROOT / "docs/aws-operator-policy.json").read_text(encoding="utf-8"))
    given = {action for statement in policy["Statement"] for action in statement["Action"]}
    asked = " ".join(word for pair in actions_of_refusals().values() for word in pair)
    secrets = {f"secretsmanager:{name}" for name in re.findall(r"\b\w+Secret\w*", asked)}
    named = {action for action in given if action.startswith(("kms:", "secretsmanager:"))}
    assert named == secrets | set(re.findall(r"kms:\w+", asked))


@pytest.mark.parametrize("page", TRANSLATED, ids=lambda page: page.name)
def test_both_languages_have_the_same_commands_sections_and_rows(page: Path) -> None:
    other = page.with_name(page.name.replace(".md", ".zh-CN.md"))
    assert blocks(page) == blocks(other)
    for pattern in (r"^#+ ", r"^\| ", r"^\d+\. ", r"^- "):
        counted = [len(re.findall(pattern, text_of(each), re.M)) for each in (page, other)]
        assert counted[0] == counted[1], pattern
    assert re.search("[一-鿿]{4}", text_of(other))


def test_both_languages_of_the_guide_to_aws_name_the_same_things() -> None:
    english, chinese = (sorted(spans(page)) for page in AWS)
    assert english == chinese
