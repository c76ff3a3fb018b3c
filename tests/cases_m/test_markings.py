"""Group M of CASES.md: markings decide, in every form, and nobody passes them by."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.cases_m.conftest import everything
from tests.conftest import Wall
from tests.scenes import (
    B_IDENTITY,
    OWN_IDENTITY,
    THIRD_IDENTITY,
    TLP,
    Scene,
    identity,
    indicator,
    uid,
)
from tests.taxii.conftest import served
from tests.unit.stix.placements import ANYWHERE
from tests.unit.stix.samples import SAMPLES

from cert_exchange.node import Node
from cert_exchange.services import ledger, partners, policies
from cert_exchange.services.releasing.dating import pass_dates
from cert_exchange.stix.handling import IEP_EXTENSION
from cert_exchange.stix.markings import Tlp

TLP1 = {
    "green": "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da",
    "amber": "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82",
    "red": "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed",
}
LADDER = tuple(TLP)


@pytest.fixture
def node(either_node: Node) -> Node:
    """One engine: what is looked at here is not SQL's."""
    return either_node


def why(scene: Scene, one: dict[str, Any], partner: str = "b") -> tuple[str, str, str]:
    found = policies.explain(scene.node, one["id"], partner=partner).versions[0]
    return found.answer, found.rule, found.reason


@pytest.mark.case("M06")
def test_one_canonical_form_decides_and_the_refusal_names_what_it_saw(scene: Scene) -> None:
    """An allow list of green lets green pass in each form; what it refuses, it refuses by rule and marking."""
    scene.apply(
        "b",
        "partners: [b]\ncollections: [indicators]\nceiling: {tlp: green, unmarked: deny}\n"
        "rules:\n  - {name: green only, match: {tlp: green}, allow: true}\n",
    )
    forms: dict[str, dict[str, Any]] = {
        "TLP 1": {"object_marking_refs": [TLP1["green"]]},
        "TLP 2": {"object_marking_refs": [TLP["green"]]},
        "label": {"labels": ["tlp:green"]},
        "label in capitals": {"labels": ["TLP:GREEN"]},
        "label of TLP 2": {"labels": ["TLP 2.0: Green"]},
    }
    scene.publish(*(indicator(name, tlp=None, **form) for name, form in forms.items()))
    assert set(scene.names("b")) == set(forms)
    amber = indicator("amber", tlp=None, object_marking_refs=[TLP["green"]], labels=["TLP:AMBER"])
    scene.publish(amber)
    assert why(scene, amber) == ("denied", "ceiling", "is TLP:AMBER, above TLP:GREEN")


@pytest.mark.case("M22")
@pytest.mark.parametrize(("one", "other"), list(itertools.product(LADDER, LADDER)))
def test_the_strictest_part_decides_for_the_whole(sqlite_node: Any, one: str, other: str) -> None:
    """Each combination of two parts' levels: the whole has the stricter, whatever the object marking says."""
    from cert_exchange.policy.decide import subject_of

    what = indicator(
        "parts", tlp="clear", labels=["x", "y"],
        granular_markings=[
            {"selectors": ["labels.[0]"], "marking_ref": TLP[one]},
            {"selectors": ["labels.[1]"], "marking_ref": TLP[other]},
        ],
    )  # fmt: skip
    read = subject_of(what, origin="own", stored_at=0)
    assert read.tlp is not None
    assert LADDER[read.tlp] == max(one, other, key=LADDER.index)


@pytest.mark.case("M24")
def test_the_id_of_a_predefined_marking_decides_and_an_altered_one_is_refused(scene: Scene) -> None:
    """TLP:WHITE that says clear, RED that says white: refused and reported; what bears the id has the id's level."""
    altered = {
        "type": "marking-definition", "spec_version": "2.1", "id": TLP1["red"],
        "created": "2017-01-20T00:00:00.000Z", "definition_type": "tlp", "name": "TLP:WHITE",
        "definition": {"tlp": "white"},
    }  # fmt: skip
    (told, taken) = scene.publish(altered, indicator("bears it", tlp=None, object_marking_refs=[TLP1["red"]]))  # fmt: skip
    assert (told.result, taken.result) == ("rejected", "accepted")
    assert "TLP:RED" in told.message
    assert scene.names("b") == []
    white = json.loads((SAMPLES / "hostile" / "tlp_white_says_clear.json").read_bytes())
    told = scene.publish(*white["objects"])[1]
    assert told.result == "rejected"


@pytest.mark.case("M27")
@pytest.mark.case("M28")
def test_what_would_need_redaction_is_withheld_whole(scene: Scene) -> None:
    """GREEN object, RED description: no partner below RED gets any of it, and no second content under its key."""
    scene.apply("b", everything("b", tlp="green"))
    scene.apply("c", everything("c", tlp="red"))
    secret = indicator(
        "mostly green", description="the source is Ada",
        granular_markings=[{"selectors": ["description"], "marking_ref": TLP["red"]}],
    )  # fmt: skip
    scene.publish(secret)
    assert scene.names("b") == []
    assert [one for one in scene.sees("c") if one["id"] == secret["id"]] == [secret]
    ledger.verify(scene.node)


