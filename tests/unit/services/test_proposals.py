"""Proposals, on both engines: listed with who owns them, accepted, declined and answered."""

from __future__ import annotations

from typing import Any

import pytest
from tests.scenes import (
    B_IDENTITY,
    C_IDENTITY,
    OWN_IDENTITY,
    THIRD_IDENTITY,
    TLP,
    Scene,
    address,
    identity,
    indicator,
)

from cert_exchange.errors import ConfigurationInvalid, InputRefused, NotFound
from cert_exchange.messages.evidence import decode_line
from cert_exchange.node import Node
from cert_exchange.services import doctoring, ledger, partners, proposals
from cert_exchange.services.proposals import Standing
from cert_exchange.store import ledger as ledger_rows

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
def node(either_node: Node) -> Node:
    """One engine: what is looked at here is not SQL's."""
    return either_node


@pytest.fixture
def scene(node: Node) -> Scene:
    made = Scene.set_up(node, policies_for=())
    for partner in ("b", "c"):
        made.apply(partner, EVERYTHING.format(partner=partner))
    return made


def only(scene: Scene, **wanted: Any) -> proposals.Proposal:
    (found,) = proposals.proposals(scene.node, **wanted)
    return found


def shown(scene: Scene, partner: str, name: str) -> list[dict[str, Any]]:
    return [one for one in scene.sees(partner) if one["id"] == indicator(name)["id"]]


def kinds(scene: Scene) -> list[str]:
    with scene.node.database.reading() as tx:
        return [decode_line(row.body).kind for row in ledger_rows.unsealed_lines(tx)]


def test_each_proposal_says_who_may_accept_it(scene: Scene) -> None:
    """Ours, contested, another's, not held, an observable's copy is none; each with owner and newest version."""
    scene.publish(indicator("ours"))
    scene.post("b", indicator("b's", by=B_IDENTITY), indicator("squatted", by=B_IDENTITY))
    scene.post("b", address("198.51.100.7"))
    scene.post("c", address("198.51.100.7", tlp="amber"))
    scene.post(
        "c",
        indicator("ours", version=3, description="better"),
        indicator("b's", version=3, by=B_IDENTITY),
        indicator("squatted", version=1, by=C_IDENTITY),
        indicator("nobody's", by=THIRD_IDENTITY),
    )
    found = {one.row.stix_id: one for one in proposals.proposals(scene.node, partner="c")}
    assert {stix_id: one.standing for stix_id, one in found.items()} == {
        indicator("ours")["id"]: Standing.OURS,
        indicator("b's")["id"]: Standing.OTHERS,
        indicator("squatted")["id"]: Standing.CONTESTED,
        indicator("nobody's")["id"]: Standing.UNHELD,
    }
    one = found[indicator("b's")["id"]]
    assert (one.owner, one.brought_by, one.newest) == (B_IDENTITY, "b", "2026-01-01T00:00:00.000Z")
    assert proposals.proposals(scene.node, partner="b") == []
    assert only(scene, stix_id=indicator("ours")["id"]).row.partner_name == "c"
    for unknown in ({"partner": "x"}, {"stix_id": indicator("never")["id"]}):
        with pytest.raises(NotFound):
            proposals.proposals(scene.node, **unknown)  # type: ignore[arg-type]  # mypy takes every keyword for every parameter
    with pytest.raises(NotFound):
        proposals.find(scene.node, 999_999)


def test_an_accepted_proposal_is_our_next_version(scene: Scene) -> None:
    """Our creator and first instant, marked as strictly as both, later than all; said first, then seen by who may."""
    scene.publish(indicator("ours", tlp="amber", version=1))
    scene.post(
        "b",
        indicator(
            "ours", version=5, tlp="green", description="better", labels=["new"], by=B_IDENTITY
        ),
    )
    one = only(scene)
    draft = proposals.draft(scene.node, one.row.number)
    assert {change.name for change in draft.changes} == {
        "description",
        "labels",
        "object_marking_refs",
    }
    assert draft.collections == ("indicators",)
    assert [seen.get("description") for seen in shown(scene, "c", "ours")] == [None]
    done = proposals.accept(scene.node, one.row.number, by="anna", words="they are right")
    assert done.audiences == ("b", "c")
    for partner in ("b", "c"):
        (seen,) = shown(scene, partner, "ours")
        assert (seen["description"], seen["labels"], seen["created_by_ref"]) == (
            "better",
            ["new"],
            OWN_IDENTITY,
        )
        assert seen["created"] == indicator("ours")["created"]
        assert seen["modified"] > indicator("ours", version=5)["modified"]
        assert set(seen["object_marking_refs"]) == {TLP["amber"], TLP["green"]}
    assert proposals.proposals(scene.node) == []
    ended = only(scene, ended=True)
    assert [(said.answer, said.by, said.words) for said in ended.said] == [
        ("accepted", "anna", "they are right")
    ]
    assert kinds(scene)[-2:] == ["publish", "proposal.accept"]
    with pytest.raises(ConfigurationInvalid, match="accepted by anna"):
        proposals.accept(scene.node, one.row.number, by="anna")
    ledger.verify(scene.node)


def test_accepting_never_loosens(scene: Scene) -> None:
    """A proposal that only takes our marking away leaves it: who could not see it still cannot."""
    scene.publish(indicator("ours", tlp="red"))
    scene.post("b", indicator("ours", version=5, tlp="clear", description="for all"))
    proposals.accept(scene.node, only(scene).row.number, by="anna")
    assert shown(scene, "b", "ours") == shown(scene, "c", "ours") == []


