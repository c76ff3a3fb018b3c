"""Invariant 4: nobody overwrites another's object.

A new version counts only from its creator's own channel or from a relay that the administrator named for that creator.
Everything else is kept as a proposal; when the creator's own version arrives, it takes over. Our own identity is never
accepted from outside. Cyber-observables belong to nobody: copies stand side by side.
"""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select
from tests.scenes import (
    B_IDENTITY,
    C_IDENTITY,
    OWN_IDENTITY,
    THIRD_IDENTITY,
    Scene,
    address,
    envelope,
    identity,
    indicator,
    malware,
    uid,
)

from cert_exchange.node import Node
from cert_exchange.services import ledger, partners, policies, publishing, releasing
from cert_exchange.store.tables import identifiers, objects, quarantine

EVERYTHING = """\
name: {partner}
partners: [{partner}]
collections: [indicators, reports]
ceiling: {{tlp: amber, unmarked: green}}
rules:
  - name: everything
    match: {{origin: any}}
    allow: true
"""


@pytest.fixture
def scene(node: Node) -> Scene:
    made = Scene.set_up(node, policies_for=())
    for partner in ("b", "c"):
        made.apply(partner, EVERYTHING.format(partner=partner))
    return made


def statuses(scene: Scene, stix_id: str) -> list[tuple[int, str, str]]:
    """(origin, version, status) of everything kept of an id."""
    with scene.node.database.reading() as conn:
        rows = conn.execute(
            select(objects.c.origin, objects.c.version, objects.c.status)
            .join(identifiers, identifiers.c.num == objects.c.ident)
            .where(identifiers.c.stix_id == stix_id)
            .order_by(objects.c.origin, objects.c.version_key)
        )
        return [(row[0], row[1], row[2]) for row in rows]


def shown(scene: Scene, partner: str, stix_id: str) -> list[Any]:
    return [one for one in scene.sees(partner) if one["id"] == stix_id]


def quarantined(scene: Scene) -> list[tuple[str, str]]:
    with scene.node.database.reading() as conn:
        return [
            (row[0], row[1])
            for row in conn.execute(select(quarantine.c.kind, quarantine.c.stix_id))
        ]


@pytest.mark.case("O11")
@pytest.mark.case("O14")
@pytest.mark.parametrize("by", [OWN_IDENTITY, B_IDENTITY, C_IDENTITY, THIRD_IDENTITY, None])
def test_a_newer_version_from_a_stranger_changes_nothing_that_anybody_sees(
    scene: Scene, by: str | None
) -> None:
    """Whoever it says made it: later modified and other content from B leave A's object as it is, and are shown to us."""
    ours = indicator("ours")
    scene.publish(ours)
    before = scene.log("b"), scene.log("c")
    outcome = scene.post("b", indicator("ours", version=50, by=by, description="altered"))[0]
    assert (outcome.success, outcome.result) == (False, "proposal")
    assert "note or an opinion" in outcome.message or "another creator" in outcome.message
    assert (scene.log("b"), scene.log("c")) == before
    assert shown(scene, "c", ours["id"]) == [ours]
    assert statuses(scene, ours["id"])[-1][2] == "proposal"
    ledger.verify(scene.node)


@pytest.mark.case("O05")
def test_only_creator_or_desk_revokes_or_deletes(scene: Scene) -> None:
    """B's revoked=true for A's object is a failure entry, and its DELETE is refused; A's own counts."""
    from cert_exchange.errors import DeleteRefused

    ours = indicator("ours")
    scene.publish(ours)
    assert not scene.post("b", indicator("ours", version=9, revoked=True))[0].success
    with pytest.raises(DeleteRefused):
        releasing.withdraw_submitted(
            scene.node, scene.caller("b"), scene.collection("indicators"), ours["id"]
        )
    assert shown(scene, "b", ours["id"]) == [ours]
    scene.publish(indicator("ours", version=10, revoked=True))
    assert [one["revoked"] for one in shown(scene, "b", ours["id"])] == [True]


