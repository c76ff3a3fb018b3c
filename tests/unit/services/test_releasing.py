"""Releases, references, withdrawals and versions (DECISIONS 1, 4, 5), on both engines."""

from __future__ import annotations

import pytest
from tests.scenes import (
    B_IDENTITY,
    C_IDENTITY,
    OWN_IDENTITY,
    THIRD_IDENTITY,
    Scene,
    address,
    identity,
    indicator,
    malware,
    note,
    relationship,
    report,
)

from cert_exchange.node import Node
from cert_exchange.services import holding, ledger, releasing


@pytest.fixture
def scene(node: Node) -> Scene:
    return Scene.set_up(node)


def test_an_allowed_object_is_visible_with_what_it_needs(scene: Scene) -> None:
    """The identity and the TLP definition are carried into the view, before what needs them."""
    scene.publish(indicator("one"))
    seen = scene.sees("b")
    assert [one["type"] for one in seen] == ["identity", "marking-definition", "indicator"] or [
        one["type"] for one in seen
    ] == ["marking-definition", "identity", "indicator"]
    ledger.verify(scene.node)


def test_what_is_above_the_ceiling_is_not_visible(scene: Scene) -> None:
    scene.publish(indicator("red", tlp="red"), indicator("green"))
    assert scene.names("b") == ["green"]


def test_a_relationship_waits_for_its_ends_and_then_appears_by_itself(scene: Scene) -> None:
    one, two = indicator("one"), malware("two")
    link = relationship(one, two)
    scene.publish(one, link)
    assert scene.names("b") == ["one"]
    scene.publish(two)
    assert scene.names("b") == ["one", "two", link["id"]]
    ledger.verify(scene.node)


def test_a_cycle_becomes_visible_together(scene: Scene) -> None:
    """Greatest fixed point: a report and a note that refer to each other."""
    text = note("text", [f"report--{report('r', [])['id'].split('--')[1]}"])
    whole = report("r", [text["id"]])
    scene.publish(text)
    assert scene.names("b") == []
    scene.publish(whole)
    assert sorted(scene.names("b")) == ["r", "text"]


def test_a_loss_takes_along_what_requires_it_and_its_return_brings_it_back(scene: Scene) -> None:
    one, two = indicator("one"), malware("two")
    link = relationship(one, two)
    scene.publish(one, two, link)
    assert len(scene.names("b")) == 3
    releasing.withdraw(scene.node, two["id"], by="analyst", reason="wrong")
    assert scene.names("b") == ["one"]
    scene.publish(two)
    assert scene.names("b") == ["one", "two", link["id"]]
    ledger.verify(scene.node)


def test_what_was_carried_leaves_with_its_last_dependant(scene: Scene) -> None:
    third = identity(THIRD_IDENTITY, "third")
    one = indicator("one", by=THIRD_IDENTITY)
    scene.apply("b", POLICY_WITHOUT_IDENTITIES)
    scene.publish(third, one)
    assert THIRD_IDENTITY in scene.ids("b")
    releasing.withdraw(scene.node, one["id"], by="analyst", reason="wrong")
    assert scene.ids("b") == []
    ledger.verify(scene.node)


POLICY_WITHOUT_IDENTITIES = """\
partners: [b]
collections: [indicators]
ceiling: {tlp: amber, unmarked: green}
rules:
  - name: indicators
    match: {type: [indicator, malware, relationship]}
    allow: true
"""


def test_an_identity_that_arrives_later_joins_and_one_that_is_denied_takes_along(
    scene: Scene,
) -> None:
    one = indicator("one", by=THIRD_IDENTITY)
    scene.apply("b", POLICY_WITHOUT_IDENTITIES)
    scene.publish(one)
    assert scene.names("b") == ["one"]  # the creator may dangle
    scene.publish(identity(THIRD_IDENTITY, "third"))
    assert THIRD_IDENTITY in scene.ids("b")
    scene.publish(identity(THIRD_IDENTITY, "third", version=5, tlp="red"))
    assert scene.ids("b") == []
    scene.publish(identity(THIRD_IDENTITY, "third", version=6))
    assert scene.names("b") == ["one"]
    ledger.verify(scene.node)


