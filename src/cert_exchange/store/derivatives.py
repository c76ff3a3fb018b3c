"""What views show in place of originals: under which ids, and what each version was made of (DECISIONS 11 and 12).

1. A name is never changed and never used twice: whoever knows it goes on meaning the same original.
2. No name leaves the audience that it was made for.
3. Nothing here decides or renders: `services.releasing` does.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import bindparam, select

from cert_exchange.store.bulk import insert_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.statements import Kept, among
from cert_exchange.store.tables import derivatives, derived_ids, identifiers, objects


@dataclass(frozen=True, slots=True)
class Derivative:
    """One version of what an audience sees in place of an original. Instants are micros."""

    object: int
    """its own row in `objects`"""
    ident: int
    """its own id's number"""
    stix_id: str
    version: str
    version_key: str
    source: int
    """the version (objects.id) that it was made of"""
    audience: int
    original: int
    """the number of the id that it stands for"""
    trimmed: bytes
    content: bytes
    withheld: tuple[str, ...]
    """kinds of what was taken away; empty: only what it refers to was rewritten"""
    made_at: int
    revoked: bool


@dataclass(frozen=True, slots=True)
class Name:
    """Under which id an audience knows what stands for an original. `named_at` in micros."""

    audience: int
    original: int
    generation: int
    ident: int
    stix_id: str
    named_at: int


_DERIVATIVE = (
    select(
        derivatives.c.object, objects.c.ident, identifiers.c.stix_id, objects.c.version,
        objects.c.version_key, derivatives.c.source, derivatives.c.audience,
        derivatives.c.original, derivatives.c.trimmed, derivatives.c.content,
        derivatives.c.withheld, derivatives.c.made_at, objects.c.revoked,
    )
    .join(objects, objects.c.id == derivatives.c.object)
    .join(identifiers, identifiers.c.num == objects.c.ident)
    .order_by(derivatives.c.object)
)  # fmt: skip
_OF_ORIGINALS: Final = Kept(_DERIVATIVE.where(among(derivatives.c.original, "idents")), "idents")
_OF_OBJECTS: Final = Kept(_DERIVATIVE.where(among(derivatives.c.object, "numbers")), "numbers")
_NAME = select(
    derived_ids.c.audience, derived_ids.c.original, derived_ids.c.generation,
    derived_ids.c.ident, identifiers.c.stix_id, derived_ids.c.named_at,
).join(identifiers, identifiers.c.num == derived_ids.c.ident)  # fmt: skip
_NAMES_OF: Final = Kept(
    _NAME.where(
        among(derived_ids.c.original, "idents"), derived_ids.c.audience == bindparam("audience")
    ),
    "idents",
)
_SHOWN = identifiers.alias("shown")
_STOOD_FOR: Final = Kept(
    select(_SHOWN.c.stix_id, derived_ids.c.original, identifiers.c.stix_id)
    .join(derived_ids, derived_ids.c.ident == _SHOWN.c.num)
    .join(identifiers, identifiers.c.num == derived_ids.c.original)
    .where(among(_SHOWN.c.stix_id, "ids")),
    "ids",
)
_SAID_BEFORE: Final = Kept(
    select(derivatives.c.object)
    .where(
        derivatives.c.audience == bindparam("audience"),
        derivatives.c.essence == bindparam("essence"),
        derivatives.c.original < bindparam("original"),
    )
    .limit(1)
)
_ORIGINALS_OF: Final = Kept(_NAME.where(among(derived_ids.c.ident, "idents")), "idents")


def of_originals(
    tx: Transaction, idents: Iterable[int], audiences: Collection[int] | None = None
) -> list[Derivative]:
    """Every version ever made of what stands for these ids (for these audiences, or all), the oldest first."""
    return [
        one
        for one in map(_derivative, _OF_ORIGINALS.among(tx, "idents", idents))
        if audiences is None or one.audience in audiences
    ]


def of_objects(tx: Transaction, numbers: Iterable[int]) -> dict[int, Derivative]:
    """Those of these rows of `objects` that are derivatives."""
    return {one.object: one for one in map(_derivative, _OF_OBJECTS.among(tx, "numbers", numbers))}


def originals_of(tx: Transaction, idents: Iterable[int]) -> dict[int, Name]:
    """For those of these ids that are in the map: whose it is and for which original it stands, by the id's number."""
    return {row[3]: Name(*row) for row in _ORIGINALS_OF.among(tx, "idents", idents)}


def stood_for(tx: Transaction, stix_ids: Iterable[str]) -> dict[str, tuple[int, str]]:
    """For those of these STIX ids that are in the map: the number and the STIX id of the original."""
    rows = _STOOD_FOR.among(tx, "ids", sorted(stix_ids))
    return {shown: (original, stix_id) for shown, original, stix_id in rows}


def said_before(tx: Transaction, audience: int, essence: bytes, *, original: int) -> bool:
    """Whether an audience was shown a derivative that says this, of an id that we knew before `original`."""
    asked = {"audience": audience, "essence": essence, "original": original}
    return bool(_SAID_BEFORE.rows(tx, asked))


def names_of(tx: Transaction, audience: int, originals: Iterable[int]) -> dict[int, list[Name]]:
    """The names of what stands for these ids in an audience, by original, the newest generation last."""
    found: dict[int, list[Name]] = {}
    for row in _NAMES_OF.among(tx, "idents", originals, audience=audience):
        found.setdefault(row[1], []).append(Name(*row))
    for names in found.values():
        names.sort(key=lambda one: one.generation)
    return found


def keep_names(tx: Transaction, names: Sequence[Name]) -> None:
    """Write names into the map; their ids are numbered already."""
    c = derived_ids.c
    insert_rows(
        tx,
        (c.audience, c.original, c.generation, c.ident, c.named_at),
        [
            (one.audience, one.original, one.generation, one.ident, one.named_at)
            for one in sorted(names, key=lambda one: (one.audience, one.original, one.generation))
        ],
    )


def keep(tx: Transaction, made: Sequence[Derivative], essences: Sequence[bytes]) -> None:
    """Write what versions of derivatives stand for and say; their rows in `objects` are there already."""
    c = derivatives.c
    insert_rows(
        tx,
        (
            c.object, c.source, c.audience, c.original, c.trimmed, c.content, c.withheld,
            c.made_at, c.essence,
        ),
        [
            (
                one.object, one.source, one.audience, one.original, one.trimmed, one.content,
                json.dumps(sorted(one.withheld)), one.made_at, essence,
            )
            for one, essence in zip(made, essences, strict=True)
        ],
    )  # fmt: skip


def _derivative(row: Sequence[Any]) -> Derivative:
    return Derivative(
        row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], bytes(row[8]),
        bytes(row[9]), tuple(json.loads(row[10])), row[11], bool(row[12]),
    )  # fmt: skip
