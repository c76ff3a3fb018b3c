"""Legal holds: what a court, a prosecutor or an auditor needs stays, whatever else would erase it.

1. A hold keeps bytes, not views: what it covers may be withdrawn, recalled, out of use after its retention.
2. Placing and lifting stand in the ledger, with who and why.
"""

from __future__ import annotations

from typing import Final

from cert_exchange.errors import InputRefused, NotFound
from cert_exchange.messages.evidence import Fact, Line
from cert_exchange.node import Node
from cert_exchange.services import ledger
from cert_exchange.services.erasing import number_of
from cert_exchange.store import answers, legal_holds, objects
from cert_exchange.store import versions as version_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.legal_holds import LegalHold

__all__ = ["LegalHold", "lift", "list_holds", "place"]

PLACED: Final = "legal-hold.place"
LIFTED: Final = "legal-hold.lift"


def place(
    node: Node,
    *,
    stix_id: str | None = None,
    partner: str | None = None,
    by: str,
    reason: str,
) -> int:
    """Place a hold over an object, over all that came from a partner, or over its copies of one object; its number.

    Raises NotFound for what we do not hold, InputRefused where neither is given.
    """
    if stix_id is None and partner is None:
        raise InputRefused("over what? Give an id, --from PARTNER, or both.")

    def work(tx: Transaction) -> int:
        ident = None
        if stix_id is not None:
            original = answers.original_of(tx, stix_id) or stix_id
            ident = objects.idents_of(tx, [original]).get(original)
            if ident is None or not any(True for _ in version_rows.versions(tx, [ident])):
                raise NotFound(f"we hold no object {stix_id}; see `search`")
        origin = None if partner is None else number_of(tx, partner)
        now = node.now()
        number = legal_holds.place(tx, ident=ident, partner=origin, reason=reason, at=now, by=by)
        facts: dict[str, Fact] = {
            "hold": number, "id": stix_id or "", "partner": partner or "", "reason": reason,
        }  # fmt: skip
        ledger.record(tx, Line(PLACED, now, by, facts=facts))
        return number

    return node.database.transact(work)


def lift(node: Node, number: int, *, by: str, reason: str) -> None:
    """End a hold. Raises NotFound where none of this number stands."""

    def work(tx: Transaction) -> None:
        now = node.now()
        if not legal_holds.lift(tx, number, at=now, by=by):
            raise NotFound(f"no legal hold {number} stands; see `legal-hold list`")
        facts: dict[str, Fact] = {"hold": number, "reason": reason}
        ledger.record(tx, Line(LIFTED, now, by, facts=facts))

    node.database.transact(work)


def list_holds(node: Node, *, standing_only: bool = True) -> list[LegalHold]:
    """The holds that stand, or all there ever were, the oldest first."""
    with node.database.reading() as tx:
        return legal_holds.listing(tx, standing_only=standing_only)
