"""What `doctor` says of requests between desks: whose answer is overdue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cert_exchange.services import requesting
from cert_exchange.services.doctoring.findings import Finding

if TYPE_CHECKING:
    from cert_exchange.node import Node


def examine(node: Node, *, partner: str | None = None) -> list[Finding]:
    """Look at all partners, or at one."""
    return [
        Finding(one.grade, f"partner {one.thread.partner}", one.finding, one.step)
        for one in requesting.overdue(node, partner=partner)
    ]
