"""A revocation reaches each holder within one cycle, and who has which version is known; a relay's signature travels with what
it relays. Real nodes over HTTP.

On SQLite alone: releasing and fetching run on both engines in their own tests; here it is who learns what.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import OUR_IDENTITY, Wall
from tests.scenes import C_IDENTITY, Scene, indicator
from tests.taxii.conftest import Client
from tests.unit.syncing.conftest import quarantined
from tests.unit.syncing.peers import Channel, altered, as_b, channel_between
from tests.unit.syncing.test_signed_delivery import tampers

from cert_exchange.node import Node
from cert_exchange.services import deliveries, ledger, partners, recalling, reconciling
from cert_exchange.services.deliveries import OTHER_CONTENT
from cert_exchange.services.partners import Direction
from cert_exchange.store import delivered


@pytest.fixture
def channel(sqlite_node: Node, new_node: Any, wall: Wall, tmp_path: Path) -> Iterator[Channel]:
    other = as_b(new_node("sqlite", "b"), wall)
    with channel_between(sqlite_node, other, tmp_path) as made:
        yield made
    other.close()


def has(scene: Scene, stix_id: str) -> dict[tuple[str, str], str]:
    """(partner, version) -> whether it has it, as our own ledger and marks say."""
    ledger.note_fetches(scene.node)
    return {
        (one.partner, one.version): str(one.has) for one in recalling.fetched(scene.node, stix_id)
    }


@pytest.mark.case("S17")
def test_a_revocation_reaches_each_holder_and_the_ledger_says_who_has_which_version(
    channel: Channel,
) -> None:
    """One node that pulls, one stock client that polls, one that was kept from it until its suspension ended."""
    a = channel.a
    stix_id = indicator("x")["id"]
    client = Client(
        channel.to_a.port_behind, f"Bearer {partners.issue(a.node, 'c', lifetime=None).token}"
    )
    channel.source()
    a.publish(indicator("x"))
    assert channel.pull().ok
    first = client.objects()
    assert stix_id in first.ids
    (version,) = {one for _, one in has(a, stix_id)}
    assert has(a, stix_id) == {("b", version): "fetched", ("c", version): "fetched"}

    partners.suspend(a.node, "c", by="anna", direction=Direction.SENDING)
    a.publish(indicator("x", version=1, revoked=True))
    assert channel.pull().ok
    assert client.objects({"added_after": first.headers["x-taxii-date-added-last"]}).status != 200
    said = has(a, stix_id)
    (fresh,) = {one for _, one in said} - {version}
    # Who holds the revocation, and who still stands on the version before: by name, at once.
    assert said["b", fresh] == "fetched"
    assert said["c", fresh] == "not fetched"
    partners.resume(a.node, "c", by="anna")
    page = client.objects({"added_after": first.headers["x-taxii-date-added-last"]})
    revoked = [one for one in page.json["objects"] if one["id"] == stix_id]
    assert [one["revoked"] for one in revoked] == [True]
    assert has(a, stix_id)["c", fresh] == "fetched"

    # The node that pulled holds it as the one that counts, signed for and receipted.
    with channel.b.node.database.reading() as tx:
        held = delivered.held(tx, channel.b.partner("a"), [stix_id])
        covered = delivered.covered(tx, [one.object for one in held])
    assert {one.version for one in held} == {version, fresh}
    assert len(covered) == 2
    channel.target()  # so that A can ask B for its account
    account = reconciling.reconcile(a.node, "b")
    assert (account.differences, account.odd) == ((), ())
    assert account.acknowledged == account.agreed_out


@pytest.mark.case("O18")
def test_a_relays_signature_goes_with_what_it_relays(channel: Channel) -> None:
    """C's object comes to B by A: B sees that A signed it so; what a third hand altered on the way is not taken for it."""
    a, b = channel.a, channel.b
    everything = (
        "partners: [b]\ncollections: [indicators, reports]\nceiling: {tlp: amber, unmarked: green}\n"
        "rules:\n  - name: everything\n    match: {origin: any}\n    allow: true\n"
    )
    a.apply("b", everything)
    partners.amend(b.node, "a", speaks_for=[OUR_IDENTITY], relays=[C_IDENTITY])
    a.post("c", indicator("kept", by=C_IDENTITY), indicator("altered", by=C_IDENTITY))
    channel.to_a.answers["objects"] = altered(
        lambda page: tampers(page, "altered", pattern="[ipv4-addr:value = '203.0.113.9']")
    )
    channel.source(statements="require")
    report = channel.pull()
    assert report.ok, report
    (origin,) = deliveries.origins(b.node, indicator("kept", by=C_IDENTITY)["id"])
    assert (origin.partner, origin.signed_with) == ("a", a.node.secrets.signing_keys[0].kid)
    other = indicator("altered", by=C_IDENTITY)["id"]
    assert deliveries.origins(b.node, other) == ()
    assert ("rejected", other, OTHER_CONTENT) in quarantined(b.node)
    # What A itself altered is A's word, and A's key is under it: whoever asks C or its manifest has the proof against A.
    (row,) = deliveries.listing(b.node, partner="a", ours=False)
    assert row.signed_with == origin.signed_with
    assert row.outcomes["differs"] == 1
