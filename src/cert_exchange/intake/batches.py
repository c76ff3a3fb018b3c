"""What holds for all of one input, what is built of it, and the ids and markings that follow.

The rules are those of `intake.building`, which makes the objects.
"""

from __future__ import annotations

import re
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from cert_exchange.intake.findings import Kind
from cert_exchange.stix.instants import format_micros
from cert_exchange.stix.markings import TLP_BY_ID
from cert_exchange.stix.observables import uuid_of_name

NAMESPACE: Final = uuid.UUID("5c2f1a0e-9d43-5b7e-8a36-0f6b2c9d71e4")
"""Of the ids that intake makes. Never changes: a second publish would find nothing of the first."""

PART: Final = 1_000
"""The most objects that one report or grouping names."""
TAIL: Final = re.compile(
    r" \((?:TLP:[A-Z+]{3,12}|further|part [0-9]+ of [0-9]+)(?:, (?:further|part [0-9]+ of [0-9]+))*+\)\Z"
)
"""What stands behind the name of a list in the names of its parts."""
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
        found: str = self.content["id"]
        return found


def begun(batch: Batch, stix_id: str, markings: Sequence[str]) -> dict[str, Any]:
    """The beginning of every object of a batch that has versions."""
    at = format_micros(batch.at)
    content: dict[str, Any] = {
        "type": stix_id.partition("--")[0],
        "spec_version": "2.1",
        "id": stix_id,
        "created_by_ref": batch.creator,
        "created": at,
        "modified": at,
    }
    if markings:
        content["object_marking_refs"] = list(markings)
    return content


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


def bits_of(refs: Iterable[bytes]) -> int:
    """By how many bits of their ids these references are cut, so that no part names more than `PART`."""
    numbers = [_number(one) for one in refs]
    bits = 0
    while len(numbers) >> bits > _MEAN and len(numbers) > PART:
        bits += 1
    while max(Counter(one & ((1 << bits) - 1) for one in numbers).values(), default=0) > PART:
        bits += 1
    return bits


def parts_of(refs: Sequence[bytes], bits: int) -> list[list[bytes]]:
    """Sorted references in 2 ** `bits` parts by the last bits of their ids: one more reference changes one part only.

    With one bit more a part keeps half of what it had, and its number: no part is left behind when a list grows.
    """
    parts: list[list[bytes]] = [[] for _ in range(1 << bits)]
    for one in refs:
        parts[_number(one) & ((1 << bits) - 1)].append(one)
    return parts


def bare_name(name: str) -> str:
    """The name of a list without what is said of its part."""
    return TAIL.sub("", name)


def _number(ref: bytes) -> int:
    return int.from_bytes(ref[12:16])
