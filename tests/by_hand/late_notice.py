"""Finding of the chaos harness (seeds 25, 27, 95, 100): a notice that comes late by one channel takes out of use what its
sender shared again by another. `late` fails each time."""

from datetime import timedelta

import pytest
from sqlalchemy import select
from tests.foreign.test_restores import pushed, two  # noqa: F401 - a fixture
from tests.scenes import uid
from tests.taxii.conftest import serving
from tests.unit.syncing.conftest import sync

from cert_exchange.services import noticing, partners, releasing, syncing
from cert_exchange.store.tables import collections, identifiers, memberships, objects


def used(node, stix_id):
    with node.database.reading() as tx:
        return set(
            tx.execute(
                select(collections.c.alias)
                .join(memberships, collections.c.id == memberships.c.collection)
                .join(objects, objects.c.id == memberships.c.object)
                .join(identifiers, identifiers.c.num == objects.c.ident)
                .where(identifiers.c.stix_id == stix_id, memberships.c.taken_back_at.is_(None))
            ).scalars()
        )


@pytest.mark.parametrize("late", [False, True])
def test_what_is_shared_again_stays_in_use_when_the_notice_comes_late(two, late):  # noqa: F811 - a fixture
    a, other = two.a, two.other
    port = two._stack.enter_context(serving(other.node))
    secret = two.folder / "s2"
    secret.write_text(partners.issue(other.node, "a", lifetime=timedelta(days=1)).token)
    syncing.add_source(
        a.node,
        "from-other",
        partner="b",
        url=f"http://127.0.0.1:{port}/api/",
        remote_collection=uid("collection indicators"),
        collection="indicators",
        secret=secret,
        options={"insecure": True, "auth": "bearer", "server": "cert-exchange"},
    )
    o = pushed("o")
    other.publish(o, to="indicators")
    other.publish(o, to="reports")
    assert sync(a.node, "from-other").ok  # pulled: indicators
    assert sync(other.node, "reports-of-a").ok  # pushed: reports
    releasing.withdraw(other.node, o["id"], by="desk", reason="x")
    noticing.tell(other.node)  # the notice stands in `indicators` only
    other.publish(o, to="reports")  # shared again, in `reports` only
    order = [lambda: sync(other.node, "reports-of-a"), lambda: sync(a.node, "from-other")]
    for run in order if late else reversed(order):
        assert run().ok
    assert used(a.node, o["id"]) == {"reports"}
