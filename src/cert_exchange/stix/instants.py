"""Instants: RFC 3339 text in, whole microseconds or an order key out.

1. Inside, an instant is whole microseconds since 1970-01-01T00:00:00Z: never a float, never a datetime with a zone.
2. The text of an instant in an object is kept as it came; only its order key is derived from it.
3. Order keys compare as bytes like the instants they stand for, at any number of fraction digits (STIX 2.16).
4. No clock is read here.
5. One publication says the same few instants in every object: the last ones that were read or written are remembered, short
   texts only, since a sender chooses them.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

_RFC3339: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?"
    r"(?:([Zz])|([+-])([0-9]{2}):([0-9]{2}))"
)
_STIX: Final = re.compile(
    r"([0-9]{4}-(?:0[1-9]|1[012])-(?:0[1-9]|[12][0-9]|3[01])"
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60))(?:\.([0-9]+))?Z"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_REMEMBERED: Final = 4_096
_SHORT: Final = 40
_DAYS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

EARLIEST: Final = -62_135_596_800_000_000
"""0001-01-01T00:00:00.000000Z in microseconds."""
LATEST: Final = 253_402_300_799_999_999
"""9999-12-31T23:59:59.999999Z in microseconds."""


class InstantInvalid(ValueError):
    """The text is no RFC 3339 timestamp, or outside the years 0001 to 9999."""


def parse_micros(text: str) -> int:
    """Microseconds since 1970 of an RFC 3339 timestamp, rounded down.

    An offset or Z is required, any number of fraction digits is taken, a leap second counts as the last microsecond
    before it. An offset may not lead out of the years 0001 to 9999.

    Raises InstantInvalid with a sentence that names the text.
    """
    return _micros_once(text) if len(text) <= _SHORT else _micros(text)


def _micros(text: str) -> int:
    found = _RFC3339.fullmatch(text)
    if found is None:
        raise InstantInvalid(
            f"{shown(text)} is no timestamp; write it as 2024-05-06T07:08:09.123Z (RFC 3339)"
        )
    year, month, day, hour, minute, second, fraction, _, sign, off_hour, off_minute = found.groups()
    micro = int((fraction or "")[:6].ljust(6, "0"))
    seconds = int(second)
    if seconds == 60:  # a leap second has no number of its own
        seconds, micro = 59, 999_999
    try:
        moment = datetime(
            int(year), int(month), int(day), int(hour), int(minute), seconds, micro, tzinfo=UTC
        )
    except ValueError as wrong:
        raise InstantInvalid(f"{shown(text)} is no date and time that exists") from wrong
    micros = (moment - _EPOCH) // _MICROSECOND
    if sign is not None:
        if int(off_hour) > 23 or int(off_minute) > 59:
            raise InstantInvalid(f"{shown(text)} has an offset beyond 23:59")
        offset = (int(off_hour) * 60 + int(off_minute)) * 60_000_000
        micros += offset if sign == "-" else -offset
        if not EARLIEST <= micros <= LATEST:
            raise InstantInvalid(f"{shown(text)} lies outside the years 0001 to 9999 in UTC")
    return micros


_micros_once: Final = lru_cache(_REMEMBERED)(_micros)


def is_stix_timestamp(text: str) -> bool:
    """Whether the text is a STIX timestamp (2.16): RFC 3339 with Z, a day that exists, any number of fraction digits."""
    found = _STIX.fullmatch(text)
    if found is None:
        return False
    month, day = int(text[5:7]), int(text[8:10])
    if day > _DAYS[month - 1]:
        return False
    if month == 2 and day == 29:
        year = int(text[:4])
        return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return True


def order_key(text: str) -> str:
    """A text whose byte order is the order in time: fixed-width seconds, "." and the fraction without trailing zeros.

    `text` is a STIX timestamp. Equal instants have equal keys (`.1Z` and `.100Z`; without a fraction too).
    Raises InstantInvalid.
    """
    return _key_once(text) if len(text) <= _SHORT else _key(text)


def _key(text: str) -> str:
    if not is_stix_timestamp(text):
        raise InstantInvalid(
            f"{shown(text)} is no STIX timestamp; write it as 2024-05-06T07:08:09.123Z"
        )
    seconds, _, fraction = text[:-1].partition(".")
    return f"{seconds}.{fraction.rstrip('0')}"


_key_once: Final = lru_cache(_REMEMBERED)(_key)


def format_micros(micros: int) -> str:
    """`2026-11-25T16:00:00.123456Z`: always six digits, always Z (TAXII 2.1 section 2).

    Raises InstantInvalid outside the years 0001 to 9999.
    """
    return _formatted(micros)


@lru_cache(_REMEMBERED)
def _formatted(micros: int) -> str:
    if not EARLIEST <= micros <= LATEST:
        raise InstantInvalid(f"{micros} microseconds lie outside the years 0001 to 9999")
    moment = _EPOCH + timedelta(microseconds=micros)
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def shown(text: str, *, limit: int = 80) -> str:
    """The text in quotes, cut to `limit` characters, without control characters: fit for a refusal."""
    cut = text if len(text) <= limit else text[:limit] + "..."
    return (
        repr(cut).encode("ascii", "backslashreplace").decode("ascii")
        if not cut.isprintable()
        else f"'{cut}'"
    )
