"""The reports or groupings that name what an input holds.

1. One names at most `PART` objects; which part names what depends on the ids alone.
2. What differs in marking, or is held back, stands in one of its own: who may not see it, sees no gap.
3. The same batch again finds its parts by their ids. Where it was longer before, or marked otherwise, the parts that would go
   on naming what it names no more are said anew, without; nothing else of them changes, for they may have other readers.
   Such a part is narrowed with its batch. What is wide again later stands in lists of the next generation.
4. A part that names nothing names who made it, since it must name something (STIX 2.1, 4.4 and 4.14).
5. Bounded memory: 17 bytes for each object, whatever it says.
"""

from __future__ import annotations

import uuid
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cert_exchange.intake.batches import (
    Batch,
    Built,
    begun,
    bits_of,
    own_id,
    parts_of,
    strictest,
)
from cert_exchange.stix.markings import TLP_BY_ID, TLP_DEFINITIONS

Standing = Callable[[Sequence[str]], Mapping[str, tuple[str, ...]]]
"""Which of these ids we hold, not revoked, and how they are marked."""

_CLOCK: Final = ("created", "modified")
_MOST_BITS: Final = 16
_TURNS: Final = 8
"""Generations of one list: so often it may be narrowed and be wide again."""
_PARTS_ASKED: Final = 64
_ENTRY: Final = 17
_TYPES: Final = (
    "indicator", "vulnerability", "attack-pattern", "ipv4-addr", "ipv6-addr", "domain-name", "url", "email-addr", "file",
    "directory", "windows-registry-key", "mutex", "mac-addr", "autonomous-system", "x509-certificate",
)  # fmt: skip
_TLP_NAMES: Final = {str(one["id"]): str(one["name"]) for one in TLP_DEFINITIONS}
_LEVELS: Final = {TLP_BY_ID[str(one["id"])]: str(one["id"]) for one in TLP_DEFINITIONS}


