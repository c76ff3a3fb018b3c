"""The derivatives of one audience's settlement become rows, before its lines are written."""

from __future__ import annotations

from typing import Final

from cert_exchange.services.releasing.minting import mint, revoking
from cert_exchange.services.releasing.naming import Names
from cert_exchange.services.releasing.settlement import Settlement, Sight
from cert_exchange.store.database import Transaction
from cert_exchange.store.objects import Version
from cert_exchange.store.releases import Live

REPLACED: Final = "replaced"
"""In place of a rule, of a derivative whose next version came: the audience is told by that."""
REDACTED: Final = "redacted"
"""Of an original in whose place a derivative came."""
WHOLE: Final = "whole"
"""Of a derivative in whose place its original came."""


def issue(
    tx: Transaction, sight: Sight, names: Names, *, ledger_line: int
) -> tuple[list[tuple[int, Version]], list[bytes]]:
    """Store the derivatives that are gained, and those that revoke: (view, row) of the latter, commitments to all.

    Afterwards `Settlement.shown` has the rows of the former, and `Pool.by_id` knows what all lines serve.
    """
    pool, settlement = sight.pool, sight.result
    pool.know_served([line for those in sight.live.values() for line in those])
    pool.know_served(settlement.ended)
    made = list(settlement.made.values())
    start = len(made)
    for prior, version, _ in settlement.endings:
        source, name = pool.by_id(prior.source), names.current(prior.original)
        made.append(revoking(tx, prior, source, name, version))
    rows, commitments = mint(tx, names, made, ledger_line=ledger_line)
    for place, one in enumerate(made):
        pool.note_served(rows[place])
        settlement.shown.update((key, rows[place]) for key in one.keys)
    pool.know_rows(settlement.reused.values())
    for key, number in settlement.reused.items():
        settlement.shown[key] = pool.by_id(number)
    endings = [
        (view, rows[start + place])
        for place, (_, _, views) in enumerate(settlement.endings)
        for view in views
    ]
    return endings, commitments


def rule_for(settlement: Settlement, line: Live) -> str:
    """Why a line goes in whose place something else comes."""
    if not line.derived:
        return REDACTED
    shown = settlement.shown.get((line.view, line.object))
    ending = any(line.shown == prior.ident for prior, _, _ in settlement.endings)
    return REPLACED if ending or (shown is not None and shown.ident == line.shown) else WHOLE
