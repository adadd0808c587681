"""Parts of names and titles, which trigrams find also inside a word: "script" in "JavaScript"."""

import re

PART_CHARACTERS_MIN = 3
# Of what pg_trgm makes a trigram: a word is surrounded by blanks, two before and one behind, but where a part ends.
_TRIGRAM = re.compile(r"[^\W_]{3}|[^\W_]{2}[\W_]|[\W_][^\W_]")


def part_of_text(typed: str) -> str:
    """Return what was typed, without blanks around it.

    Raises ValueError for what no index finds: fewer than PART_CHARACTERS_MIN characters, or no trigram in them ("C++").
    """
    part = typed.strip()
    if len(part) < PART_CHARACTERS_MIN or not _TRIGRAM.search(part):
        raise ValueError(
            f"{part[:60]!r} is too short a part: {PART_CHARACTERS_MIN} characters are needed, letters or digits side by"
            " side. Type more of it; words of any length are found by `matching`."
        )
    return part