def test_the_newest_version_is_last_and_a_late_old_one_is_not(scene: Scene) -> None:
    scene.publish(indicator("one", version=0))
    scene.publish(indicator("one", version=9))
    scene.publish(indicator("one", version=5))
    assert [o["modified"][-7:] for o in scene.sees("b") if o["type"] == "indicator"] == ["09.000Z"]
    assert len([o for o in scene.sees("b", last=False) if o["type"] == "indicator"]) == 3


def test_a_newest_version_that_is_denied_takes_the_older_ones(scene: Scene) -> None:
    scene.publish(indicator("one", version=0))
    scene.publish(indicator("one", version=1, tlp="red"))
    assert scene.names("b") == []
    scene.publish(indicator("one", version=2))
    assert [o["modified"] for o in scene.sees("b", last=False) if o["type"] == "indicator"] == [
        "2026-01-01T00:00:00.000Z",
        "2026-01-01T00:00:02.000Z",
    ]
    ledger.verify(scene.node)


def test_a_lower_marking_in_a_new_version_does_not_free_the_old(scene: Scene) -> None:
    scene.publish(indicator("one", version=0, tlp="red"))
    scene.publish(indicator("one", version=1, tlp="green"))
    assert len([o for o in scene.sees("b", last=False) if o["type"] == "indicator"]) == 1


def test_when_the_last_version_is_withdrawn_the_one_before_returns_with_a_new_line(
    scene: Scene,
) -> None:
    scene.publish(indicator("one", version=0))
    scene.publish(indicator("one", version=1))
    before = max(position for position, _, _ in scene.log("b"))
    releasing.withdraw(
        scene.node, indicator("one")["id"], version=indicator("one", version=1)["modified"],
        by="analyst", reason="wrong",
    )  # fmt: skip
    after = [line for line in scene.log("b") if line[0] > before]
    assert [kind for _, kind, _ in after] == ["withdrawal", "release"]
    assert [o["modified"] for o in scene.sees("b") if o["type"] == "indicator"] == [
        "2026-01-01T00:00:00.000Z"
    ]
    ledger.verify(scene.node)


def test_nothing_older_returns_after_a_revocation(scene: Scene) -> None:
    scene.publish(indicator("one", version=0))
    scene.publish(indicator("one", version=1, revoked=True))
    assert [o.get("revoked") for o in scene.sees("b") if o["type"] == "indicator"] == [True]
    releasing.withdraw(
        scene.node, indicator("one")["id"], version=indicator("one", version=1)["modified"],
        by="analyst", reason="wrong",
    )  # fmt: skip
    scene.apply("b", POLICY_WITHOUT_IDENTITIES)
    assert [o["modified"] for o in scene.sees("b", last=False) if o["type"] == "indicator"] in (
        [],
        ["2026-01-01T00:00:00.000Z"],
    )


def test_a_partners_object_never_goes_back_to_it(scene: Scene) -> None:
    scene.post("b", identity(B_IDENTITY, "CERT B"), indicator("theirs", by=B_IDENTITY))
    assert scene.ids("b") == []
    assert scene.ids("c") == []  # a rule without origin speaks of our own objects only


def test_a_partners_object_reaches_a_third_party_where_policy_says_so(scene: Scene) -> None:
    scene.apply("c", POLICY_FOR_ALL_ORIGINS)
    scene.post(
        "b",
        identity(B_IDENTITY, "CERT B"),
        indicator("g", by=B_IDENTITY),
        indicator("a", by=B_IDENTITY, tlp="amber"),
    )
    assert scene.names("c") == ["g"]  # amber stops at us whatever the policy says
    assert scene.ids("b") == []


POLICY_FOR_ALL_ORIGINS = """\
partners: [c]
collections: [indicators, reports]
ceiling: {tlp: amber, unmarked: green}
rules:
  - name: everything
    match: {origin: any}
    allow: true
"""


