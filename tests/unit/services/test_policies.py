"""Policies come into force, explain themselves, and show what they withhold."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from tests.scenes import (
    B_IDENTITY,
    OWN_IDENTITY,
    THIRD_IDENTITY,
    TLP,
    Scene,
    identity,
    indicator,
    malware,
    note,
    relationship,
    report,
    uid,
)

from cert_exchange.errors import NotFound, PolicyInvalid
from cert_exchange.node import Node
from cert_exchange.services import doctoring, holding, ledger, policies, releasing
from cert_exchange.services.policies import applying, gaining

TEXT = """\
partners: [b]
collections: [indicators, reports]
ceiling: {{tlp: {ceiling}, unmarked: green, statements: [{statements}]}}
unresolved: {unresolved}
rules:
{more}  - name: ours
    match: {{origin: {origin}, type: [{types}]}}
    allow: true
"""
TYPES = "indicator, malware, relationship, report, note"


def text(**changes: str) -> str:
    given = {
        "ceiling": "amber", "statements": "", "unresolved": "wait", "more": "", "origin": "any", "types": TYPES,
    }  # fmt: skip
    return TEXT.format(**(given | changes))


@pytest.fixture
def scene(node: Node) -> Scene:
    return Scene.set_up(node, policies_for=())


def test_a_policy_that_cannot_be_applied_changes_nothing(scene: Scene) -> None:
    """All problems at once: names that nobody knows, and a partner that another policy governs."""
    scene.apply("b", text())
    scene.publish(indicator("one"))
    with pytest.raises(PolicyInvalid) as refused:
        scene.apply("x", text().replace("[b]", "[b, nobody]").replace("reports", "nothing"))
    said = str(refused.value.problems)
    assert all(word in said for word in ("nobody", "nothing", "governed by policy 'b'"))
    assert scene.names("b") == ["one"]


def test_the_same_text_again_is_no_new_version(scene: Scene) -> None:
    assert scene.apply("b", text()).changed
    again = scene.apply("b", text())
    assert (again.changed, again.version, again.lost, again.gained) == (False, 1, 0, 0)


def test_what_dangles_goes_when_the_policy_lets_nothing_dangle(scene: Scene) -> None:
    """`unresolved: allow` shows a note about what we do not hold; `wait` takes it back, and its dependants."""
    scene.apply("b", text(unresolved="allow"))
    about = note("about", [indicator("absent")["id"]])
    scene.publish(about, report("all", [about["id"]]))
    assert scene.names("b") == ["about", "all"]
    assert scene.apply("b", text()).lost == 4  # with the identity and the marking that they carried
    assert scene.names("b") == []
    scene.publish(indicator("absent"))
    assert scene.names("b") == ["absent", "about", "all"]
    ledger.verify(scene.node)


def test_what_arrives_hidden_takes_along_what_let_it_dangle(scene: Scene) -> None:
    scene.apply("b", text(unresolved="allow"))
    scene.publish(note("about", [indicator("absent")["id"]]))
    assert scene.names("b") == ["about"]
    scene.publish(indicator("absent", tlp="red"))
    assert scene.names("b") == []
    ledger.verify(scene.node)


def test_an_identity_allowed_in_two_versions_may_become_carried(scene: Scene) -> None:
    """The rule for identities goes: the newest stays with what needs it, older ones leave, and apply comes through."""
    scene.apply("b", text(types=TYPES + ", identity"))
    scene.publish(
        identity(THIRD_IDENTITY, "third"), identity(THIRD_IDENTITY, "third", version=2),
        indicator("one", by=THIRD_IDENTITY),
    )  # fmt: skip
    assert scene.ids("b", last=False).count(THIRD_IDENTITY) == 2
    scene.apply("b", text())
    assert [
        o["modified"][-5:] for o in scene.sees("b", last=False) if o["id"] == THIRD_IDENTITY
    ] == ["2.000Z"[-5:]]
    ledger.verify(scene.node)


def test_an_older_carried_version_does_not_stay_above_a_lower_ceiling(scene: Scene) -> None:
    """It may stay beside the newest only while the ceiling lets it."""
    scene.apply("b", text())
    scene.publish(
        identity(THIRD_IDENTITY, "third", tlp="amber"), indicator("one", by=THIRD_IDENTITY)
    )
    scene.publish(identity(THIRD_IDENTITY, "third", version=2, tlp="green"))
    scene.apply("b", text(ceiling="green"))
    assert [
        o["object_marking_refs"] for o in scene.sees("b", last=False) if o["id"] == THIRD_IDENTITY
    ] == [[TLP["green"]]]
    assert TLP["amber"] not in scene.ids("b")
    ledger.verify(scene.node)


def test_identity_and_marking_that_need_each_other_leave_with_their_last_dependant(
    scene: Scene,
) -> None:
    """As MITRE's do: the identity bears the marking, and the marking is made by the identity."""
    marking = f"marking-definition--{uid('cite us')}"
    scene.apply("b", text(statements=marking))
    one = indicator("one", by=THIRD_IDENTITY)
    one["object_marking_refs"].append(marking)
    scene.publish(
        {
            "type": "marking-definition", "spec_version": "2.1", "id": marking, "created": "2026-01-01T00:00:00.000Z",
            "created_by_ref": THIRD_IDENTITY, "definition_type": "statement", "definition": {"statement": "Cite us."},
        },
        identity(THIRD_IDENTITY, "third", object_marking_refs=[marking]), one,
    )  # fmt: skip
    assert {marking, THIRD_IDENTITY} <= set(scene.ids("b"))
    releasing.withdraw(scene.node, one["id"], by="desk", reason="wrong")
    assert scene.ids("b") == []
    ledger.verify(scene.node)