def test_an_accepted_revocation_revokes(scene: Scene) -> None:
    """What a partner asks to revoke is revoked by us, when a person says so."""
    scene.publish(indicator("ours"))
    scene.post("b", indicator("ours", version=5, revoked=True))
    assert only(scene).row.revoked
    proposals.accept(scene.node, only(scene).row.number, by="anna")
    assert [one["revoked"] for one in shown(scene, "c", "ours")] == [True]


def test_a_squatted_id_is_handed_over_to_its_creator(scene: Scene) -> None:
    """Who was first keeps it until a person says otherwise; then the creator's versions count, in every view."""
    scene.post("b", indicator("theirs", version=900, by=B_IDENTITY, description="squatter"))
    scene.post("c", indicator("theirs", version=1, by=C_IDENTITY, description="first"))
    scene.post("c", indicator("theirs", version=2, by=C_IDENTITY, description="second"))
    assert [one["description"] for one in shown(scene, "c", "theirs")] == ["squatter"]
    number = proposals.proposals(scene.node, partner="c")[0].row.number
    draft = proposals.draft(scene.node, number)
    assert (len(draft.set_aside), len(draft.taken_in)) == (1, 2)
    done = proposals.accept(scene.node, number, by="anna")
    assert done.set_aside == 1
    assert [one["description"] for one in shown(scene, "b", "theirs")] == ["second"]
    assert shown(scene, "c", "theirs") == []  # it is its own
    # It goes on as its creator's: the squatter's next version changes nothing.
    (again,) = scene.post(
        "b", indicator("theirs", version=901, by=B_IDENTITY, description="squatter")
    )
    assert again.result == "proposal"
    (next_,) = scene.post("c", indicator("theirs", version=3, by=C_IDENTITY, description="third"))
    assert next_.success
    assert [one["description"] for one in shown(scene, "b", "theirs")] == ["third"]
    ledger.verify(scene.node)


def test_we_are_no_judge_of_anothers_object(scene: Scene) -> None:
    """Of another's object, or of one that we do not hold, nothing is accepted; the words say what to do."""
    scene.post("b", indicator("b's", by=B_IDENTITY))
    scene.post("c", indicator("b's", version=3, by=B_IDENTITY), indicator("x", by=THIRD_IDENTITY))
    for one in proposals.proposals(scene.node):
        with pytest.raises(ConfigurationInvalid, match="amend"):
            proposals.accept(scene.node, one.row.number, by="anna")
    assert [one["name"] for one in shown(scene, "c", "b's")] == ["b's"]


def _in_doctor(scene: Scene) -> bool:
    found = doctoring.examine(scene.node, partner="b")
    return any("versions kept as proposals: 1;" in one.finding for one in found)


def test_a_declined_proposal_waits_no_more_and_nothing_is_told(scene: Scene) -> None:
    """It is kept, listed among the ended, and neither the sender's view nor its answer changes."""
    scene.publish(indicator("ours"))
    scene.post("b", indicator("ours", version=5, description="worse"))
    before = scene.log("b"), scene.log("c")
    number = only(scene).row.number
    assert _in_doctor(scene)
    done = proposals.decline(scene.node, number, by="anna", reason="not so")
    assert not _in_doctor(scene)
    assert (done.partner, done.stix_id) == ("b", indicator("ours")["id"])
    assert proposals.proposals(scene.node) == []
    assert only(scene, ended=True).said[0].words == "not so"
    assert (scene.log("b"), scene.log("c")) == before
    (again,) = scene.post("b", indicator("ours", version=5, description="worse"))
    assert not again.success
    assert proposals.proposals(scene.node) == []
    with pytest.raises(ConfigurationInvalid, match="declined by anna"):
        proposals.decline(scene.node, number, by="bob", reason="again")


def test_an_answer_reaches_its_sender_alone(scene: Scene) -> None:
    """A note of ours about the object, marked as both, seen by who proposed and by nobody else; the proposal waits on."""
    scene.publish(identity(OWN_IDENTITY, "CERT A"))
    scene.publish(indicator("ours", tlp="amber"))
    scene.post("b", indicator("ours", version=5, tlp="green", description="better"))
    number = only(scene).row.number
    done = proposals.answer(scene.node, number, "Why do you think so?", by="anna")
    assert (done.collection, done.reached) == ("indicators", ("b",))
    (note,) = [one for one in scene.sees("b") if one["id"] == done.note]
    assert (note["content"], note["object_refs"]) == (
        "Why do you think so?",
        [indicator("ours")["id"]],
    )
    assert note["created_by_ref"] == OWN_IDENTITY
    assert set(note["object_marking_refs"]) == {TLP["amber"], TLP["green"]}
    assert done.note not in scene.ids("c")
    assert only(scene).said[0].answer == "answered"
    with pytest.raises(InputRefused):
        proposals.answer(scene.node, number, "  ", by="anna")


def test_an_answer_does_not_tell_what_policy_hides(scene: Scene) -> None:
    """About a hidden object of ours nothing goes out, however it is asked."""
    scene.publish(indicator("secret", tlp="red"))
    (told,) = scene.post("b", indicator("secret", version=5, by=B_IDENTITY))
    assert told.success  # as of an id that nobody knows
    done = proposals.answer(scene.node, only(scene).row.number, "We know.", by="anna")
    assert done.reached == ()
    assert done.note not in scene.ids("b")


def test_who_is_named_later_counts_without_a_person(scene: Scene) -> None:
    """A proposal of a relay that is named for the creator by then is promoted by its next sending, and listed no more."""
    scene.post("b", indicator("x", by=THIRD_IDENTITY))
    assert only(scene).standing is Standing.UNHELD
    partners.amend(scene.node, "b", speaks_for=[B_IDENTITY], relays=[THIRD_IDENTITY])
    assert scene.post("b", indicator("x", by=THIRD_IDENTITY))[0].success
    assert proposals.proposals(scene.node) == []
