"""Checking the ledger, and the logs, `live` and the stored objects against it (DESIGN invariant 6).

1. The chain: numbers without a gap from 1, every hash, the head. Lines that wait for the sealer come after it.
2. The commitments: what each line says it stored and released are just the rows that name the line.
3. The ranges: those of a view join from 0 to its head, and each holds as many log lines as it says.
4. `live` is what the log leaves in force.
5. The bytes of every rendition are those of its digest.
6. The tree over the lines, and the heads of it that we signed: `tree_checks`.
7. What has no bytes and salts any more was erased by an order that a line tells of: `erased`.

One snapshot, all of it streamed: memory depends on the largest transaction, not on the size of the store. A tail that
was removed from ledger, logs and heads alike is found only by what a partner holds (`comparing`).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby, zip_longest
from typing import Final, Generic, TypeVar

from cert_exchange.errors import EvidenceBroken
from cert_exchange.messages.evidence import (
    GENESIS,
    Line,
    Range,
    chain_hash,
    commitments_root,
    decode_line,
    object_commitment,
    release_commitment,
)
from cert_exchange.node import Node
from cert_exchange.services.ledger.checkpointing import origin
from cert_exchange.services.ledger.erased import check_erased, is_empty, key_of
from cert_exchange.services.ledger.tree_checks import check_tree
from cert_exchange.stix.instants import order_key
from cert_exchange.store import ledger as rows
from cert_exchange.store import proofs
from cert_exchange.store.database import Transaction
from cert_exchange.store.proofs import LiveEnd, LogRow, ObjectRow
from cert_exchange.store.tables import OWN

Progress = Callable[[int, int | None], None]
Row = TypeVar("Row", LogRow, ObjectRow)
STEP: Final = 1_000
_UNREADABLE: Final = (
    TypeError,
    ValueError,
    AttributeError,
    LookupError,
    ArithmeticError,
    struct.error,
)


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found whole."""

    sealed: int
    unsealed: int
    head: str
    """the hash of the last sealed line"""
    tree: int
    """lines that joined the tree"""
    checkpoints: int
    """heads of it that we signed"""
    objects: int
    erased: int
    """rows of which only the commitment is left"""
    log_lines: int
    views: int
    live: int
    renditions: int


