"""What an input says of itself in words: `# TLP:AMBER` above a list, `PAP:RED` in a row, `TLP:RED` on a front page.

1. Of several levels the strictest counts; nobody can tell a marking from a word about markings.
2. `TLP:PURPLE` is RED: somebody meant a restriction. `TLP` alone, or before another word, says nothing.
3. In what is read whole a short line with one level states it: a head of a page, a front page. Only where none does, the
   strictest of all mentions counts, so that a legend at the end of a report does not make it RED.
4. It is never said silently: whoever finds one hands on a loss that names it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final, NamedTuple, TypeVar

from cert_exchange.intake.findings import Finding, Loss
from cert_exchange.stix.handling import Pap, pap_of_text
from cert_exchange.stix.markings import TLP_BY_ID, TLP_DEFINITIONS, Tlp, tlp_of_text

Level = TypeVar("Level", Tlp, Pap)
_SHORT: Final = 80
"""A line of so many characters with one level states it."""
_LEVEL: Final = r"white|clear|green|amber[ ]?[+_-]?[ ]?strict|amber|red"
_STATED: Final = re.compile(
    rf"""
    (?<![A-Za-z0-9])(?:
        (?:(?i:tlp)|(?i:traffic[ ]light[ ]protocol))(?:[ ]?v?[12]\.0)?[ \t]?[:=][ \t]?(?P<level>(?i:{_LEVEL}))(?![A-Za-z])
        | TLP[ _-](?P<spaced>(?i:{_LEVEL}))(?![A-Za-z])
        | (?i:pap)[ ]?[:=][ ]?(?P<pap>(?i:white|clear|green|amber|red))(?![A-Za-z])
        | (?i:tlp):(?P<unknown>[A-Za-z]{{3,20}})(?![A-Za-z0-9./:])
    )
    """,
    re.VERBOSE,
)
_IDS: Final = {
    TLP_BY_ID[item["id"]]: str(item["id"]) for item in TLP_DEFINITIONS if "extensions" in item
}
_NAMES: Final = {
    TLP_BY_ID[item["id"]]: str(item["name"]) for item in TLP_DEFINITIONS if "extensions" in item
}


class OwnWords(NamedTuple):
    """How far words say that something may go, and what may be done with it. Empty: they say nothing."""

    tlp: Tlp | None = None
    pap: Pap | None = None

    @property
    def markings(self) -> tuple[str, ...]:
        """The marking definition (TLP 2.0) that is meant."""
        return () if self.tlp is None else (_IDS[self.tlp],)

    @property
    def labels(self) -> tuple[str, ...]:
        """The label that is meant, as MISP's taxonomy writes it."""
        return () if self.pap is None else (f"PAP:{self.pap.name}",)

    def joined(self, other: OwnWords) -> OwnWords:
        """Both: the stricter of each."""
        return OwnWords(_stricter(self.tlp, other.tlp), _stricter(self.pap, other.pap))

    def told(self, place: str, text: str, what: str) -> Loss:
        """What a person is told of it. `what` is marked by it."""
        names = [_NAMES[self.tlp]] if self.tlp is not None else []
        shown = "".join(c if c.isprintable() else " " for c in text.strip()[:120])
        said = " and ".join((*names, *self.labels))
        return Loss(place, shown, f"says {said}: {what} is marked so, whatever is said besides")


def own_words(text: str) -> OwnWords:
    """The strictest levels that a text names. Linear in the text."""
    tlp: set[str] = set()
    pap: set[str] = set()
    for one in _STATED.finditer(text):
        if one["pap"] is not None:
            pap.add(one["pap"].casefold())
        else:
            tlp.add((one["level"] or one["spaced"] or "red").casefold())
    levels = (tlp_of_text(f"tlp:{word}") for word in tlp)
    limits = (pap_of_text(f"pap:{word}") for word in pap)
    return OwnWords(
        max((one for one in levels if one is not None), default=None),
        max((one for one in limits if one is not None), default=None),
    )


def marked_by_own_words(pieces: Iterable[Finding | Loss], words: str) -> Iterator[Finding | Loss]:
    """The pieces of an input that is read whole, each finding under what its words say, and at the end that it is so."""
    said = _stated(words) or own_words(words)
    for piece in pieces:
        if isinstance(piece, Finding):
            yield replace(
                piece,
                markings=(*piece.markings, *said.markings),
                labels=(*piece.labels, *said.labels),
            )
        else:
            yield piece
    if said != OwnWords():
        first = _STATED.search(words)
        yield said.told("the text", first[0] if first else "", "all that it says")


def _stated(words: str) -> OwnWords | None:
    """What short lines with one level say, or None where there is no such line."""
    stated = OwnWords()
    for line in words.splitlines():
        if len(line) <= _SHORT and len({one[0].casefold() for one in _STATED.finditer(line)}) == 1:
            stated = stated.joined(own_words(line))
    return None if stated == OwnWords() else stated


def _stricter(one: Level | None, other: Level | None) -> Level | None:
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)
