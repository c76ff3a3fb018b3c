"""Confidence in words: the scales of STIX 2.1 (Appendix A), and what a word of each is from 0 to 100.

1. A word has the number that the appendix gives it; a number has the word in whose range it lies.
2. "Not specified", and truth that cannot be judged, have no number: the property is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple


class Word(NamedTuple):
    """One step of a scale: its number, and the numbers that are called so."""

    text: str
    value: int
    first: int
    last: int


SCALES: Final[Mapping[str, tuple[Word, ...]]] = {
    "low-medium-high": (
        Word("none", 0, 0, 0),
        Word("low", 15, 1, 29),
        Word("medium", 50, 30, 69),
        Word("high", 85, 70, 100),
    ),
    "ten": tuple(
        Word(str(step), step * 10, max(step * 10 - 5, 0), min(step * 10 + 4, 100))
        for step in range(11)
    ),
    "admiralty": (
        Word("5", 10, 0, 19),
        Word("4", 30, 20, 39),
        Word("3", 50, 40, 59),
        Word("2", 70, 60, 79),
        Word("1", 90, 80, 100),
    ),
    "estimative": (
        Word("impossible", 0, 0, 0),
        Word("highly unlikely", 10, 1, 19),
        Word("unlikely", 30, 20, 39),
        Word("even chance", 50, 40, 59),
        Word("likely", 70, 60, 79),
        Word("highly likely", 90, 80, 99),
        Word("certain", 100, 100, 100),
    ),
    "dni": (
        Word("almost no chance", 5, 0, 9),
        Word("very unlikely", 15, 10, 19),
        Word("unlikely", 30, 20, 39),
        Word("roughly even", 50, 40, 59),
        Word("likely", 70, 60, 79),
        Word("very likely", 85, 80, 89),
        Word("almost certain", 95, 90, 100),
    ),
}
"""By name, each from the least to the most."""
NUMBERS: Final = "percent"
"""The scale without words: a number from 0 to 100."""
NAMES: Final = (NUMBERS, *SCALES)

_SAME: Final = {
    "med": "medium",
    "almost certainly not": "highly unlikely",
    "probably not": "unlikely",
    "probable": "likely",
    "remote": "almost no chance",
    "highly improbable": "very unlikely",
    "improbable": "unlikely",
    "roughly even odds": "roughly even",
    "highly probable": "very likely",
    "nearly certain": "almost certain",
    "improbable (5)": "5",
    "doubtful": "4",
    "possibly true": "3",
    "probably true": "2",
    "confirmed": "1",
}


def words_of(scale: str) -> str:
    """What may be written on a scale, for a message."""
    if scale == NUMBERS:
        return "a whole number from 0 to 100"
    return ", ".join(one.text for one in SCALES[scale])


def value_of(text: str, scale: str) -> int | None:
    """The number of a word on a scale, letter case and spaces aside; None where it is none of its words.

    On every scale but `ten` and `admiralty`, whose words are numbers, a plain number from 0 to 100 is taken as it is.
    """
    plain = " ".join(text.casefold().split())
    steps = SCALES.get(scale, ())
    said = {plain, _SAME.get(plain, plain)}
    for one in steps:
        if one.text in said:
            return one.value
    if scale in {"ten", "admiralty"}:
        return None
    number = int(plain) if re.fullmatch("[0-9]{1,3}", plain) else 101
    return number if number <= 100 else None


def word_for(value: int, scale: str) -> str:
    """What a number is called on a scale; on `percent` the number itself."""
    for one in SCALES.get(scale, ()):
        if one.first <= value <= one.last:
            return one.text
    return str(value)


__all__ = ["NAMES", "NUMBERS", "SCALES", "Word", "value_of", "word_for", "words_of"]
