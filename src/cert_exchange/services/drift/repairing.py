"""What a comparison found missing is fetched by id, or sent again: by the ways of every run, and counted like one.

1. A source: what came is judged, signed statements, ownership, screening and all, by the very function that takes in a page.
   Nothing is overwritten, no version is taken back, and the cursor stays where it is.
2. A target: only what is in force in the partner's view right before it leaves, never during a freeze; its cursor stays.
3. Under the channel's lease, as any run of it. Suspended, frozen, in stage test: nothing is fetched, or sent.
4. Killed at any point it is repeated: what came is held, what was sent is a duplicate there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Final
from urllib.parse import quote

from cert_exchange import errors
from cert_exchange.messages.evidence import Line
from cert_exchange.node import Node
from cert_exchange.remote.connection import Connection
from cert_exchange.remote.envelope import read_envelope
from cert_exchange.remote.statuses import Failure, PushStatus, read_status
from cert_exchange.services import ledger
from cert_exchange.services.drift.kinds import FETCHED, Kind
from cert_exchange.services.drift.walking import patiently
from cert_exchange.services.syncing.arranging import connect
from cert_exchange.services.syncing.confirming import await_status, quarantine, weigh
from cert_exchange.services.syncing.leasing import leased
from cert_exchange.services.syncing.pulling import store_apart
from cert_exchange.services.syncing.reporting import FATES, Run, plural
from cert_exchange.services.syncing.running import refuse_closed
from cert_exchange.services.syncing.vouching import Vouching
from cert_exchange.store import drift as rows
from cert_exchange.store import freezes, introductions, outgoing
from cert_exchange.store.channels import Channel
from cert_exchange.store.database import Transaction
from cert_exchange.store.notebook import Found, Notebook
from cert_exchange.store.outgoing import Batch, Ready


class GateShut(Exception):
    """The source's gate shut, or stood shut, while its missing objects came. Never leaves this module."""


@dataclass(frozen=True, slots=True)
class Repaired:
    """What became of what was fetched or sent, each by its own number, and why it was not done to its end."""

    counts: Mapping[str, int]
    trouble: str = ""
    failed: bool = False
    """whether the trouble may pass"""


GONE: Final = "gone"
"""The remote showed it, and does not give it any more."""
_IDS: Final = 100
"""Ids in one question: an address line of some 6 kB."""
_BODIES: Final = 1024 * 1024
_TOO_MUCH: Final = frozenset({400, 413, 422})


def fetch_missing(
    node: Node, channel: Channel, book: Notebook, place: int, *, progress: Callable[[int], None]
) -> Repaired:
    """Fetch what the source of this place shows and we do not hold. Raises ConfigurationInvalid, StoreError."""
    gone, trouble, failed = 0, "", False
    with _leased(node, channel, "fetched anew") as run:
        try:
            connection = connect(node, run.channel, run=run.id, tell=run.heard)
            vouching = Vouching(run, connection)
            for kind in FETCHED:
                found = (one for one in book.found(kind.value) if one.place == place)
                while some := list(islice(found, _IDS)):
                    gone += _fetch(run, connection, vouching, [one.stix_id for one in some])
                    progress(len(some))
        except GateShut as shut:
            trouble = str(shut)
        except errors.RemoteError as error:
            trouble, failed = error.public, True
    counts = {name: run.counts[name] for name in FATES} | {GONE: gone}
    return Repaired(counts, trouble, failed)


def _fetch(run: Run, connection: Connection, vouching: Vouching, ids: Sequence[str]) -> int:
    """Ask for these ids at once, then for each that did not come; how many the remote has no more."""
    base = f"{connection.root}collections/{quote(run.channel.remote_collection, safe='')}/objects/"
    own = {f"match[{name}]": value for name, value in run.options.match.items()}
    asked = own | {"match[id]": ",".join(ids), "limit": str(len(ids))}
    came = set()
    if "match[id]" not in own:
        came = _take(run, connection, vouching, base, asked)
    gone = 0
    for stix_id in ids:
        if stix_id in came:
            continue
        try:
            gone += stix_id not in _take(
                run, connection, vouching, f"{base}{quote(stix_id, safe='')}/", own
            )
        except errors.RemoteRefused as refusal:
            if refusal.remote_status != 404:
                raise
            gone += 1
    return gone


def _take(
    run: Run, connection: Connection, vouching: Vouching, url: str, params: dict[str, str]
) -> set[str]:
    answer = patiently(lambda: connection.fetch("GET", url, params=params))
    envelope = read_envelope(answer.body)
    if envelope.count:
        ending = store_apart(run, answer.body, envelope, vouching)
        if ending is not None:
            raise GateShut(ending.outcome)
    return {stix_id for stix_id, _ in envelope.marks}


