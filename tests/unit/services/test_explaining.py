"""The whole decision as a tree, what a partner sees, who sees an object, and agreements at work; on both engines."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import structlog
from sqlalchemy import update
from tests.scenes import (
    B_IDENTITY,
    OWN_IDENTITY,
    THIRD_IDENTITY,
    Scene,
    identity,
    indicator,
    malware,
    note,
    relationship,
    report,
)

from cert_exchange.errors import NotFound, PolicyInvalid
from cert_exchange.node import Node
from cert_exchange.services import doctoring, freezing, holding, holdings, ledger, policies
from cert_exchange.services.policies import Step
from cert_exchange.store.tables import policies as policies_table

TEXT = """\
partners: [{partner}]
collections: [indicators, reports]
ceiling: {{tlp: amber, unmarked: green}}
{more}rules:
  - {{name: secret, match: {{origin: any, labels: [secret]}}, deny: true, reason: the desk says so}}
  - {{name: ask, match: {{origin: any, labels: [ask]}}, hold: approval, reason: the officer looks}}
  - {{name: ours, match: {{origin: own, type: [indicator, malware, relationship, report, note]}}, allow: true}}
"""
AGREEMENT = """\
partner: b
title: Exchange with B
parties:
  - {name: CERT A, contacts: [duty@cert-a.example]}
  - {name: CERT B, contacts: [duty@cert-b.example]}
review: %s
profile:
  types: [indicator, malware, relationship]
  required: {indicator: [confidence]}
  forbidden: [payloads, persons]
"""


@pytest.fixture
def node(either_node: Node) -> Node:
    """One engine: what is looked at here is not SQL's."""
    return either_node


@pytest.fixture
def scene(node: Node) -> Scene:
    scene = Scene.set_up(node, policies_for=())
    for partner in ("b", "c"):
        scene.apply(partner, TEXT.format(partner=partner, more=""))
    return scene


def agree(scene: Scene, *, review: str = "2099-01-01", profile: str = "") -> policies.Applied:
    text = AGREEMENT % review
    if profile:
        text = text.split("profile:")[0] + f"profile: {profile}\n"
    return policies.apply(
        scene.node, TEXT.format(partner="b", more="agreement: agreements/b.yaml\n"), file="b.yaml", author="test",
        companions={"agreements/b.yaml": text},
    )  # fmt: skip


def tree(scene: Scene, stix_id: str, partner: str = "b") -> policies.Explained:
    return policies.explain(scene.node, stix_id, partner=partner).versions[0]


def walk(steps: tuple[Step, ...]) -> Iterator[Step]:
    for step in steps:
        yield step
        yield from walk(step.steps)


def step(told: policies.Explained, asked: str) -> Step:
    return next(one for one in walk(told.steps) if one.asked == asked)


def test_what_is_visible_says_since_when_by_which_version_and_in_which_bytes(scene: Scene) -> None:
    """The bytes are those that the view serves, and the instant is that of its line."""
    one = indicator("one")
    scene.publish(one)
    told = tree(scene, one["id"])
    assert (told.answer, told.rule, told.policy_version, told.origin) == (
        "visible",
        "ours",
        1,
        "own",
    )
    served = json.dumps(
        scene.sees("b")[-1], ensure_ascii=False, separators=(",", ":"), sort_keys=True
    )
    assert told.size == len(served.encode())
    rendition = step(told, "rendition")
    assert told.digest is not None
    assert told.digest in rendition.found
    assert told.since is not None
    assert told.since in rendition.found
    positions = [position for position, _, stix_id in scene.log("b") if stix_id == one["id"]]
    from cert_exchange.stix.instants import format_micros

    assert told.since == format_micros(positions[-1])
    assert [s.asked for s in told.steps] == [
        "audience", "origin", "ceiling", "rules", "references", "rendition",
    ]  # fmt: skip


def test_what_is_denied_shows_what_else_stands_in_the_way(scene: Scene) -> None:
    """Every question is asked, also after the one that denied."""
    one = indicator("one", tlp="red", labels=["secret"])
    scene.publish(one)
    told = tree(scene, one["id"])
    assert (told.answer, told.rule, told.since, told.digest) == ("denied", "ceiling", None, None)
    assert step(told, "ceiling").answer == "denied"
    assert step(told, "deny secret").answer == "matches"
    assert step(told, "allow ours").answer == "matches"


