"""The page of `make report`: tests that failed, were skipped and passed, with texts that HTML would misread."""

import html
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.host.report import MARKS, Report

NASTY = "<script>alert('1 < 2 & \"3\"')</script>"


class Page(HTMLParser):
    """Collects cells by row and the texts of notes; remembers every tag."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.notes: list[str] = []
        self.tags: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:  # noqa: ARG002  the parser's own signature
        self.tags.append(tag)
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in {"td", "th"}:
            self.rows[-1].append("")
        elif tag == "pre":
            self.notes.append("")

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in {"td", "th"}:
            self.rows[-1][-1] += data
        elif self.open and self.open[-1] == "pre":
            self.notes[-1] += data


def made(nodeid: str, outcome: Any, longrepr: Any = None, when: Any = "call") -> pytest.TestReport:
    return pytest.TestReport(nodeid, ("x", 1, "x"), {}, outcome, longrepr, when)


@pytest.fixture
def page(tmp_path: Path) -> tuple[Page, str]:
    environment: Any = SimpleNamespace(name="lab <1>", hosts=lambda _: ["db1", "db2"])
    report = Report(tmp_path / "made" / "report.html", environment)
    part = "tests/host/test_baseline.py::test_no_unit_has_failed"
    report.pytest_runtest_logreport(made(f"{part}[db1]", "passed", when="setup"))
    report.pytest_runtest_logreport(made(f"{part}[db1]", "passed"))
    report.pytest_runtest_logreport(made(f"{part}[db2]", "failed", NASTY))
    report.pytest_runtest_logreport(
        made(
            "tests/host/test_backup.py::test_a_dump_is_whole", "skipped", ("x.py", 1, "Skipped: no <dump> yet"), "setup"
        )
    )
    report.pytest_runtest_logreport(
        made("tests/host/test_card.py::test_the_psql_line[pooled]", "failed", "no answer", "setup")
    )
    report.pytest_sessionfinish()
    text = (tmp_path / "made" / "report.html").read_text(encoding="utf-8")
    parsed = Page()
    parsed.feed(text)
    return parsed, text


def test_each_host_has_a_column_with_the_outcome_of_each_test(page: tuple[Page, str]) -> None:
    rows = page[0].rows
    assert rows[0] == ["what is verified", "db1", "db2", "environment"]
    assert ["no unit has failed", MARKS["passed"], MARKS["failed"], ""] in rows
    assert ["a dump is whole", "", "", MARKS["skipped"]] in rows
    assert ["the psql line (pooled)", "", "", MARKS["failed"]] in rows
    assert [row for row in rows if len(row) == 1] == [["baseline"], ["backup"], ["card"]]


def test_failures_and_skips_are_told_with_their_reason(page: tuple[Page, str]) -> None:
    parsed, text = page
    assert parsed.notes == [NASTY, "Skipped: no <dump> yet", "no answer"]
    assert '<b class="failed">2</b> failed' in text
    assert '<b class="skipped">1</b> skipped' in text
    assert text.count("<details open>") == 2


def test_nothing_in_a_text_becomes_part_of_the_page(page: tuple[Page, str]) -> None:
    parsed, text = page
    assert "script" not in parsed.tags
    assert "dump" not in parsed.tags
    assert NASTY not in text
    assert html.escape(NASTY) in text
    assert "<title>Hosts of lab &lt;1&gt;</title>" in text


def test_the_page_needs_nothing_else(page: tuple[Page, str]) -> None:
    assert not {"link", "img", "iframe"} & set(page[0].tags)
    assert "http" not in page[1]
