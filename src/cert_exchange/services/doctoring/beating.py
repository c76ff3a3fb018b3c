"""What `doctor` says of heartbeats: alarms, and partners that no beat can reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cert_exchange.services import beating
from cert_exchange.services.doctoring.findings import Finding

if TYPE_CHECKING:
    from cert_exchange.node import Node


def examine(node: Node, *, partner: str | None = None) -> list[Finding]:
    """Look at all partners, or at one."""
    return [
        Finding(one.grade, f"partner {one.partner}", one.finding, one.step)
        for one in beating.alarms(node, partner=partner)
    ]