def test_a_hold_and_who_ended_it(scene: Scene) -> None:
    one = indicator("one", labels=["ask"])
    scene.publish(one)
    told = tree(scene, one["id"])
    assert (told.answer, told.rule) == ("held", "ask")
    assert step(told, "hold ask").found.startswith(
        "the officer looks; until a person releases it; since 20"
    )
    holding.release_hold(scene.node, [one["id"]], audience=None, by="officer", reason="looked")
    told = tree(scene, one["id"])
    assert told.answer == "visible"
    assert step(told, "hold ask").answer == "released"
    assert step(told, "hold ask").found.startswith("by officer at 20")


def test_a_hold_by_two_persons_says_who_looks_and_what_comes_then(scene: Scene) -> None:
    two = "hold: {approval: true, approvals: 2, owner: desk, expires: 72h, then: deny}"
    scene.apply("b", TEXT.format(partner="b", more="").replace("hold: approval", two))
    one = indicator("one", labels=["ask"])
    scene.publish(one)
    holding.release_hold(scene.node, [one["id"]], audience=None, by="anna", reason="looked")
    said = step(tree(scene, one["id"]), "hold ask").found
    assert "owner desk; 1 of 2 persons let it go" in said
    assert "; until 2 persons release it, or 20" in said
    assert "Z: then it is denied; since 20" in said


def test_what_stands_above_every_version_is_said(scene: Scene) -> None:
    """A freeze, and a policy that cannot be read any more."""
    one = indicator("one")
    scene.publish(one)
    assert policies.explain(scene.node, one["id"], partner="b").remark == ""
    freezing.freeze(scene.node, "b", by="officer", reason="wrong release")
    assert "is frozen" in policies.explain(scene.node, one["id"], partner="b").remark
    assert policies.explain(scene.node, one["id"], partner="c").remark == ""
    spoil = update(policies_table).values(text="no: policy")
    scene.node.database.transact(lambda tx: tx.execute(spoil))
    remark = policies.explain(scene.node, one["id"], partner="c").remark
    assert remark == "its policy c cannot be read any more: it sees nothing"
    assert policies.withheld(scene.node, partner="c")[0].reason == remark


def test_a_chain_of_references_is_followed_to_what_stands_in_the_way(scene: Scene) -> None:
    """A report waits for a relationship, that for a malware, which the desk denied."""
    hidden = malware("hidden", labels=["secret"])
    link = relationship(indicator("seen"), hidden)
    whole = report("whole", [link["id"], indicator("seen")["id"]])
    scene.publish(indicator("seen"), hidden, link, whole)
    told = tree(scene, whole["id"])
    assert (told.answer, told.waits_for) == ("waiting", (link["id"],))
    references = step(told, "references")
    assert (references.answer, references.found) == ("waiting", "for 1 of 4")
    assert step(told, f"it refers to {indicator('seen')['id']}").answer == "visible"
    below = step(told, f"it refers to {link['id']}")
    assert [s.asked for s in walk(below.steps) if s.answer == "denied"] == [
        f"version {hidden['modified']} in indicators"
    ]
    denied = next(s for s in walk(below.steps) if s.answer == "denied")
    assert denied.found == "by secret: the desk says so"


def test_what_is_not_held_is_said(scene: Scene) -> None:
    link = relationship(indicator("seen"), malware("absent"))
    scene.publish(indicator("seen"), link)
    told = tree(scene, link["id"])
    assert step(told, f"it refers to {malware('absent')['id']}").answer == "not held"


def test_a_circle_ends(scene: Scene) -> None:
    """Two that need each other, and one of them a third that is hidden."""
    hidden = malware("hidden", labels=["secret"])
    first = note("first", ["note--00000000-0000-4000-8000-000000000002", hidden["id"]])
    first["id"] = "note--00000000-0000-4000-8000-000000000001"
    second = note("second", [first["id"]])
    second["id"] = "note--00000000-0000-4000-8000-000000000002"
    scene.publish(hidden, first, second)
    told = tree(scene, second["id"])
    assert told.answer == "waiting"
    assert any(s.answer == "denied" for s in walk(step(told, "references").steps))


