"""Requests as our desk looks for them: all, or one by what a person calls it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from cert_exchange.errors import InputRefused, NotFound
from cert_exchange.node import Node
from cert_exchange.services.exercises import Mark, exercises
from cert_exchange.services.requesting.threads import (
    KEPT_BACK,
    Parties,
    Thread,
    asked_by,
    put_together,
)
from cert_exchange.store import channels, releases
from cert_exchange.store import requests as rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.tables import OWN

_SHORTEST: Final = 4
"""So many characters of an id name a request at least."""


def threads(
    node: Node, *, partner: str | None = None, only: Collection[str] | None = None
) -> list[Thread]:
    """Every request that we sent or got, the newest first; of one partner, or of these ids alone.

    Raises NotFound for an unknown partner.
    """
    with node.database.reading() as tx:
        parties = parties_of(tx, node.identity)
        if partner is not None and partner not in parties.names.values():
            raise NotFound(f"there is no partner {partner!r}; see `partner list`")
        sides = [OWN, *sorted(parties.names)]
        asked = asked_by(rows.bearing(tx, sides), parties)
        if only is not None:
            asked = {one: asked[one] for one in only if one in asked}
        replies = rows.referring(tx, {those[0].letter.ident for those in asked.values()}, sides)
        letters = [one.letter for those in asked.values() for one in those]
        letters += [one for those in replies.values() for one in those]
        places = rows.places_of(tx, {one.ident for one in letters if one.origin == OWN})
        pushed = {
            (one.partner, one.view): one.position
            for one in channels.channels(tx)
            if one.direction == "push" and one.view is not None
        }
        drill = exercises(tx)
    marks = {(one.partner, one.view): one.position for one in node.marks.everything()}
    now = node.now()

    def reach(number: int, ident: int) -> str:
        return _reached(places.get(ident, {}).get(number, ()), number, marks, pushed)

    found = [
        put_together(
            versions, replies.get(versions[0].letter.ident, ()), parties, now=now, reach=reach,
            test=any(
                drill.mark(one.letter.stix_id, one.letter.origin, one.letter.body) is not Mark.REAL
                for one in versions
            ),
        )
        for versions in asked.values()
    ]  # fmt: skip
    mine = [one for one in found if partner in (None, one.partner)]
    return sorted(mine, key=lambda one: (one.asked_at, one.stix_id), reverse=True)


def find(node: Node, named: str) -> Thread:
    """The request of this id, of the beginning of its id (4 characters or more), or with this ticket number of either side.

    Raises NotFound, and InputRefused where several are meant.
    """
    wanted = named.strip()
    low = wanted.casefold().removeprefix("note--")
    every = {one.stix_id.removeprefix("note--"): one for one in threads(node)}
    if low in every:
        return every[low]
    # Both at once: nobody makes an id that begins like another's ticket number, and gets the answer.
    found = [
        one
        for key, one in every.items()
        if (len(low) >= _SHORTEST and key.startswith(low))
        or (wanted and wanted in one.tickets.values())
    ]
    if not found:
        raise NotFound(f"there is no request {named!r}; see `request list`")
    if len(found) > 1:
        raise InputRefused(
            f"{named!r} may be {', '.join(f'{one.short} of {one.partner}' for one in found[:5])}; give the id as"
            " `request list` shows it."
        )
    return found[0]


def parties_of(tx: Transaction, own: str) -> Parties:
    """Who may speak here."""
    sharing = releases.read_sharing(tx)
    spoken = sharing.said.spoken
    names = dict(sharing.partners)
    names.pop(OWN, None)
    return Parties(
        own, names, {number: spoken.get(name, frozenset()) for number, name in names.items()}
    )


def _reached(
    lines: Sequence[tuple[int, int]],
    partner: int,
    marks: Mapping[tuple[int, int], int],
    pushed: Mapping[tuple[int, int], int],
) -> str:
    """How far a note of ours got at a partner that may poll these (view, position)."""
    if not lines:
        return KEPT_BACK
    if any(marks.get((partner, view), 0) >= position for view, position in lines):
        return "fetched"
    if any(pushed.get((partner, view), 0) >= position for view, position in lines):
        return "pushed"
    return "not fetched yet"
