"""Two nodes tell each other whether one of them was restored, at the end of a channel's run.

1. Only where the remote is a cert-exchange; an older one that knows no such resource is left alone.
2. It is asked for its epoch once in EVERY; after our own restore it is told ours, and asked for what only it still
   holds of what we sent, at the first run that succeeds. What was done is noted, what was cut off is begun again.
3. What came back lies in `recovered/` in the home, as a bundle that `publish` reads: a person looks at it first.
4. What goes wrong here takes nothing from the run; it is noted.
"""

from __future__ import annotations

import os
import secrets
import uuid
from pathlib import Path
from typing import Final

from cert_exchange import errors
from cert_exchange.node import HOUR, Node
from cert_exchange.remote import peering
from cert_exchange.remote.connection import Connection
from cert_exchange.services import restoring
from cert_exchange.services.syncing.arranging import connect
from cert_exchange.services.syncing.reporting import Run
from cert_exchange.stix.instants import format_micros
from cert_exchange.store import epochs

EVERY: Final = 3_600_000_000
_PAGES: Final = 20_000


def meet(run: Run) -> None:
    """Ask how the remote stands, and tell it how we do, where either is due. Raises StoreError."""
    if run.options.server != "cert-exchange":
        return
    node, partner = run.node, run.channel.partner
    known, epoch, since = restoring.lost_with(node, partner)
    # Noted at a later instant than now: the clock was set back since.
    due = known.met_at is None or not 0 <= node.now() - known.met_at < EVERY
    if not (due or known.told < epoch or known.asked < epoch):
        return
    try:
        connection = connect(node, run.channel, run=run.id, tell=run.heard)
        said = peering.ask(connection, "epoch", {"known": str(known.theirs)})
        if said is not None:
            _hear(run, said)
            if known.told < epoch:
                _tell(node, connection, partner, known.told, epoch)
            if known.asked < epoch:
                _ask_back(run, connection, epoch, since)
        restoring.note_met(node, partner)
    except (errors.RemoteError, errors.InputRefused) as error:
        run.note(f"whether a restore has to be made good could not be asked: {error.public}")


def announce(run: Run, connection: Connection) -> bool:
    """Tell the partner of our restore where it does not know of it yet; False where it takes no such word.

    Raises errors.Remote*. What it sends again because of it comes as ever.
    """
    known, epoch, _ = restoring.lost_with(run.node, run.channel.partner)
    if epoch == epochs.FIRST or known.told >= epoch:
        return True
    return _tell(run.node, connection, run.channel.partner, known.told, epoch)


def _tell(node: Node, connection: Connection, partner: int, told: int, epoch: int) -> bool:
    if peering.tell(connection, "epoch", restoring.our_epoch(node, told)) is None:
        return False
    restoring.note_told(node, partner, epoch)
    return True


def _hear(run: Run, said: object) -> None:
    if not isinstance(said, dict):
        return
    try:
        if restoring.hear(run.node, run.channel.partner, said):
            run.note("the remote was restored from a backup: what it may have lost is sent again")
    except errors.TooManyRequests:
        run.note(
            "the remote says again that it was restored; that counts in an hour at the earliest"
        )


def _ask_back(run: Run, connection: Connection, epoch: int, since: int | None) -> None:
    node, partner = run.node, run.channel.partner
    if since is None:
        restoring.note_returned(node, partner, epoch, 0, "")
        return
    file = (
        node.settings.home / restoring.RECOVERED / f"{run.channel.partner_name}-epoch-{epoch}.json"
    )
    brought = _fetch(node, connection, since, file)
    if brought is None:
        return
    if not brought:
        file.unlink(missing_ok=True)
    restoring.note_returned(node, partner, epoch, brought, str(file) if brought else "")
    if brought:
        run.note(
            f"{brought} objects that only the remote still held are in {file}: look at them, then publish them"
        )


def _fetch(node: Node, connection: Connection, since: int, file: Path) -> int | None:
    """Write what the remote gives back and we do not hold; how many. None: it has no such resource."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A name of its own: a source and a target of the same partner may ask at the same time.
    fresh = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    number = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    brought, seen = 0, 0
    with os.fdopen(number, "wb") as out:
        out.write(b'{"type":"bundle","id":"bundle--%s","objects":[' % str(uuid.uuid4()).encode())
        for _ in range(_PAGES):
            page = peering.ask(
                connection,
                "returned",
                # The remote's clock may differ from ours by so much; what we hold is left out below.
                {"since": format_micros(max(since - HOUR, 0)), "skip": str(seen)},
            )
            if page is None:
                return None
            given = page.get("objects")
            if not isinstance(given, list):
                raise errors.RemoteAnswerInvalid("What it gives back is no list of objects.")
            for one in restoring.not_held(node, given):
                out.write((b",\n" if brought else b"\n") + restoring.encoded(one))
                brought += 1
            seen += len(given)
            if page.get("more") is not True or not given:
                break
        out.write(b"\n]}\n")
    fresh.replace(file)
    return brought
