"""Requests as our desk looks for them: all, or one by what a person calls it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from cert_exchange.errors import InputRefused, NotFound
from cert_exchange.node import Node
from cert_exchange.services.exercises import Mark, exercises
from cert_exchange.services.requesting.counting import Word, last_of
from cert_exchange.services.requesting.threads import (
    Parties,
    asked_by,
    dated,
    ends,
    put_together,
)
from cert_exchange.services.requesting.time_lines import KEPT_BACK, Thread
from cert_exchange.store import channels, releases
from cert_exchange.store import requests as rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.requests import Outline
from cert_exchange.store.tables import OWN

_SHORTEST: Final = 4
"""So many characters of an id name a request at least."""


def threads(
    node: Node,
    *,
    partner: str | None = None,
    only: Collection[str] | None = None,
    settled: bool = True,
) -> list[Thread]:
    """Every request that we sent or got, the newest first; of one partner, or of these ids alone.

    `settled`: those too of which nothing is waited for any more; without them thousands cost little. Raises NotFound for an
    unknown partner.
    """
    with node.database.reading() as tx:
        parties = parties_of(tx, node.identity)
        if partner is not None and partner not in parties.names.values():
            raise NotFound(f"there is no partner {partner!r}; see `partner list`")
        sides = [OWN, *sorted(parties.names)]
        asking = rows.asking(tx, sides)
        if only is not None:
            asking = [one for one in asking if one.stix_id in only]
        if not settled:
            over = _settled(tx, asking, sides, parties, node.now())
            asking = [one for one in asking if one.ident not in over]
        asked = asked_by(rows.letters(tx, [one.object for one in asking]), parties)
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
    mine = [one for one in found if partner in (None, one.partner) and (settled or not one.settled)]
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


def _settled(
    tx: Transaction,
    asking: Sequence[Outline],
    sides: Sequence[int],
    parties: Parties,
    now: int,
) -> set[int]:
    """Of these requests those whose last word ends them: `put_together` would say the same of each."""
    first: dict[int, Outline] = {}
    for one in sorted(asking, key=lambda one: one.version_key):
        first.setdefault(one.ident, one)
    said: dict[int, list[Outline]] = {}
    gone: set[int] = set()
    for target, one in rows.spoken(tx, sides):
        if one.revoked:
            gone.add(one.ident)
        if target in first:
            said.setdefault(target, []).append(one)
    last = {target: _last(those, now) for target, those in said.items()}
    wanted = {one.object for one in last.values() if one.ident not in gone}
    wanted |= {first[target].object for target in last}
    found = {one.object: one for one in rows.letters(tx, wanted)}
    return {
        target
        for target, one in last.items()
        if one.ident not in gone and ends(found[first[target].object], found[one.object], parties)
    }


def _last(said: Sequence[Outline], now: int) -> Outline:
    """The word of these that counts last."""
    newest = max(said, key=lambda one: (one.version_key, one.stix_id))
    if newest.object == max(one.object for one in said) and newest.stored_at == max(
        one.stored_at for one in said
    ):
        return newest  # dated last and come last: no need to place the others
    numbers = {one.object: one for one in said}
    return numbers[last_of([_placed(one) for one in said], now).number]


def _placed(one: Outline) -> Word:
    return Word(
        one.object, one.version_key, one.stix_id, dated(one.version, one.stored_at), one.stored_at
    )


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
