"""What an examination says of certificates: ours, and those that partners must show.

1. What concerns a partner names it, as every finding about a partner does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cert_exchange.services import pki
from cert_exchange.services.doctoring.findings import Finding

if TYPE_CHECKING:
    from cert_exchange.node import Node


def examine(node: Node) -> Iterator[Finding]:
    """Look at our authorities, lists and certificates."""
    for one in pki.findings(node):
        if one.partner is None:
            yield Finding(one.grade, "certificates", one.finding, one.step)


def about_partners(node: Node) -> Iterator[Finding]:
    """Look at what partners show and at the authorities that are pinned to them."""
    for one in pki.findings(node):
        if one.partner is not None:
            yield Finding(one.grade, f"partner {one.partner}", one.finding, one.step)
