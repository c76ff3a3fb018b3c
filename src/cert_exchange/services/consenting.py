"""Consents: who allowed what to whom until when (docs/terms.md).

1. A consent lifts what its originator said, and that what is above TLP:GREEN is not for others; never the ceiling, a rule
   or what our desk said.
2. It is recorded with the person who gave it, in the ledger, and always ends: what stands only by it leaves the views in
   the transaction that ends it.
3. From its last instant on it lets nothing new pass, also before the worker has ended it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cert_exchange.errors import CursorMoved, InputRefused, NotFound
from cert_exchange.node import Node
from cert_exchange.policy.sharing_terms import ANYONE
from cert_exchange.services import retention, terms
from cert_exchange.services.releasing import Releasing
from cert_exchange.services.releasing.orders import in_one_line
from cert_exchange.stix.instants import format_micros
from cert_exchange.store import consents as rows
from cert_exchange.store import objects
from cert_exchange.store import policies as policy_rows
from cert_exchange.store import versions as version_rows
from cert_exchange.store.consents import ConsentRow
from cert_exchange.store.database import Transaction

__all__ = ["ConsentRow", "Recorded", "end", "end_due", "give", "list_consents"]

DUE: Final = 100
_CLOCK: Final = "clock"


@dataclass(frozen=True, slots=True)
class Recorded:
    """A consent that was written down or ended, and how many lines the audiences gained or lost by it."""

    consent: ConsentRow
    lines: int


def give(
    node: Node,
    partner: str,
    *,
    to: str,
    until: str,
    said_by: str,
    stix_id: str | None = None,
    note: str | None = None,
    by: str,
    granted_by: int | None = None,
) -> Recorded:
    """Write down that a partner allowed passing on one object, or all that came from it.

    `to`: a partner's name, `country:XX`, an identity's id or `any`; `until`: an instant or a duration; `said_by`: the
    person there; `granted_by`: objects.id of the answer to a request of ours that allowed it. Raises NotFound, InputRefused,
    CursorMoved where that answer was recorded meanwhile.
    """
    person = " ".join(said_by.split())
    if not person:
        raise InputRefused("Who there allowed it? Name the person.")
    now = node.now()
    ends = terms.instant(until, now=now)
    with node.database.reading() as conn:
        known = policy_rows.partner_ids(conn)
    number = _partner(known, partner)
    word = ANYONE if to.strip().casefold() == ANYONE else terms.recipient(to, known)
    if word == partner:
        raise InputRefused(f"{partner} has it from itself; name who it may go to.")

    def work(tx: Transaction) -> Recorded:
        ident = None if stix_id is None else _brought(tx, stix_id, number, partner)

        def order(releasing: Releasing) -> int:
            if granted_by is not None and rows.is_granted(tx, granted_by, ident, word):
                raise CursorMoved("consents")
            consent = rows.record(
                tx, partner=number, ident=ident, recipient=word, until=ends, said_by=person,
                note=note, at=releasing.now, by=by, granted_by=granted_by,
            )  # fmt: skip
            if ident is not None:
                releasing.reload()
                releasing.reconsider([ident])
            return consent

        consent, releasing = in_one_line(
            tx, node, "consent", by, order, partner=partner, id=stix_id or "all", to=word,
            until=format_micros(ends), said_by=person, note=note or "",
        )  # fmt: skip
        return Recorded(_found(tx, consent), releasing.released)

    done = node.database.transact(work)
    if stix_id is not None:
        return done
    gained = retention.look_again(node, number, kind="consent-gains", by=by)
    return Recorded(done.consent, done.lines + gained)


def end(node: Node, number: int, *, by: str, reason: str) -> Recorded:
    """End a consent now. Raises NotFound for an unknown one, InputRefused for one that has ended."""

    def work(tx: Transaction) -> Recorded:
        consent = _found(tx, number)
        if consent.ended_at is not None:
            raise InputRefused(
                f"Consent {number} ended at {format_micros(consent.ended_at)} by {consent.ended_by}."
            )

        def order(releasing: Releasing) -> None:
            rows.end(tx, number, at=releasing.now, by=by)
            releasing.reload()
            if consent.ident is not None:
                releasing.reconsider([consent.ident])
            else:
                retention.look_again_at_once(releasing, consent.partner)

        _, releasing = in_one_line(
            tx, node, "consent-ended", by, order, consent=number, partner=consent.name,
            id=consent.stix_id or "all", to=consent.recipient, reason=reason,
        )  # fmt: skip
        return Recorded(_found(tx, number), releasing.released)

    return node.database.transact(work)


def end_due(node: Node) -> int:
    """End the consents whose time is over; how many. The worker does so."""
    with node.database.reading() as conn:
        passed = rows.due(conn, now=node.now(), limit=DUE)
    for consent in passed:
        end(node, consent.id, by=_CLOCK, reason="its time is over")
    return len(passed)


def list_consents(
    node: Node, *, partner: str | None = None, ended: bool = False
) -> list[ConsentRow]:
    """The consents that stand, by number; with `ended` those that are over too. Raises NotFound for an unknown partner."""
    with node.database.reading() as conn:
        if partner is not None:
            _partner(policy_rows.partner_ids(conn), partner)
        return rows.listing(conn, partner=partner, open_only=not ended)


def _partner(known: dict[str, int], name: str) -> int:
    if name not in known:
        raise NotFound(f"there is no partner {name!r}; see `partner list`")
    return known[name]


def _brought(tx: Transaction, stix_id: str, partner: int, name: str) -> int:
    ident = objects.idents_of(tx, [stix_id]).get(stix_id)
    if ident is None or not version_rows.sent_by(tx, [ident], [partner]):
        raise NotFound(f"we hold no object {stix_id} that came from {name}; see `search`")
    return ident


def _found(tx: Transaction, number: int) -> ConsentRow:
    consent = rows.find(tx, number)
    if consent is None:
        raise NotFound(f"there is no consent {number}; see `consent list --ended`")
    return consent
