"""What our people call what an id means, for lists that would else show ids alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from cert_exchange.node import Node
from cert_exchange.services.exercises import exercises
from cert_exchange.services.hits import hit_of
from cert_exchange.store import holdings as rows
from cert_exchange.store import releases
from cert_exchange.store.holdings import Wanted
from cert_exchange.store.tables import ObjectStatus

MOST: Final = 1_000
LONGEST: Final = 80
"""Characters of what something is called here."""


def called(node: Node, ids: Iterable[str]) -> dict[str, str]:
    """Of these ids, those that we have a word for: the partner that speaks for an identity, else what the object says of itself.

    Of several copies ours counts before a partner's; what is only proposed gives an object no name. At most MOST are looked up.
    """
    wanted = list(dict.fromkeys(ids))[:MOST]
    found: dict[str, str] = {}
    with node.database.reading() as tx:
        spoken = releases.read_sharing(tx).said.spoken
        found.update(
            (identity, name)
            for name, identities in spoken.items()
            for identity in identities
            if identity in wanted
        )
        names, drills = rows.names_of_origins(tx), exercises(tx)
        for stix_id in wanted:
            if stix_id in found or "--" not in stix_id:
                continue
            held = rows.find(tx, Wanted(stix_id=stix_id, status=ObjectStatus.ACCEPTED))
            for one in sorted(held, key=lambda one: one.origin)[:1]:
                label = " ".join(hit_of(one, names, drills)[0].label.split())
                if label:
                    found[stix_id] = label if len(label) <= LONGEST else f"{label[: LONGEST - 1]}…"
    return found
