"""What a source's server has signed of what it serves: looked at before a page is stored, receipted after it.

1. It is done where the source's server is a cert-exchange and a key of its partner is pinned; else objects come unsigned.
2. The partner is asked for a statement when a page holds what none covers yet: not for each page, and never in a run
   that brings nothing, but for the ten after one that took in unsigned objects: somebody may have kept their statement
   away. Commitments stand in the order in which objects are served, so each is found at the next place.
3. An object under a signed id and version with other content is not taken in: it stands in the quarantine. One that no
   statement covers is taken in unsigned, or with `statements: require` kept in the quarantine. Where its statement comes
   later, and says otherwise, it is taken out of use as with a push.
4. A broken statement ends the run: nothing of the page is stored, the cursor stays, and the text is kept as evidence.
5. A statement is receipted when the run has passed its last position. What a killed run left open is asked for again.
6. What comes again (`source reset`) and is not held as its partner's, but refused or held from elsewhere, is compared with
   the receipted statements from there on. TLP's definitions are constants, as validation saw: they need no statement.
7. A server that lacks a statement which its partner signed was restored, and says so; else its history has forked, and
   the run ends as with a broken statement.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from cert_exchange import errors
from cert_exchange.messages.deliveries import Way
from cert_exchange.remote import peering
from cert_exchange.remote.connection import Connection
from cert_exchange.services import deliveries
from cert_exchange.services.deliveries import OTHER_CONTENT, Expected, Taken
from cert_exchange.services.syncing.receipting import check_lacks, hand_over
from cert_exchange.services.syncing.reporting import Run, plural
from cert_exchange.stix.envelopes import Batch, Examined
from cert_exchange.stix.instants import parse_micros
from cert_exchange.stix.markings import fixed_definition
from cert_exchange.stix.objects import StixObject
from cert_exchange.store import branches, channels, delivered, epochs, partner_epochs, partner_keys
from cert_exchange.store import deliveries as rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.statement_rows import StatementRow

_NAMED: Final = 5
"""How many objects a note names; the quarantine and the receipt name all."""
_UNSTATED: Final = "unstated"
"""In the counters: how many more runs ask for a statement of what came unsigned."""
_ASKED_AGAIN: Final = 10
_MOST_AHEAD: Final = 20_000
"""Commitments of receipted statements that are looked at ahead of the place where a run stands."""
UNSIGNED: Final = "Its sender signed no statement that covers it, and this source asks for one."
NO_STATEMENTS: Final = "it gives no statements, although a key of its partner is pinned"


@dataclass(slots=True)
class _Open:
    """A statement whose objects come. `at`: the place where the next one is looked for first."""

    taken: Taken
    at: int = 0
    named: Mapping[tuple[str, str], bool] | None = None
    """(id, version) that it covers, where the partner was asked for them"""

    def place_of(self, content: bytes) -> int | None:
        """The place whose commitment fits a content: from where we stand on, then from the beginning."""
        entries = self.taken.entries
        for place in (*range(self.at, len(entries)), *range(self.at)):
            entry = entries[place]
            if entry is not None and entry.fits(content):
                self.at = place + 1
                return int(place)
        return None


@dataclass(slots=True)
class Vouched:
    """A page as it may be taken in, and what was signed of it."""

    batch: Batch
    counts: Counter[str] = field(default_factory=Counter)
    matched: dict[int, dict[bytes, tuple[int, bytes]]] = field(default_factory=dict)
    """statement -> content -> (place, salt)"""
    ids: set[str] = field(default_factory=set)

    def note(self, tx: Transaction, partner: int) -> None:
        """Note what is covered, in the transaction that took the page in."""
        if self.matched:
            deliveries.note_received(tx, partner, self.matched, self.ids)


class Vouching:
    """The statements of one run of a source."""

    def __init__(self, run: Run, connection: Connection) -> None:
        self._run = run
        self._connection = connection
        self._open: list[_Open] = []
        self._past: list[_Open] = []
        self._partly: list[int] | None = None
        self._dry = False
        self._begun = False
        self._after = _micros(run.channel.cursor or run.options.start)
        self._requires = run.options.statements == "require"
        with run.node.database.reading() as tx:
            keys = partner_keys.keys_of(tx, run.channel.partner)
        self._asks = run.options.server == "cert-exchange" and bool(keys)
        if self._requires and not self._asks:
            raise errors.ConfigurationInvalid(
                f"The source {run.channel.name} requires statements: its server must be cert-exchange, and a key of"
                f" {run.channel.partner_name} pinned (`keys pin`)."
            )

    def admit(self, batch: Batch) -> Vouched:
        """A page's objects, with those refused that are not what was signed. Raises errors.Remote*."""
        items = [one.item for one in batch.items if one.item is not None]
        vouched = Vouched(batch)
        if not items or not self._asks:
            return vouched
        left = [item for item in items if not self._match(item, vouched)]
        if left:
            known = self._covered(left)
            left = [item for item in left if item.sameness not in known]
            while left and self._ask():
                left = [item for item in left if not self._match(item, vouched)]
            left = [item for item in left if fixed_definition(item.id) is None]
            while left and self._look_back():
                left = [item for item in left if not self._match(item, vouched)]
        if left:
            altered = {item.sameness for item in left if self._is_named(item)}
            strange = {item.sameness for item in left} - altered
            vouched.counts["unsigned"] += len(strange)
            if strange:
                self._run.memory[_UNSTATED] = _ASKED_AGAIN
            if strange and not self._requires:
                self._count_unsigned(len(strange))
            reasons = dict.fromkeys(altered, OTHER_CONTENT)
            if self._requires:
                reasons |= dict.fromkeys(strange, UNSIGNED)
            vouched.batch = Batch(tuple(_refused(one, reasons) for one in batch.items))
        return vouched

    def passed(self, cursor: str | None) -> None:
        """Receipt what lies behind the cursor that was stored. Raises errors.Remote*."""
        position = _micros(cursor)
        self._past = [one for one in self._past if one.taken.row.upto > position]
        while self._open and self._open[0].taken.row.upto <= position:
            self._settle(self._open.pop(0).taken)

    def finish(self, *, drained: bool) -> None:
        """End the run: with everything drained all statements are receipted. Hands over what waits. Raises errors.Remote*."""
        if not self._asks:
            return
        if drained:
            if not self._begun and self._waiting():
                self._begin()
            self._ask_once_more()
            while self._open:
                self._settle(self._open.pop(0).taken)
        hand_over(self._run, self._connection)

    def _ask_once_more(self) -> None:
        """Ask for the statement of what came unsigned in a run before, and in this one nothing came that would have asked."""
        left = int(self._run.channel.counters.get(_UNSTATED, 0))
        if not left or self._dry or _UNSTATED in self._run.memory:
            return
        self._run.memory[_UNSTATED] = left - 1
        while self._ask():
            self._run.memory[_UNSTATED] = 0

    def _match(self, item: StixObject, vouched: Vouched) -> bool:
        for one in (*self._open, *self._past):
            place = one.place_of(item.sameness)
            if place is not None:
                entry = one.taken.entries[place]
                assert entry is not None
                places = vouched.matched.setdefault(one.taken.row.id, {})
                places[item.sameness] = place, entry.salt
                vouched.ids.add(item.id)
                vouched.counts["signed"] += 1
                return True
        return False

    def _count_unsigned(self, more: int) -> None:
        """Remember for `doctor` what came since the last statement without one."""
        memory = self._run.memory
        before = memory.get(channels.UNSIGNED, self._run.channel.counters.get(channels.UNSIGNED, 0))
        memory[channels.UNSIGNED] = before + more

    def _covered(self, items: Sequence[StixObject]) -> set[bytes]:
        """Which of these contents are held as a statement of before covers them: what is asked for with overlap."""
        with self._run.node.database.reading() as tx:
            held = delivered.held(tx, self._run.channel.partner, {item.id for item in items})
            covered = delivered.covered(tx, [one.object for one in held])
        return {one.content for one in held if one.object in covered and not one.erased}

    def _is_named(self, item: StixObject) -> bool:
        """Whether a statement covers this id and version, with other content; the partner is asked once for each."""
        if item.observable:
            return False  # its content is its version
        wanted = (item.id, item.version or item.created or "")
        for one in self._open:
            if one.named is None:
                taken = self._again(one.taken.row)
                entries = taken.entries if taken is not None else ()
                one.named = {(e.stix_id, e.version): True for e in entries if e is not None}
            if wanted in one.named:
                return True
        return False

    def _ask(self) -> bool:
        """Ask for one more statement, or for what a run that was cut off left open; False where there is none."""
        if not self._begun:
            self._begin()
            return True
        if self._dry:
            return False
        channel = self._run.channel
        with self._run.node.database.reading() as tx:
            ends = branches.ends(tx, channel.partner, Way.SERVED)
        question = {
            "collection": channel.remote_collection,
            "has": {stream: [seq, digest.hex()] for stream, (seq, digest) in ends.items()},
            "after": self._after,
        }
        document = peering.tell(self._connection, "statements", question)
        if document is None and self._requires:
            raise errors.RemoteAnswerInvalid(
                f"This source requires statements, but {NO_STATEMENTS}."
            )
        if document is None:
            self._run.note(NO_STATEMENTS)
        if document is None or document.get("statement") is None:
            check_lacks(self._run, document)
            self._dry = True
            return False
        taken = self._take(document)
        self._run.memory[channels.UNSIGNED] = 0
        if taken.statement.restored:
            self._run.note(
                f"its statement {taken.row.seq} says that its store was restored and lacks those before"
            )
        self._open.append(_Open(taken))
        return True

    def _look_back(self) -> bool:
        """Ask again for one more receipted statement that may cover what comes again; False where there is none."""
        channel, database = self._run.channel, self._run.node.database
        after = _micros(channel.cursor or self._run.options.start)
        if self._partly is None:
            with database.reading() as tx:
                self._partly = rows.partly_held(
                    tx, channel.partner, channel.collection, way=Way.SERVED, after=after
                )
        while self._partly and sum(len(one.taken.entries) for one in self._past) < _MOST_AHEAD:
            number = self._partly.pop(0)
            with database.reading() as tx:
                row = rows.by_numbers(tx, [number])[number]
            if row.upto <= after:
                continue
            taken = deliveries.open_again(row, self._told_again(row, named=False) or {})
            if taken is not None:
                self._past.append(_Open(taken))
                return True
        return False

    def _waiting(self) -> list[StatementRow]:
        channel = self._run.channel
        with self._run.node.database.reading() as tx:
            open_ = rows.without_receipt(tx, channel.partner, ours=False, way=Way.SERVED)
        return [row for row in open_ if row.collection == channel.collection]

    def _begin(self) -> None:
        """Ask again for what a run that was cut off left open."""
        self._begun = True
        for row in self._waiting():
            taken = self._again(row, named=False)
            if taken is not None:
                self._open.append(_Open(taken))
            elif self._was_restored():
                deliveries.set_aside(self._run.node, row)

    def _was_restored(self) -> bool:
        with self._run.node.database.reading() as tx:
            return partner_epochs.of_partner(tx, self._run.channel.partner).theirs > epochs.FIRST

    def _told_again(self, row: StatementRow, *, named: bool) -> Mapping[str, Any] | None:
        question = {"collection": row.stream, "again": row.seq, "named": named}
        return peering.tell(self._connection, "statements", question)

    def _again(self, row: StatementRow, *, named: bool = True) -> Taken | None:
        document = self._told_again(row, named=named)
        if document is None or document.get("statement") is None:
            self._run.note(f"it does not know its statement {row.seq} any more")
            return None
        return self._take(document)

    def _take(self, document: Mapping[str, Any]) -> Taken:
        """Check what came, with the partner's newer keys where it is signed with one. Raises RemoteAnswerInvalid."""
        run = self._run
        expected = Expected(run.channel.partner, Way.SERVED, run.channel.collection)
        try:
            if deliveries.needs_keys(run.node, run.channel.partner, document):
                listed = peering.ask(self._connection, "keys") or {}
                document = {**document, "signed": listed.get("signed", [])}
            return deliveries.take_statement(run.node, expected, document)
        except errors.SignatureBroken as broken:
            raise errors.RemoteAnswerInvalid(
                f"Its statement is broken: {broken.public} Nothing of this page was taken in."
            ) from broken

    def _settle(self, taken: Taken) -> None:
        node, whole = self._run.node, not self._run.options.match
        named = taken

        def again() -> Taken:
            nonlocal named
            named = self._again(taken.row) or taken
            # Before the receipt, which is written once: what came without its statement may be in use already.
            deliveries.set_aside_differing(node, named)
            return named

        row = deliveries.settle(node, taken, whole=whole, again=again)
        if row.wrong:
            wrong = deliveries.went_wrong(node, named, whole=whole)
            ids = ", ".join(f"{stix_id} {ended.value}" for stix_id, ended in wrong[:_NAMED])
            self._run.note(
                f"{plural(row.wrong, 'object')} of statement {row.seq} did not come as signed"
                + (f": {ids}" if ids else "")
                + (" ..." if len(wrong) > _NAMED else "")
                + f"; once you know why, `source reset {self._run.channel.name} --since` asks for all of it again"
            )


def _refused(one: Examined, reasons: Mapping[bytes, str]) -> Examined:
    reason = None if one.item is None else reasons.get(one.item.sameness)
    if one.item is None or reason is None:
        return one
    return replace(one, item=None, refusal=reason, raw=one.item.body)


def _micros(instant: str | None) -> int:
    return max(parse_micros(instant), 0) if instant else 0