@pytest.mark.case("O06")
def test_a_revocation_is_a_new_version_with_a_new_date(scene: Scene) -> None:
    """It comes after everything that a client has, as the last version, byte for byte as its creator wrote it."""
    scene.publish(indicator("one"))
    reached = scene.log("b")[-1][0]
    scene.publish(indicator("one", version=4, revoked=True))
    lines = [line for line in scene.log("b") if line[0] > reached]
    assert [(kind, stix_id) for _, kind, stix_id in lines] == [("release", indicator("one")["id"])]
    assert shown(scene, "b", indicator("one")["id"])[0]["revoked"] is True


@pytest.mark.case("O08")
def test_ownership_compares_ids_and_never_names(scene: Scene) -> None:
    """An identity of the same name as another's owns nothing of it, whichever of the two comes first."""
    twin = f"identity--{uid('twin')}"
    scene.post("b", identity(B_IDENTITY, "CERT Same Name"), indicator("theirs", by=B_IDENTITY))
    outcomes = scene.post(
        "c",
        identity(twin, "CERT Same Name", by=C_IDENTITY),
        indicator("theirs", by=twin, version=5),
        indicator("theirs", by=C_IDENTITY, version=6),
    )
    assert [one.success for one in outcomes] == [True, False, False]
    assert shown(scene, "c", indicator("theirs")["id"]) == [indicator("theirs", by=B_IDENTITY)]


@pytest.mark.case("O17")
def test_an_id_belongs_to_who_brought_it_first_and_nothing_is_merged(scene: Scene) -> None:
    """Two partners send one id in turn with different texts: the first one's stays, whole, whoever ran last."""
    mine = {"by": B_IDENTITY}
    scene.post("b", malware("shared", version=1, description="of b", aliases=["b"], **mine))
    for version in (2, 3, 4):
        scene.post(
            "c",
            malware("shared", version=version, by=C_IDENTITY, description="of c", aliases=["c"]),
        )
        scene.publish(malware("shared", version=version + 10, description="of a"))
    stix_id = malware("shared")["id"]
    assert [one["description"] for one in shown(scene, "c", stix_id)] == ["of b"]
    scene.post("b", malware("shared", version=20, **mine))
    assert shown(scene, "c", stix_id) == [
        malware("shared", version=20, **mine)
    ]  # replaced, not merged
    assert shown(scene, "b", stix_id) == []


@pytest.mark.case("O15")
def test_a_version_replaces_and_never_merges_markings(scene: Scene) -> None:
    """v1 GREEN, v2 AMBER only: v2 alone counts; two TLP markings in one object: the strictest."""
    scene.apply("b", EVERYTHING.format(partner="b").replace("tlp: amber", "tlp: green"))
    scene.publish(
        indicator("one", version=1, tlp="green"), indicator("other", version=1, tlp="green")
    )
    scene.publish(indicator("one", version=2, tlp="amber"))
    assert shown(scene, "b", indicator("one")["id"]) == []
    assert shown(scene, "c", indicator("one")["id"]) == [indicator("one", version=2, tlp="amber")]
    both = indicator("other", version=2, tlp="green")
    both["object_marking_refs"] += indicator("x", tlp="amber")["object_marking_refs"]
    scene.publish(both)
    assert shown(scene, "b", both["id"]) == []
    assert shown(scene, "c", both["id"]) == [both]


@pytest.mark.case("O18")
def test_a_relay_brings_only_what_it_was_named_for(scene: Scene) -> None:
    """C -> D: another creator's object is accepted from a relay that was named for that creator, and from no other."""
    third = indicator("third", by=THIRD_IDENTITY)
    assert not scene.post("b", third)[0].success
    partners.amend(scene.node, "c", speaks_for=[C_IDENTITY], relays=[THIRD_IDENTITY])
    assert scene.post("c", third)[0].success
    assert shown(scene, "b", third["id"]) == [third]
    altered = indicator("third", by=THIRD_IDENTITY, version=7, description="altered by b")
    assert not scene.post("b", altered)[0].success
    relayed = indicator("third", by=B_IDENTITY, version=8)
    assert not scene.post("c", relayed)[0].success  # nor may a relay change who made it
    partners.amend(scene.node, "c", speaks_for=[C_IDENTITY], relays=[], relays_any=True)
    for never in (OWN_IDENTITY, B_IDENTITY):
        assert not scene.post("c", indicator(f"of {never}", by=never))[0].success
    assert (scene.partner("c"), third["modified"], "accepted") in statuses(scene, third["id"])


