"""What feeds give out: what this node may use, at once without what ended, and with every id that is left out."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Wall
from tests.scenes import B_IDENTITY, C_IDENTITY, TLP, Scene, address, at, indicator, note, uid

from cert_exchange.errors import InputRefused, NotAuthenticated, NotFound, TooManyRequests
from cert_exchange.intake.findings import Kind
from cert_exchange.messages import notices
from cert_exchange.messages.notices import Reason
from cert_exchange.node import Node
from cert_exchange.policy.sharing_terms import EXTENSION, SharingTerms
from cert_exchange.services import (
    erasing,
    feeding,
    overriding,
    recalling,
    releasing,
    reviewing,
    revoking,
    screening,
    terms,
)
from cert_exchange.services.feeding import Format, Shelf, Use, choose, making
from cert_exchange.stix.instants import format_micros
from cert_exchange.stix.markings import Tlp

LATER = 1_900_000_000_000_000
BY: dict[str, Any] = {"by": "anna", "reason": "r"}
FROM_B, FROM_C, OURS = "192.0.2.11", "192.0.2.12", "192.0.2.13"


def about(name: str, value: str, **more: Any) -> dict[str, Any]:
    return indicator(name, pattern=f"[ipv4-addr:value = '{value}']", **more)


ONE_OF_B = about("from b", FROM_B, by=B_IDENTITY)
ONE_OF_C = about("from c", FROM_C, by=C_IDENTITY)
ONE_OF_OURS = about("ours", OURS)


def set_up(node: Node) -> Scene:
    """Three indicators: of b, of c, of ours; and a feed `all` of plain values."""
    made = Scene.set_up(node)
    made.publish(ONE_OF_OURS)
    made.post("b", ONE_OF_B)
    made.post("c", ONE_OF_C)
    feeding.add(node, "all", choose(Format.LIST), by="anna")
    return made


def lines(shelf: Shelf, name: str = "all") -> list[str]:
    served = shelf.serve(name)
    assert served.body is not None
    return served.body.decode().splitlines()


def left_out(node: Node, name: str = "all") -> dict[str, list[str]]:
    return dict(feeding.look(node, name)[1].left_out)


def hold_at_the_way_in(scene: Scene, folder: Path) -> None:
    (folder / "keep-out.txt").write_text("198.51.100.0/24\n")
    found = screening.check(
        scene.node, "lists: [keep-out.txt]\n", file="intake.yaml", folder=folder
    )
    screening.apply(scene.node, found, **BY)


def notice_about(stix_id: str) -> dict[str, Any]:
    said = notices.notice_of([stix_id], Reason.MISTAKE, now=LATER)
    return notices.write_notice(
        said, stix_id=f"note--{uid('notice')}", creator=B_IDENTITY, now=LATER
    )


# What ends the use of an object of b: each is done to an object of its own.
ENDS: list[Callable[[Scene, dict[str, Any]], object]] = [
    lambda scene, one: scene.post("b", {**one, "modified": at(9), "revoked": True}),
    lambda scene, one: releasing.withdraw_submitted(
        scene.node, scene.caller("b"), scene.collection("indicators"), one["id"]
    ),
    lambda scene, one: scene.post("b", notice_about(one["id"])),
    lambda scene, one: releasing.withdraw(scene.node, one["id"], **BY),
    lambda scene, one: recalling.recall(scene.node, one["id"], freeze="none", **BY),
    lambda scene, one: overriding.override(scene.node, one["id"], "no-detect", **BY),
    lambda scene, one: terms.set_terms(scene.node, one["id"], SharingTerms(test=True), **BY),
    lambda scene, one: terms.set_terms(scene.node, one["id"], SharingTerms(purposes=("x",)), **BY),
    lambda scene, one: terms.mark(scene.node, one["id"], "red", **BY),
    lambda scene, one: scene.post("b", {**one, "modified": at(9), "labels": ["PAP:AMBER"]}),
    lambda scene, one: scene.post("b", {**one, "modified": at(9), "valid_until": at(10)}),
    lambda scene, one: erasing.erase(scene.node, one["id"], **BY),
]  # fmt: skip


def test_what_ends_is_gone_from_the_next_answer(node: Node) -> None:
    """Whoever ends it, and however: the same process that kept the feed gives it out no more."""
    scene = set_up(node)
    ended = [about(f"end {i}", f"203.0.113.{i}", by=B_IDENTITY) for i in range(len(ENDS))]
    scene.post("b", *ended)
    shelf = Shelf(node)
    there = lines(shelf)
    assert len(there) == 3 + len(ENDS)
    for number, (end, one) in enumerate(zip(ENDS, ended, strict=True)):
        end(scene, one)
        there.remove(f"203.0.113.{number}")
        assert lines(shelf) == there, number
    revoking.revoke(node, ONE_OF_OURS["id"], **BY)
    assert lines(shelf) == [FROM_B, FROM_C]
    assert lines(Shelf(node)) == [FROM_B, FROM_C]


def test_what_was_never_let_in_is_never_used(node: Node, tmp_path: Path) -> None:
    """Held at the way in, or a proposal about another's object; let in by a person, it is used."""
    scene = set_up(node)
    hold_at_the_way_in(scene, tmp_path)
    held = about("held", "198.51.100.9", by=B_IDENTITY)
    scene.post(
        "b", held, {**ONE_OF_C, "modified": at(5), "pattern": "[ipv4-addr:value = '203.0.113.77']"}
    )
    shelf = Shelf(node)
    assert lines(shelf) == [FROM_B, FROM_C, OURS]
    screening.let_in(node, [held["id"]], **BY)
    assert "198.51.100.9" in lines(shelf)


