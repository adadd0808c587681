"""Refusals: each names the setting, its value with the limit, and the remedy."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One reason to refuse the settings."""

    setting: str
    finding: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.setting}: {self.finding}; {self.remedy}"


class SettingsError(ValueError):
    """Settings that are refused, with every problem found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in problems))