def test_a_creator_that_is_denied_takes_along_what_it_made(scene: Scene) -> None:
    """It cannot be carried: the tree says why, at the reference."""
    scene.publish(identity(THIRD_IDENTITY, "third", tlp="red"), indicator("one", by=THIRD_IDENTITY))
    told = tree(scene, indicator("one")["id"])
    assert told.answer == "waiting"
    creator = step(told, f"its creator {THIRD_IDENTITY}")
    assert creator.answer == "waits"
    assert "by ceiling: is TLP:RED, above TLP:AMBER" in creator.found


def test_an_older_version_that_the_newest_takes_along(scene: Scene) -> None:
    """It would be allowed alone: the tree says that another version governs it."""
    scene.publish(indicator("one"))
    scene.publish(indicator("one", version=2, tlp="red"))
    older, newest = policies.explain(scene.node, indicator("one")["id"], partner="b").versions
    assert (older.answer, newest.answer) == ("denied", "denied")
    assert step(older, "ceiling").answer == "passed"
    assert step(older, "other versions").found.startswith("its newest version is denied")


def test_a_wide_report_is_explained_in_bounds(scene: Scene) -> None:
    """Thousands of references: what it waits for stands first, and the rest is counted."""
    seen = [indicator(f"n{n}") for n in range(80)]
    hidden = malware("hidden", labels=["secret"])
    whole = report("whole", [*(one["id"] for one in seen), hidden["id"]])
    scene.publish(*seen, hidden, whole)
    steps = step(tree(scene, whole["id"]), "references").steps
    assert steps[0].asked == f"it refers to {hidden['id']}"
    assert len(steps) == 51
    assert steps[-1].answer == "not shown"


def test_sees_counts_by_collection_and_type(scene: Scene) -> None:
    """Objects once, versions each; what is withheld is in no count."""
    scene.publish(indicator("one"), indicator("two"), malware("bad"), indicator("red", tlp="red"))
    scene.publish(indicator("one", version=2))
    scene.publish(report("whole", [indicator("one")["id"]]), to="reports")
    rows = {
        (r.collection, r.type): (r.objects, r.versions)
        for r in policies.sees(scene.node, partner="b")
    }
    assert rows[("indicators", "indicator")] == (2, 3)
    assert rows[("indicators", "malware")] == (1, 1)
    assert rows[("reports", "report")] == (1, 1)
    by_hand = {(c, o["type"]) for c in ("indicators", "reports") for o in scene.sees("b", c)}
    assert rows.keys() == by_hand
    assert sum(objects for objects, _ in rows.values()) == len(scene.ids("b")) + len(
        scene.ids("b", "reports")
    )
    with pytest.raises(NotFound):
        policies.sees(scene.node, partner="nobody")


def test_sees_around_an_object(scene: Scene) -> None:
    """Itself, what it refers to and what refers to it, each with its answer."""
    hidden = malware("hidden", labels=["secret"])
    link = relationship(indicator("seen"), hidden)
    scene.publish(indicator("seen"), hidden, link, note("about", [indicator("seen")["id"]]))
    rows = {
        (row.relation, row.stix_id): row.answer
        for row in policies.sees_around(scene.node, indicator("seen")["id"], partner="b")
    }
    assert rows[("itself", indicator("seen")["id"])] == "visible"
    assert rows[("refers to it", link["id"])] == "waiting"
    assert rows[("refers to it", note("about", [])["id"])] == "visible"
    assert rows[("it refers to", OWN_IDENTITY)] == "visible"
    around = policies.sees_around(scene.node, link["id"], partner="b")
    assert {row.answer for row in around if row.stix_id == hidden["id"]} == {"denied"}


