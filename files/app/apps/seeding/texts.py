"""What people in the marketplace are called, offer, ask and say: texts.json."""

import json
from pathlib import Path

_TEXTS = json.loads(Path(__file__).with_name("texts.json").read_text(encoding="utf-8"))

# With their pinyin, the most frequent first.
SURNAMES: list[tuple[str, str]] = _TEXTS["surnames"]
GIVEN_SYLLABLES: list[tuple[str, str]] = _TEXTS["given_syllables"]
NICKNAME_ENDINGS: list[str] = _TEXTS["nickname_endings"]
# GB/T 2260: the one where most people live first.
REGIONS: list[str] = _TEXTS["regions"]
SCHOOLS: list[str] = _TEXTS["schools"]
MAJORS: list[str] = _TEXTS["majors"]
COMPANY_CITIES: list[str] = _TEXTS["company_cities"]
COMPANY_NAMES: list[str] = _TEXTS["company_names"]
COMPANY_KINDS: list[str] = _TEXTS["company_kinds"]
JOB_TITLES: dict[str, list[str]] = _TEXTS["job_titles"]
# Field of skills by the slug of a top category.
AREA_OF_CATEGORY: dict[str, str] = _TEXTS["area_of_category"]
STYLES: list[str] = _TEXTS["styles"]
DEEDS: list[str] = _TEXTS["deeds"]
BENEFITS: list[str] = _TEXTS["benefits"]
SENTENCES: list[str] = _TEXTS["sentences"]
QUESTIONS: list[str] = _TEXTS["questions"]
ANSWERS: list[str] = _TEXTS["answers"]
FAQS: list[tuple[str, str]] = _TEXTS["faqs"]
# Name, and the days that it adds to an order.
EXTRAS: list[tuple[str, int]] = _TEXTS["extras"]
TALK: list[str] = _TEXTS["talk"]
# By stars, from one to five.
PRAISE: list[list[str]] = _TEXTS["praise"]
PRAISE_MORE: list[str] = _TEXTS["praise_more"]
PRAISE_OF_CLIENT: list[str] = _TEXTS["praise_of_client"]
REPLIES: list[str] = _TEXTS["replies"]
COMPLAINTS: list[str] = _TEXTS["complaints"]
AGENTS: list[str] = _TEXTS["agents"]
