"""Two nodes while one of them changes its signing key: what the older key signed counts within the overlap, and not after.

On SQLite alone: the sentences are about keys and instants, and run no SQL of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from tests.conftest import Wall
from tests.scenes import Scene, indicator
from tests.unit.syncing.peers import Channel, as_b, channel_between, public_key
from tests.unit.syncing.test_signed_delivery import covered, held, kinds, receipts, statements

from cert_exchange.errors import ConfigurationInvalid, SignatureBroken
from cert_exchange.messages.signatures import key_named_in
from cert_exchange.node import Node
from cert_exchange.services import deliveries, signing
from cert_exchange.services.comparing import asking
from cert_exchange.store.tables import partner_keys

MICROS = timedelta(microseconds=1)


def has_left(scene: Scene, kid: str, left: timedelta) -> None:
    """Let a pinned key have this much time left: the days between are passed over, for a server's clock is the real one."""
    until = scene.node.now() + left // MICROS
    scene.node.database.transact(
        lambda tx: tx.execute(
            update(partner_keys).where(partner_keys.c.kid == kid).values(until=until)
        )
    )


@pytest.fixture
def channel(sqlite_node: Node, new_node: Any, wall: Wall, tmp_path: Path) -> Iterator[Channel]:
    other = as_b(new_node("sqlite", "b"), wall)
    with channel_between(sqlite_node, other, tmp_path) as made:
        yield made
    other.close()


def on_its_way(channel: Channel) -> str:
    """A's second statement, signed with its old key, is made and does not reach B; A rotates, and B knows of it.

    Returns the name of the old key.
    """
    channel.source()
    channel.a.publish(indicator("first"))
    assert channel.pull().ok
    channel.a.publish(indicator("late"))
    channel.to_a.lose.add("statements")
    assert not channel.pull().ok
    old = channel.a.node.secrets.signing_keys[0].kid
    fresh = signing.rotate(channel.a.node, by="anna").kid
    asking.compare(channel.b.node, "a")  # as each day: it learns the newer key
    pinned = {one.key.kid: one.key for one in signing.pinned(channel.b.node)}
    assert pinned.keys() == {old, fresh}
    assert pinned[fresh].until is None
    until = pinned[old].until
    assert until is not None
    assert abs(until - channel.b.node.now() - signing.OVERLAP) < timedelta(minutes=5) // MICROS
    assert indicator("late")["id"] not in held(channel.b)
    return old


def test_what_the_older_key_signed_counts_within_the_overlap(channel: Channel) -> None:
    """In its last minutes: verified, taken in, receipted; what comes next is signed with the newer one."""
    old = on_its_way(channel)
    has_left(channel.b, old, timedelta(minutes=5))
    assert channel.pull().ok
    channel.a.publish(indicator("next"))
    assert channel.pull().ok
    keys = [key_named_in(row.text) for row in statements(channel.b, "a", ours=False)]
    assert keys[:2] == [old, old]
    assert keys[2] == channel.a.node.secrets.signing_keys[0].kid != old
    assert {indicator(name)["id"] for name in ("first", "late", "next")} <= covered(channel.b)
    assert len(receipts(channel)) == 3


def test_after_the_overlap_it_is_refused_until_a_person_lets_it_in(channel: Channel) -> None:
    """A thief's would look the same: nothing is taken in, the text is kept; it is no fork, and pinning anew says what is wrong."""
    old = on_its_way(channel)
    public = next(one.public for one in signing.our_keys(channel.a.node) if one.kid == old)
    has_left(channel.b, old, timedelta(seconds=-1))
    report = channel.pull()
    assert not report.ok
    assert f"key {old}, which does not count now" in report.outcome
    assert indicator("late")["id"] not in held(channel.b)
    assert kinds(channel.b).count("statement.broken") == 1
    assert deliveries.forks(channel.b.node) == ()
    with pytest.raises(ConfigurationInvalid, match="This key ended at"):
        signing.pin(channel.b.node, "a", public, by="boris")
    assert not channel.pull().ok
    three = timedelta(days=3)
    signing.pin(channel.b.node, "a", public, by="boris", again_for=three)
    assert channel.pull().ok
    assert indicator("late")["id"] in covered(channel.b)
    # It vouches for nothing meanwhile, and ends by itself.
    pinned = {one.key.kid: one.key for one in signing.pinned(channel.b.node)}
    assert pinned[old].until is not None
    assert abs(pinned[old].until - channel.b.node.now() - three // MICROS) < 60_000_000
    assert not pinned[old].holds_at(channel.b.node.now() + timedelta(days=4) // MICROS)
    channel.a.publish(indicator("next"))
    assert channel.pull().ok
    with pytest.raises(ConfigurationInvalid, match="did not end"):
        signing.pin(channel.b.node, "a", public_key(channel.a.node), by="boris", again_for=three)


def test_a_receipt_by_the_older_key_counts_within_the_overlap(channel: Channel) -> None:
    """B signed it before it changed its key, and hands it over afterwards: within the overlap, and not after."""
    channel.source()
    channel.a.publish(indicator("first"))
    channel.to_a.requests["receipts"] = lambda _body: b"{"  # does not arrive
    assert channel.pull().ok
    (row,) = statements(channel.b, "a", ours=False)
    assert row.handed_over_at is None
    old = channel.b.node.secrets.signing_keys[0]
    signing.rotate(channel.b.node, by="boris")
    signing.follow(channel.a.node, channel.a.partner("b"), signing.our_list(channel.b.node))
    channel.to_a.requests.clear()
    has_left(channel.a, old.kid, timedelta(seconds=-1))
    receipt = {"receipt": row.receipt}
    with pytest.raises(SignatureBroken, match="does not count now"):
        deliveries.take_receipt(channel.a.node, channel.a.partner("b"), receipt)
    has_left(channel.a, old.kid, timedelta(minutes=5))
    assert channel.pull().ok
    (taken,) = statements(channel.a, "b", ours=True)
    assert key_named_in(str(taken.receipt)) == old.kid