def send_missing(
    node: Node, channel: Channel, book: Notebook, *, by: str, progress: Callable[[int], None]
) -> Repaired:
    """Send again what a target misses. Raises ConfigurationInvalid, StoreError."""
    gone, trouble, failed = 0, "", False
    with _leased(node, channel, "sent again") as run:
        try:
            connection = connect(node, run.channel, run=run.id, tell=run.heard)
            found = book.found(Kind.MISSING_THERE.value)
            while some := list(islice(found, _IDS)):
                gone += _send(run, connection, some, by=by)
                progress(len(some))
        except errors.ConfigurationInvalid as error:
            trouble = error.public
        except errors.RemoteError as error:
            trouble, failed = error.public, True
    names = ("sent", "confirmed", "refused", "unconfirmed")
    return Repaired({name: run.counts[name] for name in names} | {GONE: gone}, trouble, failed)


def _send(run: Run, connection: Connection, some: Sequence[Found], *, by: str) -> int:
    """How many of these are not in force any more."""
    with run.node.database.reading() as tx:
        view = _open_view(tx, run.channel)
        ready = rows.ready_at(tx, view, [one.place for one in some], run.channel.partner)
    waiting = [ready]
    while waiting:
        part = waiting.pop()
        size = sum(one.size + 1 for one in part)
        if len(part) > 1 and size > _BODIES:
            waiting += [part[len(part) // 2 :], part[: len(part) // 2]]
            continue
        if part and not _post(run, connection, view, part, by=by):
            waiting += [part[len(part) // 2 :], part[: len(part) // 2]]
    return len(some) - len(ready)


def _open_view(tx: Transaction, channel: Channel) -> int:
    if freezes.frozen(tx, channel.partner):
        raise errors.ConfigurationInvalid(
            f"What goes out to {channel.partner_name} is frozen: nothing is sent again."
        )
    found = outgoing.view_of(tx, partner=channel.partner, collection=channel.collection)
    if found is None or found[0] != channel.view:
        raise errors.ConfigurationInvalid(
            f"What {channel.partner_name} may see has changed since {channel.name} ran last: let it run first."
        )
    return found[0]


def _post(run: Run, connection: Connection, view: int, part: list[Ready], *, by: str) -> bool:
    """Send a part; False where it must be smaller, or was taken back in between, so that it is read again by the caller."""
    last = part[-1].position
    run.node.marks.advance(run.channel.partner, view, last)
    with run.node.database.reading() as tx:
        _open_view(tx, run.channel)
        if not outgoing.all_in_force(tx, Batch(view, part[0].position - 1, last, tuple(part))):
            part[:] = rows.ready_at(tx, view, [one.position for one in part], run.channel.partner)
    if not part:
        return True
    url = f"{connection.root}collections/{quote(run.channel.remote_collection, safe='')}/objects/"
    body = b'{"objects":[' + ",".join(one.body for one in part).encode() + b"]}"
    try:
        answer = patiently(lambda: connection.fetch("POST", url, body=body))
    except errors.RemoteRefused as refusal:
        if refusal.remote_status not in _TOO_MUCH:
            raise
        if len(part) > 1:
            return False
        failure = Failure(part[0].stix_id, part[0].version, refusal.public)
        status = PushStatus(None, complete=True, success=0, failures=(failure,), failure=1)
    else:
        try:
            status = read_status(answer.document())
        except errors.RemoteAnswerInvalid:
            status = PushStatus(None, complete=True, success=0, failures=(), failure=0)
        status = await_status(run, connection, status)
    _keep(run, connection, view, part, status, by=by)
    return True


def _keep(
    run: Run, connection: Connection, view: int, part: list[Ready], status: PushStatus, *, by: str
) -> None:
    more: Counter[str] = Counter({"sent": len(part)})
    failures: tuple[Failure, ...] = ()
    if status.complete:
        failures = weigh(run, connection, status, len(part), more)
    else:
        more["unconfirmed"] += len(part)
    bodies = {(one.stix_id, one.version): one.body for one in part}
    bodies |= {(one.stix_id, ""): one.body for one in part}

    def work(tx: Transaction) -> Channel:
        quarantine(run, tx, failures, bodies)
        facts: dict[str, str | int | list[str]] = {
            "target": run.channel.name,
            "partner": run.channel.partner_name,
            "view": view,
            **{name: count for name, count in sorted(more.items()) if count},
        }
        ledger.record(tx, Line("push.again", run.node.now(), by, facts=facts))
        return run.move(tx, more)

    run.moved(run.node.database.transact(work), more)
    for failure in failures:
        run.refuse(failure.stix_id, failure.version, failure.message)


@contextmanager
def _leased(node: Node, channel: Channel, done: str) -> Iterator[Run]:
    """A run that is none of the usual ones, unless the channel is closed."""

    def outcome(run: Run) -> str:
        count = run.counts["received"] + run.counts["sent"]
        return f"{plural(count, 'object')} {done} by `sync reconcile`."

    with leased(node, channel, outcome) as run:
        with node.database.reading() as tx:
            confined = introductions.is_confined(tx, channel.partner, channel.collection)
        refuse_closed(run.channel, confined=confined)
        yield run