def nothing_stands(_: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """For a batch that is looked at alone: nothing is held."""
    return {}


@dataclass(frozen=True, slots=True, order=True)
class Group:
    """What is named together: objects of the same markings, held back or not."""

    markings: tuple[str, ...]
    apart: bool = False


class Lists:
    """The reports or groupings of one batch, once all that they name is known."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._named: dict[Group, bytearray] = {}
        self._sorted: array[int] | None = None
        self._generations: dict[Group, int] = {}
        self._possible: frozenset[str] | None = None

    def name(self, built: Built, *, apart: bool = False) -> None:
        """Let an object be named; `apart`: in a list of its own for what is held back."""
        if not built.named:
            return
        group = Group(tuple(built.content.get("object_marking_refs", ())), apart)
        stix_type, _, number = built.id.partition("--")
        entry = uuid.UUID(number).bytes + bytes([_TYPES.index(stix_type)])
        self._named.setdefault(group, bytearray()).extend(entry)

    def names(self, stix_id: str) -> bool:
        """Whether anything of this batch names the object. Asked once all is named."""
        if self._sorted is None:
            self._sorted = array(
                "Q",
                sorted(
                    int.from_bytes(entries[at : at + 8])
                    for entries in self._named.values()
                    for at in range(0, len(entries), _ENTRY)
                ),
            )
        number = int.from_bytes(uuid.UUID(stix_id.rpartition("--")[2]).bytes[:8])
        at = bisect_left(self._sorted, number)
        return at < len(self._sorted) and self._sorted[at] == number

    def reports(self, standing: Standing) -> Iterator[Built]:
        """What names the objects of the batch, and what named them before and does no more."""
        if self._batch.around == "none":
            return
        named = dict(self._named)
        groups = {*named, *self._others()}
        first = {self._id(one, 0, turn): (one, turn) for one in groups for turn in range(_TURNS)}
        stand = standing(list(first))
        narrowed = {
            first[stix_id]
            for stix_id, markings in stand.items()
            if strictest(markings, first[stix_id][0].markings)
            != strictest(first[stix_id][0].markings)
        }
        self._generations = {
            one: next((turn for turn in range(_TURNS) if (one, turn) not in narrowed), _TURNS - 1)
            for one in groups
        }
        named |= {one: bytearray() for one in groups - named.keys() if self._id(one, 0) in stand}
        for group, entries in sorted(named.items()):
            refs = sorted(
                {bytes(entries[at : at + _ENTRY]) for at in range(0, len(entries), _ENTRY)}
            )
            yield from self._parts(group, refs, standing)

    def _parts(self, group: Group, refs: Sequence[bytes], standing: Standing) -> Iterator[Built]:
        # A list never gets fewer parts than it had: each would go on naming what it named.
        doubled = {self._id(group, 1 << bit): bit + 1 for bit in range(_MOST_BITS)}
        bits = max([bits_of(refs), *(doubled[one] for one in standing(list(doubled)))])
        parts = parts_of(refs, bits)
        ids = [self._id(group, number) for number in range(len(parts))]
        empty = [stix_id for stix_id, part in zip(ids, parts, strict=True) if not part]
        emptied = standing(empty) if empty else {}
        for number, (stix_id, part) in enumerate(zip(ids, parts, strict=True)):
            if part:
                yield self._report(stix_id, group, part, number, len(parts))
            elif stix_id in emptied:
                # Who may not see what the batch is now, loses what stood for it.
                markings = strictest(group.markings, self._batch.markings)
                content = begun(self._batch, stix_id, markings)
                yield Built({**content, "object_refs": [self._batch.creator]}, _CLOCK)

    def _others(self) -> list[Group]:
        """Under which markings the same batch may have been published before."""
        bare = [one for one in self._batch.markings if one not in TLP_BY_ID]
        levels: list[list[str]] = [[], *([one] for one in _LEVELS.values())]
        return [Group(strictest(bare, level), apart) for level in levels for apart in (False, True)]

    def _id(self, group: Group, number: int, turn: int | None = None) -> str:
        batch = self._batch
        held = "held back" if group.apart else ""
        turn = self._generations.get(group, 0) if turn is None else turn
        key = [batch.key or batch.name, *group.markings, held, f"{turn}/{number}"]
        return own_id(batch.creator, batch.around, *key)

    def may_be(self, stix_id: str) -> bool:
        """Whether an object can be a part of this batch as it was published before: told by its id, not by its name."""
        if self._possible is None:
            groups = {*self._named, *self._others()}
            self._possible = frozenset(
                self._id(one, number, turn)
                for one in groups
                for number in range(_PARTS_ASKED)
                for turn in range(_TURNS)
            )
        return stix_id in self._possible

    def _report(
        self, stix_id: str, group: Group, refs: Sequence[bytes], number: int, parts: int
    ) -> Built:
        batch = self._batch
        content = begun(batch, stix_id, group.markings)
        content["name"] = f"{batch.name}{self._of_which(group, number, parts)}"
        if batch.description:
            content["description"] = batch.description
        floating = [*_CLOCK]
        if batch.around == "report":
            content["published"] = batch.published or content["created"]
            floating += () if batch.published else ("published",)
        else:
            content["context"] = "suspicious-activity"
        if batch.labels:
            content["labels"] = sorted(set(batch.labels))
        if batch.references:
            content["external_references"] = [dict(one) for one in batch.references]
        if batch.confidence is not None:
            content["confidence"] = batch.confidence
        content["object_refs"] = [f"{_TYPES[one[16]]}--{uuid.UUID(bytes=one[:16])}" for one in refs]
        return Built(content, tuple(floating))

    def _of_which(self, group: Group, number: int, parts: int) -> str:
        """What stands behind the name: see `batches.TAIL`."""
        unusual = group.markings != tuple(strictest(self._batch.markings))
        said: list[Any] = [
            _TLP_NAMES[one] for one in group.markings if unusual and one in _TLP_NAMES
        ]
        # Its readers, once a person lets it in, learn of no holding.
        said += ["further"] if group.apart else []
        said += [f"part {number + 1} of {parts}"] if parts > 1 else []
        return f" ({', '.join(said)})" if said else ""
