"""The state of each host as one HTML page that needs nothing else: a row for each test, a column for each host."""

import html
import re
import time
from pathlib import Path

import pytest

from tests.host.environment import Environment

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #1c2430 }
table { border-collapse: collapse; width: 100% } th, td { border-bottom: 1px solid #dde3ea; padding: .35rem .6rem }
th { text-align: left } td.mark { text-align: center; width: 6rem }
tr.part th { background: #f2f5f8; padding-top: .8rem }
.passed { color: #14733b } .failed { color: #b3261e; font-weight: 700 } .skipped { color: #8a6d00 }
pre { background: #f7f2f2; overflow-x: auto; padding: .6rem; font-size: 12px } .sum b { font-size: 1.6rem }
@media (prefers-color-scheme: dark) { body { background: #14181d; color: #dfe5ec } tr.part th { background: #1e242b }
  th, td { border-color: #2c343d } pre { background: #2a1c1c } .passed { color: #6fce93 } .failed { color: #ff8a80 }
  .skipped { color: #e0c060 } }
"""
MARKS = {"passed": "✔", "failed": "✘", "skipped": "–"}
WHOLE = "environment"


class Report:
    """A pytest plugin that writes the page when the session ends."""

    def __init__(self, path: Path, environment: Environment) -> None:
        self._path, self._environment = path, environment
        self._rows: dict[tuple[str, str], dict[str, tuple[str, str]]] = {}
        self._started = time.time()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the outcome of a test, and of its set-up where that failed or skipped."""
        if report.when != "call" and report.outcome == "passed":
            return
        path, _, name = report.nodeid.partition("::")
        function, _, parameter = name.partition("[")
        hosts = self._environment.hosts("all")
        first = re.split(r"[-\]]", parameter)[0]
        column, rest = (
            (first, parameter[len(first) :].strip("-]")) if first in hosts else (WHOLE, parameter.rstrip("]"))
        )
        sentence = function.removeprefix("test_").replace("_", " ") + (f" ({rest})" if rest else "")
        row = self._rows.setdefault((Path(path).stem.removeprefix("test_"), sentence), {})
        if report.outcome == "skipped" and isinstance(report.longrepr, tuple):
            row[column] = ("skipped", report.longrepr[2])
        else:
            row[column] = (report.outcome, report.longreprtext)

    def pytest_sessionfinish(self) -> None:
        """Write the page."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(self._page(), encoding="utf-8")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say where the page is."""
        terminalreporter.write_line(f"report: {self._path}")

    def _page(self) -> str:
        columns = [*self._environment.hosts("all"), WHOLE]
        outcomes = [outcome for row in self._rows.values() for outcome, _ in row.values()]
        counts = ", ".join(f'<b class="{kind}">{outcomes.count(kind)}</b> {kind}' for kind in MARKS)
        lines, part, notes = [], "", []
        for (name, sentence), row in self._rows.items():
            if name != part:
                part = name
                lines.append(f'<tr class="part"><th colspan="{len(columns) + 1}">{html.escape(part)}</th></tr>')
            cells = "".join(_cell(row.get(column)) for column in columns)
            lines.append(f"<tr><td>{html.escape(sentence)}</td>{cells}</tr>")
            notes += [_note(sentence, column, *row[column]) for column in columns if column in row and row[column][1]]
        head = "".join(f'<th class="mark">{html.escape(column)}</th>' for column in columns)
        title = f"Hosts of {html.escape(self._environment.name)}"
        when = time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(self._started))
        return (
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
            f'<h1>{title}</h1><p>{when}, {time.time() - self._started:.0f} s</p><p class="sum">{counts}</p>'
            f"<table><tr><th>what is verified</th>{head}</tr>{''.join(lines)}</table>"
            f"<h2>Failures and skips</h2>{''.join(notes) or '<p>none</p>'}</html>\n"
        )


def _cell(result: tuple[str, str] | None) -> str:
    if result is None:
        return '<td class="mark"></td>'
    return f'<td class="mark {result[0]}" title="{result[0]}">{MARKS[result[0]]}</td>'


def _note(sentence: str, column: str, outcome: str, text: str) -> str:
    return (
        f'<details{" open" if outcome == "failed" else ""}><summary class="{outcome}">{html.escape(column)}: '
        f"{html.escape(sentence)}</summary><pre>{html.escape(text)}</pre></details>"
    )
