"""What rows say about a value besides the value: until when, how sure, how far it may go. Text in, STIX out, or a reason.

1. A day is its first instant, in UTC; an instant without an offset is UTC. 3/4/2021 is read only where it is settled
   whether the month or the day stands first, and never guessed from one row.
2. Confidence is a number of 0 to 100, or a word of the scale none/low/medium/high of STIX 2.1, appendix A.
3. A traffic light that nobody knows is RED: somebody meant a restriction. So is it with PAP.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

from cert_exchange.intake.own_words import own_words
from cert_exchange.stix.handling import pap_of_text
from cert_exchange.stix.instants import (
    InstantInvalid,
    format_micros,
    is_stix_timestamp,
    parse_micros,
)
from cert_exchange.stix.markings import TLP_BY_ID, TLP_DEFINITIONS, Tlp, tlp_of_text


class DateOrder(StrEnum):
    """Which number of 3/4/2021 is the month."""

    MONTH_FIRST = "month-first"
    DAY_FIRST = "day-first"


_SLASHED: Final = re.compile(
    r"([0-9]{1,2})([/.-])([0-9]{1,2})\2([0-9]{4})(?:[ T]([0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?))?"
)
_ISO: Final = re.compile(
    r"([0-9]{4})[-/]([0-9]{2})[-/]([0-9]{2})(?:[ T]([0-9]{2}:[0-9]{2})(:[0-9]{2}(?:\.[0-9]{1,9})?)?(?:\ ?(Z|UTC|[+-][0-9]{2}:?[0-9]{2}))?)?"
)
_SCALE: Final[Mapping[str, int]] = {
    "none": 0, "low": 15, "medium": 50, "med": 50, "moderate": 50, "high": 85,
    "низкая": 15, "средняя": 50, "высокая": 85, "низька": 15, "середня": 50, "висока": 85,
    "低": 15, "中": 50, "高": 85, "niedrig": 15, "mittel": 50, "hoch": 85, "faible": 15, "moyenne": 50, "élevée": 85,
    "baja": 15, "media": 50, "alta": 85,
}  # fmt: skip
_TLP2_IDS: Final[Mapping[Tlp, str]] = {
    TLP_BY_ID[item["id"]]: item["id"] for item in TLP_DEFINITIONS if "extensions" in item
}
_TRUE: Final = frozenset({"1", "true", "yes", "y"})
_FALSE: Final = frozenset({"0", "false", "no", "n"})


def date_order(texts: Iterable[str]) -> DateOrder | None:
    """What the dates of a column settle: a first number above 12 is a day. None where they say nothing, or both."""
    settled: set[DateOrder] = set()
    for text in texts:
        found = _SLASHED.fullmatch(text.strip())
        if found is not None and int(found[1]) > 12:
            settled.add(DateOrder.DAY_FIRST)
        elif found is not None and int(found[3]) > 12:
            settled.add(DateOrder.MONTH_FIRST)
    return settled.pop() if len(settled) == 1 else None


def instant(text: str, order: DateOrder | None) -> str | None:
    """A date or an instant as RFC 3339 in UTC, or None where it is none, or not settled."""
    text = text.strip()
    if is_stix_timestamp(text):
        return text
    found = _ISO.fullmatch(text)
    if found is not None:
        year, month, day, clock, seconds, offset = found.groups()
        where = "Z" if offset in {None, "Z", "UTC"} else f"{offset[:3]}:{offset[-2:]}"
        spelled = f"{year}-{month}-{day}T{clock or '00:00'}{seconds or ':00'}{where}"
        try:
            return format_micros(parse_micros(spelled))
        except InstantInvalid:
            return None
    return _slashed(text, order)


def _slashed(text: str, order: DateOrder | None) -> str | None:
    found = _SLASHED.fullmatch(text)
    if found is None:
        return None
    first, mark, second, year, clock = found.groups()
    if order is None:
        # 13.04.2021 and 4/13/2021 need nobody to settle them; points are written in countries where the day stands first.
        order = DateOrder.DAY_FIRST if mark == "." else date_order((text,))
    if order is None:
        return None
    month, day = (first, second) if order is DateOrder.MONTH_FIRST else (second, first)
    hour, minute, seconds = (*(clock or "00:00").split(":"), "00")[:3]
    spelled = f"{year}-{month:0>2}-{day:0>2}T{hour:0>2}:{minute}:{seconds}Z"
    try:
        return format_micros(parse_micros(spelled))
    except InstantInvalid:
        return None


def confidence(text: str) -> int | None:
    """A confidence of 0 to 100, or None where the text is none."""
    word = text.strip().casefold().removesuffix("%").strip()
    if word.isascii() and word.isdigit() and len(word) <= 3:
        return int(word) if int(word) <= 100 else None
    return _SCALE.get(word)


def tlp_marking(text: str) -> str:
    """The id of the marking definition that a cell of a column of TLP means: `White`, `TLP:AMBER+STRICT`, `amber`."""
    level = tlp_of_text(text)
    if level is None:
        level = own_words(f"TLP:{text.strip()[:100]}").tlp
    if level is None:
        level = tlp_of_text(f"tlp:{text.strip()}")
    return _TLP2_IDS[Tlp.RED if level is None else level]


def pap_label(text: str) -> str:
    """The label that a cell of a column of PAP means, as MISP's taxonomy writes it."""
    level = pap_of_text(text)
    if level is None:
        level = pap_of_text(f"pap:{text.strip()}")
    return f"PAP:{'RED' if level is None else level.name}"


def truth(text: str) -> bool | None:
    """Yes or no, or None where it is neither."""
    word = text.strip().casefold()
    if word in _TRUE:
        return True
    return False if word in _FALSE else None
