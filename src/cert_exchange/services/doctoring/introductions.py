"""Channels that wait for a person: cards to confirm, words to compare anew, set-ups that stand still."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cert_exchange.services import introducing
from cert_exchange.services.doctoring.findings import Finding

if TYPE_CHECKING:
    from cert_exchange.node import Node


def about_partners(node: Node) -> Iterator[Finding]:
    """All that is due, by partner."""
    for one in introducing.due(node):
        yield Finding(one.grade, f"partner {one.partner}", one.finding, one.step)
