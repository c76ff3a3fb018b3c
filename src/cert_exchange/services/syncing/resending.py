"""What a partner's server refused is sent there again: those objects and nothing else.

1. Only what is in force in the partner's view now, as it is served now: what policy closed since then, or what was
   withdrawn, stays here and says so. A freeze or a suspension is asked for right before each object leaves.
2. One object a POST, so that one answer is about one object. The cursor of the target does not move.
3. Under the target's lease, as any run of it; what was sent stands in the ledger, in the transaction that takes it out of
   the quarantine, or that keeps it there with the new words of the server.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import quote

from cert_exchange import errors
from cert_exchange.messages.evidence import Line
from cert_exchange.node import Node
from cert_exchange.remote.connection import Connection
from cert_exchange.remote.statuses import Failure, PushStatus, read_status
from cert_exchange.services import ledger
from cert_exchange.services.syncing.arranging import connect
from cert_exchange.services.syncing.confirming import await_status, weigh
from cert_exchange.services.syncing.leasing import leased
from cert_exchange.services.syncing.reporting import Run, plural
from cert_exchange.store import channels, freezes, introductions, outgoing
from cert_exchange.store import quarantine as rows
from cert_exchange.store.channels import Channel
from cert_exchange.store.database import Transaction
from cert_exchange.store.outgoing import Ready
from cert_exchange.store.quarantine import Kept

_ABOUT_IT: Final = frozenset({400, 413, 422})
"""Answers that speak of the object that was sent; any other ends the run."""
_GONE: Final = "the partner does not see this version any more: policy closed, or it was withdrawn"
_UNKNOWN: Final = "its server has not said what became of it"


@dataclass(frozen=True, slots=True)
class Again:
    """What became of one object that was to be sent again."""

    kept: Kept
    result: Literal["confirmed", "refused", "unconfirmed", "impossible"]
    message: str


def target_of(one: Kept) -> str:
    """The target whose server refused it: the first word of its reason (`confirming.quarantine`)."""
    return one.reason.partition(":")[0]


def why_not_resent(tx: Transaction, one: Kept) -> str | None:
    """Why an object that was refused cannot be sent again now; None when it can."""
    channel = _target(tx, target_of(one))
    if channel is None:
        return f"there is no target {target_of(one)} any more"
    try:
        _open_view(tx, channel)
    except errors.ConfigurationInvalid as closed:
        return closed.public
    return None if _in_force(tx, channel, one) is not None else _GONE


def resend(node: Node, name: str, kept: Sequence[Kept], *, by: str) -> list[Again]:
    """Send these again to the target of this name; what became of each.

    Raises ConfigurationInvalid while another worker runs the target, errors.Remote* when the server fails before the first.
    """
    with node.database.reading() as tx:
        channel = _target(tx, name)
    if channel is None:
        return [Again(one, "impossible", f"there is no target {name} any more") for one in kept]
    done: list[Again] = []
    with leased(node, channel, _outcome) as run:
        connection = connect(node, run.channel, run=run.id, tell=run.heard)
        for one in kept:
            try:
                done.append(_send_again(run, connection, one, by=by))
            except errors.RemoteError as error:
                if not done:
                    raise
                done.append(Again(one, "impossible", error.public))
                break
        done += [
            Again(one, "impossible", "not tried: its server failed before") for one in kept[len(done) :]
        ]  # fmt: skip
    return done


def _send_again(run: Run, connection: Connection, one: Kept, *, by: str) -> Again:
    with run.node.database.reading() as tx:
        try:
            view = _open_view(tx, run.channel)
        except errors.ConfigurationInvalid as closed:
            return Again(one, "impossible", closed.public)
        ready = _in_force(tx, run.channel, one)
    if ready is None:
        run.node.database.transact(
            lambda tx: rows.say(tx, one.number, reason=f"{run.channel.name}: {_GONE}")
        )
        return Again(one, "impossible", _GONE)
    run.node.marks.advance(run.channel.partner, view, ready.position)
    more: Counter[str] = Counter({"sent": 1})
    status = _post(run, connection, ready)
    failures: tuple[Failure, ...] = ()
    if status.complete:
        failures = weigh(run, connection, status, 1, more)
    else:
        more["unconfirmed"] += 1
    if more["confirmed"]:
        again = Again(one, "confirmed", "")
    elif failures:
        again = Again(one, "refused", failures[0].message)
    else:
        again = Again(one, "unconfirmed", _UNKNOWN)

    def work(tx: Transaction) -> Channel:
        if again.result == "confirmed":
            rows.remove(tx, [one.number])
        else:
            rows.say(tx, one.number, reason=f"{run.channel.name}: {again.message}")
        facts: dict[str, str | int | list[str]] = {
            "target": run.channel.name,
            "partner": run.channel.partner_name,
            "view": view,
            "id": ready.stix_id,
            "version": ready.version,
            "result": again.result,
        }
        ledger.record(tx, Line("push.again", run.node.now(), by, facts=facts))
        return run.move(tx, more)

    run.moved(run.node.database.transact(work), more)
    return again


def _post(run: Run, connection: Connection, ready: Ready) -> PushStatus:
    url = f"{connection.root}collections/{quote(run.channel.remote_collection, safe='')}/objects/"
    body = b'{"objects":[' + ready.body.encode() + b"]}"
    try:
        answer = connection.fetch("POST", url, body=body)
    except errors.RemoteRefused as refusal:
        if refusal.remote_status not in _ABOUT_IT:
            raise
        failure = Failure(ready.stix_id, ready.version, refusal.public)
        return PushStatus(None, complete=True, success=0, failures=(failure,), failure=1)
    try:
        status = read_status(answer.document())
    except errors.RemoteAnswerInvalid:
        status = PushStatus(None, complete=True, success=0, failures=(), failure=0)
    return await_status(run, connection, status)


def _target(tx: Transaction, name: str) -> Channel | None:
    found = [one for one in channels.channels(tx, only=name) if one.direction == "push"]
    return found[0] if found else None


def _open_view(tx: Transaction, channel: Channel) -> int:
    """The view that the target pushes, while anything may leave for it. Raises ConfigurationInvalid."""
    partner = channel.partner_name
    if channel.suspended or freezes.frozen(tx, channel.partner):
        raise errors.ConfigurationInvalid(
            f"What goes out to {partner} is frozen or suspended: nothing is pushed."
        )
    if introductions.is_confined(tx, channel.partner, channel.collection):
        raise errors.ConfigurationInvalid(
            f"{partner} is in stage test: only the TEST collection is exchanged with it."
        )
    found = outgoing.view_of(tx, partner=channel.partner, collection=channel.collection)
    if found is None:
        raise errors.ConfigurationInvalid(
            f"No policy gives {partner} a view of the collection: nothing is pushed."
        )
    return found[0]


def _in_force(tx: Transaction, channel: Channel, one: Kept) -> Ready | None:
    found = outgoing.view_of(tx, partner=channel.partner, collection=channel.collection)
    if found is None or one.stix_id is None:
        return None
    return rows.served_now(
        tx, found[0], partner=channel.partner, stix_id=one.stix_id, version=one.version
    )


def _outcome(run: Run) -> str:
    return (
        f"{plural(run.counts['sent'], 'object')} sent again, {run.counts['confirmed']} confirmed."
    )