def test_who_sees_an_object_and_why_not(scene: Scene) -> None:
    """Each audience with its answer; where it came from is said."""
    scene.apply("c", TEXT.format(partner="c", more="").replace("tlp: amber", "tlp: clear"))
    one = indicator("one", tlp="green")
    scene.publish(one)
    rows = {row.audience: row for row in policies.who(scene.node, one["id"])}
    assert (rows["b"].answer, rows["b"].partners, rows["b"].rule) == ("visible", ("b",), "ours")
    assert rows["b"].since is not None
    assert (rows["c"].answer, rows["c"].rule) == ("denied", "ceiling")
    theirs = indicator("theirs", by=B_IDENTITY)
    scene.post("b", theirs)
    answers = {
        row.audience: (row.answer, row.reason) for row in policies.who(scene.node, theirs["id"])
    }
    assert answers["b"] == ("not shared", "it came from there")
    assert answers["c"][0] == "denied"
    with pytest.raises(NotFound):
        policies.who(scene.node, indicator("absent")["id"])


def test_explaining_agrees_with_what_is_served(scene: Scene) -> None:
    """Over a mixed batch: visible in the tree exactly where the view shows it."""
    scene.publish(
        indicator("plain"), indicator("secret", labels=["secret"]), indicator("asked", labels=["ask"]),
        malware("red", tlp="red"), relationship(indicator("plain"), malware("red")),
        report("of all", [indicator("plain")["id"]]), identity(OWN_IDENTITY, "we"),
    )  # fmt: skip
    shown = set(scene.ids("b"))
    for stix_id in [indicator("plain")["id"], indicator("secret")["id"], indicator("asked")["id"],
                    malware("red")["id"], report("of all", [])["id"], OWN_IDENTITY]:  # fmt: skip
        answers = {v.answer for v in policies.explain(scene.node, stix_id, partner="b").versions}
        assert ("visible" in answers) == (stix_id in shown), stix_id


def test_what_breaks_the_agreement_is_not_sent(scene: Scene) -> None:
    """What was visible goes when the agreement comes into force; the tree names the clause."""
    scene.publish(
        indicator("sure", confidence=80), indicator("unsure"), report("r", [OWN_IDENTITY])
    )
    assert set(scene.names("b")) == {"sure", "unsure", "r"}
    assert agree(scene).lost == 2
    assert scene.names("b") == ["sure"]
    told = tree(scene, indicator("unsure")["id"])
    assert (told.answer, told.rule) == ("denied", "agreement")
    broken = step(told, "agreement with b").steps
    assert [(s.asked, s.found) for s in broken] == [
        ("profile.required", "indicator needs confidence")
    ]
    ranked = policies.withheld(scene.node, partner="b")
    assert any("indicator needs confidence" in row.reason for row in ranked)
    assert set(scene.names("c")) == {"sure", "unsure", "r"}  # another audience, another agreement
    ledger.verify(scene.node)


def test_what_breaks_the_agreement_is_refused_on_receipt(scene: Scene) -> None:
    """Its sender is told the clause, it is kept in quarantine, and the rest of the batch is taken."""
    agree(scene)
    outcomes = scene.post(
        "b", indicator("sure", by=B_IDENTITY, confidence=5), indicator("unsure", by=B_IDENTITY),
        note("prose", [OWN_IDENTITY], by=B_IDENTITY),
    )  # fmt: skip
    assert [one.result for one in outcomes] == ["accepted", "rejected", "rejected"]
    assert outcomes[1].message == "your agreement: indicator needs confidence"
    assert outcomes[2].message == "your agreement: note is not among the types"
    kept, refused = holdings.received(scene.node, "b", stored_since=None, limit=100)
    assert [hit.label for hit in kept] == ["sure"]
    assert [row.reason for row in refused] == [outcomes[2].message, outcomes[1].message]
    posted = scene.posted("b", indicator("again", by=B_IDENTITY))
    failures = json.loads(posted.status)["failures"]
    assert failures[0]["message"] == "your agreement: indicator needs confidence"
    assert scene.post("c", indicator("of c", by=None))[0].result == "accepted"
    ledger.verify(scene.node)


def test_what_was_refused_by_the_agreement_makes_nothing_visible(scene: Scene) -> None:
    """A refused object was not sent: what waits for its id goes on waiting."""
    agree(
        scene,
        profile="{types: [indicator, malware, relationship], required: {malware: [description]}}",
    )
    link = relationship(indicator("seen"), malware("absent"))
    scene.publish(indicator("seen", confidence=5), link)
    assert link["id"] not in scene.ids("b")
    assert not scene.post("b", malware("absent", by=B_IDENTITY))[0].success
    assert link["id"] not in scene.ids("b")
    assert scene.post("b", malware("absent", by=B_IDENTITY, description="a worm"))[0].success
    assert link["id"] in scene.ids("b")


