"""The ledger as a file that somebody else can verify: with the file, our public key, and no trust in us.

1. A head is signed first, so that every line of the file stands under a signature. All is read in one snapshot.
2. Closed, the file tells of commitments only: how many objects were stored and released when, to which view, and nothing
   of what they were, but what a person's order names (what was taken back, and why). Opened, it tells all, and is as secret as the whole store.
3. Opened for one partner, it opens what was released to that partner while it was of the audience: for an auditor who asks
   about that partner, not for the partner itself, which may not have fetched what was taken back.

The form is in docs/ledger-format.md; `deploy/ledger-verifier/verify_ledger.py` reads it without a line of our code.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

from cert_exchange.errors import EvidenceBroken, NotFound
from cert_exchange.messages.checkpoints import verifier_key
from cert_exchange.messages.evidence import object_commitment, release_commitment
from cert_exchange.node import Node
from cert_exchange.services.ledger import checkpointing
from cert_exchange.store import checkpoints as heads
from cert_exchange.store import disclosures, proofs
from cert_exchange.store import exports as rows
from cert_exchange.store import ledger as ledger_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.exports import ReleasedRow, StoredRow
from cert_exchange.store.partners import find_partner

FORMAT: Final = "cert-exchange ledger export 1"
Write = Callable[[str], object]
Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class Exported:
    """What a file holds."""

    lines: int
    heads: int
    commitments: int
    opened: int


@dataclass(frozen=True, slots=True)
class Opening:
    """Which commitments are opened: none, all, or those of the log lines of some views."""

    everything: bool = False
    reads: Mapping[int, tuple[tuple[int, int | None], ...]] = field(default_factory=dict)
    """view -> from when to when (None: still) the partner was of its audience, micros"""

    def of_stored(self) -> bool:
        """Whether what was stored is opened."""
        return self.everything

    def of_released(self, row: ReleasedRow) -> bool:
        """Whether this log line is opened."""
        return self.everything or any(
            since <= row.position and (until is None or row.position < until)
            for since, until in self.reads.get(row.view, ())
        )


def public_keys(node: Node) -> tuple[str, ...]:
    """The keys that the ledger's heads are signed with, the newest first, as programs that read signed notes want them."""
    name = checkpointing.origin(node)
    return tuple(verifier_key(name, key.public) for key in node.secrets.signing_keys)


def export(
    node: Node,
    write: Write,
    *,
    opened: bool = False,
    opened_for: str | None = None,
    progress: Progress | None = None,
) -> Exported:
    """Write the ledger, record by record. Raises NotFound for an unknown partner, EvidenceBroken when it does not verify.

    `opened`: all commitments with what opens them. `opened_for`: those of what was released to one partner.
    """
    checkpointing.issue(node)
    with node.database.reading() as tx:
        proofs.take_time(tx)
        opening = _opening(tx, opened, opened_for)
        total = ledger_rows.head(tx)[0]
        _put(
            write,
            {
                "format": FORMAT,
                "origin": checkpointing.origin(node),
                "keys": list(public_keys(node)),
            },
        )
        with (
            closing(rows.lines(tx)) as lines,
            closing(rows.stored(tx)) as stored,
            closing(rows.released(tx)) as released,
            closing(heads.every(tx)) as signed,
        ):
            done = _walk(
                write,
                opening,
                lines,
                _Beside(stored),
                _Beside(released),
                signed,
                progress,
                total,
            )
        _put(write, {"end": {"lines": done.lines}})
    return done


def _opening(tx: Transaction, opened: bool, opened_for: str | None) -> Opening:  # noqa: FBT001 - what the caller was given
    if opened_for is None:
        return Opening(everything=opened)
    found = find_partner(tx, opened_for)
    if found is None:
        raise NotFound(f"There is no partner {opened_for}; see `partner list`.")
    reads: dict[int, tuple[tuple[int, int | None], ...]] = {}
    for one in disclosures.readers_of(tx, disclosures.views_of(tx, found.id)):
        if one.partner == found.id:
            reads[one.view] = (*reads.get(one.view, ()), (one.since, one.until))
    return Opening(reads=reads)


class _Beside:
    """Rows in order of the lines that they belong to, taken line by line."""

    def __init__(self, found: Iterator[Any]) -> None:
        self._groups = groupby(found, key=lambda row: row.seq)
        self._next = next(self._groups, None)

    def of(self, seq: int) -> list[Any]:
        """The rows of this line."""
        if self._next is None or self._next[0] != seq:
            return []
        found = list(self._next[1])
        self._next = next(self._groups, None)
        return found


def _walk(
    write: Write,
    opening: Opening,
    lines: Iterator[rows.SealedLine],
    stored: _Beside,
    released: _Beside,
    signed: Iterator[heads.Issued],
    progress: Progress | None,
    total: int,
) -> Exported:
    count = commitments = opened = shown = 0
    head = next(signed, None)
    for line in lines:
        if line.salt is None:
            break  # sealed since the head that covers all that is written
        count += 1
        record: dict[str, Any] = {"seq": line.seq, "line": line.body, "salt": line.salt.hex()}
        for name, listed in (
            ("stored", [_stored(row, opening) for row in stored.of(line.seq)]),
            ("released", [_released(row, opening) for row in released.of(line.seq)]),
        ):
            if listed:
                record[name] = listed
            commitments += len(listed)
            opened += sum(not isinstance(one, str) for one in listed)
        _put(write, record)
        while head is not None and head.size <= count:
            if head.size == count:
                _put(write, {"checkpoint": head.note})
                shown += 1
            head = next(signed, None)
        if progress is not None:
            progress(count, total)
    return Exported(count, shown, commitments, opened)


def _stored(row: StoredRow, opening: Opening) -> str | Mapping[str, Any]:
    if row.salt is None or not opening.of_stored():
        return _closed(
            row.commitment
            if row.salt is None
            else object_commitment(row.salt, row.stix_id, row.version, row.origin, row.digest)
        )
    return {
        "id": row.stix_id,
        "version": row.version,
        "origin": row.origin,
        "sha256": row.digest.hex(),
        "salt": row.salt.hex(),
    }


def _released(row: ReleasedRow, opening: Opening) -> str | Mapping[str, Any]:
    if row.salt is None or not opening.of_released(row):
        return _closed(
            row.commitment
            if row.salt is None
            else release_commitment(
                row.salt, row.view, row.position, row.kind, row.digest,
                object_id=row.object, policy=row.policy, rule=row.rule,
            )
        )  # fmt: skip
    return {
        "view": row.view,
        "position": row.position,
        "object": row.object,
        "policy": row.policy,
        "kind": row.kind,
        "sha256": row.digest.hex(),
        "rule": row.rule,
        "salt": row.salt.hex(),
        # Not part of the commitment: what the numbers stand for.
        "audience": row.audience,
        "collection": row.collection,
        "id": row.stix_id,
        "version": row.version,
    }


def _closed(commitment: bytes | None) -> str:
    if commitment is None:
        raise EvidenceBroken("a row has lost its commitment; see `cert-exchange ledger verify`.")
    return commitment.hex()


def _put(write: Write, record: Mapping[str, Any]) -> None:
    write(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n")
