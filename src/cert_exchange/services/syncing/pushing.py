"""One run of a target: what our policy released to the partner goes to its server, in the order of the log.

For each batch: (1) read it in one snapshot  (2) raise the partner's mark, durably  (3) POST  (4) read the status until
it is complete, or keep it as pending  (5) in one transaction: cursor, quarantine of what was refused, ledger line.
1. Nothing leaves that is not in the partner's view, nor what came from the partner itself.
2. The mark is raised before anything is sent: it may overstate, and never understates (DECISIONS 24).
3. A batch is sent again when its answer was lost; what the remote then calls a failure but holds counts as confirmed.
4. What a remote refuses is quarantined as `refused_by_target` with its words; the cursor goes on.
5. What was withdrawn is taken back by DELETE where the option allows; else the partner is told by a notice, which is
   pushed like any object; else, or where the notice is refused there, it counts as not recalled (DECISIONS 21).
6. While what goes out to the partner is frozen, no batch is begun; what was withdrawn is taken back all the same. A batch
   that was read already is looked at once more before it leaves: it is read again when a freeze began meanwhile, or when
   anything of it was taken back.
7. A server that breaks (500) at one object is no reason to stop: from the third failure on the object is looked for, and
   counts as refused once the server took another one; where it takes none, it is the server.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import quote

from cert_exchange import errors
from cert_exchange.messages.evidence import Line
from cert_exchange.remote.connection import Connection
from cert_exchange.remote.statuses import Failure, PushStatus, read_status
from cert_exchange.services import ledger
from cert_exchange.services.syncing.arranging import connect
from cert_exchange.services.syncing.attesting import attest
from cert_exchange.services.syncing.confirming import (
    await_status,
    envelope_of,
    quarantine,
    sentence,
    settle,
    takes_any,
    weigh,
)
from cert_exchange.services.syncing.notifying import CANNOT, TOLD, not_taken, told_by_notice
from cert_exchange.services.syncing.reporting import Ending, Run, plural
from cert_exchange.services.syncing.statuses import Pending
from cert_exchange.store import freezes, outgoing
from cert_exchange.store.channels import Channel
from cert_exchange.store.database import Transaction
from cert_exchange.store.outgoing import Batch, Ready, Recall

_DEFAULT_CONTENT_LENGTH: Final = 10 * 1024 * 1024
_WRAPPING: Final = len('{"objects":[]}')
_REFUSED_IN_A_ROW: Final = 20
_WHOLE_REFUSED: Final = frozenset({400, 413, 422})
_BROKE: Final = 500
_PATIENCE: Final = 2
"""Runs that failed before a server's 500 is laid at an object's door."""
_CANNOT_RECALL: Final = frozenset({400, 403, 405, 406, 501})
LOOKED_AT: Final = "looked_at"
"""In the counters: the view and its head as the last run found them."""
_ASKED_BACK: Final = "asked_back_to"
"""In the counters: the head up to which withdrawals were taken back during a freeze, without moving the cursor."""

FROZEN: Final = (
    "What goes out to this partner is frozen, or sending to it is suspended: nothing is pushed until `unfreeze` or"
    " `partner resume`."
)


def push(run: Run) -> Ending:
    """Push until nothing is left, or the run's limits end it. Raises errors.Remote*, StoreError, CursorMoved."""
    connection = connect(run.node, run.channel, run=run.id, tell=run.heard)
    if run.channel.pending is not None and not settle(run, connection):
        return Ending("The remote is still working on what was pushed; its status is asked again.")
    found = _find_view(run)
    run.memory[LOOKED_AT] = found
    if found is None:
        return Ending("No policy gives this partner a view of the collection: nothing is pushed.")
    view = found[0]
    if run.channel.view != view:
        # A new audience has a log of its own; what is sent again is a duplicate there.
        _commit(run, {}, view=view, position=0)
    pusher = _Pusher(run, connection, view, _content_length(run, connection))
    ends = run.node.clock.monotonic() + run.options.run_seconds
    drained = False
    while not drained and not run.stop.is_set() and run.node.clock.monotonic() < ends:
        drained = pusher.step()
        if pusher.frozen:
            return Ending(pusher.take_back_alone())
        if run.channel.pending is not None:
            return Ending(
                sentence(run) + " The remote has not finished; its status is asked again.",
                again=False,
            )
    attest(run, connection)
    with run.node.database.reading() as tx:
        run.counts["held"] = outgoing.held(
            tx, partner=run.channel.partner, collection=run.channel.collection
        )
    return Ending(sentence(run), again=not drained, drained=drained)


def _find_view(run: Run) -> tuple[int, int] | None:
    with run.node.database.reading() as tx:
        return outgoing.view_of(tx, partner=run.channel.partner, collection=run.channel.collection)


