"""Terms beside objects and in them, consents and agreements: who sees what, on both engines, over a real store."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Wall
from tests.scenes import (
    C_IDENTITY,
    Scene,
    address,
    envelope,
    indicator,
    malware,
    relationship,
    report,
)

from cert_exchange import worker
from cert_exchange.errors import ConfigurationInvalid, InputRefused, NotFound
from cert_exchange.messages.evidence import decode_line
from cert_exchange.node import Node
from cert_exchange.policy.sharing_terms import EXTENSION, Onward, SharingTerms
from cert_exchange.services import (
    consenting,
    doctoring,
    holding,
    ledger,
    locating,
    partners,
    policies,
    publishing,
    retention,
    terms,
)
from cert_exchange.services.holding import Wanted

OPEN = """\
partners: [{partner}]
collections: [indicators, reports]
ceiling: {{tlp: amber, unmarked: green}}
{more}rules:
  - {{name: all, match: {{origin: any}}, allow: true}}
"""
AGREEMENT = """\
partner: b
title: CERT A and CERT B
parties:
  - {{name: CERT A, contacts: [a]}}
  - {{name: CERT B, contacts: [b]}}
review: 2099-01-01
profile: {{}}
{more}
"""


@pytest.fixture
def node(either_node: Node) -> Node:
    """One engine: what is looked at here is not SQL's."""
    return either_node


@pytest.fixture
def scene(node: Node) -> Scene:
    """Everything goes to b and c, as far as nothing else binds it."""
    made = Scene.set_up(node, policies_for=())
    for partner in ("b", "c"):
        made.apply(partner, OPEN.format(partner=partner, more=""))
    return made


def publish(scene: Scene, *objects: dict[str, Any], **given: Any) -> None:
    found = terms.read_terms(scene.node, **given)
    publishing.publish(
        scene.node, envelope(*objects), collection="indicators", by="anna", terms=found
    )


def say(scene: Scene, one: dict[str, Any], **given: Any) -> terms.Changed:
    found = terms.read_terms(scene.node, **given)
    return terms.set_terms(scene.node, one["id"], found, by="anna", reason="asked")


def consent(scene: Scene, partner: str = "b", **given: Any) -> consenting.Recorded:
    return consenting.give(
        scene.node,
        partner,
        **{"to": "c", "until": "2 hours", "said_by": "Berta", "by": "anna", **given},
    )


def carrying(
    name: str, *, by: str | None = None, tlp: str = "green", **said: Any
) -> dict[str, Any]:
    """An indicator that carries its originator's terms."""
    extension = {EXTENSION: {"extension_type": "property-extension", **said}}
    return indicator(name, by=by, tlp=tlp, extensions=extension)


def kinds(scene: Scene) -> list[tuple[str, dict[str, Any]]]:
    from sqlalchemy import select

    from cert_exchange.store.tables import ledger_lines

    with scene.node.database.reading() as conn:
        bodies = conn.execute(select(ledger_lines.c.body).order_by(ledger_lines.c.id)).scalars()
        return [(line.kind, dict(line.facts)) for line in map(decode_line, bodies)]


def test_what_is_published_with_terms_is_bound_from_the_first_instant(scene: Scene) -> None:
    """Only to one, not to another, and what refers to it waits there."""
    one, two, three = indicator("one"), indicator("two"), indicator("three")
    publish(scene, one, only_to=["b"])
    publish(scene, two, not_to=["b"])
    publish(scene, three)
    assert scene.names("b") == ["one", "three"]
    assert scene.names("c") == ["two", "three"]
    assert scene.log("c") == [line for line in scene.log("c") if one["id"] not in line]
    scene.publish(report("about one", [one["id"]]))
    assert "about one" in scene.names("b")
    assert "about one" not in scene.names("c")
    ledger.verify(scene.node)


def test_terms_of_a_publication_do_not_bind_what_others_need(scene: Scene) -> None:
    """Our identity goes on being carried to everybody, whatever stands beside it in the file."""
    from tests.scenes import OWN_IDENTITY, identity

    scene.publish(indicator("before"))
    ours = identity(OWN_IDENTITY, "CERT A", version=5, tlp="clear")
    publish(scene, indicator("secret"), ours, only_to=["b"])
    assert scene.names("c") == ["before"]
    assert OWN_IDENTITY in scene.ids("c")


def test_later_versions_do_not_loosen_terms(scene: Scene) -> None:
    """Also when they are published without a word, or with other terms: of all the strictest counts."""
    publish(scene, indicator("one"), only_to=["b", "c"])
    assert scene.names("c") == ["one"]
    publish(scene, indicator("one", version=1), not_to=["c"])
    assert scene.names("c", last=False) == []
    scene.publish(indicator("one", version=2))
    assert scene.names("c", last=False) == []
    say(scene, indicator("one"))
    assert scene.names("c") == ["one"]