def test_when_the_creators_own_version_arrives_it_takes_over(scene: Scene) -> None:
    """A relay brought one text, its creator brings another under the same key: ours goes, the next version counts."""
    partners.amend(scene.node, "c", speaks_for=[C_IDENTITY], relays=[THIRD_IDENTITY])
    scene.apply("b", EVERYTHING.format(partner="b"))
    relayed = indicator("third", by=THIRD_IDENTITY, description="as the relay says")
    assert scene.post("c", relayed)[0].success
    assert shown(scene, "b", relayed["id"]) == [relayed]
    partners.amend(scene.node, "c", speaks_for=[C_IDENTITY], relays=[])
    partners.add(scene.node, "d", title="CERT D", speaks_for=[THIRD_IDENTITY])
    true = indicator("third", by=THIRD_IDENTITY, description="as its creator says")
    for _ in range(2):  # the same again is no new matter
        assert scene.post("d", true)[0].success
        assert shown(scene, "b", relayed["id"]) == []
    assert ("conflict", relayed["id"]) in quarantined(scene)
    following = indicator("third", by=THIRD_IDENTITY, version=1, description="and from now on")
    assert scene.post("d", following)[0].success
    assert shown(scene, "b", relayed["id"]) == [following]
    assert not scene.post("c", indicator("third", by=THIRD_IDENTITY, version=2))[0].success
    ledger.verify(scene.node)


def test_our_own_identity_is_never_accepted_from_outside(scene: Scene) -> None:
    """Neither the identity object nor anything that claims to be made by it, from anyone, relay of all or not."""
    partners.amend(scene.node, "b", speaks_for=[B_IDENTITY], relays=[], relays_any=True)
    outcomes = scene.post(
        "b",
        identity(OWN_IDENTITY, "we are b now", version=9),
        indicator("claim", by=OWN_IDENTITY),
        identity(OWN_IDENTITY, "we are b now", version=8, by=B_IDENTITY),
    )
    assert [one.success for one in outcomes] == [False] * 3
    for partner in ("b", "c"):
        names = {one["name"] for one in scene.sees(partner) if one["id"] == OWN_IDENTITY}
        assert "we are b now" not in names


def test_nobody_brings_the_identity_that_a_partner_speaks_for(scene: Scene) -> None:
    """Not under a creator of its own either; it is told as if nobody were known by it, and what C says takes over."""
    spoofed = identity(C_IDENTITY, "not c at all", by=B_IDENTITY)
    assert (scene.post("b", spoofed)[0].success, scene.post("b", spoofed)[0].message) == (True, "")
    assert not scene.publish(identity(C_IDENTITY, "nor we", by=OWN_IDENTITY))[0].success
    assert statuses(scene, C_IDENTITY) == [(scene.partner("b"), spoofed["modified"], "proposal")]
    true = identity(C_IDENTITY, "c itself")
    assert scene.post("c", true)[0].success
    assert shown(scene, "b", C_IDENTITY) == [true]


def test_a_proposal_counts_when_its_sender_may_bring_it(scene: Scene) -> None:
    """The administrator names the relay afterwards; sending again then releases what was only a proposal."""
    third = indicator("third", by=THIRD_IDENTITY)
    assert scene.post("c", third)[0].result == "proposal"
    partners.amend(scene.node, "c", speaks_for=[C_IDENTITY], relays=[THIRD_IDENTITY])
    assert scene.post("c", third)[0].success
    assert shown(scene, "b", third["id"]) == [third]


def test_copies_of_an_observable_are_decided_each_by_its_own_markings(scene: Scene) -> None:
    """B's amber copy stays with us, C's green one goes to B; our red one neither hides nor opens them."""
    scene.post("b", address("192.0.2.9", tlp="amber", x_of="b"))
    scene.publish(address("192.0.2.9", tlp="red", x_of="a"))
    assert shown(scene, "c", address("192.0.2.9")["id"]) == []
    scene.post("c", address("192.0.2.9", tlp="green", x_of="c"))
    assert [one["x_of"] for one in shown(scene, "b", address("192.0.2.9")["id"])] == ["c"]
    assert shown(scene, "c", address("192.0.2.9")["id"]) == []


