"""The ledgers: whether partners' go on from what they showed, and whether they were asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from cert_exchange.services.comparing import asking
from cert_exchange.services.comparing.judging import WORDS, Break
from cert_exchange.services.doctoring.findings import Finding
from cert_exchange.services.ledger import checkpointing
from cert_exchange.stix.instants import format_micros
from cert_exchange.store import partner_epochs, partner_keys
from cert_exchange.store.epochs import FIRST

if TYPE_CHECKING:
    from cert_exchange.node import Node

DAY: Final = 86_400 * 1_000_000
SILENT: Final = 3 * DAY


def examine(node: Node, *, partner: str | None = None) -> list[Finding]:
    """Look at our own heads, at breaks, and at comparisons that told nothing for days; with `partner`, at its alone."""
    found = [*_own(node), *_breaks(node), *_silent(node)]
    return [one for one in found if partner is None or one.about == f"partner {partner}"]


def _own(node: Node) -> Iterator[Finding]:
    last = checkpointing.newest(node)
    if last is not None and node.now() - last.issued_at > 2 * DAY:
        yield Finding(
            "wrong",
            "ledger",
            f"no head of it was signed since {format_micros(last.issued_at)}",
            "cert-exchange ledger verify; the worker signs one each hour while all is well",
        )


def _breaks(node: Node) -> Iterator[Finding]:
    with node.database.reading() as tx:
        restored = {
            name: known.heard_at
            for name, known in partner_epochs.every(tx)
            if known.theirs > FIRST and known.heard_at is not None
        }
    for one in asking.breaks(node):
        said = f"{WORDS[Break(one.kind)]} (found {format_micros(one.found_at)})"
        if one.partner in restored and one.kind != Break.OURS:
            said += f"; it told us {format_micros(restored[one.partner])} that it restored a backup"
        yield Finding(
            "wrong",
            f"partner {one.partner}",
            said,
            f"call it; cert-exchange ledger breaks; ledger settle {one.partner} --reason ...",
        )


def _silent(node: Node) -> Iterator[Finding]:
    with node.database.reading() as tx:
        signing = {one.partner for one in partner_keys.every_key(tx)}
    for one in asking.comparisons(node):
        if not one.trouble:
            continue
        if one.compared_at is None:
            # Who signs for us to believe shows heads too; a stock server has none, and nothing is wrong with it.
            if one.name not in signing:
                continue
            since = "was never compared"
        elif node.now() - one.compared_at > SILENT:
            since = f"was last compared {format_micros(one.compared_at)}"
        else:
            continue
        yield Finding(
            "note",
            f"partner {one.name}",
            f"its ledger {since}: {one.trouble}",
            f"cert-exchange ledger compare {one.name}",
        )