def test_setting_terms_takes_back_and_gives_at_once(scene: Scene) -> None:
    one = indicator("one")
    scene.publish(one)
    done = say(scene, one, not_to=["c"], purpose="incident 5 only")
    assert done.said == ("not to c", "purpose: incident 5 only")
    assert [(line.audience, line.kind) for line in done.lines if "indicator" in line.stix_id] == [
        ("c", "withdrawal")
    ]
    assert (scene.names("b"), scene.names("c")) == (["one"], [])
    say(scene, one, only_to=["c"])
    assert (scene.names("b"), scene.names("c")) == ([], ["one"])
    say(scene, one)
    assert (scene.names("b"), scene.names("c")) == (["one"], ["one"])
    said = [facts for kind, facts in kinds(scene) if kind == "terms"]
    assert [facts["id"] for facts in said] == [one["id"]] * 3
    assert "incident 5" in said[0]["terms"]
    ledger.verify(scene.node)


def test_an_embargo_holds_until_its_time(scene: Scene, wall: Wall) -> None:
    """It ends by the clock alone: no person lets it go before, and no other policy forgets it."""
    one = indicator("one")
    publish(scene, one, embargo="48 hours")
    assert scene.names("b") == []
    held = holding.list_holds(scene.node, Wanted())
    assert {hold.rule for hold in held} == {"terms"}
    with pytest.raises(InputRefused, match="embargo"):
        holding.release_hold(scene.node, [one["id"]], audience=None, by="anna", reason="early")
    scene.apply("b", OPEN.format(partner="b", more="unresolved: allow\n"))
    wall.forward(timedelta(hours=47))
    assert holding.release_due(scene.node) == 0
    wall.forward(timedelta(hours=2))
    while holding.release_due(scene.node):
        pass
    assert (scene.names("b"), scene.names("c")) == (["one"], ["one"])
    assert holding.list_holds(scene.node, Wanted()) == []
    ledger.verify(scene.node)


def test_an_embargo_that_is_set_later_takes_back_and_may_be_lifted(scene: Scene) -> None:
    one = indicator("one")
    scene.publish(one)
    say(scene, one, embargo="2 hours")
    assert scene.names("b") == []
    say(scene, one)
    assert scene.names("b") == ["one"]
    assert holding.list_holds(scene.node, Wanted()) == []


def test_an_observables_terms_bind_our_copy_and_those_of_its_id_every_copy(scene: Scene) -> None:
    host = address("203.0.113.9")
    publish(scene, host, not_to=["c"])
    assert scene.names("c") == []
    scene.post("b", host)
    assert scene.names("c") == ["203.0.113.9"]
    say(scene, host, not_to=["c"])
    assert scene.names("c") == []


def test_countries(scene: Scene) -> None:
    """Who is in no known country gets nothing that names countries; locating it decides again."""
    one = indicator("one")
    publish(scene, one, only_to=["country:EE"])
    publish(scene, indicator("two"), not_to=["country:LV"])
    assert scene.names("b") == []
    locating.locate(scene.node, "b", "ee", by="anna")
    assert sorted(scene.names("b")) == ["one", "two"]
    locating.locate(scene.node, "b", "LV", by="anna")
    assert scene.names("b") == []
    locating.locate(scene.node, "b", "none", by="anna")
    assert scene.names("b") == []
    with pytest.raises(ConfigurationInvalid):
        locating.locate(scene.node, "b", "Estonia", by="anna")
    partners.add(scene.node, "e", title="CERT E", country="ee")
    assert [row.partner.country for row in partners.listing(scene.node)] == [None, None, "EE"]


def test_an_exercise_stays_with_those_who_take_part(scene: Scene) -> None:
    publish(scene, indicator("drill"), test=True)
    assert scene.names("b") == []
    more = "  - {name: exercises, match: {origin: any, test: true}, allow: true}\n"
    scene.apply("b", OPEN.format(partner="b", more="") + more)
    assert (scene.names("b"), scene.names("c")) == (["drill"], [])