class _Counter:
    """Tells progress every STEP rows."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self.done = 0
        self._progress = progress
        self._total = total

    def add(self) -> None:
        self.done += 1
        if self._progress is not None and (self.done % STEP == 0 or self.done == self._total):
            self._progress(self.done, self._total)


def verify(node: Node, progress: Progress | None = None) -> Verification:
    """Check everything. Raises EvidenceBroken that names the first thing that is not as it was written."""
    try:
        return _verify(node, progress)
    except _UNREADABLE as error:
        # A column of another type, a text that is no JSON: nothing that we write reads like that.
        raise EvidenceBroken(
            "a row of the ledger, or of what it tells of, cannot be read: it was changed to another form.",
            detail=f"{type(error).__name__}: {error}"[:300],
        ) from error


def _verify(node: Node, progress: Progress | None) -> Verification:
    with node.database.reading() as tx:
        proofs.take_time(tx)
        counter = _Counter(progress, proofs.count_rows(tx))
        sealed, head = _check_chain(tx, counter)
        tree, heads = check_tree(
            tx, origin=origin(node), keys=[key.public for key in node.secrets.signing_keys]
        )
        unsealed, objects, lines = _check_lines(tx, counter)
        erased = check_erased(tx)
        views = proofs.count_views(tx)
        live = _check_live(tx)
        renditions = _check_renditions(tx, counter)
    return Verification(
        sealed=sealed,
        unsealed=unsealed,
        head=head.hex(),
        tree=tree,
        checkpoints=heads,
        objects=objects,
        erased=erased,
        log_lines=lines,
        views=views,
        live=live,
        renditions=renditions,
    )


def _check_chain(tx: Transaction, counter: _Counter) -> tuple[int, bytes]:
    seq, link = 0, GENESIS
    with closing(rows.sealed_lines(tx)) as sealed:
        for row in sealed:
            counter.add()
            if row.seq != seq + 1:
                raise EvidenceBroken(
                    f"ledger line {seq + 1} is missing.", detail=f"found {row.seq}"
                )
            seq, link = seq + 1, chain_hash(link, seq + 1, row.body)
            if link != row.hash:
                raise EvidenceBroken(f"ledger line {seq} was changed: its hash does not fit.")
    head = rows.head(tx)
    if head != (seq, link):
        raise EvidenceBroken(
            f"the ledger ends at line {seq}, but its head says {head[0]}: lines were cut off or"
            " the head was changed."
        )
    return seq, link


def _check_lines(tx: Transaction, counter: _Counter) -> tuple[int, int, int]:
    """Lines by id, along the rows that name them; returns (unsealed, objects, log lines)."""
    unsealed = stored = released = 0
    heads = proofs.heads(tx)
    chains = {view: _Ranges(view) for view in heads}
    with (
        closing(rows.every_line(tx)) as lines,
        closing(proofs.objects_by_line(tx)) as object_rows,
        closing(proofs.log_by_line(tx)) as log_rows,
    ):
        objects, log = _Groups(object_rows), _Groups(log_rows)
        for row in lines:
            name = f"ledger line {row.seq}"
            if row.seq is None:
                counter.add()
                unsealed += 1
                name = f"the unsealed ledger line with id {row.id}"
            line = decode_line(row.body)
            stored += _check_stored(name, line, objects.of(row.id), counter)
            released += _check_released(name, line, log.of(row.id), counter)
            for span in line.ranges:
                if span.view not in chains:
                    raise EvidenceBroken(f"{name} names view {span.view}, which is missing.")
                chains[span.view].add(span)
        for left in (objects.left(), log.left()):
            if left is not None:
                raise EvidenceBroken(f"rows name the ledger line with id {left}, which is missing.")
    for view, head in heads.items():
        chains[view].check(head)
    return unsealed, stored, released


class _Groups(Generic[Row]):
    """Rows in order of their ledger line, taken line by line."""

    def __init__(self, found: Iterator[Row]) -> None:
        self._groups: Iterator[tuple[int, Iterator[Row]]] = groupby(
            found, key=lambda row: row.ledger_line
        )
        self._next: tuple[int, Iterator[Row]] | None = next(self._groups, None)

    def of(self, line_id: int) -> list[Row]:
        """The rows of this line; rows of a lower line, which does not exist, end the check."""
        if self._next is None or self._next[0] > line_id:
            return []
        if self._next[0] < line_id:
            raise EvidenceBroken(
                f"a stored row names ledger line (id {self._next[0]}), which is missing."
            )
        found = list(self._next[1])
        self._next = next(self._groups, None)
        return found

    def left(self) -> int | None:
        """The line that rows beyond the last one name."""
        return None if self._next is None else self._next[0]


def _check_stored(name: str, line: Line, found: list[ObjectRow], counter: _Counter) -> int:
    leaves = []
    for row in found:
        counter.add()
        leaf = row.commitment
        if row.salt is not None:
            leaf = object_commitment(row.salt, row.stix_id, row.version, row.origin, row.digest)
        if leaf is None or (row.commitment is not None and row.commitment != leaf):
            raise EvidenceBroken(f"object {row.id} of {name} has lost its commitment.")
        if row.type != row.stix_id.partition("--")[0] or key_of(row) != order_key(row.version):
            raise EvidenceBroken(
                f"object {row.id} of {name} is filed under another type or version."
            )
        leaves.append(leaf)
    if len(leaves) != line.stored:
        raise EvidenceBroken(f"{name} stored {line.stored} objects, but {len(leaves)} are there.")
    if commitments_root(leaves) != line.stored_root:
        raise EvidenceBroken(f"an object that {name} stored was changed.")
    return len(leaves)


def _check_released(name: str, line: Line, found: list[LogRow], counter: _Counter) -> int:
    leaves = []
    positions: dict[int, list[int]] = {}
    for row in found:
        counter.add()
        leaf = row.commitment
        if row.salt is not None:
            leaf = release_commitment(
                row.salt, row.view, row.position, row.kind, row.digest,
                object_id=row.object, policy=row.policy, rule=row.rule,
            )  # fmt: skip
        if leaf is None or (row.commitment is not None and row.commitment != leaf):
            raise EvidenceBroken(
                f"the log line at {row.position} of view {row.view} has lost its commitment."
            )
        leaves.append(leaf)
        positions.setdefault(row.view, []).append(row.position)
    if len(leaves) != line.released:
        raise EvidenceBroken(
            f"{name} appended {line.released} lines to the logs, but {len(leaves)} are there."
        )
    if commitments_root(leaves) != line.released_root:
        raise EvidenceBroken(f"a line of a release log that {name} appended was changed.")
    for span in line.ranges:
        here = positions.pop(span.view, [])
        if len(here) != span.lines or (here and (min(here) <= span.after or max(here) != span.to)):
            raise EvidenceBroken(f"view {span.view} does not hold the lines that {name} appended.")
    if positions:
        raise EvidenceBroken(f"view {min(positions)} holds lines that {name} does not tell of.")
    return len(leaves)


class _Ranges:
    """The ranges of one view, joined from 0 as they come: transactions commit in another order than their ids."""

    def __init__(self, view: int) -> None:
        self._view = view
        self._reached = 0
        self._apart: dict[int, int] = {}

    def add(self, span: Range) -> None:
        if span.after in self._apart or span.after < self._reached:
            raise EvidenceBroken(f"two ledger lines claim the same lines of view {self._view}.")
        self._apart[span.after] = span.to
        while (to := self._apart.pop(self._reached, None)) is not None:
            self._reached = to

    def check(self, head: int) -> None:
        if self._apart:
            raise EvidenceBroken(
                f"the ledger has a gap in view {self._view}: a line that begins at {self._reached}"
                " is missing."
            )
        if self._reached != head:
            raise EvidenceBroken(
                f"the ledger follows view {self._view} to {self._reached}, but its head is {head}."
            )


def _check_live(tx: Transaction) -> int:
    with closing(proofs.in_force(tx)) as from_log, closing(proofs.live_rows(tx)) as from_live:
        for said, row in zip_longest(from_log, from_live):
            found, faithful = row or (None, False)
            if said != found or not faithful:
                wrong = min(
                    (one for one in (said, found) if one), key=lambda one: (one.view, one.object)
                )
                raise EvidenceBroken(
                    f"`live` of view {wrong.view} is not what its log leaves in force (object"
                    f" {wrong.object})."
                )
    count = 0
    with closing(proofs.live_ends(tx)) as ends:
        for (view, ident), group in groupby(ends, key=lambda row: (row.view, row.ident)):
            members = list(group)
            count += len(members)
            last, first = _ends(members)
            for row in members:
                if (row.is_last, row.is_first) != (row is last, row is first):
                    raise EvidenceBroken(
                        f"`live` of view {view} has the wrong last or first version of id {ident}."
                    )
    return count


def _ends(members: list[LiveEnd]) -> tuple[LiveEnd, LiveEnd]:
    """Which of an id's rows in a view should be last, and which first (DECISIONS 1, 5)."""
    first = min(members, key=lambda row: (row.version_key, row.object))
    if not members[0].observable:
        return max(members, key=lambda row: (row.version_key, -row.object)), first
    origin = min(members, key=lambda row: (row.origin != OWN, row.object)).origin
    same = [row for row in members if row.origin == origin]
    return max(same, key=lambda row: (row.version_key, row.object)), first


def _check_renditions(tx: Transaction, counter: _Counter) -> int:
    count = 0
    with closing(proofs.every_rendition(tx)) as found:
        for row in found:
            counter.add()
            count += 1
            raw = row.body.encode("utf-8")
            if not is_empty(row) and (sha256(raw).digest() != row.digest or len(raw) != row.size):
                raise EvidenceBroken(f"the bytes of rendition {row.id} were changed.")
    return count
