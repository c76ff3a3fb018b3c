"""Signs that a remote was restored from a backup, or went back in time.

1. A node of ours says so itself: its epoch differs from the one that we know, or from the first.
2. Of any other server what it shows tells: its newest object is older than the last that it gave us, or ids stand in older
   versions than it gave us before. Of a source with `start` or `match` the versions alone tell.
3. Each sign is a sentence with its figures. What it means a person finds out; we never go back with it.
"""

from __future__ import annotations

from collections.abc import Sequence

from cert_exchange import errors
from cert_exchange.node import Node
from cert_exchange.remote import peering
from cert_exchange.remote.connection import Connection
from cert_exchange.services import restoring
from cert_exchange.services.drift.kinds import Compared, Kind
from cert_exchange.services.drift.walking import Walk
from cert_exchange.stix.instants import InstantInvalid, format_micros, parse_micros
from cert_exchange.store import epochs, partner_epochs


def announced(node: Node, partner: int, connection: Connection) -> tuple[str, str]:
    """What a node of ours says of its own restores: a sign that we had not heard of, and what is known already.

    Both are sentences, empty where there is nothing to say, or it cannot be asked.
    """
    with node.database.reading() as tx:
        known = partner_epochs.of_partner(tx, partner)
    try:
        said = peering.ask(connection, "epoch", {"known": str(known.theirs)})
        if said is None:
            return "", ""
        epoch, since = restoring.read_epoch(said)
    except (errors.RemoteError, errors.InputRefused):
        return "", ""
    if known.theirs and epoch > known.theirs:
        lost = "" if since is None else f", and may have lost what came after {_at(since)}"
        sign = f"it says that it was restored (epoch {epoch}, we know {known.theirs}){lost}"
        return (
            f"{sign}: the next run of a channel hears it, and sends again what it may have lost",
            "",
        )
    if epoch > epochs.FIRST and known.kept_until is not None and known.heard_at is not None:
        return "", (
            f"it was restored (we heard of it at {_at(known.heard_at)}), and may have lost what came after"
            f" {_at(known.kept_until)}"
        )
    return "", ""


def _at(micros: int) -> str:
    return format_micros(max(micros, 0))


def shown(walks: Sequence[Walk], compared: Compared) -> list[str]:
    """What the walk through a remote's manifest tells (rule 2)."""
    signs = []
    missing = compared.counts.get(Kind.NOT_SHOWN, 0)
    for walk in walks:
        cursor = _micros(walk.channel.cursor)
        if cursor is None or not walk.whole or walk.requests == 0 or walk.limits:
            continue
        if walk.newest is not None and walk.newest < cursor and missing:
            signs.append(
                f"{walk.channel.name}: its newest object was added at {format_micros(walk.newest)}, and it gave us one of"
                f" {format_micros(cursor)}; of what we hold from it {missing:,} are not shown any more"
            )
        elif walk.newest is None and compared.here and not compared.there:
            signs.append(
                f"{walk.channel.name}: it shows nothing, and gave us objects up to {format_micros(cursor)}"
            )
    older = compared.counts.get(Kind.OLDER_THERE, 0)
    if older:
        signs.append(f"{older:,} of its objects stand in older versions than it gave us before")
    return signs


def _micros(text: str | None) -> int | None:
    try:
        return None if text is None else parse_micros(text)
    except InstantInvalid:
        return None