@pytest.mark.case("O09")
@pytest.mark.case("M45")
def test_copies_of_an_observable_stand_side_by_side(scene: Scene) -> None:
    """Each origin's copy has its own markings; ours is the last, and the next takes over when ours goes."""
    scene.apply("c", POLICY_FOR_ALL_ORIGINS)
    scene.post("b", address("192.0.2.1", tlp="green", x_from="b"))
    assert [o["x_from"] for o in scene.sees("c") if o["type"] == "ipv4-addr"] == ["b"]
    scene.publish(address("192.0.2.1", tlp="clear", x_from="a"))
    assert [o["x_from"] for o in scene.sees("c") if o["type"] == "ipv4-addr"] == ["a"]
    assert len([o for o in scene.sees("c", last=False) if o["type"] == "ipv4-addr"]) == 2
    scene.publish(address("192.0.2.1", tlp="red", x_from="a again"))
    assert [o["x_from"] for o in scene.sees("c") if o["type"] == "ipv4-addr"] == ["b"]
    releasing.withdraw(scene.node, address("192.0.2.1")["id"], by="analyst", reason="a mistake")
    assert scene.names("c") == []
    releasing.free(scene.node, address("192.0.2.1")["id"], by="analyst", reason="checked")
    assert [o["x_from"] for o in scene.sees("c") if o["type"] == "ipv4-addr"] == ["b"]
    ledger.verify(scene.node)


def test_a_hold_passes_with_time_or_by_a_person(scene: Scene, wall) -> None:
    from datetime import timedelta

    scene.apply("b", HOLDING)
    scene.publish(
        indicator("timed", labels=["embargo"]),
        indicator("asked", labels=["ask"]),
        indicator("free"),
    )
    assert scene.names("b") == ["free"]
    assert {(h.rule, h.due_at is None) for h in holding.list_holds(scene.node)} == {
        ("embargo", False),
        ("ask", True),
    }
    assert holding.release_due(scene.node) == 0
    wall.forward(timedelta(hours=2))
    assert holding.release_due(scene.node) == 1
    assert scene.names("b") == ["free", "timed"]
    done = holding.release_hold(
        scene.node, [indicator("asked")["id"]], audience=None, by="duty", reason="fine"
    )
    assert done == holding.Released(released=1, waiting=0)
    assert scene.names("b") == ["free", "timed", "asked"]
    assert holding.list_holds(scene.node) == []
    ledger.verify(scene.node)


HOLDING = """\
partners: [b]
collections: [indicators]
ceiling: {tlp: amber, unmarked: green}
rules:
  - name: embargo
    match: {labels: embargo}
    hold: {for: 1 hours}
  - name: ask
    match: {labels: ask}
    hold: approval
  - name: all
    match: {origin: own}
    allow: true
"""


def test_a_policy_that_narrows_takes_at_once_and_one_that_widens_adds_with_new_dates(
    scene: Scene,
) -> None:
    scene.publish(indicator("one"), malware("two"), relationship(indicator("one"), malware("two")))
    polled_to = max(position for position, _, _ in scene.log("b"))
    applied = scene.apply("b", NARROW)
    assert (applied.lost > 0, scene.names("b")) == (True, ["one"])
    applied = scene.apply("b", POLICY_WITHOUT_IDENTITIES)
    assert len(scene.names("b")) == 3
    assert all(
        position > polled_to
        for position, kind, i in scene.log("b")
        if kind == "release" and i.startswith("malware") and position > polled_to
    )
    assert len(scene.names("c")) == 3
    ledger.verify(scene.node)


NARROW = """\
partners: [b]
collections: [indicators]
ceiling: {tlp: amber, unmarked: green}
rules:
  - name: only indicators
    match: {type: indicator}
    allow: true
"""


@pytest.mark.case("S15")
def test_who_joins_later_gets_the_older_objects_above_its_cursor(node: Node) -> None:
    scene = Scene.set_up(node, policies_for=["b"])
    scene.publish(indicator("one"))
    scene.apply("b", NARROW.replace("[b]", "[b, c]"))
    assert scene.names("c") == ["one"]
    assert scene.view("c") != scene.view("b")
    ledger.verify(scene.node)