@pytest.mark.case("M27")
def test_no_way_to_write_a_level_leads_past_the_ceiling(node: Node, wall: Wall) -> None:
    """Every placement that we know, GREEN by its object marking: over HTTP only those come that mean AMBER or less."""
    with served(node, wall) as server:
        server.scene.apply("b", everything("b", unmarked="deny"))
        passes, stays = set(), set()
        for what, properties, level in ANYWHERE:
            made = {
                "type": "x-any-thing", "spec_version": "2.1", "id": f"x-any-thing--{uid(what)}",
                "created": "2026-01-01T00:00:00.000Z", "modified": "2026-01-01T00:00:00.000Z",
                "object_marking_refs": [TLP["green"]], "x_canary": f"canary of {what}.", **properties,
            }  # fmt: skip
            (told,) = server.scene.publish(made)
            if told.result == "accepted":
                (stays if level is not None and level > Tlp.AMBER else passes).add(made["x_canary"])
        body = b"".join(page.raw for page in server.client("b").drain(limit=5)).decode()
        assert {one for one in stays if one in body} == set()
        assert {one for one in passes if one not in body} == set()
        assert len(stays) > 12
        assert len(passes) > 6


def definition(called: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "marking-definition", "spec_version": "2.1", "id": f"marking-definition--{uid(called)}",
        "created": "2026-01-01T00:00:00.000Z", **more,
    }  # fmt: skip


def iep(name: str, tlp: str = "green", **more: Any) -> dict[str, Any]:
    fields = {
        "extension_type": "property-extension", "iep_version": 2.0, "tlp": tlp,
        "provider_attribution": "may", **more,
    }  # fmt: skip
    return definition(name, name=name, extensions={IEP_EXTENSION: fields})


def bearing(name: str, *marks: dict[str, Any], **more: Any) -> dict[str, Any]:
    return indicator(name, tlp=None, object_marking_refs=[one["id"] for one in marks], **more)


