"""Rows of terms beside objects, and what every transaction that releases must know of terms.

1. A row is of an id and an origin: OWN, a partner, or EVERY for whoever's copy. It binds all versions, also later ones.
2. `BRANCHES` ride in the statement that reads who shares what (`releases`): where nobody said anything they give the
   partners' identities and nothing else, and `Said.any_of` tells that no other row has to be looked for.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    LargeBinary,
    Text,
    case,
    cast,
    delete,
    exists,
    insert,
    literal,
    literal_column,
    null,
    or_,
    select,
    union,
    union_all,
)

from cert_exchange.store.database import Transaction
from cert_exchange.store.statements import Asked, Kept, among, parts
from cert_exchange.store.tables import (
    ObjectStatus,
    audiences,
    consents,
    derived_ids,
    doubts,
    holds,
    identifiers,
    objects,
    partner_identities,
    partners,
    references,
    terms,
)

EVERY: Final = -1
"""As an origin: whoever's copy of the id."""
HOLD: Final = "terms"
"""The rule under which an embargo stands among the holds."""
OF_IDS, OF_PARTNER = 0, 1


@dataclass(frozen=True, slots=True)
class Row:
    """What our desk said beside one id; `terms` as it is stored, the instant in micros."""

    stix_id: str
    origin: int
    terms: str
    set_at: int
    set_by: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Said:
    """What a transaction knows of terms before it reads any object."""

    countries: Mapping[str, str] = field(default_factory=dict)
    """partner -> two capital letters; who is not in it is of no known country"""
    spoken: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """partner -> the identities that it speaks for"""
    consents: Sequence[tuple[int, int, str, int]] = ()
    """(number, partner, recipient, until) of those about all that came from a partner"""
    embargoed: frozenset[int] = frozenset()
    """the audiences from which an embargo holds something back"""
    any_of: bool = False
    """whether there is any row about an id"""
    doubted: bool = False
    """whether a partner disagrees with anything of ours, and nobody has looked at it"""


_NUMBER: Final = cast(null(), BigInteger)
_TEXT: Final = cast(null(), Text)
_BYTES: Final = cast(null(), LargeBinary)
_COUNTRY, _SPOKEN, _CONSENT, _EMBARGO, _ANY, _DOUBT = range(100, 106)
# Written out, so that both engines see that the partial index serves.
_STANDS: Final = holds.c.released_at.is_(None) & (holds.c.rule == literal_column(f"'{HOLD}'"))
BRANCHES: Final = (
    select(
        literal(_COUNTRY), partners.c.id, _NUMBER, partners.c.name, partners.c.country, _TEXT,
        _BYTES,
    ).where(partners.c.country.is_not(None)),
    select(
        literal(_SPOKEN), partners.c.id, _NUMBER, partners.c.name, partner_identities.c.stix_id,
        _TEXT, _BYTES,
    )
    .join(partners, partners.c.id == partner_identities.c.partner)
    .where(partner_identities.c.relayed.is_(False)),
    select(
        literal(_CONSENT), consents.c.id, consents.c.partner, consents.c.recipient,
        cast(consents.c.until, Text), _TEXT, _BYTES,
    ).where(consents.c.ident.is_(None), consents.c.ended_at.is_(None)),
    select(literal(_EMBARGO), audiences.c.id, _NUMBER, _TEXT, _TEXT, _TEXT, _BYTES).where(
        exists().where(holds.c.audience == audiences.c.id, _STANDS)
    ),
    select(literal(_ANY), _NUMBER, _NUMBER, _TEXT, _TEXT, _TEXT, _BYTES).where(
        or_(
            exists(select(terms.c.ident)),
            exists(select(consents.c.id).where(consents.c.ident.is_not(None))),
        )
    ),
    select(literal(_DOUBT), _NUMBER, _NUMBER, _TEXT, _TEXT, _TEXT, _BYTES).where(
        exists(select(doubts.c.ident).where(doubts.c.state == literal_column("'open'")))
    ),
)  # fmt: skip


def said_of(rows: Sequence[Sequence[Any]]) -> Said:
    """What the rows of BRANCHES say, each with its kind first; others are passed over."""
    countries: dict[str, str] = {}
    spoken: dict[str, set[str]] = {}
    given: list[tuple[int, int, str, int]] = []
    embargoed: set[int] = set()
    any_of = doubted = False
    for kind, number, partner, text, other, *_ in rows:
        if kind == _COUNTRY:
            countries[text] = other
        elif kind == _SPOKEN:
            spoken.setdefault(text, set()).add(other)
        elif kind == _CONSENT:
            given.append((number, partner, text, int(other)))
        elif kind == _EMBARGO:
            embargoed.add(number)
        elif kind == _ANY:
            any_of = True
        elif kind == _DOUBT:
            doubted = True
    return Said(
        countries,
        {name: frozenset(those) for name, those in spoken.items()},
        sorted(given),
        frozenset(embargoed),
        any_of,
        doubted,
    )


