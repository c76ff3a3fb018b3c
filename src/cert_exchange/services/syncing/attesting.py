"""What we sign of what a target was pushed, and the receipt that its server answers.

1. It is done at the end of a run, where the target's server is a cert-exchange and a key of its partner is pinned: one
   statement for up to MOST objects, over what the partner's view holds up to the target's cursor.
2. A statement without a receipt is sent again, unchanged, before a new one is made; the server answers the same receipt.
3. What goes wrong here takes nothing back of what was pushed: the statement stays open, and is shown.
"""

from __future__ import annotations

from typing import Final

from cert_exchange import errors
from cert_exchange.messages.deliveries import MOST, Way
from cert_exchange.messages.evidence import DIGEST_BYTES
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
    for row in open_:
        if not _send(run, connection, deliveries.tell_long(node, row)):
            return
    while True:
        with node.database.reading() as tx:
            last = rows.last(tx, span.place)
        told = deliveries.tell_next(node, span, None if last is None else (last.seq, last.digest))
        if told is None or not _send(run, connection, deliveries.tell_long(node, told.row)):
            return
        if len(told.row.leaves) < MOST * DIGEST_BYTES:
            return


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
    receipt = deliveries.take_receipt(run.node, run.channel.partner, answer)
    wrong = deliveries.wrong_of(receipt)
    if wrong:
        run.note(f"{wrong} objects of statement {receipt.seq} are not there as we signed them")
    return True
