"""Our receipts for what a source's server signed, handed over to it; and a server that lacks what it signed.

1. One that it does not take stays open, and is shown; the next one is tried all the same.
2. A partner hears of our restore before it gets what we signed anew since: else that would look like a contradiction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cert_exchange import errors
from cert_exchange.messages.deliveries import Way
from cert_exchange.remote import peering
from cert_exchange.remote.connection import Connection
from cert_exchange.services import deliveries, signing
from cert_exchange.services.syncing.meeting import announce
from cert_exchange.services.syncing.reporting import Run
from cert_exchange.store import branches
from cert_exchange.store import deliveries as rows

_NOT_THIS_ONE: Final = frozenset({400, 422})
"""Answers that speak of one receipt, and not of the next."""


def hand_over(run: Run, connection: Connection) -> None:
    """Give the partner our receipts that it has not. Raises StoreError, errors.Remote*."""
    node = run.node
    with node.database.reading() as tx:
        waiting = rows.not_handed_over(tx, run.channel.partner, Way.SERVED)
    if not waiting or not _has_told(run, connection):
        return
    signed = signing.our_list(node)
    for row in waiting:
        try:
            taken = peering.tell(connection, "receipts", {"receipt": row.receipt, **signed})
        except errors.RemoteRefused as refusal:
            run.note(f"it does not take our receipt {row.seq}: {refusal.public}")
            if refusal.remote_status not in _NOT_THIS_ONE:
                return
            continue
        if taken is None:
            return
        stands = taken.get("receipt")
        if not isinstance(stands, str):
            deliveries.handed_over(node, row)
        elif not deliveries.take_back(node, row, stands):
            run.note(
                f"it holds another receipt of ours for statement {row.seq}, signed with a key that the restore lost:"
                " that one stands there"
            )


def check_lacks(run: Run, document: Mapping[str, Any] | None) -> None:
    """Refuse what comes from a server that lacks a statement which its partner signed, and announced no restore."""
    if document is None or "lacks" not in document:
        return
    with run.node.database.reading() as tx:
        listed = branches.ends(tx, run.channel.partner, Way.SERVED)
    stream = next((name for name, end in listed.items() if end[0] == document["lacks"]), None)
    if stream is None:
        return
    try:
        said = deliveries.lacking(run.node, run.channel.partner, stream, document)
    except (ValueError, TypeError, KeyError):
        raise errors.RemoteAnswerInvalid(
            "What it says of its statements is not readable."
        ) from None
    raise errors.RemoteAnswerInvalid(f"{said} Nothing of this page was taken in.")


def _has_told(run: Run, connection: Connection) -> bool:
    try:
        return announce(run, connection)
    except (errors.RemoteError, errors.InputRefused) as error:
        run.note(f"it could not be told that we were restored: {error.public}")
        return False
