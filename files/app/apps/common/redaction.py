"""Blacks out what identifies a person in texts that stay."""

import re
from collections.abc import Iterable
from typing import Any

# Digits as people write them: in groups.
_GAP = r"[\s-]*"
_NUMBER = re.compile(r"\+?[0-9]{7,}[Xx]?")
_CHINA = "+86"


class Redaction:
    """The values of one person. A single character is no value; a shorter word is found in no longer one."""

    def __init__(self, values: Iterable[str]) -> None:
        found = sorted({value.strip() for value in values if len(value.strip()) > 1}, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(_pattern, found)), re.IGNORECASE) if found else None

    def __call__(self, content: Any) -> Any:
        """Return a text, or what a JSON column holds, with as many stars as each value had characters."""
        if isinstance(content, str):
            return self._pattern.sub(lambda match: "*" * len(match[0]), content) if self._pattern else content
        if isinstance(content, list):
            return [self(part) for part in content]
        if isinstance(content, dict):
            return {self(name): self(part) for name, part in content.items()}
        return content


def _pattern(value: str) -> str:
    if _NUMBER.fullmatch(value):
        country, digits = (rf"(?:(?:\+|00)?86{_GAP})?", value[3:]) if value.startswith(_CHINA) else ("", value)
        return rf"(?<![0-9]){country}{_GAP.join(map(re.escape, digits))}(?![0-9])"
    # Words of Latin letters have ends, Chinese ones are written together.
    return rf"(?<![A-Za-z0-9]){re.escape(value)}(?![A-Za-z0-9])" if value.isascii() else re.escape(value)
