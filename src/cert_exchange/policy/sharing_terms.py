"""Terms of sharing: to whom an object may go, from when, for what, and how far (docs/terms.md).

1. Terms only restrict. Of several the strictest of each part counts: every list must name the recipient, no list may
   shut it out, the latest embargo ends last.
2. An originator writes them into the object, under our declared extension; what it writes there and we do not
   understand makes the object unreadable, and nothing unreadable is shared.
3. In the originator's own lists `only_to` counts identities and countries only: the name that it gives a partner may be
   another's name here. What shuts out counts in every spelling.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any, Final

import orjson

from cert_exchange.stix.instants import format_micros, parse_micros
from cert_exchange.stix.markings import Tlp
from cert_exchange.stix.references import TERMS_EXTENSION

EXTENSION: Final = TERMS_EXTENSION
"""The key in `extensions` under which an object carries its originator's terms."""

ANYONE: Final = "any"
"""As a consent's recipient: everybody."""

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_COUNTRY: Final = re.compile(r"country:([A-Za-z]{2})")
_IDENTITY: Final = re.compile(
    r"identity--[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
)
_PURPOSE_LIMIT: Final = 500


class Onward(IntEnum):
    """What the receiver may do with an object towards others; a greater number is stricter."""

    FREE = 0
    ASK = 1  # only with the originator's word, which stands here as a consent
    NONE = 2


@dataclass(frozen=True, slots=True)
class SharingTerms:
    """What binds an object. Instants in micros; words of `only_to` and `not_to` as `recipient_word` spells them."""

    only_to: tuple[frozenset[str], ...] = ()  # each must name the recipient
    not_to: frozenset[str] = frozenset()
    embargo_until: int | None = None
    purposes: tuple[str, ...] = ()  # carried and shown; a machine cannot judge them
    onward: Onward | None = None
    test: bool = False  # an exercise's: only rules that say `test: true` let it go
    tlp: Tlp | None = None  # our desk's stricter marking, beside the object
    # Our desk's own use of it, each with its reason; "" where nothing was said. They stay at home: never in an object.
    kept_here: str = ""  # not shared on with anybody
    not_detected: str = ""  # left out of what we make for our own detection

    def __and__(self, other: SharingTerms) -> SharingTerms:
        """What binds when both do."""
        return SharingTerms(
            only_to=tuple(dict.fromkeys((*self.only_to, *other.only_to))),
            not_to=self.not_to | other.not_to,
            embargo_until=_later(self.embargo_until, other.embargo_until),
            purposes=tuple(dict.fromkeys((*self.purposes, *other.purposes))),
            onward=_stricter(self.onward, other.onward),
            test=self.test or other.test,
            tlp=_higher(self.tlp, other.tlp),
            kept_here=self.kept_here or other.kept_here,
            not_detected=self.not_detected or other.not_detected,
        )

    @property
    def said(self) -> tuple[str, ...]:
        """Each part in words, for our own people; nothing for terms that say nothing."""
        found = [f"only to {', '.join(sorted(one)) or 'nobody'}" for one in self.only_to]
        if self.not_to:
            found.append(f"not to {', '.join(sorted(self.not_to))}")
        if self.embargo_until is not None:
            found.append(f"embargo until {format_micros(self.embargo_until)}")
        found += [f"purpose: {purpose}" for purpose in self.purposes]
        if self.onward is not None:
            found.append(f"onward: {self.onward.name.lower()}")
        if self.test:
            found.append("TEST")
        if self.tlp is not None:
            found.append(f"marked TLP:{self.tlp.name.replace('_', '+')} here")
        if self.kept_here:
            found.append(f"not shared on: {self.kept_here}")
        if self.not_detected:
            found.append(f"not for detection: {self.not_detected}")
        return tuple(found)


NO_TERMS: Final = SharingTerms()


def recipient_word(text: str) -> str | None:
    """How terms spell a recipient: a partner's name, `country:XX` or an identity's id; None for anything else."""
    word = text.strip()
    country = _COUNTRY.fullmatch(word)
    if country is not None:
        return f"country:{country[1].upper()}"
    small = word.lower()
    return small if _IDENTITY.fullmatch(small) or _NAME.fullmatch(small) else None


def country_code(text: str) -> str | None:
    """Two letters in capitals; None for anything else."""
    word = text.strip().upper()
    return word if re.fullmatch(r"[A-Z]{2}", word) else None


def onward_named(text: str) -> Onward | None:
    """What `none`, `ask` or `free` means; None for another word."""
    word = text.strip().upper()
    return Onward[word] if word in Onward.__members__ else None