def test_the_newest_version_counts_and_nobody_elses(node: Node) -> None:
    """A newer pattern takes the place of the old one; a revocation by somebody else ends nothing."""
    scene = set_up(node)
    scene.post("b", {**ONE_OF_B, "modified": at(5), "pattern": "[ipv4-addr:value = '203.0.113.5']"})
    scene.post("c", {**ONE_OF_B, "modified": at(6), "revoked": True})
    assert lines(Shelf(node)) == [FROM_C, OURS, "203.0.113.5"]


def test_a_definition_says_what_may_be_done(node: Node) -> None:
    """PAP as a marking definition of its sender, which may come after what it marks."""
    scene = set_up(node)
    pap = {
        "type": "marking-definition", "spec_version": "2.1", "id": f"marking-definition--{uid('pap')}", "created": at(0),
        "created_by_ref": B_IDENTITY, "definition_type": "statement", "definition": {"statement": "PAP:RED"},
        "name": "PAP:RED",
    }  # fmt: skip
    quiet = about(
        "quiet", "203.0.113.1", by=B_IDENTITY, object_marking_refs=[TLP["green"], pap["id"]]
    )
    shelf = Shelf(node)
    said = about(
        "said",
        "203.0.113.2",
        by=B_IDENTITY,
        object_marking_refs=[TLP["green"], "marking-definition--" + uid("word")],
    )
    scene.post("b", quiet, said)
    assert lines(shelf) == [FROM_B, FROM_C, OURS]
    assert left_out(node) == {"a marking that is not here": [quiet["id"], said["id"]]}
    word = {key: pap[key] for key in pap if key != "name"} | {
        "id": f"marking-definition--{uid('word')}", "definition": {"statement": "copyright b"}
    }  # fmt: skip
    scene.post("b", pap, word)
    assert lines(shelf) == [FROM_B, FROM_C, OURS, "203.0.113.2"]
    assert left_out(node) == {"its PAP or IEP does not permit to block": [quiet["id"]]}


def test_a_partners_word_alone_ends_nothing_and_our_answer_ends_it_everywhere(node: Node) -> None:
    """After "that is our CDN" our tools go on until a person has looked; revoked, it is gone with the next answer."""
    scene = set_up(node)
    shelf = Shelf(node)
    opinion = {
        "type": "opinion", "spec_version": "2.1", "id": f"opinion--{uid('cdn')}", "created": at(1), "modified": at(1),
        "created_by_ref": B_IDENTITY, "object_marking_refs": [TLP["green"]], "opinion": "strongly-disagree",
        "explanation": "that is our CDN", "object_refs": [ONE_OF_OURS["id"]],
    }  # fmt: skip
    scene.post("b", opinion)
    assert [one.stix_id for one in reviewing.list_disputed(node)] == [ONE_OF_OURS["id"]]
    assert lines(shelf) == [FROM_B, FROM_C, OURS]
    reviewing.revoke(node, ONE_OF_OURS["id"], **BY)
    assert lines(shelf) == [FROM_B, FROM_C]


@pytest.fixture
def scene(sqlite_node: Node) -> Scene:
    return set_up(sqlite_node)


def test_a_date_that_passes_changes_the_feed_without_a_word(scene: Scene, wall: Wall) -> None:
    """valid_from and valid_until are looked at when the feed is asked for."""
    node = scene.node
    soon = format_micros(node.now() + 3_600_000_000)
    scene.publish(
        about("until", "203.0.113.1", valid_until=soon),
        about("from", "203.0.113.2", valid_from=soon),
    )
    shelf = Shelf(node)
    assert "203.0.113.1" in lines(shelf)
    assert "203.0.113.2" not in lines(shelf)
    wall.forward(timedelta(hours=2))
    assert "203.0.113.1" not in lines(shelf)
    assert "203.0.113.2" in lines(shelf)


