"""What became of a push: the remote's status is read to its end, and what it says is weighed and kept.

1. A status that stays pending is kept in the target's row and asked again by the next run; after a day, or when the
   remote forgot it, it ends as unknown (W21). Nothing of it is sent again.
2. What was sent is compared with what was confirmed; the difference has a number of its own (W13).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from urllib.parse import quote

from cert_exchange import errors
from cert_exchange.messages.evidence import Line
from cert_exchange.remote.connection import Connection
from cert_exchange.remote.statuses import Failure, PushStatus, read_status
from cert_exchange.services import ledger
from cert_exchange.services.syncing.reporting import Run, plural
from cert_exchange.services.syncing.statuses import decode_pending
from cert_exchange.stix.references import is_observable_id
from cert_exchange.store import objects
from cert_exchange.store.channels import Channel
from cert_exchange.store.database import Transaction
from cert_exchange.store.outgoing import Batch
from cert_exchange.store.tables import OWN

_STATUS_KEPT: Final = 24 * 3600 * 1_000_000  # taxii21 57: a server may forget it afterwards
_CHECKED_FAILURES: Final = 100
_BROKE: Final = 500


def await_status(run: Run, connection: Connection, status: PushStatus) -> PushStatus:
    """Ask for a pending status with growing pauses, for `status_seconds` at most (taxii21 70)."""
    ends = run.node.clock.monotonic() + run.options.status_seconds
    pause = 0.25
    while not status.complete and status.id is not None:
        left = ends - run.node.clock.monotonic()
        if left <= 0 or run.stop.wait(min(pause, left)):
            break
        pause = min(pause * 2, 10.0)
        url = f"{connection.root}status/{quote(status.id, safe='')}/"
        answered = read_status(connection.fetch("GET", url).document())
        status = PushStatus(
            status.id, answered.complete, answered.success, answered.failures, answered.failure
        )
    return status


def envelope_of(batch: Batch) -> bytes:
    """What is posted of a batch: the stored bytes."""
    return b'{"objects":[' + ",".join(one.body for one in batch.ready).encode() + b"]}"


def takes_any(connection: Connection, url: str, others: Iterable[Batch]) -> bool:
    """Whether a server that broke at one object takes another: then it was the object, else it is the server.

    What it takes is sent once more in its turn, and is a duplicate there.
    """
    for batch in others:
        try:
            connection.fetch("POST", url, body=envelope_of(batch))
        except errors.RemoteRefused as refusal:
            if refusal.remote_status != _BROKE:
                raise
        else:
            return True
    return False


def settle(run: Run, connection: Connection) -> bool:
    """Ask for the status that an earlier run left pending; True when it is over, well or not."""
    assert run.channel.pending is not None
    pending = decode_pending(run.channel.pending)
    more: Counter[str] = Counter()
    failures: tuple[Failure, ...] = ()
    try:
        status = await_status(
            run, connection, PushStatus(pending.status_id, False, 0, (), 0)  # noqa: FBT003 - fields of a value
        )  # fmt: skip
    except errors.RemoteRefused as refusal:
        if refusal.remote_status not in (404, 410):
            raise
        more["unconfirmed"] = pending.sent
        run.note(
            f"it forgot the status of {plural(pending.sent, 'object')}: unknown whether it took them"
        )
    else:
        if status.complete:
            failures = weigh(run, connection, status, pending.sent, more)
        elif run.node.now() - pending.since > _STATUS_KEPT:
            more["unconfirmed"] = pending.sent
            run.note(
                f"the status of {plural(pending.sent, 'object')} stayed pending for a day: unknown"
            )
        else:
            return False

    def work(tx: Transaction) -> Channel:
        quarantine(run, tx, failures, {})
        ledger.record(
            tx,
            Line(
                kind="push.status",
                at=run.node.now(),
                by=run.channel.name,
                facts={
                    "partner": run.channel.partner_name,
                    "status": pending.status_id,
                    **{name: count for name, count in sorted(more.items()) if count},
                },
            ),
        )
        return run.move(tx, more, pending=None)

    run.moved(run.node.database.transact(work), more)
    for failure in failures:
        run.refuse(failure.stix_id, failure.version, failure.message)
    return True


def weigh(
    run: Run, connection: Connection, status: PushStatus, sent: int, more: Counter[str]
) -> tuple[Failure, ...]:
    """Count what the remote confirmed (W13) and return what it really refused.

    Some servers call an object that they hold a failure: then its version is there, and it counts as confirmed.
    """
    refused = []
    held = 0
    for number, failure in enumerate(status.failures):
        if number < _CHECKED_FAILURES and _is_held(run, connection, failure):
            held += 1
        else:
            refused.append(failure)
    unnamed = status.failure - len(status.failures)
    more["confirmed"] += min(status.success + held, sent)
    more["refused"] += len(refused) + unnamed
    rest = sent - status.success - held - len(refused) - unnamed
    if rest > 0:
        more["unconfirmed"] += rest
        run.note("its status does not add up to what was sent")
    return tuple(refused)


def _is_held(run: Run, connection: Connection, failure: Failure) -> bool:
    if not failure.stix_id:
        return False
    url = (
        f"{connection.root}collections/{quote(run.channel.remote_collection, safe='')}"
        f"/objects/{quote(failure.stix_id, safe='')}/versions/"
    )
    try:
        versions = connection.fetch("GET", url).document().get("versions")
    except (errors.RemoteRefused, errors.RemoteAnswerInvalid):
        return False  # write-only for us, or unknown there
    if not isinstance(versions, list) or not versions:
        return False
    return is_observable_id(failure.stix_id) or failure.version in versions


def quarantine(
    run: Run,
    tx: Transaction,
    failures: Sequence[Failure],
    bodies: Mapping[tuple[str, str], str],
) -> None:
    """Quarantine what the target refused, with its words; `bodies` are by id and version ("" where it said none)."""
    for failure in failures:
        body = bodies.get((failure.stix_id, failure.version or ""))
        objects.keep_refused(
            tx,
            origin=OWN,
            collection=run.channel.collection,
            kind="refused_by_target",
            stix_id=failure.stix_id or None,
            version=failure.version,
            reason=f"{run.channel.name}: {failure.message}",
            raw=body if body is not None and len(body) <= run.node.limits.object_bytes else None,
            at=run.node.now(),
        )


def sentence(run: Run) -> str:
    """What a run did, for its report."""
    counts = run.counts
    if not any(counts[name] for name in ("sent", "recalled", "noticed", "not_recalled")):
        return "Nothing new to push."
    parts = [f"{plural(counts['sent'], 'object')} pushed"]
    parts += [
        f"{counts[name]} {word}"
        for name, word in (
            ("confirmed", "confirmed"),
            ("refused", "refused there"),
            ("unconfirmed", "not confirmed"),
            ("recalled", "taken back"),
            ("noticed", "withdrawn, with a notice to the partner"),
            ("not_recalled", "cannot be recalled"),
        )
        if counts[name]
    ]
    return ", ".join(parts) + "."
