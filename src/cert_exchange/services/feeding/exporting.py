"""What a view shows, in the formats of feeds: a file for partners, or for our own defenders.

1. The same objects as the bundle of the same view (`bundling`): one state, what an exercise brought left out, and nothing
   at all while what goes out to one of the audience is frozen, unless it is for our own use.
2. What its terms, PAP or IEP do not permit for what is done with the file stays out: most formats carry no marking.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cert_exchange.node import Node
from cert_exchange.services.bundling import readable_view
from cert_exchange.services.feeding.choosing import Choice
from cert_exchange.services.feeding.completing import completed
from cert_exchange.services.feeding.fitting import fitting
from cert_exchange.services.feeding.gathering import Source
from cert_exchange.services.feeding.making import Output, Progress, gather, write
from cert_exchange.store import holdings as rows
from cert_exchange.store.database import Transaction

_SERIAL: Final = 1_000_000


def export_as(
    node: Node,
    view: str,
    choice: Choice,
    *,
    own_use: bool = False,
    progress: Progress | None = None,
) -> tuple[Output, tuple[str, ...]]:
    """What a default client of a view (AUDIENCE/COLLECTION) holds, in the chosen format; and to whom it may not go.

    Raises NotFound for a view that does not exist, InputRefused while sending to one of its audience is stopped and it
    is not for our own use.
    """
    with node.database.reading() as tx:
        number, frozen = readable_view(tx, view, own_use=own_use)
        audience = view.partition("/")[0]
        asked = fitting(
            tx, choice, now=node.now(), own_use=own_use, audience=audience, is_feed=False
        )
        found = completed(gather(_sources(tx, number), asked, progress=progress), asked)
    seconds = node.now() // _SERIAL
    return write(node, choice, found, name=view, serial=lambda _digest: seconds), frozen


def _sources(tx: Transaction, view: int) -> Iterator[Source]:
    for every in rows.bodies_of_view(tx, view):
        for stix_id, origin, body in every:
            yield Source(stix_id, stix_id.partition("--")[0], origin, body, None)
