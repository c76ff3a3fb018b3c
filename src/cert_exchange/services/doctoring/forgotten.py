"""What an erasure left behind, for who looks at the node: copies that still hold it, unused places of files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from cert_exchange.services import forgetting
from cert_exchange.services.doctoring.findings import Finding
from cert_exchange.stix.instants import format_micros

if TYPE_CHECKING:
    from cert_exchange.node import Node

SAID_FOR: Final = 30 * 86_400 * 1_000_000
"""How long after a restore it is said; `erasures leftovers` says it for ever."""


def examine(node: Node) -> Iterator[Finding]:
    """Look where what was erased may still be read. Nothing to say where nothing was ever erased."""
    left = forgetting.leftovers(node)
    days = node.settings.backups_keep_days
    for one in left.backups:
        yield Finding(
            "note",
            "erasure",
            f"{one.folder}, a backup of {format_micros(one.made_at)}, holds what was erased after it",
            "destroy it when its days are over, or set backups_keep_days"
            if days is None
            else f"it is removed {days} days after it was made; copies elsewhere are yours to destroy",
        )
    for after, until in left.unknown:
        if node.now() - until < SAID_FOR:
            yield Finding(
                "note",
                "erasure",
                f"backups made between {format_micros(after)} and {format_micros(until)} are unknown to this node: it was"
                " restored from one of before; they may hold what was erased",
                "look for them where backups lie, and destroy them when their days are over",
            )
    if left.unused_places:
        yield Finding(
            "note",
            "erasure",
            "unused places of the database's files may hold pieces of what was erased",
            "cert-exchange erasures rewrite, in a quiet hour",
        )