def test_holds_end_with_the_policy_that_held(scene: Scene) -> None:
    """A policy that holds nothing leaves no hold behind: none is listed, none comes due for ever."""
    scene.apply(
        "b",
        text(
            more="  - {name: embargo, match: {origin: any, type: malware}, hold: {for: 1 hours}}\n"
        ),
    )
    scene.publish(malware("held"))
    assert [one.rule for one in holding.list_holds(scene.node)] == ["embargo"]
    scene.apply("b", text(types="indicator"))
    assert holding.list_holds(scene.node) == []
    assert holding.release_due(scene.node) == 0


def test_gains_come_in_parts_and_go_on_after_a_break(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker with little time makes some parts; the policy's row says what is left."""
    scene.publish(*(indicator(f"n{n}") for n in range(6)))
    monkeypatch.setattr(gaining, "GAIN_PART", 2)
    monkeypatch.setattr(
        applying, "continue_gains", lambda *_, **__: 0
    )  # as if killed after the switch
    scene.apply("b", text())
    monkeypatch.undo()
    assert scene.names("b") == []
    monkeypatch.setattr(gaining, "GAIN_PART", 2)
    while policies.continue_gains(scene.node, parts=1):
        pass
    assert len(scene.names("b")) in range(7)
    policies.continue_gains(scene.node)
    assert len(scene.names("b")) == 6
    ledger.verify(scene.node)


@dataclass
class Meanwhile:
    """Somebody else brings a policy into force while the gains of another are being released."""

    scene: Scene
    name: str
    text: str
    begun: bool = False
    done: policies.Applied | None = None

    def __call__(self, _seen: int, total: int | None) -> None:
        if total is not None and not self.begun:
            self.begun = True
            self.done = self.scene.apply(self.name, self.text)


def test_two_that_overlap_tell_their_own_gains(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each counted whatever was pending: the one took over the other's gains, which then said that it had none."""
    monkeypatch.setattr(gaining, "GAIN_PART", 2)
    scene.publish(*(indicator(f"n{n}") for n in range(6)), malware("one"))
    work = Meanwhile(scene, "c", text(types="malware").replace("[b]", "[c]"))
    one = policies.apply(
        scene.node, text(types="indicator"), file="b.yaml", author="anna", progress=work
    )
    other = work.done
    assert other is not None
    assert (len(scene.names("b")), len(scene.names("c"))) == (6, 1)
    assert (one.gained, other.gained) == (len(scene.ids("b")), len(scene.ids("c")))
    assert one.replaced_by is other.replaced_by is None


def test_what_the_worker_released_meanwhile_counts(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what was published meanwhile does not: it is no gain of the version."""
    monkeypatch.setattr(gaining, "GAIN_PART", 2)
    scene.publish(*(indicator(f"n{n}") for n in range(6)))

    def work(_seen: int, _total: int | None) -> None:
        policies.continue_gains(scene.node, parts=1)
        scene.publish(indicator("later"))

    done = policies.apply(scene.node, text(), file="b.yaml", author="anna", progress=work)
    assert len(scene.names("b")) == 7
    assert done.gained == 6  # the publication brought the identity and the marking that it needs


def test_a_version_that_was_replaced_before_it_was_through_says_so(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gaining, "GAIN_PART", 2)
    scene.publish(*(indicator(f"n{n}") for n in range(6)))
    work = Meanwhile(scene, "b", text(types="malware"))
    done = policies.apply(scene.node, text(), file="b.yaml", author="anna", progress=work)
    assert (done.version, done.replaced_by) == (1, 2)
    assert done.gained < 6
    assert scene.names("b") == []


def test_what_waits_for_its_turn_is_told_so(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a version is being activated nothing is wrong with what it allows: it said that a reference was missing."""
    link = relationship(indicator("n0"), malware("absent"))
    scene.publish(link, *(indicator(f"n{n}") for n in range(4)))
    monkeypatch.setattr(gaining, "GAIN_PART", 4)
    monkeypatch.setattr(applying, "continue_gains", lambda *_, **__: 0)
    scene.apply("b", text())
    turn = "version 1 of policy b is still being activated"
    (all_of_it,) = policies.withheld(scene.node, partner="b")[:1]
    assert (all_of_it.reason, all_of_it.answer, all_of_it.versions) == (turn, "waiting", 5)
    first = policies.explain(scene.node, indicator("n0")["id"], partner="b").versions[0]
    assert (first.answer, first.reason) == ("waiting", turn)
    assert ("activation", "waiting") in [(step.asked, step.answer) for step in first.steps]
    assert {(one.audience, one.reason) for one in policies.who(scene.node, link["id"])} == {
        ("b", turn)
    }
    while policies.continue_gains(scene.node, parts=1):
        pass
    policies.continue_gains(scene.node)
    (left,) = [one for one in policies.withheld(scene.node, partner="b") if one.answer == "waiting"]
    assert (left.rule, left.versions) == ("references", 1)
    told = policies.explain(scene.node, link["id"], partner="b").versions[0]
    assert told.answer == "waiting"
    assert "activated" not in told.reason


def test_a_rule_in_force_that_gives_no_answer_is_found(scene: Scene) -> None:
    """Its author sees a policy that is in force, and nobody a line that says why so much is denied."""
    broken = "  - {name: sure, match: {origin: any, when: 'confidence > \"50\"'}, deny: true}\n"
    scene.apply("b", text(more=broken))
    scene.apply("c", text().replace("[b]", "[c]"))
    assert policies.failing(scene.node) == []
    scene.publish(*(indicator(f"n{n}", confidence=80) for n in range(3)))
    (found,) = policies.failing(scene.node)
    assert (found.policy, found.partner, found.objects) == ("b", "b", 3)
    assert "`when` of rule sure gives no answer: kinds of values" in found.reason
    told = [
        one
        for one in doctoring.examine(scene.node)
        if one.grade == "wrong" and "rule sure" in one.finding
    ]
    assert [one.about for one in told] == ["policy b"]
    assert "denied for 3 of the" in told[0].finding
    assert f"{found.example} b" in told[0].step


@pytest.mark.case("M03")
def test_explain_tells_the_rule_for_every_answer(scene: Scene) -> None:
    """Visible, denied, held, waiting, sent by itself, unknown: each with its rule or reason."""
    scene.apply(
        "b",
        text(more="  - {name: secret, match: {origin: any, labels: [secret]}, deny: true, reason: the desk says so}\n"
             "  - {name: ask, match: {origin: any, labels: [ask]}, hold: approval}\n"),
    )  # fmt: skip
    link = relationship(indicator("seen"), malware("absent"))
    scene.publish(
        indicator("seen"), indicator("secret", labels=["secret"]), indicator("asked", labels=["ask"]),
        indicator("red", tlp="red"), link,
    )  # fmt: skip
    scene.post("b", indicator("theirs", by=B_IDENTITY))

    def told(stix_id: str) -> tuple[str, str]:
        first = policies.explain(scene.node, stix_id, partner="b").versions[0]
        return first.answer, first.rule

    assert told(indicator("seen")["id"]) == ("visible", "ours")
    assert told(indicator("secret")["id"]) == ("denied", "secret")
    assert told(indicator("asked")["id"]) == ("held", "ask")
    assert told(indicator("red")["id"]) == ("denied", "ceiling")
    assert told(link["id"])[0] == "waiting"
    waits = policies.explain(scene.node, link["id"], partner="b").versions[0].waits_for
    assert waits == (malware("absent")["id"],)
    assert (
        "sent us this object itself"
        in policies.explain(scene.node, indicator("theirs")["id"], partner="b").remark
    )
    assert (
        "no policy names"
        in policies.explain(scene.node, indicator("seen")["id"], partner="c").remark
    )
    with pytest.raises(NotFound):
        policies.explain(scene.node, indicator("absent")["id"], partner="b")


def test_withheld_ranks_by_how_much_each_reason_withholds(scene: Scene) -> None:
    scene.apply("b", text())
    scene.publish(
        *(indicator(f"red {n}", tlp="red") for n in range(3)),
        identity(OWN_IDENTITY, "we"),
        indicator("seen"),
    )
    ranked = policies.withheld(scene.node, partner="b")
    assert (ranked[0].rule, ranked[0].versions) == ("ceiling", 3)
    assert ranked[0].example.startswith("indicator--")
