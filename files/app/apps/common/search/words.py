"""Cuts text into words, for the index and for a query by the same rules.

A text is normalised (NFKC, lower case) and split into runs of Chinese characters and runs of letters and digits.
In the index stands every word of the dictionary that occurs in a Chinese run, also inside longer words, and each
single character; a query is cut into as few words as possible. So a word of a query is found wherever its characters
stand, whatever surrounds them there.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

import rjieba

# Words of the trade that the general dictionary lacks or breaks, one a line.
TRADE_WORDS = Path(__file__).with_name("trade_words.txt")
# Among the 60 million of the general dictionary: often enough to win from words that overlap them, as 小程序 + 开发
# from 小 + 程序开发.
TRADE_FREQUENCY = 100_000
# Changes with the rules below, so that what was indexed by older ones is known to be stale.
RULES = 2
# A word and the place of its first character in the normalised text, from 0.
Word = tuple[str, int]
# Characters between the texts of a row: no phrase reaches from one into the next.
GAP = 2
HAN = "\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
# PostgreSQL refuses a word of 2,047 bytes. What is longer than any word is cut, here and in a query alike.
LETTERS_MAX = 64
RUN = re.compile(rf"(?P<han>[{HAN}]+)|c\+\+|[cfj]#|[a-z0-9]{{1,{LETTERS_MAX}}}")
LETTERS_OR_DIGITS = re.compile(r"[a-z]+|[0-9]+")
# Left out of a query that has other words: people write them, and not the same ones that a title has.
FILLERS = frozenset("的地得了和与及或等是在有我你您要想请吗呢吧啊个") | {"一个", "我们", "想要", "需要", "怎么", "如何"}


@cache
def _cutter() -> rjieba.Jieba:
    """Return the cutter with both dictionaries. Reading takes about 0.1 s and 50 MB, once per process."""
    cutter = rjieba.Jieba()
    for word in trade_words():
        cutter.add_word(word, TRADE_FREQUENCY, None)
    return cutter


def trade_words() -> list[str]:
    """Return the words of the trade. Lines that begin with # are comments."""
    lines = TRADE_WORDS.read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


@cache
def dictionary_version() -> int:
    """Return a number that changes with the words of the trade, the cutter and the rules. It fits into an integer."""
    parts = (str(RULES), version("rjieba"), *trade_words())
    return int(hashlib.sha256("\n".join(parts).encode()).hexdigest()[:7], 16)


def normalised(text: str) -> str:
    """Return the text with full-width letters as plain ones (NFKC) and in lower case."""
    return unicodedata.normalize("NFKC", text).lower()


def every_word(text: str) -> list[Word]:
    """Return all words of a normalised text, overlapping ones too: what the index holds."""
    words: list[Word] = []
    for run in RUN.finditer(text):
        offset = run.start()
        of_run = _words_of_chinese(run.group()) if run.lastgroup == "han" else _words_of_letters(run.group())
        words += [(word, offset + start) for word, start in of_run]
    return words


def _words_of_chinese(run: str) -> list[Word]:
    words = list(zip(run, range(len(run)), strict=True))
    start, length = 0, 0
    for word in _cutter().cut_all(run):
        if len(word) > 1:
            # They come in order of their start, then of their length: each stands at the first place after that.
            start = run.index(word, start if len(word) > length else start + 1)
            length = len(word)
            words.append((word, start))
    return words


def _words_of_letters(run: str) -> list[Word]:
    parts = [(part.group(), part.start()) for part in LETTERS_OR_DIGITS.finditer(run)]
    return [(run, 0), *(parts if len(parts) > 1 else [])]


def fewest_words(text: str) -> Iterator[list[Word]]:
    """Yield the words without overlap of each stretch of a normalised text that nothing interrupts.

    This is what a query asks for.
    """
    words: list[Word] = []
    end = 0
    for run in RUN.finditer(text):
        if run.start() > end:
            yield words
            words = []
        end = run.start()
        # Without guesses at unknown words (HMM): these would depend on what surrounds them.
        for word in _cutter().cut(run.group(), hmm=False) if run.lastgroup == "han" else [run.group()]:
            words.append((word, end))
            end += len(word)
    yield words


def tsvector(texts: Iterable[tuple[str, str]]) -> str:
    """Return the literal of a tsvector for (text, weight "A" to "D") pairs. Positions are those of characters.

    PostgreSQL puts the places of a word together; it keeps 256 of them, and none above 16383 as it is.
    """
    words: list[str] = []
    offset = 1
    for text, weight in texts:
        plain = normalised(text)
        words += [f"'{word}':{offset + start}{weight}" for word, start in every_word(plain)]
        offset += len(plain) + GAP
    return " ".join(words)


def tsquery(text: str) -> str:
    """Return the literal of the tsquery that asks for all words of a text; "" where it has none, which finds nothing.

    A single character means little alone: it must stand beside its neighbour as it does in the query.
    """
    stretches = list(fewest_words(normalised(text)))
    if any(word not in FILLERS for words in stretches for word, _ in words):
        stretches = [part for words in stretches for part in _without_fillers(words)]
    return " & ".join(phrase for words in stretches for phrase in _phrases(words))


def _without_fillers(words: list[Word]) -> Iterator[list[Word]]:
    part: list[Word] = []
    for word, start in words:
        if word in FILLERS:
            yield part
            part = []
        else:
            part.append((word, start))
    yield part


def _phrases(words: list[Word]) -> Iterator[str]:
    phrase, before, before_start = "", "", 0
    for word, start in words:
        if phrase and 1 in {len(before), len(word)}:
            phrase += f" <{start - before_start}> '{word}'"
        else:
            if phrase:
                yield phrase
            phrase = f"'{word}'"
        before, before_start = word, start
    if phrase:
        yield phrase