def terms_of(content: Mapping[str, Any]) -> SharingTerms | None:
    """The terms that an object carries itself, None without any.

    Raises ValueError for terms that are not understood, without a value of the object.
    """
    extensions = content.get("extensions")
    if not isinstance(extensions, dict) or EXTENSION not in extensions:
        return None
    written = extensions[EXTENSION]
    if not isinstance(written, dict) or written.get("extension_type") != "property-extension":
        raise ValueError("the extension is no mapping of a property-extension")
    given: dict[str, Any] = {}
    for key, value in written.items():
        if key == "extension_type":
            continue
        reader = _READERS.get(key)
        if reader is None:
            raise ValueError(f"no term is called {key[:60]!r}")
        try:
            given.update(reader(value))
        except (ValueError, TypeError, AttributeError) as error:
            raise ValueError(f"{key} cannot be read") from error
    return SharingTerms(**given)


def as_extension(terms: SharingTerms) -> dict[str, Any]:
    """Terms as an object carries them; a local marking and what our desk does with it stay at home."""
    written: dict[str, Any] = {"extension_type": "property-extension"}
    if terms.only_to:
        written["only_to"] = sorted(frozenset.intersection(*terms.only_to))
    if terms.not_to:
        written["not_to"] = sorted(terms.not_to)
    if terms.embargo_until is not None:
        written["embargo_until"] = format_micros(terms.embargo_until)
    if terms.purposes:
        written["purpose"] = "; ".join(terms.purposes)
    if terms.onward is not None:
        written["onward"] = terms.onward.name.lower()
    if terms.test:
        written["test"] = True
    return written


def to_text(terms: SharingTerms) -> str:
    """Terms as they are stored: canonical JSON."""
    written = {
        "only_to": [sorted(one) for one in terms.only_to],
        "not_to": sorted(terms.not_to),
        "embargo_until": terms.embargo_until,
        "purposes": list(terms.purposes),
        "onward": None if terms.onward is None else terms.onward.name.lower(),
        "test": terms.test,
        "tlp": None if terms.tlp is None else terms.tlp.name.lower(),
        "kept_here": terms.kept_here,
        "not_detected": terms.not_detected,
    }
    kept = {key: value for key, value in written.items() if value not in (None, False, [], "")}
    return orjson.dumps(kept, option=orjson.OPT_SORT_KEYS).decode("utf-8", "strict")


def from_text(text: str) -> SharingTerms:
    """What `to_text` wrote. Raises ValueError for anything else: then nothing of the object is shared."""
    found = orjson.loads(text)
    known = {field.name for field in fields(SharingTerms)}
    if not isinstance(found, dict) or not found.keys() <= known:
        raise ValueError("terms of another release")
    onward, tlp = found.get("onward"), found.get("tlp")
    return SharingTerms(
        only_to=tuple(frozenset(one) for one in found.get("only_to", ())),
        not_to=frozenset(found.get("not_to", ())),
        embargo_until=found.get("embargo_until"),
        purposes=tuple(found.get("purposes", ())),
        onward=None if onward is None else Onward[onward.upper()],
        test=bool(found.get("test", False)),
        tlp=None if tlp is None else Tlp[tlp.upper()],
        kept_here=str(found.get("kept_here", "")),
        not_detected=str(found.get("not_detected", "")),
    )


def _words(value: Any) -> Iterable[str]:
    if not isinstance(value, list) or not value:
        raise ValueError
    for one in value:
        word = recipient_word(one)
        if word is None:
            raise ValueError
        yield word


def _only_to(value: Any) -> dict[str, Any]:
    certain = frozenset(word for word in _words(value) if ":" in word or _IDENTITY.fullmatch(word))
    return {"only_to": (certain,)}


def _purpose(value: Any) -> dict[str, Any]:
    if not isinstance(value, str) or not value.strip() or len(value) > _PURPOSE_LIMIT:
        raise ValueError
    return {"purposes": (" ".join(value.split()),)}


def _onward(value: Any) -> dict[str, Any]:
    found = onward_named(value)
    if found is None:
        raise ValueError
    return {"onward": found}


def _test(value: Any) -> dict[str, Any]:
    if not isinstance(value, bool):
        raise TypeError
    return {"test": value}


_READERS: Final = {
    "only_to": _only_to,
    "not_to": lambda value: {"not_to": frozenset(_words(value))},
    "embargo_until": lambda value: {"embargo_until": parse_micros(value)},
    "purpose": _purpose,
    "onward": _onward,
    "test": _test,
}


def _later(one: int | None, other: int | None) -> int | None:
    known = [value for value in (one, other) if value is not None]
    return max(known, default=None)


def _stricter(one: Onward | None, other: Onward | None) -> Onward | None:
    known = [value for value in (one, other) if value is not None]
    return max(known, default=None)


def _higher(one: Tlp | None, other: Tlp | None) -> Tlp | None:
    known = [value for value in (one, other) if value is not None]
    return max(known, default=None)