class TestIep:
    """FIRST IEP: it joins the ladder and binds without being listed."""

    def test_its_level_decides(self, scene: Scene) -> None:
        """GREEN and AMBER pass an AMBER ceiling, RED does not; the definition goes along with what bears it."""
        scene.apply("b", everything("b"))
        marks = {level: iep(level, level) for level in ("white", "green", "amber", "red")}
        scene.publish(*marks.values(), *(bearing(level, one) for level, one in marks.items()))
        assert sorted(scene.names("b")) == ["amber", "green", "white"]
        assert marks["amber"]["id"] in scene.ids("b")
        assert why(scene, bearing("red", marks["red"]))[2] == "is TLP:RED, above TLP:AMBER"

    def test_it_restricts_where_the_policy_lists_it_too(self, scene: Scene) -> None:
        """An administrator who lists its id as a statement does not switch its level off."""
        red = iep("red one", "red")
        text = everything("b").replace(
            "unmarked: green",
            f"unmarked: green, statements: [{{id: {red['id']}, counts_as: clear}}]",
        )
        scene.apply("b", text)
        scene.publish(red, bearing("listed", red))
        assert scene.names("b") == []

    def test_a_source_that_must_not_be_named_is_not(self, scene: Scene) -> None:
        scene.apply("b", everything("b"))
        hidden = iep("hidden", provider_attribution="must-not")
        signed, unsigned = bearing("signed", hidden), bearing("unsigned", hidden, by=None)
        scene.publish(hidden, signed, unsigned)
        assert scene.names("b") == ["unsigned"]
        assert "created_by_ref" in why(scene, signed)[2]

    def test_the_rule_of_chatham_house(self, scene: Scene) -> None:
        """`tlp:ex:chr` beside a colour: what names its source stays, and the colour counts as well."""
        scene.apply("b", everything("b"))
        label = ["tlp:ex:chr", "tlp:green"]
        scene.publish(
            indicator("signed", labels=label),
            indicator("unsigned", by=None, labels=label),
            indicator("red", by=None, labels=["tlp:ex:chr", "tlp:red"]),
        )
        assert scene.names("b") == ["unsigned"]

    def test_outside_its_dates_nothing_goes(self, scene: Scene, wall: Wall) -> None:
        """Before the start and after the end."""
        scene.apply("b", everything("b"))
        past = iep("past", end_date="2022-11-01T00:00:00Z")
        future = iep("future", start_date="2400-01-01T00:00:00Z")
        now = iep("now", start_date="2022-11-01T00:00:00Z", end_date="2400-01-01T00:00:00Z")
        scene.publish(past, future, now, *(bearing(m["name"], m) for m in (past, future, now)))
        assert scene.names("b") == ["now"]
        assert (
            why(scene, bearing("past", past))[2] == "its IEP ended on 2022-11-01T00:00:00.000000Z"
        )
        assert "begins" in why(scene, bearing("future", future))[2]
        wall.forward(timedelta(days=1))
        scene.apply("b", everything("b", tlp="green"))
        assert scene.names("b") == ["now"]

    def test_its_dates_have_a_clock(self, scene: Scene, wall: Wall) -> None:
        """What begins is released when it begins, what ends is taken back when it ends, without anybody asking."""
        scene.apply("b", everything("b"))
        start = datetime.fromtimestamp(wall.read() / 1_000_000, tz=UTC)
        dates = [f"{start + timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}" for hours in (1, 2, 3)]
        both = iep("both", start_date=dates[0], end_date=dates[2])
        ends = iep("ends", end_date=dates[1])
        later = iep("later", end_date=dates[0])
        scene.publish(both, ends, *(bearing(m["name"], m) for m in (both, ends, later)))
        scene.publish(later)  # its definition comes after what bears it
        seen = []
        for _ in range(5):
            while pass_dates(scene.node):
                pass
            seen.append(sorted(scene.names("b")))
            wall.forward(timedelta(hours=1))
        assert seen == [["ends", "later"], ["both", "ends"], ["both"], [], []]
        assert why(scene, bearing("both", both))[2].startswith("its IEP ended")
        assert pass_dates(scene.node) == 0
        ledger.verify(scene.node)

    def test_a_definition_that_comes_later_decides_what_bears_it(self, scene: Scene) -> None:
        """Until it comes its bearer is denied; when it comes, it decides."""
        scene.apply("b", everything("b"))
        green, red = iep("green later"), iep("red later", "red")
        scene.publish(bearing("g", green), bearing("r", red))
        assert scene.names("b") == []
        assert why(scene, bearing("g", green))[2].startswith("marking not understood")
        scene.publish(green, red)
        assert scene.names("b") == ["g"]
        ledger.verify(scene.node)

    def test_a_stricter_definition_that_comes_later_takes_back(self, scene: Scene) -> None:
        """Even where the policy lets references dangle and lists the id."""
        red = iep("late", "red")
        text = everything("b").replace(
            "unmarked: green}", f"unmarked: green, statements: [{red['id']}]}}\nunresolved: allow"
        )
        scene.apply("b", text)
        scene.publish(bearing("early", red))
        assert scene.names("b") == ["early"]
        scene.publish(red)
        assert scene.names("b") == []
        ledger.verify(scene.node)

    def test_a_proposed_definition_counts_from_when_it_is_accepted(self, scene: Scene) -> None:
        """B relays a definition before it may: nothing is understood by it until B may and sends it again."""
        scene.apply("c", everything("c"))
        mark = {**iep("proposed"), "created_by_ref": THIRD_IDENTITY}
        (told,) = scene.post("b", mark)
        assert told.result == "proposal"
        scene.post("b", identity(B_IDENTITY, "CERT B"), bearing("bears it", mark, by=B_IDENTITY))
        assert scene.names("c") == []
        partners.amend(scene.node, "b", speaks_for=[B_IDENTITY], relays=[THIRD_IDENTITY])
        (told,) = scene.post("b", mark)
        assert told.result == "accepted"
        assert scene.names("c") == ["bears it"]

    def test_another_partner_does_not_loosen_what_a_partners_marking_means(
        self, scene: Scene
    ) -> None:
        """C defines B's marking as white before B sends anything: B's objects stay where they are."""
        scene.apply("c", everything("c"))
        mark = iep("theirs", "white")
        scene.post("c", mark)
        scene.post("b", identity(B_IDENTITY, "CERT B"), bearing("of b", mark, by=B_IDENTITY))
        assert scene.names("c") == []
        partners.add(scene.node, "z", title="CERT Z", speaks_for=[f"identity--{uid('z')}"])
        directory = scene.node.settings.home / "collections"
        for path in directory.glob("*.yaml"):
            path.write_text(path.read_text().replace("[b, c]", "[b, c, z]"))
        from cert_exchange.services import collections

        collections.load_collections(scene.node, directory)
        scene.apply("z", everything("z"))
        assert scene.names("z") == []