def test_the_same_entries_have_the_same_tag_and_zone_serial(scene: Scene) -> None:
    """What changes nothing of the entries changes no byte, in any process; what does, lets the serial rise."""
    node = scene.node
    feeding.add(node, "zone", choose(Format.RPZ), by="anna")
    shelf, other = Shelf(node), Shelf(node)
    first = shelf.serve("zone")
    overriding.override(node, ONE_OF_B["id"], "no-share", **BY)  # we still use it
    scene.publish(address("203.0.113.9"))
    assert shelf.serve("zone") == first == other.serve("zone")

    def serial(shelf: Shelf) -> int:
        body = shelf.serve("zone").body
        assert body is not None
        return int(body.split(b"hostmaster.localhost. ")[1].split()[0])

    before = serial(shelf)
    releasing.withdraw(node, ONE_OF_B["id"], **BY)
    after = serial(shelf)
    assert after > before
    assert serial(other) == after
    assert shelf.serve("zone").tag != first.tag


def test_use_purpose_and_level_are_the_feeds(scene: Scene) -> None:
    """PAP and IEP say what may be done, a purpose for what; RED goes in only where it is asked for."""
    node = scene.node
    extension = {EXTENSION: {"extension_type": "property-extension", "purpose": "case 5"}}
    scene.publish(
        about("watch", "203.0.113.1", labels=["PAP:AMBER"]),
        about("logs", "203.0.113.2", labels=["PAP:RED"]),
        about("iep", "203.0.113.3", labels=['iep2-policy:permitted_actions="none"']),
        about("case", "203.0.113.4", extensions=extension),
        about("red", "203.0.113.5", tlp="red"),
        about("bare", "203.0.113.6", tlp=None),
    )
    for name, choice in {
        "watch": choose(Format.LIST, use=Use.MONITOR),
        "logs": choose(Format.LIST, use=Use.LOGS),
        "case": choose(Format.LIST, purposes=("case 5", "case 6")),
        "red": choose(Format.LIST, tlp=Tlp.RED),
        "green": choose(Format.LIST, tlp=Tlp.GREEN),
    }.items():
        feeding.add(node, name, choice, by="anna")
    shelf = Shelf(node)
    found = {
        name: {
            one.removeprefix("203.0.113.") for one in lines(shelf, name) if one.startswith("203")
        }
        for name in ("all", "watch", "logs", "case", "red", "green")
    }
    assert found == {
        "all": {"6"}, "watch": {"1", "6"}, "logs": {"1", "2", "6"}, "case": {"4", "6"}, "red": {"5", "6"}, "green": set(),
    }  # fmt: skip
    reasons = {reason for reason, ids in left_out(node).items() if ids}
    assert reasons == {
        "its PAP or IEP does not permit to block",
        "its IEP permits no action",
        "for a purpose that is not named here (1)",
        "marked above what goes in here",
    }


def test_a_feed_of_a_few_names_only_those(scene: Scene) -> None:
    """By origin, kind and confidence; a partner that is gone widens nothing."""
    node = scene.node
    scene.publish(indicator("name", pattern="[domain-name:value = 'evil.example']", confidence=80))
    feeding.add(node, "b", choose(Format.LIST, origins=("b",)), by="anna")
    feeding.add(node, "names", choose(Format.LIST, kinds=(Kind.DOMAIN,)), by="anna")
    feeding.add(node, "sure", choose(Format.LIST, least_confidence=50), by="anna")
    shelf = Shelf(node)
    assert lines(shelf, "b") == [FROM_B]
    assert lines(shelf, "names") == lines(shelf, "sure") == ["evil.example"]
    with pytest.raises(NotFound, match="no partner nobody"):
        feeding.add(node, "x", choose(Format.LIST, origins=("nobody",)), by="anna")
    with pytest.raises(InputRefused, match="list holds no sigma"):
        feeding.choose(Format.LIST, kinds=(Kind.SIGMA, Kind.DOMAIN))
    with pytest.raises(InputRefused, match="holds no url"):
        choose(Format.RPZ, kinds=(Kind.URL,))


@pytest.mark.case("I20", "I27")
def test_what_cannot_be_said_is_named(scene: Scene) -> None:
    """Of each object that is not in the feed: its id and why."""
    many = indicator("many", pattern="[file:name = 'a.exe' AND file:size = 5]")
    scene.publish(many)
    assert left_out(scene.node) == {
        "a pattern that says more than one of several values": [many["id"]]
    }


def test_a_bundle_holds_whole_objects_and_no_message_between_desks(scene: Scene) -> None:
    """STIX as stored, also what is no indicator; the same objects make the same bundle."""
    node = scene.node
    scene.publish(address("203.0.113.9"), note("read", [ONE_OF_OURS["id"]]))
    scene.post("b", notice_about(ONE_OF_B["id"]))
    feeding.add(node, "stix", choose(Format.STIX), by="anna")
    shelf = Shelf(node)
    body = shelf.serve("stix").body
    assert body is not None
    found = json.loads(body)["objects"]
    assert {one["type"] for one in found} >= {
        "indicator",
        "ipv4-addr",
        "note",
        "marking-definition",
    }
    assert [one["content"] for one in found if one["type"] == "note"] == ["read"]
    assert ONE_OF_B["id"] not in {one["id"] for one in found}
    assert Shelf(node).serve("stix").body == body


