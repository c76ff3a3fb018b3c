"""One partner's sources and targets compared with what its servers show, and repaired where a person says so.

1. Without `repair` nothing changes, here or there; but reading counts as fetched there, as with any poll.
2. Each collection of ours is compared on its own: one server that fails spoils no other's comparison.
3. A repair is followed by no second comparison: what became of each object is counted, and the next one shows the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from cert_exchange import errors
from cert_exchange.node import Node
from cert_exchange.services.drift import looking_back
from cert_exchange.services.drift.incoming import compare_incoming
from cert_exchange.services.drift.kinds import FETCHED, Account, Compared, Kind
from cert_exchange.services.drift.outgoing import compare_outgoing
from cert_exchange.services.drift.repairing import fetch_missing, send_missing
from cert_exchange.services.drift.walking import Walk
from cert_exchange.services.syncing.arranging import connect
from cert_exchange.services.syncing.running import refuse_closed
from cert_exchange.store import channels, introductions, outgoing
from cert_exchange.store import collections as collection_rows
from cert_exchange.store import partners as partner_rows
from cert_exchange.store.channels import Channel
from cert_exchange.store.notebook import Notebook

EXAMPLES = 100
Progress = Callable[[int, int | None], None]


def reconcile(
    node: Node,
    partner: str,
    *,
    channel: str | None = None,
    repair: bool = False,
    by: str = "desk",
    limit: int = EXAMPLES,
    progress: Progress | None = None,
) -> Account:
    """Compare what a partner's servers show with what is here, both ways; `channel`: only the source or target of this name.

    `limit`: how many differences of each kind are named. What a remote did wrong stands in the account. Raises NotFound,
    StoreError.
    """
    at = node.now()
    with node.database.reading() as tx:
        found = partner_rows.find_partner(tx, partner)
        every = (
            []
            if found is None
            else [one for one in channels.channels(tx) if one.partner == found.id]
        )
        names = {each.id: each.alias or each.uuid for each in collection_rows.declared(tx).values()}
    if found is None:
        raise errors.NotFound(f"There is no partner {partner}; see `partner list`.")
    wanted = [one for one in every if channel in (None, one.name)]
    if not wanted:
        raise errors.NotFound(
            f"There is no source or target of {partner}"
            + (f" named {channel}" if channel else "")
            + " to compare over; what it fetches from us itself is compared by `ledger reconcile`."
        )
    done = 0

    def went(more: int) -> None:
        nonlocal done
        done += more
        if progress is not None:
            progress(done, None)

    parts = []
    for group in _groups(wanted, every):
        label = names.get(group[0].collection, str(group[0].collection))
        compared = Compared(tuple(one.name for one in group), group[0].direction, label)
        parts.append(compared)
        begun = node.clock.monotonic()
        try:
            with Notebook() as book:
                _compare(node, group, book, compared, went)
                if repair and not compared.trouble:
                    _repair(node, group, book, compared, by=by, went=went)
                compared.examples = [
                    one for kind in Kind for one in book.found(kind.value, limit=limit)
                ]
        except errors.RemoteError as error:
            compared.trouble, compared.failed = error.public, True
        except errors.ConfigurationInvalid as error:
            compared.trouble = error.public
        compared.seconds = node.clock.monotonic() - begun
    return Account(partner, at, tuple(parts))


def _groups(wanted: Sequence[Channel], every: Iterable[Channel]) -> list[list[Channel]]:
    """Targets one by one; sources that fill one collection of ours together, also where one of them was named."""
    pulled = {one.collection for one in wanted if one.direction == "pull"}
    sources: dict[int, list[Channel]] = {}
    for one in every:
        if one.direction == "pull" and one.collection in pulled:
            sources.setdefault(one.collection, []).append(one)
    return [*sources.values(), *([one] for one in wanted if one.direction == "push")]


def _compare(
    node: Node,
    group: list[Channel],
    book: Notebook,
    compared: Compared,
    went: Callable[[int], None],
) -> None:
    for one in group:
        with node.database.reading() as tx:
            confined = introductions.is_confined(tx, one.partner, one.collection)
        refuse_closed(one, confined=confined)
    walks = [Walk(node, one, connect(node, one)) for one in group]
    sign, note = "", ""
    if walks[0].connection.options.server == "cert-exchange":
        sign, note = looking_back.announced(node, group[0].partner, walks[0].connection)
    if sign:
        compared.went_back.append(sign)
    try:
        if compared.direction == "pull":
            compare_incoming(node, walks, book, compared, went)
            compared.went_back += looking_back.shown(walks, compared)
        else:
            _compare_target(node, walks[0], book, compared, went)
    except errors.RemoteRefused as refusal:
        if compared.direction == "push" and refusal.remote_status in (403, 404):
            compared.trouble = (
                f"{refusal.public} We may write there and not read, so it cannot be compared: ask its people for the"
                " right to read, or for what they hold"
            )
        else:
            raise
    finally:
        compared.notes += [f"{one.channel.name}: {said}" for one in walks for said in one.notes]
    if not all(one.whole for one in walks):
        compared.trouble = compared.trouble or "it was not read to its end: see the notes"
    if note and compared.drifted:
        compared.notes.append(note)


def _compare_target(
    node: Node, walk: Walk, book: Notebook, compared: Compared, went: Callable[[int], None]
) -> None:
    channel = walk.channel
    with node.database.reading() as tx:
        found = outgoing.view_of(tx, partner=channel.partner, collection=channel.collection)
    if found is None:
        compared.trouble = "no policy gives this partner a view of the collection: nothing is sent"
        return
    if found[0] != channel.view:
        compared.trouble = (
            "what this partner may see has changed since the target ran last: let it run first"
        )
        return
    compare_outgoing(node, walk, found[0], book, compared, went)


def _repair(
    node: Node,
    group: list[Channel],
    book: Notebook,
    compared: Compared,
    *,
    by: str,
    went: Callable[[int], None],
) -> None:
    compared.repaired = {}
    done = []
    if compared.direction == "push" and compared.counts.get(Kind.MISSING_THERE):
        done.append(send_missing(node, group[0], book, by=by, progress=went))
    elif compared.direction == "pull" and any(compared.counts.get(kind) for kind in FETCHED):
        done += [
            fetch_missing(node, one, book, place, progress=went) for place, one in enumerate(group)
        ]
    for one in done:
        for name, number in one.counts.items():
            compared.repaired[name] = compared.repaired.get(name, 0) + number
        if one.trouble:
            compared.unrepaired, compared.failed = one.trouble, one.failed
