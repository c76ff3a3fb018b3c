"""What views show in place of an object, and what partners say about it under either id: for our own people.

1. Reading only, in the caller's transaction; nothing here is on a partner's way and nothing decides.
2. What a partner says about a derivative keeps its bytes. It is about the original only where the derivative was made
   for an audience that the partner belongs to, or did (DECISIONS 16): elsewhere its id says nothing.
3. Instants are microseconds since 1970 UTC.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select, text

from cert_exchange.stix.references import Role
from cert_exchange.store.database import Transaction
from cert_exchange.store.statements import parts
from cert_exchange.store.tables import (
    ANSWERING,
    OWN,
    ObjectStatus,
    audience_members,
    audiences,
    collections,
    derivatives,
    derived_ids,
    identifiers,
    live,
    objects,
    references,
    release_log,
    renditions,
    views,
)

_newer = objects.alias("newer")
_others = objects.alias("others")
_originals = identifiers.alias("originals")
_subject = objects.alias("subject")
_borne = references.alias("borne")
_extension = identifiers.alias("extension")


@dataclass(frozen=True, slots=True)
class Shown:
    """One version of a derivative: what an audience is, or was, shown in place of an object version."""

    object: int
    source: int
    """the version (objects.id) that it was made of"""
    original: str
    """the STIX id of what it stands for"""
    audience: str
    stix_id: str
    version: str
    withheld: tuple[str, ...]
    """the kinds of what was taken away; empty where only references were rewritten"""
    revoked: bool
    """its last version: it stands for nothing any more"""
    made_at: int


@dataclass(frozen=True, slots=True)
class Place:
    """A line in force of a derivative."""

    object: int
    collection: str
    since: int
    rule: str


@dataclass(frozen=True, slots=True)
class Said:
    """The newest version of something that a partner sent us and that refers to an object, under one of its ids."""

    stix_id: str
    type: str
    version: str
    origin: int
    status: str
    stored_at: int
    revoked: bool
    about: str
    """the id that it names: the object's own, or that of a derivative"""
    body: str
    object: int
    """objects.id"""


_SHOWN = (
    select(
        derivatives.c.object,
        derivatives.c.source,
        _originals.c.stix_id.label("original"),
        audiences.c.name,
        identifiers.c.stix_id,
        objects.c.version,
        derivatives.c.withheld,
        objects.c.revoked,
        derivatives.c.made_at,
    )
    .join(objects, objects.c.id == derivatives.c.object)
    .join(identifiers, identifiers.c.num == objects.c.ident)
    .join(_originals, _originals.c.num == derivatives.c.original)
    .join(audiences, audiences.c.id == derivatives.c.audience)
    .order_by(audiences.c.name, derivatives.c.object)
)


def shown_for(conn: Transaction, original: int) -> list[Shown]:
    """Every version of every derivative of an object, by audience, the oldest first."""
    rows = conn.execute(_SHOWN.where(derivatives.c.original == original))
    return [Shown(*row[:6], tuple(json.loads(row[6])), bool(row[7]), row[8]) for row in rows]


def shown_by(conn: Transaction, object_ids: Iterable[int]) -> dict[int, Shown]:
    """What these versions of derivatives stand for; other versions are left out."""
    found: dict[int, Shown] = {}
    for part in parts(object_ids):
        for row in conn.execute(_SHOWN.where(derivatives.c.object.in_(part))):
            found[row[0]] = Shown(*row[:6], tuple(json.loads(row[6])), bool(row[7]), row[8])
    return found


def places_of(conn: Transaction, object_ids: Iterable[int]) -> list[Place]:
    """Where versions of derivatives are in force, and by which rule."""
    found: list[Place] = []
    for part in parts(object_ids):
        rows = conn.execute(
            select(
                live.c.object,
                func.coalesce(collections.c.alias, collections.c.uuid),
                live.c.position,
                release_log.c.rule,
            )
            .join(views, views.c.id == live.c.view)
            .join(collections, collections.c.id == views.c.collection)
            .join(
                release_log,
                and_(release_log.c.view == live.c.view, release_log.c.position == live.c.position),
            )
            .where(live.c.object.in_(part))
            .order_by(live.c.position)
        )
        found.extend(Place(*row) for row in rows)
    return found


def original_of(conn: Transaction, stix_id: str) -> str | None:
    """The id of what a derivative's id stands for; None for an id that is not in our map."""
    return conn.execute(
        select(_originals.c.stix_id)
        .join(derived_ids, derived_ids.c.original == _originals.c.num)
        .join(identifiers, identifiers.c.num == derived_ids.c.ident)
        .where(identifiers.c.stix_id == stix_id)
    ).scalar_one_or_none()