@pytest.mark.case("O02")
def test_a_deleted_object_is_gone_and_a_re_post_is_a_new_addition(scene: Scene) -> None:
    """For its readers at once; posted again by the same side it comes with a new date."""
    theirs = indicator("theirs", by=B_IDENTITY)
    scene.post("b", theirs)
    reached = scene.log("c")[-1][0]
    releasing.withdraw_submitted(
        scene.node, scene.caller("b"), scene.collection("indicators"), theirs["id"]
    )
    assert shown(scene, "c", theirs["id"]) == []
    assert scene.post("b", theirs)[0].success
    assert shown(scene, "c", theirs["id"]) == [theirs]
    again = [line for line in scene.log("c") if line[0] > reached and line[2] == theirs["id"]]
    assert [kind for _, kind, _ in again] == ["withdrawal", "release"]


@pytest.mark.case("O03")
def test_after_a_deletion_who_took_it_back_decides_whether_it_returns(scene: Scene) -> None:
    """Its sender's own deletion lets it post again; our desk's order blocks it, and the sender is told the same."""
    theirs = indicator("theirs", by=B_IDENTITY)
    scene.post("b", theirs)
    releasing.withdraw(scene.node, theirs["id"], by="desk", reason="wrong")
    again = scene.post("b", theirs)[0]
    assert (again.success, again.message) == (True, "")
    assert shown(scene, "c", theirs["id"]) == []
    found = policies.explain(scene.node, theirs["id"], partner="c")
    assert not any(
        one.answer == "visible" for one in found.versions
    )  # the operator sees that it is out
    newer = indicator("theirs", by=B_IDENTITY, version=3)
    assert scene.post("b", newer)[0].success
    assert shown(scene, "c", theirs["id"]) == [newer]


def test_what_is_held_from_a_partner_stays_that_partners_when_our_desk_publishes_it(
    scene: Scene,
) -> None:
    """A bundle that contains B's object is published as a whole: B's is a duplicate, and C goes on seeing B's."""
    theirs = indicator("theirs", by=B_IDENTITY)
    scene.post("b", theirs)
    told = scene.publish(theirs, indicator("ours"))
    assert [one.result for one in told] == ["duplicate", "accepted"]
    altered = scene.publish(indicator("theirs", by=B_IDENTITY, version=3))[0]
    assert (altered.success, altered.result) == (False, "rejected")
    assert statuses(scene, theirs["id"]) == [(scene.partner("b"), theirs["modified"], "accepted")]
    assert shown(scene, "c", theirs["id"]) == [theirs]
    assert shown(scene, "b", theirs["id"]) == []


@pytest.mark.case("O20")
def test_a_reused_id_in_one_envelope_loses_both(scene: Scene) -> None:
    """Same id and version with other content in one body: neither counts, whatever their order."""
    body = envelope(
        indicator("twice", by=B_IDENTITY), indicator("twice", by=B_IDENTITY, description="altered")
    )
    told = publishing.receive(
        scene.node, body, partner=scene.partner("b"), collection=scene.collection("indicators")
    )
    assert [one.success for one in told.outcomes] == [False, False]
    assert shown(scene, "c", indicator("twice")["id"]) == []


FAR = "2999-12-31T23:59:59.000Z"


def relaying(scene: Scene, partner: str, speaks_for: str) -> None:
    partners.amend(scene.node, partner, speaks_for=[speaks_for], relays=(), relays_any=True)


def arrives(scene: Scene, partner: str, creator: str) -> None:
    """The creator becomes a partner of ours with a channel of its own."""
    partners.amend(scene.node, partner, speaks_for=[creator], relays=())


@pytest.mark.case("O14")
@pytest.mark.case("O18")
def test_a_relays_version_of_the_future_is_a_proposal(scene: Scene) -> None:
    """A relay cannot squat an object by dating it far ahead; its creator's own channel may date as it likes."""
    relaying(scene, "b", B_IDENTITY)
    scene.post("b", indicator("x", by=THIRD_IDENTITY))
    (squat,) = scene.post(
        "b", indicator("x", by=THIRD_IDENTITY, modified=FAR, description="squatted")
    )
    assert (squat.success, squat.result) == (False, "proposal")
    assert "future" in squat.message
    (again,) = scene.post(
        "b", indicator("x", by=THIRD_IDENTITY, modified=FAR, description="squatted")
    )
    assert not again.success
    assert len(statuses(scene, indicator("x")["id"])) == 2
    (later,) = scene.post("b", indicator("x", by=THIRD_IDENTITY, version=7, description="genuine"))
    assert later.success
    assert [one["description"] for one in shown(scene, "c", indicator("x")["id"])] == ["genuine"]
    (own,) = scene.post("b", indicator("mine", by=B_IDENTITY, modified=FAR))
    assert own.success


