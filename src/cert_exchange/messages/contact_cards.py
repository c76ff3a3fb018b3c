"""Whom to call at a CERT, by day and by night: its contact card as it travels and is kept.

1. A card is short lines of text that can be printed, and nothing else; what is longer or of another form is refused.
2. Its bytes are those of RFC 8785, so that two equal cards have one digest.
3. It is only as good as the call that confirmed it: a number that came with a file proves nothing about who sent it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any, Final

import orjson

from cert_exchange.errors import ConfigurationInvalid
from cert_exchange.messages.signatures import canonical

LONGEST: Final = 200
"""Characters of a line."""
MOST: Final = 10
"""Languages, and keys."""
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}")
_COUNTRY: Final = re.compile(r"[A-Z]{2}")


@dataclass(frozen=True, slots=True)
class Card:
    """A CERT's contact card. Empty texts are "not said"; desk, backup, languages and hours are always said."""

    organisation: str
    desk: str
    """how the duty desk is reached: a telephone number with its country code"""
    backup: str
    """another way, on another line"""
    languages: tuple[str, ...]
    """ISO 639, the best first"""
    hours: str
    """when the desk is staffed, with the zone, and who answers otherwise"""
    mail: str = ""
    country: str = ""
    """ISO 3166, two capitals"""
    keys: tuple[str, ...] = ()
    """fingerprints of keys for mail, such as OpenPGP's"""

    def encoded(self) -> bytes:
        """The card in the one form of RFC 8785."""
        return canonical(self.document())

    def document(self) -> dict[str, Any]:
        """The card as a JSON object."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }

    @property
    def digest(self) -> str:
        """SHA-256 of its bytes, hexadecimal."""
        return sha256(self.encoded()).hexdigest()

    def differs_from(self, other: Card) -> tuple[str, ...]:
        """What is said otherwise there, a line each."""
        mine, theirs = self.document(), other.document()
        return tuple(
            f"{name}: {_shown(theirs[name])} -> {_shown(mine[name])}"
            for name in mine
            if mine[name] != theirs[name]
        )


def read_card(value: Any) -> Card:
    """Read a card that a person wrote or that a partner sent. Raises ConfigurationInvalid with all that is wrong."""
    if not isinstance(value, Mapping):
        raise ConfigurationInvalid("the contact card is no JSON object.")
    wrong = [
        f"{name!r} is no part of a contact card"
        for name in sorted(map(str, value))
        if name not in _PARTS
    ]
    for name, needed in _PARTS.items():
        given = value.get(name, "" if name not in _LISTS else ())
        if name in _LISTS:
            wrong += _list_wrong(name, given, needed=needed)
        else:
            wrong += _line_wrong(name, given, needed=needed)
    if wrong:
        raise ConfigurationInvalid("; ".join(wrong) + ".")
    taken: dict[str, Any] = {
        name: tuple(value.get(name, ())) if name in _LISTS else value.get(name, "")
        for name in _PARTS
    }
    return Card(**taken)


def decode_card(raw: bytes | str) -> Card:
    """Read back what `Card.encoded` wrote. Raises ConfigurationInvalid."""
    try:
        return read_card(orjson.loads(raw))
    except orjson.JSONDecodeError:
        raise ConfigurationInvalid("the contact card is no JSON.") from None


_PARTS: Final[Mapping[str, bool]] = {
    # whether it must be said
    "organisation": True,
    "desk": True,
    "backup": True,
    "languages": True,
    "hours": True,
    "mail": False,
    "country": False,
    "keys": False,
}
_LISTS: Final = ("languages", "keys")


def _line_wrong(name: str, value: Any, *, needed: bool) -> list[str]:
    if (
        not isinstance(value, str)
        or len(value) > LONGEST
        or not (value == "" or value.isprintable())
    ):
        return [f"{name} is no line of at most {LONGEST} characters"]
    if needed and not value.strip():
        return [f"{name} is not said"]
    if name == "country" and value and not _COUNTRY.fullmatch(value):
        return [f"country is {value!r}; write two capital letters, such as EE"]
    return []


def _list_wrong(name: str, value: Any, *, needed: bool) -> list[str]:
    if not isinstance(value, list | tuple) or len(value) > MOST:
        return [f"{name} is no list of at most {MOST}"]
    if needed and not value:
        return [f"{name} are not said"]
    wrong = [said for one in value for said in _line_wrong(name, one, needed=True)]
    if not wrong and name == "languages":
        wrong = [
            f"{one!r} is no language; write its code of two or three small letters, such as et"
            for one in value
            if not _LANGUAGE.fullmatch(one)
        ]
    return wrong


def _shown(value: Any) -> str:
    return (", ".join(value) if isinstance(value, list) else str(value)) or "nothing"
