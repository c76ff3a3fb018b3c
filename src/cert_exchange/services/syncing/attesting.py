"""What we sign of what a target was pushed, and the receipt that its server answers.

1. It is done at the end of a run, where the target's server is a cert-exchange and a key of its partner is pinned: one
   statement for up to MOST objects, over what the partner's view holds up to the target's cursor.
2. A statement without a receipt is sent again, unchanged, before a new one is made; the server answers the same receipt.
   Before anything is sent the server is asked how far it has our statements: one of the two stores may have been restored.
   What it lacks it gets again; where we lack what it has, ours goes on from there, and says so.
3. What goes wrong here takes nothing back of what was pushed: the statement stays open, and is shown.
"""

from __future__ import annotations

from typing import Final

from cert_exchange import errors
from cert_exchange.messages.deliveries import Way, pairs_of
from cert_exchange.remote import peering
from cert_exchange.remote.connection import Connection
from cert_exchange.services import deliveries, signing
from cert_exchange.services.deliveries import Span, Told
from cert_exchange.services.syncing.reporting import Run
from cert_exchange.store import collections as collection_rows
from cert_exchange.store import deliveries as rows
from cert_exchange.store import partner_keys

NO_RECEIPTS: Final = "it takes no statements, although a key of its partner is pinned"


def attest(run: Run, connection: Connection) -> None:
    """State what was pushed and take the receipts. Raises StoreError; what the remote does wrong is noted."""
    node, channel = run.node, run.channel
    if run.options.server != "cert-exchange" or channel.pending is not None:
        return
    with node.database.reading() as tx:
        if not partner_keys.keys_of(tx, channel.partner):
            return
        uuid = next(
            one.uuid
            for one in collection_rows.declared(tx).values()
            if one.id == channel.collection
        )
    span = Span(
        channel.partner, channel.collection, uuid, Way.PUSHED, channel.remote_collection, 0,
        upto=channel.position,
    )  # fmt: skip
    try:
        _go_on(run, connection, span)
    except errors.RemoteError as error:
        run.note(f"a statement of what was pushed got no receipt: {error.public}")
    except errors.SignatureBroken as broken:
        run.note(f"its receipt is broken: {broken.public}")


def _go_on(run: Run, connection: Connection, span: Span) -> None:
    node = run.node
    with node.database.reading() as tx:
        open_ = rows.without_receipt(tx, span.partner, ours=True, way=span.way, stream=span.stream)
    if not open_ and not deliveries.owes(node, span):
        return
    has = _has(run, connection, span)
    for row in open_:
        if row.seq > (0 if has is None else has[0]):
            break  # told in its turn
        if not _send(run, connection, deliveries.tell_long(node, row)):
            return
    while True:
        told = deliveries.tell_next(node, span, has)
        if told is None or not _send(run, connection, deliveries.tell_long(node, told.row)):
            return
        has = told.row.seq, told.row.digest


def _has(run: Run, connection: Connection, span: Span) -> tuple[int, bytes] | None:
    """How far the server has our statements; where it does not say, or has more than we ever made, how far we came.

    In the second case it finds that our history forked, and so do we.
    """
    with run.node.database.reading() as tx:
        last = rows.last(tx, span.place)
    ours = None if last is None else (last.seq, last.digest)
    params = {"collection": run.channel.remote_collection, "stream": span.stream}
    answer = peering.ask(connection, "delivered", params)
    if answer is None or "has" not in answer:
        return ours
    try:
        theirs = pairs_of({} if answer["has"] is None else {span.stream: answer["has"]})
    except ValueError:
        return ours
    has = theirs.get(span.stream)
    if has is not None and deliveries.went_back(run.node, span, has) is not None:
        run.note(f"it has a statement {has[0]} of ours that we do not know: were we restored?")
        return ours
    return has


def _send(run: Run, connection: Connection, told: Told) -> bool:
    """Send one statement and take its receipt; False where the server knows none."""
    body = {
        "collection": run.channel.remote_collection,
        **told.document(),
        **signing.our_list(run.node),
    }
    answer = peering.tell(connection, "deliveries", body)
    if answer is None:
        run.note(NO_RECEIPTS)
        return False
    receipt = deliveries.take_receipt(run.node, run.channel.partner, answer).receipt
    wrong = deliveries.wrong_of(receipt)
    if wrong:
        run.note(f"{wrong} objects of statement {receipt.seq} are not there as we signed them")
    return True