def test_a_revocation_passes_the_required_properties(scene: Scene) -> None:
    """Both ways: nobody goes on using what its owner revoked."""
    agree(scene)
    assert scene.post("b", indicator("theirs", by=B_IDENTITY, confidence=5))[0].success
    assert scene.post("b", indicator("theirs", by=B_IDENTITY, version=2, revoked=True))[0].success
    scene.publish(indicator("ours", confidence=5))
    scene.publish(indicator("ours", version=2, revoked=True))
    assert [one.get("revoked") for one in scene.sees("b") if one["type"] == "indicator"] == [True]


def test_a_policy_whose_agreement_is_wrong_changes_nothing(scene: Scene) -> None:
    scene.publish(indicator("one"))
    with pytest.raises(PolicyInvalid, match="is no day"):
        agree(scene, review="soon")
    assert scene.names("b") == ["one"]


def test_an_overdue_review_is_told(scene: Scene) -> None:
    """The agreement still binds; doctor and the list say that its day has passed."""
    agree(scene)
    (agreed,) = policies.agreements(scene.node)
    assert (agreed.partner, agreed.overdue, agreed.warning) == ("b", False, "")
    assert not any("agreement" in one.finding for one in doctoring.examine(scene.node))
    agree(scene, review="2020-01-01")
    (agreed,) = policies.agreements(scene.node)
    assert agreed.overdue
    found = [one for one in doctoring.examine(scene.node) if "agreement" in one.finding]
    assert [(one.grade, one.about) for one in found] == [("note", "partner b")]
    assert "reviewed by 2020-01-01" in found[0].finding
    with structlog.testing.capture_logs() as lines:
        assert policies.remind(scene.node) == 1
    assert [(one["event"], one["partner"]) for one in lines] == [("agreement-overdue", "b")]
    scene.publish(indicator("unsure"))
    assert scene.names("b") == []


def test_check_warns_of_an_overdue_review(scene: Scene) -> None:
    """At the line that names the agreement, and it can be applied all the same."""
    text = TEXT.format(partner="b", more="agreement: agreements/b.yaml\n")
    beside = {"agreements/b.yaml": AGREEMENT % "2020-01-01"}
    warning = policies.check(scene.node, text, file="b.yaml", companions=beside).warnings[-1]
    assert str(warning).startswith("b.yaml:4:12: its agreement was to be reviewed by 2020-01-01")


def test_check_warns_of_what_goes_on_against_an_agreement(scene: Scene) -> None:
    """Both ways: the rule that passes it on, and the agreement that comes into force beside such a rule."""
    wide = (
        TEXT.format(partner="c", more="")
        + "  - {name: theirs, match: {origin: partners}, allow: true}\n"
    )
    narrow = TEXT.format(partner="c", more="")
    text = TEXT.format(partner="b", more="agreement: agreements/b.yaml\n")
    never = {"agreements/b.yaml": (AGREEMENT % "2099-01-01") + "onward: never\n"}

    def said(text: str, file: str, **beside: dict[str, str]) -> list[str]:
        found = policies.check(scene.node, text, file=file, **beside).warnings
        return [str(one) for one in found if "onward" in str(one)]

    assert said(wide, "c.yaml") == []
    assert said(text, "b.yaml", companions=never) == []
    policies.apply(scene.node, text, file="b.yaml", author="test", companions=never)
    (warning,) = said(wide, "c.yaml")
    assert warning.startswith("c.yaml:8:5: the agreement with b says onward: never")
    assert said(narrow, "c.yaml") == []
    scene.apply("c", wide)
    (warning,) = said(text, "b.yaml", companions=never)
    assert warning.startswith(
        "b.yaml:4:12: it says onward: never, and policy c lets what came from b go on"
    )
    free = {"agreements/b.yaml": never["agreements/b.yaml"].replace("never", "by marking")}
    assert said(text, "b.yaml", companions=free) == []