def test_a_squatter_of_the_future_loses_when_the_creator_comes(scene: Scene) -> None:
    """Accepted once, it stands for ever by its date; the creator's first own version ends it, in every view, and we see why."""
    stix_id = indicator("x")["id"]
    arrives(scene, "b", THIRD_IDENTITY)  # who was believed to speak for it
    assert scene.post("b", indicator("x", by=THIRD_IDENTITY, modified=FAR, description="squatted"))[
        0
    ].success
    relaying(scene, "b", B_IDENTITY)
    assert [one["description"] for one in shown(scene, "c", stix_id)] == ["squatted"]
    arrives(scene, "c", THIRD_IDENTITY)
    (came,) = scene.post("c", indicator("x", by=THIRD_IDENTITY, version=1, description="genuine"))
    assert (came.success, came.result) == (True, "accepted")
    assert [one["description"] for one in shown(scene, "b", stix_id)] == ["genuine"]
    assert ("conflict", stix_id) in quarantined(scene)
    # The squatter's channel brings it no more, whatever it does.
    scene.post("b", indicator("x", by=THIRD_IDENTITY, modified=FAR, description="squatted"))
    scene.post(
        "b", indicator("x", by=THIRD_IDENTITY, modified=FAR, description="squatted"), to="reports"
    )
    assert [one["description"] for one in shown(scene, "b", stix_id)] == ["genuine"]
    assert not [one for one in scene.sees("b", "reports") if one["id"] == stix_id]
    (next_,) = scene.post("c", indicator("x", by=THIRD_IDENTITY, version=2, description="next"))
    assert next_.success
    assert [one["description"] for one in shown(scene, "b", stix_id)] == ["next"]
    ledger.verify(scene.node)


@pytest.mark.case("O05")
def test_a_relay_does_not_revoke_for_the_creator_that_goes_on(scene: Scene) -> None:
    """A revocation that only a relay brought ends with the creator's later version; the creator's own is final."""
    relaying(scene, "b", B_IDENTITY)
    stix_id = indicator("x")["id"]
    scene.post("b", indicator("x", by=THIRD_IDENTITY, description="first"))
    scene.post("b", indicator("x", by=THIRD_IDENTITY, version=5, revoked=True))
    assert [one["revoked"] for one in shown(scene, "c", stix_id)] == [True]
    arrives(scene, "c", THIRD_IDENTITY)
    (came,) = scene.post("c", indicator("x", by=THIRD_IDENTITY, version=9, description="alive"))
    assert came.success
    assert [one["description"] for one in shown(scene, "b", stix_id)] == ["alive"]
    assert ("conflict", stix_id) in quarantined(scene)
    scene.post("b", indicator("x", by=THIRD_IDENTITY, version=5, revoked=True))
    assert [one["description"] for one in shown(scene, "b", stix_id)] == ["alive"]
    assert scene.post("c", indicator("x", by=THIRD_IDENTITY, version=10, revoked=True))[0].success
    (late,) = scene.post("c", indicator("x", by=THIRD_IDENTITY, version=11, description="too late"))
    assert not late.success
    assert [one.get("revoked") for one in shown(scene, "b", stix_id)] == [True]


def test_a_genuine_relay_loses_nothing_when_the_creator_comes(scene: Scene) -> None:
    """The creator brings its history after a relay did: nothing goes back, nothing is shown as a conflict."""
    relaying(scene, "b", B_IDENTITY)
    history = [
        indicator("x", by=THIRD_IDENTITY, version=n, description=f"v{n}") for n in range(1, 4)
    ]
    scene.post("b", *history)
    arrives(scene, "c", THIRD_IDENTITY)
    for one in history:
        assert scene.post("c", one)[0].success
    assert {status for *_, status in statuses(scene, indicator("x")["id"])} == {"accepted"}
    assert quarantined(scene) == []