def test_another_creators_object_is_kept_as_a_proposal(scene: Scene) -> None:
    """Invariant 4: B may not speak for C or for us, and is told so alike whether we hold the id or not."""
    ours = indicator("ours", tlp="red")
    scene.publish(ours)
    outcomes = scene.post(
        "b",
        indicator("ours", version=9, tlp="clear"),
        indicator("unknown", by=C_IDENTITY),
        indicator("claims to be ours", by=OWN_IDENTITY),
    )
    assert [o.result for o in outcomes] == ["proposal"] * 3
    assert [o.success for o in outcomes] == [False] * 3
    assert scene.names("c") == []


def test_an_id_of_ours_that_is_hidden_is_answered_as_a_new_one(scene: Scene) -> None:
    scene.publish(indicator("hidden", tlp="red"), indicator("seen"))
    mine = {"by": B_IDENTITY, "version": 3}
    hidden, seen, new = scene.post(
        "b", indicator("hidden", **mine), indicator("seen", **mine), indicator("new", **mine)
    )
    assert (hidden.success, hidden.message) == (new.success, new.message) == (True, "")
    assert not seen.success
    assert [o["name"] for o in scene.sees("c") if o["type"] == "indicator"] == ["seen"]


def test_a_duplicate_is_success_and_nothing_new(scene: Scene) -> None:
    scene.publish(indicator("one"))
    lines = scene.log("b")
    assert [o.result for o in scene.publish(indicator("one"))] == ["duplicate"]
    assert scene.log("b") == lines
    assert [o.result for o in scene.publish(indicator("one", description="other"))] == ["conflict"]


def test_a_preview_shows_what_publishing_does_and_stores_nothing(scene: Scene) -> None:
    from tests.scenes import envelope

    from cert_exchange.services import publishing

    preview = publishing.preview_publish(
        scene.node,
        envelope(indicator("red", tlp="red"), indicator("green")),
        collection="indicators",
    )
    assert [o.result for o in preview.outcomes] == ["accepted", "accepted"]
    answers = {(s.audience, s.stix_id, s.answer) for s in preview.sighted}
    assert ("b", indicator("green")["id"], "released") in answers
    assert ("b", indicator("red")["id"], "denied") in answers
    assert scene.ids("b") == []
    assert [o.result for o in scene.publish(indicator("green"))] == ["accepted"]


def test_a_policy_that_names_a_collection_twice_is_refused(scene: Scene) -> None:
    """By alias and by UUID: a denial that names the one would silently not count for the other."""
    from tests.scenes import uid

    from cert_exchange.errors import PolicyInvalid

    twice = NARROW.replace("[indicators]", f"[indicators, {uid('collection indicators')}]")
    with pytest.raises(PolicyInvalid, match="name it once"):
        scene.apply("b", twice)


def ladder(depth: int, width: int) -> tuple[list[dict[str, object]], list[str]]:
    """Identities in levels, each of which refers to all of the next level; and the ids of the first level."""
    from tests.scenes import uid

    levels = [
        [f"identity--{uid(f'{depth}.{width}.{d}.{w}')}" for w in range(width)] for d in range(depth)
    ]
    made = [
        identity(one, f"level {d}", by=B_IDENTITY, x_over_refs=levels[min(d + 1, depth - 1)])
        for d, level in enumerate(levels)
        for one in level
    ]
    return made, levels[0]


@pytest.mark.case("M40")
@pytest.mark.timeout(60)  # walked path by path it would not end: a guard, not a measurement
@pytest.mark.parametrize(("depth", "width"), [(60, 2), (3_000, 1)])
def test_what_is_carried_may_need_much_in_turn(scene: Scene, depth: int, width: int) -> None:
    """A sender chooses how long such a chain is and how it branches; it is walked level by level."""
    scene.apply("c", ONLY_INDICATORS_OF_ANYBODY)
    made, first = ladder(depth, width)
    outcomes = scene.post(
        "b",
        identity(B_IDENTITY, "CERT B"),
        *made,
        indicator("top", by=B_IDENTITY, x_seen_by_refs=first),
    )
    assert {o.result for o in outcomes} == {"accepted"}
    assert scene.names("c") == ["top"]
    assert {one["id"] for one in made} <= set(scene.ids("c"))


