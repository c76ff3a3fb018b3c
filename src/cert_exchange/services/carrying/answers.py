"""What a partner's file says of ours: which one it took in last.

1. It counts only where number and digest are those of a file of ours: with it the files that it builds on, and the receipts
   in them, count as handed over. One that it passes over (`--whole`, `--from`) may never have arrived.
2. Where our store was restored the partner may have files that we do not know: our numbers go on after the one that it
   names. Without a restore that is a forked past, and a person is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog

from cert_exchange.messages.deliveries import number_of
from cert_exchange.messages.evidence import DIGEST_BYTES, Line
from cert_exchange.node import Node
from cert_exchange.services import ledger
from cert_exchange.store import carrying as files
from cert_exchange.store import deliveries as statements
from cert_exchange.store import epochs
from cert_exchange.store.carrying import FileRow
from cert_exchange.store.database import Transaction
from cert_exchange.store.partners import PartnerRow

log = structlog.get_logger(__name__)


def hear_answer(
    node: Node, partner: PartnerRow, answer: Mapping[str, Any]
) -> tuple[tuple[int, ...], list[str]]:
    """Note which of our files a partner has: the numbers that are known to have arrived now, and what a person is told."""
    try:
        number = number_of(answer["number"], least=1)
        digest = bytes.fromhex(answer["digest"])
    except (KeyError, TypeError, ValueError):
        digest = b""
    if len(digest) != DIGEST_BYTES:
        return (), ["what it says of our files cannot be read, and counts for nothing"]
    now = node.now()

    def work(tx: Transaction) -> tuple[tuple[int, ...], list[str]]:
        statements.lock(tx, partner.id)
        ours = files.numbered(tx, partner.id, number, ours=True)
        if ours is None or ours.digest != digest:
            return _go_on_after(tx, partner, number, digest, now=now)
        fresh = files.note_answered(tx, partner.id, number, at=now)
        if fresh:
            for row in fresh:
                for statement in row.receipts:
                    statements.hand_over(tx, statement, at=now)
            facts: dict[str, str | int | list[str]] = {
                "partner": partner.name,
                "files": [str(row.number) for row in fresh],
            }
            ledger.record(tx, Line("carried.answered", now, partner.name, facts=facts))
        return tuple(sorted(row.number for row in fresh)), []

    return node.database.transact(work)


def _go_on_after(
    tx: Transaction, partner: PartnerRow, number: int, digest: bytes, *, now: int
) -> tuple[tuple[int, ...], list[str]]:
    """Rule 2. What we made since the restore under such a number the partner never takes: it is carried anew."""
    restored = epochs.current(tx) > epochs.FIRST
    if not restored or not files.drop_unheard(tx, partner.id, number):
        log.error("a partner has a carried file that we never made", partner=partner.name)
        said = (
            f"it has a file {number} of ours, which is none that we made"
            + ("" if restored else ", and we were not restored")
            + ": does a copy of this node run, or was it put back? Nothing of ours counts as arrived"
        )
        return (), [said]
    files.add(
        tx,
        FileRow(
            partner.id, ours=True, number=number, base=0, digest=digest, text="", at=now, objects=0,
            bytes=0, spans=(), receipts=(), heard={}, answered_at=now,
        ),
    )  # fmt: skip
    facts: dict[str, str | int | list[str]] = {"partner": partner.name, "file": number}
    ledger.record(tx, Line("carried.found", now, partner.name, facts=facts))
    said = (
        f"it has files of ours up to {number}, which a restore lost: our next one is {number + 1}"
    )
    return (), [said]
