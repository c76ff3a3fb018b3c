"""Terms that our desk gives with what it publishes: they lie beside the objects before anybody decides about them.

1. What was said before stays: of both the strictest counts. Only `terms set` says it anew.
2. A cyber-observable of ours is bound in our copy; any other object in whoever's copy, for it is one object.
3. Identities and definitions are not bound by the terms of a publication: what refers to them needs them, also of those
   who get nothing of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cert_exchange.policy.sharing_terms import NO_TERMS, SharingTerms, from_text, to_text
from cert_exchange.services.publishing.knowing import Intake
from cert_exchange.services.releasing import Releasing
from cert_exchange.stix.envelopes import Examined
from cert_exchange.store import terms as rows
from cert_exchange.store.tables import OWN
from cert_exchange.store.terms import EVERY

_FREE: Final = frozenset({"identity", "marking-definition", "extension-definition"})


def lay_beside(
    intake: Intake, releasing: Releasing, items: Sequence[Examined], terms: SharingTerms
) -> dict[int, None]:
    """Write the terms beside these objects, where we hold them; the ids to decide again."""
    wanted: dict[tuple[int, int], None] = {}
    for one in items:
        item = one.item
        if item is not None and item.type not in _FREE and intake.known[intake.nums[item.id]]:
            wanted[intake.nums[item.id], OWN if item.observable else EVERY] = None
    bindings = releasing.pool.bindings
    bindings.ask([ident for ident, _ in wanted])()
    written: dict[tuple[int, int], str | None] = {}
    for ident, origin in wanted:
        text = bindings.beside.get(ident, {}).get(origin)
        try:
            before = NO_TERMS if text is None else from_text(text)
        except ValueError:
            continue  # what cannot be read denies all, and goes on doing so
        written[ident, origin] = to_text(before & terms)
    rows.replace(intake.tx, written, at=intake.now, by=intake.sender.name, reason=None)
    bindings.tell(written)
    return dict.fromkeys(ident for ident, _ in written)