_BESIDE: Final = Kept(
    union_all(
        select(
            literal(OF_IDS), terms.c.ident, cast(terms.c.origin, BigInteger), terms.c.terms,
            terms.c.set_at, case((terms.c.reason.is_(None), 0), else_=1),
        ).where(among(terms.c.ident, "idents")),
        select(
            literal(OF_PARTNER), consents.c.ident, consents.c.partner, consents.c.recipient,
            consents.c.until, consents.c.id,
        ).where(among(consents.c.ident, "idents"), consents.c.ended_at.is_(None)),
    ),
    "idents",
)  # fmt: skip


def ask_beside(tx: Transaction, idents: Collection[int]) -> Asked:
    """What was said about these ids, the kind first.

    (OF_IDS, ident, origin, terms, set at, whether with a reason), and of consents (OF_PARTNER, ident, partner, recipient,
    until, number).
    """
    return _BESIDE.ask_among(tx, "idents", idents)


def beside(tx: Transaction, ident: int) -> list[Row]:
    """What our desk said beside one id, by origin."""
    rows = tx.execute(
        select(
            identifiers.c.stix_id,
            terms.c.origin,
            terms.c.terms,
            terms.c.set_at,
            terms.c.set_by,
            terms.c.reason,
        )
        .join(identifiers, identifiers.c.num == terms.c.ident)
        .where(terms.c.ident == ident)
        .order_by(terms.c.origin)
    )
    return [Row(*row) for row in rows]


def reasons(tx: Transaction, idents: Collection[int]) -> dict[tuple[int, int], str]:
    """(ident, origin) -> the reason that a person gave for terms about these ids; what came with a publication has none."""
    found: dict[tuple[int, int], str] = {}
    for part in parts(sorted(idents)):
        rows = tx.execute(
            select(terms.c.ident, terms.c.origin, terms.c.reason).where(
                terms.c.ident.in_(part), terms.c.reason.is_not(None)
            )
        )
        found.update(((row[0], row[1]), row[2]) for row in rows)
    return found


def replace(
    tx: Transaction,
    rows: Mapping[tuple[int, int], str | None],
    *,
    at: int,
    by: str,
    reason: str | None,
) -> None:
    """Write the terms of each (ident, origin), None for none any more. The caller reconsiders the ids."""
    for ident, origin in rows:
        tx.execute(delete(terms).where(terms.c.ident == ident, terms.c.origin == origin))
    written = [
        {
            "ident": ident, "origin": origin, "terms": text, "set_at": at, "set_by": by,
            "reason": reason,
        }
        for (ident, origin), text in rows.items()
        if text is not None
    ]  # fmt: skip
    if written:
        tx.execute(insert(terms), written)


def listing(tx: Transaction, *, limit: int) -> list[Row]:
    """What our desk said, the newest first."""
    rows = tx.execute(
        select(
            identifiers.c.stix_id,
            terms.c.origin,
            terms.c.terms,
            terms.c.set_at,
            terms.c.set_by,
            terms.c.reason,
        )
        .join(identifiers, identifiers.c.num == terms.c.ident)
        .order_by(terms.c.set_at.desc(), identifiers.c.stix_id, terms.c.origin)
        .limit(limit)
    )
    return [Row(*row) for row in rows]


def texts(tx: Transaction, *, holding: str) -> list[tuple[str, int, str]]:
    """(STIX id, origin, terms) of what our desk said, where the stored text has this word."""
    rows = tx.execute(
        select(identifiers.c.stix_id, terms.c.origin, terms.c.terms)
        .join(identifiers, identifiers.c.num == terms.c.ident)
        .where(terms.c.terms.contains(holding, autoescape=True))
    )
    return [(row[0], row[1], row[2]) for row in rows]


def shown_for(tx: Transaction, *, holding: str) -> list[tuple[str, str]]:
    """(STIX id, that of a derivative of it) of what `texts` finds."""
    shown = identifiers.alias("shown")
    rows = tx.execute(
        select(identifiers.c.stix_id, shown.c.stix_id)
        .join(derived_ids, derived_ids.c.original == identifiers.c.num)
        .join(shown, shown.c.num == derived_ids.c.ident)
        .where(
            identifiers.c.num.in_(
                select(terms.c.ident).where(terms.c.terms.contains(holding, autoescape=True))
            )
        )
    )
    return [(row[0], row[1]) for row in rows]


def idents_about(tx: Transaction, *, carrying: str) -> set[int]:
    """The ids that our desk's terms or consents are about, and those of versions that carry an extension of this id."""
    about = union(
        select(terms.c.ident),
        select(consents.c.ident).where(consents.c.ident.is_not(None)),
        select(objects.c.ident)
        .join(references, references.c.source == objects.c.id)
        .join(identifiers, identifiers.c.num == references.c.target)
        .where(identifiers.c.stix_id == carrying, objects.c.status == ObjectStatus.ACCEPTED.value),
    )
    return {row[0] for row in tx.execute(about)}


def forget_embargoes(tx: Transaction, object_ids: Collection[int]) -> None:
    """Drop the holds of embargoes on these versions: what stands is written anew when they are reconsidered."""
    for number in object_ids:
        tx.execute(delete(holds).where(holds.c.object == number, holds.c.rule == HOLD))