@pytest.mark.case("M34")
def test_a_marking_of_ours_stays_whatever_is_pulled(scene: Scene) -> None:
    """The same version again, and a later one that is marked lower, change nothing of it."""
    one = indicator("one", by=None)
    scene.post("b", one)
    assert scene.names("c") == ["one"]
    terms.mark(scene.node, one["id"], "red", by="anna", reason="it names a victim")
    assert scene.names("c", last=False) == []
    scene.post("b", one)
    scene.post("b", indicator("one", by=None, version=1, tlp="clear"))
    assert scene.names("c", last=False) == []
    assert terms.list_terms(scene.node)[0].said == ("marked TLP:RED here",)
    say(scene, one, purpose="statistics")
    assert scene.names("c", last=False) == []
    terms.mark(scene.node, one["id"], "none", by="anna", reason="settled")
    assert scene.names("c") == ["one"]


def test_a_marking_of_ours_never_loosens(scene: Scene) -> None:
    one = indicator("one", tlp="red")
    scene.publish(one)
    terms.mark(scene.node, one["id"], "clear", by="anna", reason="try")
    assert scene.names("b") == []
    with pytest.raises(InputRefused, match="marking definition"):
        terms.mark(scene.node, one["object_marking_refs"][0], "red", by="anna", reason="try")


def test_an_originators_terms_bind_us_and_its_consent_lets_it_pass(
    scene: Scene, wall: Wall
) -> None:
    """For as long as it lasts; the ledger has who allowed what to whom until when."""
    kept, sink = carrying("kept", onward="none"), malware("sink", by=None)
    scene.post("b", kept, sink, relationship(kept, sink, by=None))
    assert scene.names("c") == ["sink"]
    given = consent(scene, stix_id=kept["id"])
    assert given.lines == 2  # the relationship waited for it
    assert "kept" in scene.names("c")
    assert scene.names("b") == []  # nothing goes back
    (facts,) = [facts for kind, facts in kinds(scene) if kind == "consent"]
    assert (facts["partner"], facts["to"], facts["said_by"]) == ("b", "c", "Berta")
    wall.forward(timedelta(hours=1))
    assert consenting.end_due(scene.node) == 0
    wall.forward(timedelta(hours=2))
    assert consenting.end_due(scene.node) == 1
    assert scene.names("c") == ["sink"]
    assert consenting.list_consents(scene.node) == []
    (over,) = consenting.list_consents(scene.node, ended=True)
    assert over.ended_by == "clock"
    ledger.verify(scene.node)


def test_a_consent_about_all_that_came_from_a_partner(scene: Scene) -> None:
    """It counts for what is there and for what comes, also above TLP:GREEN, and ends at once when a person says so."""
    scene.post("b", indicator("amber", by=None, tlp="amber"), carrying("kept", onward="ask"))
    assert scene.names("c") == []
    given = consent(scene)
    assert sorted(scene.names("c")) == ["amber", "kept"]
    scene.post("b", indicator("late", by=None, tlp="amber"))
    assert sorted(scene.names("c")) == ["amber", "kept", "late"]
    done = consenting.end(scene.node, given.consent.id, by="anna", reason="they asked us to")
    assert done.lines == 5  # and two definitions that only these needed
    assert scene.names("c", last=False) == []
    with pytest.raises(InputRefused, match="ended"):
        consenting.end(scene.node, given.consent.id, by="anna", reason="again")


def test_a_consent_lifts_neither_the_ceiling_nor_a_rule_nor_our_terms(scene: Scene) -> None:
    red, barred = carrying("red", tlp="red", onward="none"), carrying("barred", onward="none")
    denied = carrying("denied", onward="none")
    denied["labels"] = ["no"]
    scene.post("b", red, barred, denied)
    more = "  - {name: no, match: {origin: any, labels: no}, deny: true}\n"
    scene.apply("c", OPEN.format(partner="c", more="") + more)
    say(scene, barred, not_to=["c"])
    consent(scene)
    assert scene.names("c") == []


def test_a_consent_to_another_or_about_another_object_is_none(scene: Scene) -> None:
    one, two = carrying("one", onward="none"), carrying("two", onward="none")
    scene.post("b", one, two)
    consent(scene, to="country:EE")
    assert scene.names("c") == []
    consent(scene, stix_id=two["id"], to=C_IDENTITY)
    assert scene.names("c") == ["two"]


def test_what_a_consent_must_say(scene: Scene) -> None:
    scene.post("b", indicator("one", by=None))
    for given in (
        {"said_by": " "},
        {"until": "yesterday"},
        {"until": "2020-01-01T00:00:00Z"},
        {"to": "nobody-known"},
        {"to": "b"},
    ):
        with pytest.raises(InputRefused):
            consent(scene, **given)
    for given in ({"partner": "x"}, {"stix_id": indicator("two")["id"]}):
        with pytest.raises(NotFound):
            consent(scene, **given)
    with pytest.raises(NotFound):
        consenting.end(scene.node, 99, by="anna", reason="none there")


