"""The quarantine is listed, shown, discarded, and kept within its limits.

1. What stands here was never taken in: nothing of it is released, referred to or executed by anything.
2. Evidence against a partner (a broken statement) is not discarded, nor is what a legal hold keeps.
3. Nothing is discarded without a reason; the ledger keeps who did it and why, and nothing of the content.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from cert_exchange.errors import InputRefused, NotFound
from cert_exchange.messages.evidence import Fact, Line
from cert_exchange.node import Node
from cert_exchange.services import ledger
from cert_exchange.store import partners as partner_rows
from cert_exchange.store import quarantine as rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.quarantine import EVIDENCE, KINDS, Forgotten, Kept, Wanted
from cert_exchange.store.tables import OWN

DAY_MICROS: Final = 24 * 3600 * 1_000_000
MEGABYTE: Final = 1_000_000
OURS: Final = "own"
_NAMED_IN_LEDGER: Final = 50


@dataclass(frozen=True, slots=True)
class Shown:
    """One row with the bytes as they came; None where none are kept."""

    kept: Kept
    raw: bytes | None


def listed(
    node: Node,
    *,
    numbers: Collection[int] = (),
    partner: str | None = None,
    kind: str | None = None,
    about: str | None = None,
    stix_id: str | None = None,
    since: int | None = None,
    limit: int = 100,
) -> list[Kept]:
    """What stands in the quarantine, the newest first. `partner`: a name, or `own` for what partners' servers refused.

    `about`: text anywhere in the reason; `since` in micros. Raises NotFound for an unknown partner or number, InputRefused
    for an unknown kind.
    """
    if kind is not None and kind not in KINDS:
        raise InputRefused(f"There is no kind {kind!r}; there are: {', '.join(KINDS)}.")
    with node.database.reading() as tx:
        origin = None if partner is None else _origin(tx, partner)
        found = rows.listed(tx, Wanted(origin, kind, about, stix_id, since, tuple(numbers), limit))
    missing = set(numbers) - {one.number for one in found}
    if missing and len(found) < limit:
        raise NotFound(_unknown(missing))
    return found


def show(node: Node, number: int) -> Shown:
    """One row, all of it. Raises NotFound."""
    with node.database.reading() as tx:
        return Shown(find(tx, number), rows.raw_of(tx, number))


def find(tx: Transaction, number: int) -> Kept:
    """One row by its number, in a transaction. Raises NotFound."""
    found = rows.listed(tx, Wanted(numbers=(number,)))
    if not found:
        raise NotFound(_unknown({number}))
    return found[0]


def discard(node: Node, numbers: Sequence[int], *, by: str, reason: str) -> int:
    """Delete rows for good; how many. Raises NotFound, InputRefused for evidence and for what a legal hold keeps."""

    def work(tx: Transaction) -> int:
        found = rows.listed(tx, Wanted(numbers=tuple(numbers), limit=len(set(numbers))))
        missing = set(numbers) - {one.number for one in found}
        if missing:
            raise NotFound(_unknown(missing))
        evidence = [one.number for one in found if one.kind == EVIDENCE]
        if evidence:
            raise InputRefused(
                f"{_numbers(evidence)} is a statement that its partner signed wrongly: it is kept as evidence."
            )
        held = rows.held_by_law(tx, {one.number for one in found})
        if held:
            raise InputRefused(
                f"{_numbers(held)} stands under a legal hold; `legal-hold list` shows it."
            )
        gone = rows.remove(tx, {one.number for one in found})
        for sender in sorted({one.sender or OURS for one in found}):
            theirs = [one for one in found if (one.sender or OURS) == sender]
            facts: dict[str, Fact] = {
                "partner": sender,
                "count": len(theirs),
                "ids": sorted({one.stix_id or "" for one in theirs})[:_NAMED_IN_LEDGER],
                "reason": reason,
            }
            ledger.record(tx, Line("quarantine.discard", node.now(), by, facts=facts))
        return gone

    return node.database.transact(work)


def forget_old(node: Node) -> Forgotten:
    """Delete what is older than `quarantine_days`, and of each sender the oldest beyond `quarantine_megabytes`."""

    def work(tx: Transaction) -> Forgotten:
        now = node.now()
        settings = node.settings
        gone = rows.forget(
            tx,
            before=now - settings.quarantine_days * DAY_MICROS,
            characters=settings.quarantine_megabytes * MEGABYTE,
        )
        if gone != Forgotten():
            facts: dict[str, Fact] = {"old": gone.old, "crowded": gone.crowded}
            ledger.record(tx, Line("quarantine.forget", now, "worker", facts=facts))
        return gone

    return node.database.transact(work)


def _origin(tx: Transaction, name: str) -> int:
    if name == OURS:
        return OWN
    found = partner_rows.find_partner(tx, name)
    if found is None:
        names = ", ".join(one.name for one in partner_rows.every_partner(tx))
        raise NotFound(f"There is no partner {name!r}; there are: {names or 'none'}, and `{OURS}`.")
    return int(found.id)


def _unknown(numbers: Collection[int]) -> str:
    return (
        f"There is no {_numbers(numbers)} in the quarantine; `quarantine list` shows what there is."
    )


def _numbers(numbers: Collection[int]) -> str:
    return ", ".join(f"number {one}" for one in sorted(numbers))
