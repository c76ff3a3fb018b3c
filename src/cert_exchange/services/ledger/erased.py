"""What the ledger says was erased, against the rows whose bytes and salts are gone.

1. A row without a salt is not checked against its content any more. So each must be one that an `erase` line tells of:
   who takes a salt away to hide a change is found.
2. The line holds how many rows it erased, and the root over the commitments that are left in them.
"""

from __future__ import annotations

from contextlib import closing
from itertools import groupby

from cert_exchange.errors import EvidenceBroken
from cert_exchange.messages.evidence import (
    ERASED_BODY,
    commitments_root,
    decode_line,
    erased_digest,
)
from cert_exchange.store import erasures
from cert_exchange.store import ledger as rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.proofs import ObjectRow, RenditionRow

KIND = "erase"


def check_erased(tx: Transaction) -> int:
    """Compare every erasure with its line; how many rows were erased. Raises EvidenceBroken."""
    told: dict[int, tuple[int, str]] = {}
    for number, body in rows.lines_saying(tx, KIND):
        line = decode_line(body)
        if line.kind != KIND:
            continue
        counts = [line.facts.get("versions"), line.facts.get("log_lines")]
        total = sum(one for one in counts if isinstance(one, int))
        told[number] = (total, str(line.facts.get("root")))
    erased = 0
    with closing(erasures.by_line(tx)) as found:
        for number, group in groupby(found, key=lambda row: row[0]):
            members = list(group)
            if not all(gone and commitment is not None for _, commitment, gone in members):
                raise EvidenceBroken(
                    f"a row that the ledger line with id {number} erased has its salt again."
                )
            root = commitments_root(one for _, one, _ in members if one is not None).hex()
            if told.pop(number, None) != (len(members), root):
                raise EvidenceBroken(
                    f"the ledger line with id {number} erased other rows than those that are empty."
                )
            erased += len(members)
    if any(count for count, _ in told.values()):
        raise EvidenceBroken(
            f"the ledger line with id {min(told)} erased rows that are there again, or missing."
        )
    versions, lines = erasures.unordered(tx)
    if versions or lines:
        raise EvidenceBroken(
            f"{versions} stored versions and {lines} log lines have lost their salt, and nobody ordered it."
        )
    return erased


def is_empty(row: RenditionRow) -> bool:
    """Whether a rendition is one whose bytes were erased."""
    return row.body == ERASED_BODY and row.digest == erased_digest(row.id)


def key_of(row: ObjectRow) -> str:
    """The order of a row's version; one that was erased may have given way to the same version, sent once more."""
    return (
        row.version_key
        if row.salt is not None
        else row.version_key.partition(erasures.GIVES_WAY)[0]
    )
