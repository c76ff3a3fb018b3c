"""What our desk says beside objects of where they may go: terms of sharing, and a stricter marking of our own.

1. Terms stand beside an id, whoever's copy and whichever version: no later version and no pull loosens them. They never
   change a byte of an object.
2. Every change is one transaction with its ledger line, and decided at once for every audience.
3. A name that nobody bears is a mistake: what shuts out by a misspelt name would shut out nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import Final

import orjson

from cert_exchange.errors import InputRefused, NotFound
from cert_exchange.node import Node
from cert_exchange.policy.binding import Promise
from cert_exchange.policy.reading import nearest
from cert_exchange.policy.sharing_terms import (
    NO_TERMS,
    SharingTerms,
    from_text,
    onward_named,
    recipient_word,
    terms_of,
    to_text,
)
from cert_exchange.policy.spellings import micros_of, tlp_named
from cert_exchange.policy.wording import lasting
from cert_exchange.services.releasing import Line, Releasing
from cert_exchange.services.releasing.bindings import promises_of
from cert_exchange.services.releasing.evaluating import plans_for
from cert_exchange.services.releasing.orders import in_one_line
from cert_exchange.stix.instants import format_micros, parse_micros
from cert_exchange.stix.markings import Tlp
from cert_exchange.store import consents as consent_rows
from cert_exchange.store import objects, releases
from cert_exchange.store import policies as policy_rows
from cert_exchange.store import terms as rows
from cert_exchange.store import versions as version_rows
from cert_exchange.store.consents import ConsentRow
from cert_exchange.store.database import Transaction
from cert_exchange.store.tables import OWN, ObjectStatus
from cert_exchange.store.terms import EVERY

__all__ = [
    "Beside",
    "Changed",
    "ObjectTerms",
    "SharingTerms",
    "instant",
    "list_terms",
    "mark",
    "read_terms",
    "recipient",
    "say",
    "sentences",
    "set_terms",
    "show_terms",
]

SHOWN: Final = 10_000


@dataclass(frozen=True, slots=True)
class Beside:
    """What our desk said beside one id. `copies`: every copy, ours only, or a partner's."""

    stix_id: str
    copies: str
    said: tuple[str, ...]
    set_at: int
    set_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class ObjectTerms:
    """All that binds one object besides its markings and the policies."""

    stix_id: str
    beside: tuple[Beside, ...]
    carried: tuple[tuple[str, str, tuple[str, ...]], ...]
    """(origin, version, what the terms say that it carries itself)"""
    agreed: tuple[tuple[str, tuple[str, ...]], ...]
    """(partner, what the agreement with it says about what comes from there)"""
    consents: tuple[ConsentRow, ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """What was said, and the lines that the audiences gained and lost by it."""

    said: tuple[str, ...]
    lines: tuple[Line, ...]


def read_terms(
    node: Node,
    *,
    only_to: Collection[str] = (),
    not_to: Collection[str] = (),
    embargo: str | None = None,
    purpose: str | None = None,
    onward: str | None = None,
    test: bool = False,
) -> SharingTerms | None:
    """Terms as a person writes them; None where nothing is written. Raises InputRefused with what to write.

    `embargo` is an instant, or a duration from now.
    """
    if not (only_to or not_to or embargo or purpose or onward or test):
        return None
    with node.database.reading() as conn:
        known = policy_rows.partner_ids(conn).keys()
    step = None if onward is None else onward_named(onward)
    if onward is not None and step is None:
        raise InputRefused(
            f"{onward!r} says nothing about onward sharing; write none, ask or free."
        )
    words = " ".join((purpose or "").split())
    if len(words) > 500:
        raise InputRefused("The purpose is longer than 500 characters; say it shorter.")
    return SharingTerms(
        only_to=(_recipients(only_to, known),) if only_to else (),
        not_to=_recipients(not_to, known),
        embargo_until=None if embargo is None else instant(embargo, now=node.now()),
        purposes=(words,) if words else (),
        onward=step,
        test=test,
    )


def recipient(word: str, known: Collection[str]) -> str:
    """A recipient as terms spell it. Raises InputRefused for what names nobody here."""
    found = recipient_word(word)
    if found is None:
        raise InputRefused(
            f"{word!r} names no recipient; write a partner's name, country: and two letters, or an identity's id."
        )
    if ":" not in found and not found.startswith("identity--") and found not in known:
        raise InputRefused(f"There is no partner {found!r}; {nearest(found, known)}")
    return found


def set_terms(
    node: Node, stix_id: str, terms: SharingTerms | None, *, by: str, reason: str
) -> Changed:
    """Say anew where an object may go, in place of what our desk said before; None says nothing any more.

    Our own stricter marking and our overrides (`overriding`) stay. Raises NotFound when we hold no such object, InputRefused for a marking definition.
    """

    def change(before: SharingTerms) -> SharingTerms:
        return replace(
            terms or NO_TERMS,
            tlp=before.tlp,
            kept_here=before.kept_here,
            not_detected=before.not_detected,
        )

    return say(node, stix_id, change, by=by, reason=reason, alone=True)


def mark(node: Node, stix_id: str, level: str, *, by: str, reason: str) -> Changed:
    """Mark an object stricter here, beside it; `none` takes our own marking away again. Raises as `set_terms` does."""
    tlp = None if level.strip().casefold() == "none" else _level(level)
    return say(
        node, stix_id, lambda before: replace(before, tlp=tlp), by=by, reason=reason, alone=False
    )


def show_terms(node: Node, stix_id: str) -> ObjectTerms:
    """All that is known of where an object may go. Raises NotFound when we hold no such object."""
    with node.database.reading() as conn:
        ident = _held(conn, stix_id)
        sharing = releases.read_sharing(conn)
        promises = promises_of(plans_for(conn, sharing))
        versions = [v for v in version_rows.versions(conn, [ident]) if _counts(v.status)]
        bodies = dict(version_rows.ask_bodies(conn, {v.rendition for v in versions})())
        said = rows.beside(conn, ident)
        given = consent_rows.of_object(conn, ident)
    names = {**sharing.partners, OWN: "own"}
    carried = []
    for version in versions:
        words = _carried(bodies[version.rendition])
        if words:
            carried.append((names.get(version.origin, "?"), version.version, words))
    senders = sorted({names.get(v.origin, "?") for v in versions} & promises.keys())
    return ObjectTerms(
        stix_id,
        tuple(_beside(row, names) for row in said),
        tuple(carried),
        tuple((name, _promised(promises[name])) for name in senders),
        tuple(given),
    )


def sentences(node: Node, stix_id: str) -> list[str]:
    """All that binds an object, a sentence each; none for what we do not hold."""
    try:
        found = show_terms(node, stix_id)
    except NotFound:
        return []
    said = [f"our desk, {one.copies}: {'; '.join(one.said)}" for one in found.beside]
    said += [f"in version {n} of {who}: {'; '.join(what)}" for who, n, what in found.carried]
    said += [f"agreement with {who}: {'; '.join(what)}" for who, what in found.agreed]
    said += [
        f"consent {one.id} of {one.name} to {one.recipient} until {format_micros(one.until)}"
        for one in found.consents
        if one.ended_at is None
    ]
    return said


def list_terms(node: Node, *, limit: int = SHOWN) -> list[Beside]:
    """What our desk said beside objects, the newest first."""
    with node.database.reading() as conn:
        names = {**releases.read_sharing(conn).partners, OWN: "own"}
        return [_beside(row, names) for row in rows.listing(conn, limit=limit)]


def say(
    node: Node,
    stix_id: str,
    change: Callable[[SharingTerms], SharingTerms],
    *,
    by: str,
    reason: str,
    alone: bool,
) -> Changed:
    """Write what the change makes of the terms for every copy; `alone`: in place of those for single copies too.

    Raises NotFound when we hold no such object, InputRefused for a marking definition.
    """
    if stix_id.startswith("marking-definition--"):
        raise InputRefused(
            "A marking definition means the same to everybody; mark the objects that bear it."
        )

    def work(tx: Transaction) -> Changed:
        ident = _held(tx, stix_id)
        before = {row.origin: row.terms for row in rows.beside(tx, ident)}
        try:
            stood = from_text(before[EVERY]) if EVERY in before else NO_TERMS
        except ValueError:
            stood = NO_TERMS  # what cannot be read denied all; a person says it anew
        after = change(stood)
        text = None if after == NO_TERMS else to_text(after)

        def order(releasing: Releasing) -> None:
            written: dict[tuple[int, int], str | None] = {(ident, EVERY): text}
            if alone:
                written.update(((ident, one), None) for one in before if one != EVERY)
            rows.replace(tx, written, at=releasing.now, by=by, reason=reason)
            rows.forget_embargoes(tx, [v.id for v in version_rows.versions(tx, [ident])])
            releasing.reload()
            releasing.reconsider([ident])

        _, releasing = in_one_line(
            tx, node, "terms", by, order, id=stix_id, terms=text or "", reason=reason
        )
        return Changed(after.said, tuple(releasing.lines))

    return node.database.transact(work)


def _recipients(words: Iterable[str], known: Collection[str]) -> frozenset[str]:
    return frozenset(recipient(word, known) for word in words)


def instant(text: str, *, now: int) -> int:
    """An instant ahead, or a duration from now, in micros. Raises InputRefused."""
    try:
        found = parse_micros(text.strip())
    except ValueError:
        try:
            found = now + micros_of(text)
        except ValueError as error:
            raise InputRefused(
                f"{text!r} is no instant and no duration; write 2026-12-01T08:00:00Z or 48 hours."
            ) from error
    if found <= now:
        raise InputRefused(f"{text} has passed already; name a later instant.")
    return found


def _level(text: str) -> Tlp:
    found = tlp_named(text)
    if found is None:
        raise InputRefused(
            f"{text!r} is no TLP level; write clear, green, amber, amber+strict or red."
        )
    return found


def _held(conn: Transaction, stix_id: str) -> int:
    ident = objects.idents_of(conn, [stix_id]).get(stix_id)
    if ident is None or not version_rows.held(conn, [ident]):
        raise NotFound(f"we hold no object {stix_id}; see `search`")
    return ident


def _counts(status: str) -> bool:
    return status == ObjectStatus.ACCEPTED.value


def _carried(body: str) -> tuple[str, ...]:
    try:
        found = terms_of(orjson.loads(body))
    except ValueError as error:
        return (f"cannot be read: {error}",)
    return () if found is None else found.said


def _promised(promise: Promise) -> tuple[str, ...]:
    said = [f"onward: {promise.onward.name.lower()}"]
    if promise.embargo is not None:
        said.append(f"embargo of {lasting(promise.embargo)}")
    if promise.retention is not None:
        said.append(f"retention of {lasting(promise.retention)}")
    return tuple(said)


def _beside(row: rows.Row, names: dict[int, str]) -> Beside:
    copies = "every copy" if row.origin == EVERY else f"what came from {names.get(row.origin, '?')}"
    try:
        said = from_text(row.terms).said
    except ValueError:
        said = ("cannot be read: it is shared with nobody",)
    return Beside(row.stix_id, copies, said, row.set_at, row.set_by, row.reason or "")
