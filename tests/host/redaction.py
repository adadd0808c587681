"""Keeps secrets out of what pytest prints: a traceback shows the arguments of each call."""

import re

import pytest

HIDDEN = "(hidden)"
VERIFIER = re.compile(r"SCRAM-SHA-256\$[A-Za-z0-9+/=:$]+")
_seen: set[str] = set()


def remember(secret: str) -> str:
    """Note a secret that was read, and return it."""
    if secret:
        _seen.add(secret)
    return secret


def redacted(text: str) -> str:
    """Return the text without any secret that was read so far."""
    for secret in sorted(_seen, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return VERIFIER.sub(HIDDEN, text)


def redact(report: pytest.TestReport) -> None:
    """Take secrets out of a test's report, its captured output too."""
    if isinstance(report.longrepr, tuple):
        path, line, reason = report.longrepr
        report.longrepr = (path, line, redacted(reason))
    elif report.longrepr and (text := report.longreprtext) != redacted(text):
        report.longrepr = redacted(text)
    report.sections = [(title, redacted(content)) for title, content in report.sections]