ONLY_INDICATORS_OF_ANYBODY = """\
partners: [c]
collections: [indicators]
ceiling: {tlp: amber, unmarked: green}
rules:
  - name: indicators of anybody
    match: {type: indicator, origin: any}
    allow: true
"""


MITRE = "identity--c78cb6e5-0c4b-4611-8297-d1b8b55e40b5"


@pytest.fixture
def relays(scene: Scene) -> Scene:
    """Both partners may relay MITRE, and both see what any partner brings."""
    from cert_exchange.services import partners

    for name, own in (("b", B_IDENTITY), ("c", C_IDENTITY)):
        partners.amend(scene.node, name, speaks_for=[own], relays=[MITRE])
        scene.apply(name, EVERYTHING.format(partner=name))
    return scene


EVERYTHING = """\
partners: [{partner}]
collections: [indicators, reports]
ceiling: {{tlp: amber, unmarked: green}}
rules:
  - name: everything
    match: {{origin: any}}
    allow: true
"""


def test_a_relay_does_not_bring_back_what_our_desk_withdrew(relays: Scene) -> None:
    """DECISIONS 6: what we blocked is stored, not released, and answered as success."""
    relays.publish(indicator("theirs", by=MITRE))
    assert relays.names("b") == ["theirs"]
    releasing.withdraw(relays.node, indicator("theirs")["id"], by="desk", reason="wrong")
    assert relays.names("b") == []
    for collection in ("indicators", "reports", "indicators"):
        (told,) = relays.post("c", indicator("theirs", by=MITRE), to=collection)
        assert (told.success, told.message) == (True, "")
        assert relays.names("b", collection) == []
    ledger.verify(relays.node)


def test_a_partner_does_not_bring_back_through_another_collection(relays: Scene) -> None:
    relays.post("b", indicator("theirs", by=B_IDENTITY))
    assert relays.names("c") == ["theirs"]
    releasing.withdraw(relays.node, indicator("theirs")["id"], by="desk", reason="wrong")
    for collection in ("indicators", "reports", "reports"):
        (told,) = relays.post("b", indicator("theirs", by=B_IDENTITY), to=collection)
        assert told.success
        assert relays.names("c", collection) == []


@pytest.mark.parametrize("who", ["the relay", "our desk"])
def test_our_desk_may_publish_what_a_relay_no_longer_shares(relays: Scene, who: str) -> None:
    """A relay that was first does not keep the object from others once its copy is taken back."""
    relays.post("c", indicator("theirs", by=MITRE))
    if who == "the relay":
        releasing.withdraw_submitted(
            relays.node,
            relays.caller("c"),
            relays.collection("indicators"),
            indicator("theirs")["id"],
        )
    else:
        releasing.withdraw(relays.node, indicator("theirs")["id"], by="desk", reason="check")
    assert relays.names("b") == []
    (told,) = relays.publish(indicator("theirs", by=MITRE))
    assert told.result == "accepted"
    assert relays.names("b") == ["theirs"]


def test_a_relays_object_does_not_come_back_by_another_relay(relays: Scene) -> None:
    """Invariant 5: B sent this version, so C's copy of it is not for B."""
    relays.post("b", indicator("theirs", by=MITRE))
    relays.post("c", indicator("theirs", by=MITRE))
    assert relays.ids("b") == []


def test_who_guesses_a_hidden_observable_learns_nothing(scene: Scene) -> None:
    """DECISIONS 17: its id is a guessable hash; a relationship to our hidden copy does not appear for the guess."""
    one, hidden = indicator("one"), address("10.9.8.7", tlp="red")
    scene.publish(one, hidden, relationship(one, hidden))
    assert scene.names("b") == ["one"]
    scene.post("b", address("10.9.8.7"), address("10.9.8.8"))
    assert scene.names("b") == ["one"]
