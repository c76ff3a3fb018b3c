"""What holds for all of one input, what is built of it, and the ids and markings that follow.

The rules are those of `intake.building`, which makes the objects.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final, Literal

from cert_exchange.intake.findings import Kind
from cert_exchange.stix.markings import TLP_BY_ID
from cert_exchange.stix.observables import uuid_of_name

NAMESPACE: Final = uuid.UUID("5c2f1a0e-9d43-5b7e-8a36-0f6b2c9d71e4")
"""Of the ids that intake makes. Never changes: a second publish would find nothing of the first."""

PART: Final = 1_000
"""The most objects that one report or grouping names."""
_MEAN: Final = 700  # of a part, so that chance fills none of them over PART

Around = Literal["report", "grouping", "none"]


@dataclass(frozen=True, slots=True)
class Batch:
    """What holds for all of one input. Instants and durations are microseconds."""

    name: str
    creator: str  # the id of our own identity
    at: int
    markings: tuple[str, ...] = ()  # ids of marking definitions
    around: Around = "report"
    key: str = ""
    """What makes this batch the same as that of an earlier publish; its name where nothing better is known."""
    labels: tuple[str, ...] = ()  # of the report; those that bind stand in each finding
    references: tuple[Mapping[str, Any], ...] = ()  # external references
    description: str = ""
    published: str = ""
    """When its author published it, as an instant; empty: nobody says, and it is now."""
    definitions: tuple[Mapping[str, Any], ...] = ()  # marking definitions that come along
    confidence: int | None = None
    valid_for: Mapping[Kind, int] = field(default_factory=dict)
    observables: bool = True


@dataclass(frozen=True, slots=True)
class Built:
    """One object, and which of its properties come from the clock. `named`: the report names it."""

    content: dict[str, Any]
    floating: tuple[str, ...] = ()
    named: bool = False
    kind: Kind | None = None
    place: str = ""
    sought: tuple[tuple[Kind, str], ...] = ()
    """the values that it lets its readers look for"""
    own: tuple[str, ...] = ()
    """the values that it is about, those included that are told of only"""

    @property
    def id(self) -> str:
        """Its STIX id."""
        return str(self.content["id"])


def own_id(creator: str, stix_type: str, *parts: str) -> str:
    """The id of an object of ours that is the same whenever it is made of the same parts."""
    # Lengths before the texts: no two lists of parts give one name.
    name = "".join(f"{len(part)}:{part}" for part in (creator, stix_type, *parts))
    return f"{stix_type}--{uuid_of_name(NAMESPACE, name.encode())}"


def strictest(*markings: Iterable[str]) -> tuple[str, ...]:
    """The markings of all of these: of TLPs the strictest alone, sorted."""
    found = {one for some in markings for one in some}
    tlps = [one for one in found if one in TLP_BY_ID]
    if len(tlps) > 1:
        # Of two ids of one level (TLP 1 and 2) the same one every time.
        kept = max(tlps, key=lambda one: (TLP_BY_ID[one], one))
        found -= {one for one in tlps if one != kept}
    return tuple(sorted(found))


def whole_words(text: str, longest: int) -> str:
    """A text that may have been cut, without its last word: half a value is not known for one."""
    return text.strip() if len(text) < longest else text[:longest].rpartition(" ")[0].strip()


def parts_of(refs: Sequence[bytes]) -> tuple[int, list[tuple[int, Sequence[bytes]]]]:
    """Sorted references in parts by the first bits of their ids: one more reference changes one part only."""
    bits = 0
    if len(refs) > PART:
        while len(refs) >> bits > _MEAN:
            bits += 1
    while True:
        parts = [
            (number, list(part))
            for number, part in groupby(
                refs, key=lambda one: int.from_bytes(one[:4]) >> (32 - bits)
            )
        ]
        if all(len(part) <= PART for _, part in parts):
            return bits, [(number, part) for number, part in parts]
        bits += 1
