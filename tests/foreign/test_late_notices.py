"""A notice of withdrawal that comes late, by one collection, leaves alone what was shared again by another (DECISIONS 19).

Chaos runs found it: the other side pulls one collection and is pushed to in the other, and either may hang.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import permutations, product

import pytest
from sqlalchemy import select
from tests.foreign.test_restores import Two, pushed
from tests.foreign.test_restores import two as two  # noqa: PLC0414 - a fixture
from tests.scenes import Scene, uid
from tests.taxii.conftest import serving
from tests.unit.syncing.conftest import sync

from cert_exchange.services import noticing, partners, releasing, syncing
from cert_exchange.store.tables import collections, identifiers, memberships, objects


def used(scene: Scene, stix_id: str) -> set[str]:
    """The collections in which a node uses an object."""
    with scene.node.database.reading() as tx:
        return set(
            tx.execute(
                select(collections.c.alias)
                .join(memberships, collections.c.id == memberships.c.collection)
                .join(objects, objects.c.id == memberships.c.object)
                .join(identifiers, identifiers.c.num == objects.c.ident)
                .where(identifiers.c.stix_id == stix_id, memberships.c.taken_back_at.is_(None))
            ).scalars()
        )


@pytest.fixture
def both_ways(two: Two) -> Iterator[Two]:
    """A also pulls `indicators` of the other node, which pushes `reports` to it."""
    secret = two.folder / "secret-of-a"
    secret.write_text(partners.issue(two.other.node, "a", lifetime=timedelta(days=1)).token)
    with serving(two.other.node) as port:
        syncing.add_source(
            two.a.node, "from-other", partner="b", url=f"http://127.0.0.1:{port}/api/",
            remote_collection=uid("collection indicators"), collection="indicators", secret=secret,
            options={"insecure": True, "auth": "bearer", "server": "cert-exchange"},
        )  # fmt: skip
        yield two


def test_what_is_shared_again_is_used_whichever_channel_comes_first(both_ways: Two) -> None:
    """It is used in the collection in which it is shared again, and in no other. One engine: the order is the subject."""
    a, other = both_ways.a, both_ways.other
    channels = {
        "pull": lambda: sync(a.node, "from-other"),
        "push": lambda: sync(other.node, "reports-of-a"),
    }
    for again, order in product(("indicators", "reports"), permutations(channels)):
        one = pushed(f"{again} {order}")
        for place in ("indicators", "reports"):
            other.publish(one, to=place)
        for run in channels.values():
            assert run().ok
        releasing.withdraw(other.node, one["id"], by="desk", reason="x")
        noticing.tell(other.node)
        other.publish(one, to=again)
        for name in order:
            assert channels[name]().ok
        assert used(a, one["id"]) == {again}, order