def test_names_that_nobody_bears_are_refused(scene: Scene) -> None:
    """What shuts out by a misspelt name would shut out nobody."""
    for given in (
        {"not_to": ["bb"]},
        {"only_to": ["country:Estonia"]},
        {"onward": "maybe"},
        {"embargo": "soon"},
        {"embargo": "2020-01-01T00:00:00Z"},
        {"purpose": "x" * 501},
    ):
        with pytest.raises(InputRefused):
            terms.read_terms(scene.node, **given)
    assert terms.read_terms(scene.node) is None
    with pytest.raises(NotFound):
        terms.mark(scene.node, indicator("none")["id"], "red", by="anna", reason="x")


def agree(scene: Scene, folder: Path, more: str) -> None:
    """Bring b's policy into force with an agreement that says this."""
    (folder / "agreement.yaml").write_text(AGREEMENT.format(more=more))
    text = OPEN.format(partner="b", more="agreement: agreement.yaml\n")
    policies.apply(scene.node, text, file="b.yaml", folder=folder, author="anna")


def test_an_agreement_binds_what_came_from_its_partner_everywhere(
    scene: Scene, tmp_path: Path
) -> None:
    """In the audience of c, from the moment that b's policy names it, and no longer."""
    scene.post("b", indicator("theirs", by=None))
    scene.publish(indicator("ours"))
    assert sorted(scene.names("c")) == ["ours", "theirs"]
    agree(scene, tmp_path, "onward: never")
    assert scene.names("c", last=False) == ["ours"]
    scene.post("b", indicator("more", by=None))
    assert scene.names("c") == ["ours"]
    agree(scene, tmp_path, "onward: ask")
    consent(scene)
    assert sorted(scene.names("c")) == ["more", "ours", "theirs"]
    agree(scene, tmp_path, "onward: never\nretention: 9 days")
    assert sorted(scene.names("c")) == ["more", "ours", "theirs"]  # they consented
    agree(scene, tmp_path, "onward: by marking")
    assert sorted(scene.names("c")) == ["more", "ours", "theirs"]


def test_an_agreed_embargo_and_retention(scene: Scene, wall: Wall, tmp_path: Path) -> None:
    agree(scene, tmp_path, "embargo: 2 hours\nretention: 3 days")
    scene.post("b", indicator("theirs", by=None))
    assert scene.names("c") == []
    wall.forward(timedelta(hours=3))
    while holding.release_due(scene.node):
        pass
    assert scene.names("c") == ["theirs"]
    assert retention.end_passed(scene.node) == 0
    wall.forward(timedelta(days=3))
    assert retention.count_passed(scene.node) == {"b": 1}
    assert retention.end_passed(scene.node) > 0
    assert scene.names("c", last=False) == []
    assert retention.end_passed(scene.node) == 0
    ledger.verify(scene.node)


def test_explanations_and_the_story_of_an_object_have_its_terms(scene: Scene) -> None:
    kept = carrying("kept", onward="none", purpose="incident 7")
    scene.post("b", kept)
    say(scene, kept, not_to=["country:LV"])
    given = consent(scene, stix_id=kept["id"])
    found = terms.show_terms(scene.node, kept["id"])
    assert [one.said for one in found.beside] == [("not to country:LV",)]
    assert found.carried[0][0] == "b"
    assert found.carried[0][2] == ("purpose: incident 7", "onward: none")
    assert [one.id for one in found.consents] == [given.consent.id]
    (version,) = policies.explain(scene.node, kept["id"], partner="c").versions
    assert version.answer == "denied"
    (step,) = [step for step in version.steps if step.asked == "terms"]
    assert step.answer == "denied"
    assert "country of c is not known" in step.found
    assert {below.asked for below in step.steps} == {
        "our desk's", "its originator's", f"consent {given.consent.id}",
    }  # fmt: skip


def test_a_preview_of_publishing_knows_the_terms_and_stores_nothing(scene: Scene) -> None:
    one = indicator("one")
    given = terms.read_terms(scene.node, not_to=["c"], embargo="1 hour")
    told = publishing.preview_publish(
        scene.node, envelope(one), collection="indicators", terms=given
    )
    answers = {sight.audience: sight.answer for sight in told.sighted if sight.stix_id == one["id"]}
    assert answers == {"b": "held", "c": "denied"}
    assert terms.list_terms(scene.node) == []


