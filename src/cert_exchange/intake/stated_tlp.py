"""What an input says of itself in words: `# TLP:AMBER` above a list, `TLP:RED` on the first page of a report.

1. Of several levels the strictest counts; nobody can tell a marking from a word about markings.
2. `TLP:PURPLE` is RED: somebody meant a restriction. `TLP` alone, or before another word, says nothing.
3. It is never said silently: whoever finds one hands on a loss that names it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from cert_exchange.intake.findings import Finding, Loss
from cert_exchange.stix.markings import TLP_BY_ID, TLP_DEFINITIONS, Tlp, tlp_of_text

_LEVEL: Final = r"white|clear|green|amber[ ]?[+_-]?[ ]?strict|amber|red"
_STATED: Final = re.compile(
    rf"""
    (?<![A-Za-z0-9])(?:
        (?:(?i:tlp)|(?i:traffic[ ]light[ ]protocol))(?:[ ]?v?[12]\.0)?[ \t]?[:=][ \t]?(?P<level>(?i:{_LEVEL}))(?![A-Za-z])
        | (?:TLP|T\.L\.P\.)[ _-](?P<spaced>(?i:{_LEVEL}))(?![A-Za-z])
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


def stated_tlp(text: str) -> Tlp | None:
    """The strictest level that a text names, or None. Linear in the text."""
    strictest: Tlp | None = None
    for found in _STATED.finditer(text):
        word = found["level"] or found["spaced"]
        level = Tlp.RED if word is None else tlp_of_text(f"tlp:{word}")
        assert level is not None
        strictest = level if strictest is None else max(strictest, level)
    return strictest


def marking_of_level(level: Tlp) -> str:
    """The id of its marking definition (TLP 2.0)."""
    return _IDS[level]


def told(place: str, text: str, level: Tlp, what: str) -> Loss:
    """What a person is told of a level that was found. `what` is marked by it."""
    shown = "".join(c if c.isprintable() else " " for c in text.strip()[:120])
    return Loss(
        place, shown, f"says {_NAMES[level]}: {what} is marked so, whatever is said besides"
    )


def marked_by_its_words(pieces: Iterable[Finding | Loss], words: str) -> Iterator[Finding | Loss]:
    """The pieces of a report, each finding under the level that its words name, and at the end that it is so."""
    found = next(_STATED.finditer(words), None)
    level = stated_tlp(words)
    if level is None or found is None:
        yield from pieces
        return
    marking = marking_of_level(level)
    for piece in pieces:
        if isinstance(piece, Finding):
            yield replace(piece, markings=(*piece.markings, marking))
        else:
            yield piece
    yield told("the text", found[0], level, "all that it says")