_SAID: Select[Any] = (
    select(
        identifiers.c.stix_id, objects.c.type, objects.c.version, objects.c.origin,
        objects.c.status, objects.c.stored_at, objects.c.revoked,
        _originals.c.stix_id.label("about"), renditions.c.body,
        objects.c.id,
    )
    .join(references, references.c.source == objects.c.id)
    .join(identifiers, identifiers.c.num == objects.c.ident)
    .join(renditions, renditions.c.id == objects.c.rendition)
    .join(_originals, _originals.c.num == references.c.target)
    .outerjoin(derived_ids, derived_ids.c.ident == references.c.target)
    .where(
        references.c.role == Role.REQUIRED.value,
        objects.c.status != ObjectStatus.DERIVATIVE.value,
        ~exists().where(
            _newer.c.ident == objects.c.ident,
            _newer.c.origin == objects.c.origin,
            _newer.c.version_key > objects.c.version_key,
        ),
    )
    .order_by(objects.c.id.desc())
)  # fmt: skip
_A_MEMBER = exists().where(
    audience_members.c.audience == derived_ids.c.audience,
    audience_members.c.partner == objects.c.origin,
)
_ANSWERING: Final = ("sighting", "opinion", "note")
_AN_ANSWER: Final = text(f"objects.{ANSWERING}")
_sender: Final = objects.c.origin + 0
"""Who sent it; a sum, so that SQLite looks among the answers and not among all that came from there."""


def said_about(conn: Transaction, ident: int, *, limit: int) -> list[Said]:
    """What partners sent that refers to an object, by its own id or a derivative's, the newest stored first.

    Proposals are in it: what is said to us counts, whoever may say it.
    """
    rows = conn.execute(
        _SAID.where(
            or_(
                references.c.target == ident,
                and_(
                    references.c.target.in_(
                        select(derived_ids.c.ident).where(derived_ids.c.original == ident)
                    ),
                    _A_MEMBER,
                ),
            ),
            objects.c.ident != ident,
            objects.c.origin != OWN,
        ).limit(limit)
    )
    return [Said(*row) for row in rows]


def brought_by_others(conn: Transaction, found: Iterable[Said]) -> set[int]:
    """Of these the proposals (objects.id) under an id that another brought: only that one's words are said under it."""
    proposed = {one.object for one in found if one.status == ObjectStatus.PROPOSAL.value}
    kept: set[int] = set()
    for part in parts(sorted(proposed)):
        kept |= set(
            conn.execute(
                select(objects.c.id).where(
                    objects.c.id.in_(part),
                    exists().where(
                        _others.c.ident == objects.c.ident,
                        _others.c.origin != objects.c.origin,
                        _others.c.status == ObjectStatus.ACCEPTED.value,
                    ),
                )
            ).scalars()
        )
    return kept


def heard(
    conn: Transaction, *, partner: int | None, limit: int, bearing: str | None = None
) -> list[Said]:
    """What partners say about objects of ours, or about derivatives of theirs, the newest stored first; a row for each.

    Sightings, opinions and notes, or only what bears an extension; identities, which sightings name as places, are no
    subject.
    """
    wanted = _bearing(bearing).where(
        _AN_ANSWER,
        or_(_held_from(ours=True), and_(derived_ids.c.ident.is_not(None), _A_MEMBER)),
    )
    who = _sender != OWN if partner is None else _sender == partner
    return [Said(*row) for row in conn.execute(wanted.where(who).limit(limit))]


def heard_of_others(
    conn: Transaction, *, partner: int | None, limit: int, bearing: str
) -> list[Said]:
    """What partners say about objects that are not ours, and that bears an extension; the newest stored first.

    Places that sightings name are no subject.
    """
    wanted = _bearing(bearing).where(
        objects.c.type.in_(_ANSWERING),
        ~_held_from(ours=True),
        derived_ids.c.ident.is_(None),
        _originals.c.stix_id.not_like("identity--%"),
        _originals.c.stix_id.not_like("location--%"),
    )
    who = objects.c.origin != OWN if partner is None else objects.c.origin == partner
    return [Said(*row) for row in conn.execute(wanted.where(who).limit(limit))]


def naming_ours(conn: Transaction, partner: int, *, limit: int) -> list[Said]:
    """What a partner says about objects of ours, or about derivatives, whosever they are; the newest stored first."""
    wanted = _SAID.where(
        _AN_ANSWER,
        _sender == partner,
        or_(_held_from(ours=True), derived_ids.c.ident.is_not(None)),
    )
    return [Said(*row) for row in conn.execute(wanted.limit(limit))]


def given(conn: Transaction, *, limit: int, bearing: str | None = None) -> list[Said]:
    """What our desk says about partners' objects, the newest stored first; a row for each object."""
    wanted = _bearing(bearing).where(_AN_ANSWER, _sender == OWN, _held_from(ours=False))
    return [Said(*row) for row in conn.execute(wanted.limit(limit))]


def given_about(conn: Transaction, ident: int, *, limit: int) -> list[Said]:
    """What our desk says about one object in sightings, opinions and notes, the newest stored first."""
    wanted = _SAID.where(
        references.c.target == ident,
        objects.c.ident != ident,
        objects.c.type.in_(_ANSWERING),
        objects.c.origin == OWN,
    )
    return [Said(*row) for row in conn.execute(wanted.limit(limit))]


def _bearing(extension: str | None) -> Select[Any]:
    """Only what bears this extension, found by it; all where None."""
    if extension is None:
        return _SAID
    return _SAID.where(
        objects.c.id.in_(
            select(_borne.c.source)
            .join(_extension, _extension.c.num == _borne.c.target)
            .where(_extension.c.stix_id == extension)
        )
    )


def _held_from(*, ours: bool) -> ColumnElement[bool]:
    return exists().where(
        _subject.c.ident == references.c.target,
        _subject.c.origin == OWN if ours else _subject.c.origin != OWN,
        _subject.c.status == ObjectStatus.ACCEPTED.value,
        _subject.c.type != "identity",
    )