def has_news(tx: Transaction, target: Channel) -> bool:
    """Whether there is more to send, or to take back, than when the target's last run began."""
    found = outgoing.view_of(tx, partner=target.partner, collection=target.collection)
    looked = target.counters.get(LOOKED_AT)
    if found is None or looked is None:
        return found is not None
    view, head = looked
    if view != found[0]:
        return True
    return head < found[1] and outgoing.has_news(tx, view, after=head, partner=target.partner)


def _commit(run: Run, more: dict[str, int], **to: object) -> None:
    run.moved(run.node.database.transact(lambda tx: run.move(tx, more, **to)), more)


def _content_length(run: Run, connection: Connection) -> int:
    """Ask the remote's API root how large a body it takes (TAXII 2.1, 4.2.1). Bytes."""
    try:
        value = connection.fetch("GET", connection.root).document().get("max_content_length")
    except errors.RemoteRefused as refusal:
        if refusal.remote_status in (401, 403, 429) or refusal.remote_status >= 500:
            raise
        value = None
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        run.note("its API root does not say max_content_length")
        return _DEFAULT_CONTENT_LENGTH
    return value


class _Pusher:
    """The steps of one run. `room` is how many objects one POST may hold now."""

    def __init__(self, run: Run, connection: Connection, view: int, content_length: int) -> None:
        self._run = run
        self._connection = connection
        self._view = view
        self._content_length = content_length
        self._room = run.options.batch_objects
        self._refused_in_a_row = 0
        self._works = False
        """the server took something in this run"""
        self._laid = _WHOLE_REFUSED | ({_BROKE} if run.channel.attempts >= _PATIENCE else set())
        self.frozen = False
        self._url = (
            f"{connection.root}collections/{quote(run.channel.remote_collection, safe='')}/objects/"
        )

    def step(self) -> bool:
        """Send one batch; True when there was nothing left, or nothing may go (`frozen`)."""
        run = self._run
        batch = self._read()
        if batch is None or (batch.to <= run.channel.position and not batch.ready):
            return True
        # Before anything leaves: from now on the partner may have it.
        run.node.marks.advance(run.channel.partner, self._view, batch.to)
        if not self._still_holds(batch):
            return self.frozen
        if batch.ready:
            status = self._send(batch)
            if status is None:
                return False  # too much at once: the same again, in smaller parts
        else:
            status = PushStatus(None, complete=True, success=0, failures=(), failure=0)
        recalled, kept = self._recall(batch.recalls)
        self._keep(batch, status, recalled, kept)
        run.progress(len(batch.ready), None)
        return False

    def take_back_alone(self) -> str:
        """Ask back what was withdrawn while nothing goes out; the cursor stays, so it is asked once more after that."""
        run = self._run
        if not run.options.delete:
            return FROZEN
        position = run.channel.position
        asked = int(run.channel.counters.get(_ASKED_BACK) or 0)
        with run.node.database.reading() as tx:
            found = outgoing.view_of(
                tx, partner=run.channel.partner, collection=run.channel.collection
            )
            if found is None or found[0] != self._view:
                return FROZEN
            recalls = outgoing.recalls_after(
                tx,
                self._view,
                after=max(position, asked),
                to=found[1],
                sent=position,
                partner=run.channel.partner,
            )
        done, kept = self._recall(recalls)
        run.memory[_ASKED_BACK] = found[1]
        for one in kept:
            run.refuse(one.stix_id, one.version, CANNOT)
        return f"{FROZEN} {plural(done, 'object')} taken back meanwhile." if done else FROZEN

    def _others(self, batch: Batch) -> Iterator[Batch]:
        """What comes after a batch, one by one; each may be sent."""
        found: Batch | None = batch
        for _ in range(_REFUSED_IN_A_ROW):
            found = self._read(after=found.to, room=1) if found is not None else None
            if found is None or not found.ready:
                return
            self._run.node.marks.advance(self._run.channel.partner, self._view, found.to)
            if self._still_holds(found):
                yield found

    def _read(self, *, after: int | None = None, room: int = 0) -> Batch | None:
        run = self._run
        with run.node.database.reading() as tx:
            found = outgoing.view_of(
                tx, partner=run.channel.partner, collection=run.channel.collection
            )
            if found is None or found[0] != self._view:
                return None  # policy moved the partner meanwhile; the next run begins with the new view
            if freezes.frozen(tx, run.channel.partner):
                self.frozen = True
                return None
            return outgoing.batch_after(
                tx,
                self._view,
                after=run.channel.position if after is None else after,
                head=found[1],
                partner=run.channel.partner,
                limit=room or self._room,
                room_bytes=self._content_length - _WRAPPING,
            )

    def _still_holds(self, batch: Batch) -> bool:
        """Look once more, after the mark and right before anything leaves: no freeze, and all of it in force."""
        with self._run.node.database.reading() as tx:
            self.frozen = freezes.frozen(tx, self._run.channel.partner)
            return not self.frozen and outgoing.all_in_force(tx, batch)

    def _send(self, batch: Batch) -> PushStatus | None:
        """POST a batch. None: it must be smaller. What no size helps is a failure of its object."""
        body = envelope_of(batch)
        if len(body) > self._content_length:
            (only,) = batch.ready
            reason = f"{len(body)} bytes are more than the remote's max_content_length of {self._content_length}"
            return _refused(only, reason)
        try:
            answer = self._connection.fetch("POST", self._url, body=body)
        except errors.RemoteRefused as refusal:
            if refusal.remote_status not in self._laid:
                raise
            if len(batch.ready) > 1:
                self._room = len(batch.ready) // 2
                return None
            if refusal.remote_status == _BROKE and not self._works:
                self._works = takes_any(self._connection, self._url, self._others(batch))
                if not self._works:
                    raise
            self._refused_in_a_row += 1
            if self._refused_in_a_row >= _REFUSED_IN_A_ROW:
                raise  # not the objects: something is wrong between us
            return _refused(batch.ready[0], refusal.public)
        self._refused_in_a_row, self._works = 0, True
        self._room = min(self._room * 2, self._run.options.batch_objects)
        try:
            status = read_status(answer.document())
        except errors.RemoteAnswerInvalid:
            status = PushStatus(None, complete=True, success=0, failures=(), failure=0)
        return await_status(self._run, self._connection, status)

    def _recall(self, recalls: Sequence[Recall]) -> tuple[int, tuple[Recall, ...]]:
        """Take back what was withdrawn. Asked again after a crash, the remote answers 404: done."""
        run = self._run
        if not run.options.delete:
            return 0, tuple(recalls)
        kept = []
        for one in recalls:
            params = {} if one.observable else {"match[version]": one.version}
            try:
                self._connection.fetch(
                    "DELETE", f"{self._url}{quote(one.stix_id, safe='')}/", params=params
                )
            except errors.RemoteRefused as refusal:
                if refusal.remote_status in _CANNOT_RECALL:
                    kept.append(one)
                elif refusal.remote_status != 404:
                    raise
        return len(recalls) - len(kept), tuple(kept)

    def _keep(
        self, batch: Batch, status: PushStatus, recalled: int, kept: Sequence[Recall]
    ) -> None:
        """Move the cursor over the batch, with everything that is to be remembered of it, in one transaction."""
        run = self._run
        told = told_by_notice(run, self._view, kept)
        more = Counter({"sent": len(batch.ready), "recalled": recalled})
        more["not_recalled"], more["noticed"] = len(kept) - len(told), len(told)
        pending = None
        failures: tuple[Failure, ...] = ()
        if not status.complete and status.id is not None:
            pending = Pending(status.id, len(batch.ready), since=run.node.now()).encode()
        else:
            failures = weigh(run, self._connection, status, len(batch.ready), more)
        untold = not_taken(run, failures)
        more["not_recalled"] += len(untold)
        bodies = {(one.stix_id, one.version): one.body for one in batch.ready}
        bodies |= {(one.stix_id, ""): one.body for one in batch.ready}

        def work(tx: Transaction) -> Channel:
            quarantine(run, tx, failures, bodies)
            if batch.ready or batch.recalls:
                ledger.record(
                    tx,
                    Line(
                        kind="push",
                        at=run.node.now(),
                        by=run.channel.name,
                        facts={
                            "partner": run.channel.partner_name,
                            "view": self._view,
                            "after": batch.after,
                            "to": batch.to,
                            **{name: count for name, count in sorted(more.items()) if count},
                            **({"status": status.id} if status.id else {}),
                        },
                    ),
                )
            return run.move(tx, more, position=batch.to, pending=pending)

        channel = run.node.database.transact(work)
        # Commit. Killed before: the batch is sent again and the remote drops duplicates. After: nothing is owed.
        run.moved(channel, more)
        for failure in failures:
            run.refuse(failure.stix_id, failure.version, failure.message)
        for recall in kept:
            told_it = recall.stix_id in told
            run.refuse(recall.stix_id, recall.version, TOLD if told_it else CANNOT)
        for stix_id in untold:
            run.refuse(stix_id, None, f"{CANNOT}: it does not take our notice")


def _refused(one: Ready, reason: str) -> PushStatus:
    return PushStatus(None, True, 0, (Failure(one.stix_id, one.version, reason),), 1)  # noqa: FBT003 - fields of a value