class TestPap:
    """PAP limits use and not release."""

    def test_it_is_passed_on_and_never_denies(self, scene: Scene) -> None:
        """As label and as OpenCTI's definition with a generated id; the definition goes along."""
        scene.apply("b", everything("b"))
        red = definition(
            "pap", name="PAP:RED", definition_type="PAP", definition={"PAP": "PAP:RED"}
        )
        scene.publish(
            red,
            indicator("label", labels=["PAP:RED"]),
            indicator("definition", object_marking_refs=[TLP["green"], red["id"]], tlp=None),
        )
        assert sorted(scene.names("b")) == ["definition", "label"]
        assert red["id"] in scene.ids("b")

    def test_it_says_nothing_about_release(self, scene: Scene) -> None:
        """An object with PAP and no TLP is as unmarked as before."""
        scene.apply("b", everything("b", unmarked="deny"))
        scene.publish(indicator("no tlp", tlp=None, labels=["PAP:CLEAR"]))
        assert scene.names("b") == []

    def test_a_disguise_is_seen_through(self, scene: Scene) -> None:
        """A definition that is called PAP and states something else needs the administrator's word."""
        scene.apply("b", everything("b"))
        statement = definition("members only", name="PAP:CLEAR", definition_type="statement",
                               definition={"statement": "for members only"})  # fmt: skip
        scene.publish(statement, bearing("disguised", statement))
        assert scene.names("b") == []


class TestTranslations:
    """Language-content copies text: it is bound by what it translates (policy-facts 6)."""

    def translation(self, of: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {
            "type": "language-content", "spec_version": "2.1", "id": f"language-content--{uid('de ' + of['id'])}",
            "created": "2026-01-01T00:00:00.000Z", "modified": "2026-01-01T00:00:00.000Z",
            "created_by_ref": OWN_IDENTITY, "object_ref": of["id"], "object_marking_refs": [TLP["clear"]],
            "contents": {"de": {"name": "geheim"}}, **more,
        }  # fmt: skip

    def seen(self, scene: Scene) -> bool:
        return any(one["type"] == "language-content" for one in scene.sees("b"))

    def test_it_inherits_the_markings_of_its_target(self, scene: Scene) -> None:
        """CLEAR by its own word, RED by its target; also when it comes first, and when the target is absent."""
        red, green = indicator("red", tlp="red"), indicator("green")
        scene.publish(red, self.translation(red))
        assert not self.seen(scene)
        scene.publish(self.translation(green))
        assert not self.seen(scene)
        scene.publish(green)
        assert self.seen(scene)
        ledger.verify(scene.node)

    def test_where_references_may_dangle_an_unknown_target_still_denies(self, scene: Scene) -> None:
        """Its markings are unknown, so it is kept back until the target comes."""
        text = everything("b").replace("rules:", "unresolved: allow\nrules:")
        scene.apply("b", text)
        green = indicator("later")
        scene.publish(self.translation(green))
        assert not self.seen(scene)
        scene.publish(green)
        assert self.seen(scene)

    def test_it_comes_when_its_target_is_lowered(self, scene: Scene) -> None:
        """A newer version that is GREEN frees a translation that names no version only with the strictest gone."""
        scene.publish(indicator("x", tlp="red"), self.translation(indicator("x")))
        assert not self.seen(scene)
        named = self.translation(
            indicator("x"), id=f"language-content--{uid('of v1')}",
            object_modified=indicator("x", version=1)["modified"],
        )  # fmt: skip
        scene.publish(named)
        assert not self.seen(scene)
        scene.publish(indicator("x", version=1))
        assert [o["id"] for o in scene.sees("b") if o["type"] == "language-content"] == [
            named["id"]
        ]


def test_a_selector_that_selects_nothing_is_refused_and_kept(scene: Scene) -> None:
    """The object is invalid (STIX 7.2.3.1): rejected with words its sender can act on, and nobody gets it."""
    wrong = indicator("wrong", granular_markings=[{"selectors": ["nothing"], "marking_ref": TLP["red"]}])  # fmt: skip
    (told,) = scene.post("b", {**wrong, "created_by_ref": B_IDENTITY})
    assert (told.success, told.result) == (False, "rejected")
    assert "selector" in told.message
    assert scene.names("c") == []


@pytest.mark.parametrize(
    "selector",
    ["hashes.SHA-256", "x_de", "contents.zh-CN", "list.[1].[0]"],
)
def test_selectors_that_the_standard_allows_are_taken(scene: Scene, selector: str) -> None:
    """Upper case, hyphens, nested lists: what the OASIS schema refuses and the text allows; RED all the same."""
    made = {
        "type": "x-any-thing", "spec_version": "2.1", "id": f"x-any-thing--{uid('t')}",
        "created": "2026-01-01T00:00:00.000Z", "modified": "2026-01-01T00:00:00.000Z",
        "hashes": {"SHA-256": "a" * 64}, "x_de": 1, "contents": {"zh-CN": "x"}, "list": [1, [2]],
        "object_marking_refs": [TLP["green"]],
        "granular_markings": [{"selectors": [selector], "marking_ref": TLP["red"]}],
    }  # fmt: skip
    (told,) = scene.publish(made)
    assert told.result == "accepted", told.message
    assert scene.ids("b") == []