def test_a_policys_preview_is_what_applying_does(scene: Scene) -> None:
    """With terms of every kind in the store."""
    publish(scene, indicator("one"), not_to=["c"])
    publish(scene, indicator("two"), embargo="1 hour")
    publish(scene, indicator("three"), test=True)
    kept = carrying("kept", onward="none")
    scene.post("b", kept, carrying("free", onward="free"))
    consent(scene, stix_id=kept["id"])
    closed = OPEN.format(partner="c", more="").replace(
        "match: {origin: any}", "match: {origin: own}"
    )
    for text in (closed, OPEN.format(partner="c", more="")):
        checked = policies.check(scene.node, text, file="c.yaml")
        foretold = policies.preview(scene.node, checked.policy)
        done = scene.apply("c", text)
        assert (foretold.gained, foretold.lost) == (done.gained, done.lost)
    assert sorted(scene.names("c")) == ["free", "kept"]


def test_whom_a_partner_speaks_for_may_change(scene: Scene) -> None:
    """Terms that name an identity follow it, at once."""
    one = indicator("one")
    publish(scene, one, only_to=[C_IDENTITY])
    assert (scene.names("b"), scene.names("c")) == ([], ["one"])
    partners.amend(scene.node, "c", speaks_for=[], relays=[])
    partners.amend(scene.node, "b", speaks_for=[C_IDENTITY], relays=[])
    for partner in ("b", "c"):
        locating.name_anew(scene.node, partner, by="anna")
    assert (scene.names("b"), scene.names("c")) == (["one"], [])
    with pytest.raises(NotFound):
        locating.name_anew(scene.node, "nobody", by="anna")


def test_the_worker_ends_what_is_over(scene: Scene, wall: Wall, tmp_path: Path) -> None:
    """Embargoes, consents and retentions, without anybody asking."""
    agree(scene, tmp_path, "retention: 5 hours")
    publish(scene, indicator("held"), embargo="3 hours")
    kept = carrying("kept", onward="none")
    scene.post("b", kept, indicator("old", by=None))
    consent(scene, stix_id=kept["id"])
    assert sorted(scene.names("c")) == ["kept", "old"]
    made = worker.Worker(scene.node, stop=threading.Event())
    wall.forward(timedelta(hours=4))
    made.tick(1)
    assert sorted(scene.names("c")) == ["held", "old"]
    wall.forward(timedelta(hours=2))
    made.tick(0)
    assert scene.names("c", last=False) == ["held"]
    found = [one.finding for one in doctoring.examine(scene.node, partner="b")]
    assert any("2 versions from it are past their agreed retention" in one for one in found)
    ledger.verify(scene.node)


def test_a_derivative_goes_with_the_consent_that_let_it_pass(scene: Scene) -> None:
    """It is known as what came from the partner; a derivative carries its originator's terms on."""
    rule = "  - {name: cut, match: {origin: any}, redact: {remove: [description]}}\n"
    scene.apply("c", OPEN.format(partner="c", more="") + rule)
    kept = carrying("kept", onward="none", purpose="incident 7")
    scene.post("b", {**kept, "description": "a secret"})
    assert scene.names("c") == []
    given = consent(scene)
    (shown,) = [one for one in scene.sees("c") if one["type"] == "indicator"]
    assert shown["id"] != kept["id"]
    assert "description" not in shown
    assert shown["extensions"][EXTENSION] == kept["extensions"][EXTENSION]
    consenting.end(scene.node, given.consent.id, by="anna", reason="they asked us to")
    assert scene.names("c", last=False) == []
    ledger.verify(scene.node)


def test_what_we_make_tells_a_reader_of_itself_and_of_countries_alone(sqlite_node: Node) -> None:
    """What is written without a word of a person: who is alone is told so, of others nobody reads."""
    Scene.set_up(sqlite_node)

    def told(**given: Any) -> SharingTerms | None:
        return publishing.binding_receivers(sqlite_node, SharingTerms(**given))

    alone = (frozenset({"b"}),)
    assert told(only_to=alone) == SharingTerms(only_to=alone)
    assert told(only_to=(frozenset({"b", "c"}),)) == SharingTerms(onward=Onward.NONE)
    assert told(only_to=(frozenset({"nameless"}),)) == SharingTerms(onward=Onward.NONE)
    countries = frozenset({"country:EE", "country:LV"})
    assert told(only_to=(countries,)) == SharingTerms(only_to=(countries,))
    assert told(not_to=countries) == SharingTerms(not_to=countries)
    assert told(not_to=countries | {"c"}) == SharingTerms(not_to=countries, onward=Onward.ASK)
    assert told(not_to=frozenset({"c"}), test=True) == SharingTerms(onward=Onward.ASK, test=True)
    assert told(purposes=("x",), embargo_until=1) is None