def test_misp_finds_a_feed(scene: Scene) -> None:
    """manifest.json names every event, and each event is a file of the feed."""
    node = scene.node
    feeding.add(node, "misp", choose(Format.MISP), by="anna")
    shelf = Shelf(node)
    manifest = shelf.serve("misp", "manifest.json").body
    assert manifest is not None
    values = set()
    for name in json.loads(manifest):
        event = shelf.serve("misp", f"{name}.json").body
        assert event is not None
        values |= {one["value"] for one in json.loads(event)["Event"]["Attribute"]}
    assert values == {FROM_B, FROM_C, OURS}
    assert shelf.serve("misp", "other.json").body is None


def test_an_output_is_bounded_and_says_what_it_left_out(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By number and by bytes: the oldest stored go first, and are named."""
    node = scene.node
    monkeypatch.setattr(making, "MOST_ENTRIES", 2)
    assert lines(Shelf(node)) == [FROM_B, FROM_C]
    assert left_out(node) == {"older than as many as an output holds": [ONE_OF_OURS["id"]]}
    monkeypatch.setattr(making, "MOST_BYTES", 15)
    assert lines(Shelf(node)) == [FROM_C]


def test_one_odd_object_does_not_end_the_feed_of_all_others(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of ours over an object is named with its id; the others go out."""
    plain = making.express

    def express(content: Any, **more: Any) -> Any:
        return plain(content, **more) if content["id"] != ONE_OF_B["id"] else [].pop()

    monkeypatch.setattr(making, "express", express)
    assert lines(Shelf(scene.node)) == [FROM_C, OURS]
    assert left_out(scene.node) == {"taking it apart failed with IndexError": [ONE_OF_B["id"]]}


def test_rules_keep_their_numbers(scene: Scene) -> None:
    """Also after what they look for left the feed and came back, and in another feed."""
    node = scene.node
    feeding.add(node, "rules", choose(Format.SURICATA), by="anna")
    shelf = Shelf(node)

    def numbers() -> dict[str, str]:
        return {
            one.split("<> ")[1].split()[0]: one.split("sid:")[1].split(";")[0]
            for one in lines(shelf, "rules")
        }

    before = numbers()
    assert len(set(before.values())) == 3
    overriding.override(node, ONE_OF_B["id"], "no-detect", **BY)
    scene.publish(about("new", "203.0.113.1"))
    assert FROM_B not in numbers()
    overriding.lift(node, ONE_OF_B["id"], "no-detect", **BY)
    assert before.items() <= numbers().items()


def test_a_credential_opens_its_feed_and_guessing_is_locked_out(scene: Scene, wall: Wall) -> None:
    """Kept is a digest; a partner's credential opens no feed; five wrong tries lock out that network for that feed."""
    node = scene.node
    feeding.add(node, "other", choose(Format.CSV), by="anna")
    issued = feeding.issue(node, "all", label="resolver", networks=["192.0.2.0/24"], by="anna")
    other = feeding.issue(node, "other", lifetime=timedelta(days=1), by="anna")
    network = "192.0.2.7"
    reader = feeding.recognise(node, issued.credential_id, issued.secret, network=network)
    assert reader.feed_name == "all"
    with pytest.raises(NotAuthenticated, match="not its own"):
        feeding.recognise(node, issued.credential_id, issued.secret, network="203.0.113.1")
    for _ in range(5):
        with pytest.raises(NotAuthenticated, match="wrong secret"):
            feeding.recognise(node, issued.credential_id, other.secret, network=network)
    with pytest.raises(TooManyRequests):
        feeding.recognise(node, issued.credential_id, issued.secret, network=network)
    assert feeding.recognise(node, other.credential_id, other.secret, network=network)
    wall.forward(timedelta(days=2))
    with pytest.raises(NotAuthenticated, match="expired"):
        feeding.recognise(node, other.credential_id, other.secret, network=network)
    feeding.revoke(node, issued.credential_id, by="anna")
    with pytest.raises(NotAuthenticated, match="revoked"):
        feeding.recognise(node, issued.credential_id, issued.secret, network=network)
    with pytest.raises(NotFound):
        feeding.revoke(node, issued.credential_id, by="anna")
    assert feeding.remove(node, "other", by="anna") == 1
    assert [one.name for one in feeding.listing(node)] == ["all"]
    with pytest.raises(NotAuthenticated, match="unknown"):
        feeding.recognise(node, other.credential_id, other.secret, network=network)
