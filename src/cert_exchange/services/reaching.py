"""Which partners get by no channel what their policies allow (CASES M16).

A partner is reached where it can log in and poll, or where something is pushed to it. Everybody else gets files: an export
holds what its view serves, and nothing else.
"""

from __future__ import annotations

from cert_exchange.node import Node
from cert_exchange.services import partners
from cert_exchange.store import figures


def without_channel(node: Node) -> frozenset[str]:
    """The partners that have neither a credential in force nor a target."""
    with node.database.reading() as conn:
        pushed = {one.partner for one in figures.channels(conn) if one.direction == "push"}
    return frozenset(
        row.partner.name
        for row in partners.listing(node)
        if not row.credentials and row.partner.name not in pushed
    )
