"""What a partner's credential may be shown again of what that partner sent: the rights that it polls with.

1. What was handed into a collection is shown where the credential may read that collection: to one that only writes, and to
   the stolen one of a sensor, nothing is.
2. What we fetched from the partner ourselves it served to us. All of it is shown to a credential that may as much as its
   partner, and none of it to one that may less.
3. While what goes out to the partner is frozen or suspended nothing is shown.
"""

from __future__ import annotations

from cert_exchange.errors import SharingFrozen
from cert_exchange.node import Node
from cert_exchange.services.partners import Caller
from cert_exchange.store import rights
from cert_exchange.store.handed_in import Sight


def sight_of(node: Node, caller: Caller) -> tuple[Sight, bool]:
    """What the caller may be shown, and whether that may be less than all that its partner sent. Raises SharingFrozen."""
    if caller.frozen:
        raise SharingFrozen(detail=f"what goes out to partner {caller.partner} is frozen")
    with node.database.raw_reader() as connection:
        grants = rights.every(
            node.database.dialect, connection, caller.partner, caller.audience, caller.scope
        )
    readable = frozenset(grant.collection for grant in grants if grant.can_read)
    partial = bool(caller.scope) or any(not grant.can_read for grant in grants)
    return Sight(caller.partner, readable, fetched=not caller.scope), partial
