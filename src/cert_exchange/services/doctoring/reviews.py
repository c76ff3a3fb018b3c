"""What `doctor` says of partners' disagreements with objects of ours: how many wait for a person, and for how long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cert_exchange.policy.wording import lasting
from cert_exchange.services.doctoring.findings import Finding
from cert_exchange.store import checkups

if TYPE_CHECKING:
    from cert_exchange.node import Node

DAY: Final = 86_400 * 1_000_000
TOO_LONG: Final = 3 * DAY
"""Meanwhile the object goes to nobody new, be it right or wrong."""


def examine(node: Node, *, partner: str | None = None) -> list[Finding]:
    """Look at all partners, or at one."""
    with node.database.reading() as tx:
        found = checkups.disputes(tx)
    now = node.now()
    return [
        Finding(
            "wrong" if now - one.since > TOO_LONG else "note",
            f"partner {one.partner}",
            f"its people disagree with {one.objects:,} of our objects, which go to nobody new until a person has looked;"
            f" the oldest waits for {lasting(max(now - one.since, 1_000_000))}",
            "cert-exchange review list, then keep or revoke",
        )
        for one in found
        if partner in (None, one.partner)
    ]
