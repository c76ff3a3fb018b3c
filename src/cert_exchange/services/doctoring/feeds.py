"""What `doctor` says of feeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cert_exchange.services import feeding
from cert_exchange.services.doctoring.findings import Finding

if TYPE_CHECKING:
    from cert_exchange.node import Node


def examine(node: Node) -> list[Finding]:
    """Look at every feed."""
    return [
        Finding(one.grade, f"feed {one.feed}", one.finding, one.step) for one in feeding.watch(node)
    ]
