"""Rows S of CASES.md: what goes wrong elsewhere between two systems that exchange, and does not here.

SQL is not the subject but where it says so: one engine is enough.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.neighbour import Collection, Reply
from tests.scenes import (
    ALLOW_ALL,
    B_IDENTITY,
    C_IDENTITY,
    OWN_IDENTITY,
    TLP,
    Scene,
    at,
    envelope,
    identity,
    indicator,
    note,
    uid,
)
from tests.unit.syncing.conftest import add_source, add_target, quarantined, sync, target_row

from cert_exchange import errors
from cert_exchange.node import Node
from cert_exchange.policy.sharing_terms import SharingTerms
from cert_exchange.services import (
    holdings,
    noticing,
    proposals,
    publishing,
    recalling,
    revoking,
    syncing,
    terms,
)
from cert_exchange.services.policies import continue_gains
from cert_exchange.stix.canonical import canonical_bytes

ANY_ORIGIN = ALLOW_ALL.replace("{{origin: own}}", "{{origin: any}}")
NOBODY: frozenset[str] = frozenset()


def statement(name: str, *, by: str = OWN_IDENTITY) -> dict[str, Any]:
    """A marking definition that no standard knows."""
    return {
        "type": "marking-definition",
        "spec_version": "2.1",
        "id": f"marking-definition--{uid(name)}",
        "created": at(0),
        "created_by_ref": by,
        "definition_type": "statement",
        "definition": {"statement": name},
    }


def theirs(name: str, **more: Any) -> dict[str, Any]:
    return indicator(name, by=more.pop("by", B_IDENTITY), **more)


def dated(*made: dict[str, Any]) -> list[tuple[str | None, dict[str, Any]]]:
    return [(f"2026-06-01T00:00:{second:02d}.123456Z", one) for second, one in enumerate(made)]


def held_there(remote: Collection, stix_id: str) -> list[dict[str, Any]]:
    return [one for _, one in remote.rows if one["id"] == stix_id]


@pytest.mark.case("S03")
def test_markings_and_identities_go_before_what_needs_them_and_a_failure_keeps_its_reason(
    sqlite_node: Node, neighbour: Any
) -> None:
    """In the first envelope, before; after a server that was down, the same again and in the same order."""
    scene = Scene.set_up(sqlite_node)
    text = ALLOW_ALL.format(partner="b").replace(
        "unmarked: green", f"unmarked: green, statements: [{statement('house')['id']}]"
    )
    scene.apply("b", text)
    marked = indicator("a", object_marking_refs=[TLP["green"], statement("house")["id"]])
    scene.publish(statement("house"), identity(OWN_IDENTITY, "CERT A"), marked)
    assert marked["id"] in scene.ids("b")
    remote = Collection()
    remote.before = lambda asked: Reply(503) if asked.method == "POST" else None
    add_target(sqlite_node, neighbour(remote))
    assert not sync(sqlite_node).ok
    assert "503" in target_row(sqlite_node)["last_outcome"]
    assert remote.rows == []
    remote.before = lambda _: None
    assert sync(sqlite_node).ok
    (posted,) = remote.posts
    needed = [TLP["green"], statement("house")["id"], OWN_IDENTITY]
    assert all(posted.index(one) < posted.index(marked["id"]) for one in needed)


@pytest.mark.case("S05")
def test_a_tightened_marking_reaches_who_holds_the_object(
    sqlite_node: Node, neighbour: Any
) -> None:
    """As a version of its own; and where that is above the ceiling, as the end of the old one and a notice."""
    scene = Scene.set_up(sqlite_node)
    remote = Collection()
    add_target(sqlite_node, neighbour(remote))
    one = indicator("a", tlp="green")
    scene.publish(one)
    sync(sqlite_node)
    (silent,) = scene.publish(indicator("a", tlp="amber"))
    assert silent.result == "conflict"
    scene.publish(indicator("a", version=1, tlp="amber", labels=["new"]))
    sync(sqlite_node)
    assert [each["object_marking_refs"] for each in held_there(remote, one["id"])] == [
        [TLP["green"]],
        [TLP["amber"]],
    ]
    scene.publish(indicator("a", version=2, tlp="red"))
    assert one["id"] not in scene.ids("b")
    noticing.tell_now(sqlite_node)
    report = sync(sqlite_node)
    assert report.counts["noticed"] >= 1
    notices = [each for _, each in remote.rows if each["type"] == "note"]
    assert any(one["id"] in each["object_refs"] for each in notices)


@pytest.mark.case("S06")
def test_a_new_audience_is_a_version_that_goes_to_all_holders(sqlite_node: Node) -> None:
    """Who may have it stands in the object: b, which has it, gets the version that lets c have it, and so does c."""
    scene = Scene.set_up(sqlite_node)
    for_b = SharingTerms(only_to=(frozenset({B_IDENTITY}),))
    for_both = SharingTerms(only_to=(frozenset({B_IDENTITY, C_IDENTITY}),))
    for version, who in ((0, for_b), (1, for_both)):
        body = publishing.carry_terms(sqlite_node, envelope(indicator("a", version=version)), who)
        publishing.publish(sqlite_node, body, collection="indicators", by="anna")
        assert [one["modified"] for one in scene.sees("b") if one["type"] == "indicator"] == [
            at(version)
        ]
        seen = [one["modified"] for one in scene.sees("c") if one["type"] == "indicator"]
        assert seen == ([] if version == 0 else [at(1)])


@pytest.mark.case("S11")
@pytest.mark.case("S30")
def test_what_a_receiver_adds_changes_nothing_of_what_it_sends_on(
    sqlite_node: Node, neighbour: Any
) -> None:
    """Bytes as they came, instants and custom properties among them; the cursor as the server wrote it; polled as often as
    there are hours in a day, the same object is unchanged and nobody hears of it again."""
    scene = Scene.set_up(sqlite_node)
    scene.apply("c", ANY_ORIGIN.format(partner="c"))
    one = theirs("a", x_file_version=3, x_added="2026-06-01")
    peer = neighbour(Collection(dated(one)))
    add_source(sqlite_node, peer)
    assert sync(sqlite_node).fates["new"] == 1
    (seen,) = [each for each in scene.sees("c") if each["id"] == one["id"]]
    assert canonical_bytes(seen) == canonical_bytes(one)
    before = scene.log("c")
    for _ in range(24):
        report = sync(sqlite_node)
        assert report.ok
        assert report.fates["new"] == report.fates["updated"] == 0
    assert scene.log("c") == before
    syncing.remove(sqlite_node, "pull", "from-b", by="anna")
    exact = neighbour(Collection(dated(one)))
    add_source(sqlite_node, exact, server="cert-exchange")
    sync(sqlite_node)
    sync(sqlite_node)
    asked = [each.query["added_after"] for each in exact.gets() if "added_after" in each.query]
    assert asked[-1] == "2026-06-01T00:00:00.123456Z"


@pytest.mark.case("S14")
def test_a_copy_of_our_own_object_changes_nothing_of_its_audience(
    sqlite_node: Node, neighbour: Any
) -> None:
    """B touched it and lessened its audience: kept aside, and c goes on seeing ours under our terms."""
    scene = Scene.set_up(sqlite_node)
    ours = indicator("a")
    scene.publish(ours)
    terms.set_terms(
        sqlite_node, ours["id"], SharingTerms(purposes=("defence",)), by="anna", reason="agreed"
    )
    before = (scene.log("c"), terms.show_terms(sqlite_node, ours["id"]))
    body = publishing.carry_terms(
        sqlite_node,
        envelope(indicator("a", version=3, tlp="red")),
        SharingTerms(only_to=(frozenset({B_IDENTITY}),)),
    )
    (touched,) = json.loads(body)["objects"]
    add_source(sqlite_node, neighbour(Collection(dated(touched))))
    assert sync(sqlite_node).fates["withheld"] == 1
    assert (scene.log("c"), terms.show_terms(sqlite_node, ours["id"])) == before
    assert [one.row.stix_id for one in proposals.proposals(sqlite_node)] == [ours["id"]]


@pytest.mark.case("S17")
def test_a_revocation_reaches_each_holder_and_it_is_known_which_version_each_has(
    sqlite_node: Node, neighbour: Any
) -> None:
    """By push and by poll within one cycle; `fetched` names the bytes of each."""
    scene = Scene.set_up(sqlite_node)
    one = indicator("a")
    scene.publish(one)
    remote = Collection()
    add_target(sqlite_node, neighbour(remote))
    sync(sqlite_node)
    sqlite_node.marks.advance(scene.partner("c"), scene.view("c"), scene.log("c")[-1][0])
    revoking.revoke(sqlite_node, one["id"], by="anna", reason="wrong")
    sync(sqlite_node)
    assert held_there(remote, one["id"])[-1]["revoked"] is True
    assert [each["revoked"] for each in scene.sees("c") if each["id"] == one["id"]] == [True]
    known = recalling.fetched(sqlite_node, one["id"])
    assert {(each.partner, each.version) for each in known} >= {("b", at(0)), ("c", at(0))}
    assert len({each.version for each in known if each.partner == "b"}) == 2


@pytest.mark.case("S18")
@pytest.mark.case("S21")
def test_intake_sends_nothing_and_what_was_not_committed_happened_for_nobody(
    sqlite_node: Node, neighbour: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit that fails leaves no line, no notice and nothing to push; what is published waits for the target's own run."""
    scene = Scene.set_up(sqlite_node)
    remote = Collection()
    peer = neighbour(remote)
    add_target(sqlite_node, peer)
    database = type(sqlite_node.database)
    real = database.transact

    def fails(self: Any, work: Any) -> Any:
        def then(tx: Any) -> Any:
            work(tx)
            raise errors.StoreUnavailable(detail="injected")

        return real(self, then)

    before = scene.log("b")
    monkeypatch.setattr(database, "transact", fails)
    with pytest.raises(errors.StoreUnavailable):
        scene.publish(indicator("lost"))
    monkeypatch.undo()
    assert scene.log("b") == before
    assert noticing.tell_now(sqlite_node) == 0
    scene.publish(*(indicator(f"i{n}") for n in range(50)))
    assert peer.requests == []
    sync(sqlite_node)
    assert len([one for _, one in remote.rows if one["type"] == "indicator"]) == 50
    assert indicator("lost")["id"] not in {one["id"] for _, one in remote.rows}


@pytest.mark.case("S20")
def test_an_altered_object_under_a_known_version_is_a_failure_that_its_sender_reads(
    node: Node,
) -> None:
    """Never "already added": the status names it, ours is unchanged, and we see both. On both engines."""
    scene = Scene.set_up(node)
    scene.post("b", theirs("a"))
    status = json.loads(scene.posted("b", theirs("a", x_other="name")).status)
    assert (status["success_count"], status["failure_count"]) == (0, 1)
    assert "other content is already known" in status["failures"][0]["message"]
    assert [one[0] for one in quarantined(node)] == ["conflict"]
    (held,) = holdings.show(node, theirs("a")["id"])
    assert "x_other" not in held.content


@pytest.mark.case("S23")
def test_an_object_waits_for_the_marking_that_nobody_knows_yet(
    sqlite_node: Node, neighbour: Any
) -> None:
    """With one object a page its marking comes later: until then it goes on to nobody; we serve markings first."""
    scene = Scene.set_up(sqlite_node)
    house = statement("house of b", by=B_IDENTITY)
    text = ANY_ORIGIN.format(partner="c").replace(
        "unmarked: green", f"unmarked: green, statements: [{house['id']}]"
    )
    scene.apply("c", text)
    one = theirs("a", object_marking_refs=[TLP["green"], house["id"]])
    collection = Collection(dated(one))
    add_source(sqlite_node, neighbour(collection), limit=1)
    sync(sqlite_node)
    assert one["id"] not in scene.ids("c")
    collection.rows = dated(one, house)
    sync(sqlite_node)
    ids = scene.ids("c")
    assert ids.index(house["id"]) < ids.index(one["id"])


@pytest.mark.case("S27")
def test_a_remark_about_a_partners_object_is_ours_and_reaches_its_owner(
    sqlite_node: Node, neighbour: Any
) -> None:
    """It goes to b, whose object it is about; to c only where c may see that object."""
    scene = Scene.set_up(sqlite_node)
    about = theirs("a")
    scene.post("b", about)
    remark = note("seen here too", [about["id"]])
    scene.publish(remark)
    remote = Collection()
    add_target(sqlite_node, neighbour(remote))
    sync(sqlite_node)
    assert held_there(remote, remark["id"])
    assert held_there(remote, about["id"]) == []
    assert remark["id"] not in scene.ids("c")
    scene.apply("c", ANY_ORIGIN.format(partner="c"))
    continue_gains(sqlite_node, parts=10)
    assert {remark["id"], about["id"]} <= set(scene.ids("c"))


@pytest.mark.case("S32")
@pytest.mark.parametrize("way", ["pushed", "pulled"])
def test_what_we_said_of_it_here_survives_its_updates(
    sqlite_node: Node, neighbour: Any, way: str
) -> None:
    """Our own terms bind the next version too, by whichever way it comes; and the next way gives the same result."""
    scene = Scene.set_up(sqlite_node)
    scene.apply("c", ANY_ORIGIN.format(partner="c"))
    one = theirs("a")
    scene.post("b", one)
    assert one["id"] in scene.ids("c")
    terms.set_terms(
        sqlite_node, one["id"], SharingTerms(only_to=(NOBODY,)), by="anna", reason="ours alone"
    )
    assert one["id"] not in scene.ids("c")
    newer = [theirs("a", version=1, labels=["x"]), theirs("a", version=2, labels=["y"])]
    add_source(sqlite_node, neighbour(Collection(dated(*newer))))
    if way == "pushed":
        for each in newer:
            assert scene.post("b", each)[0].result == "accepted"
        assert sync(sqlite_node).fates["unchanged"] == 2
    else:
        assert sync(sqlite_node).fates["updated"] == 2
        assert {scene.post("b", each)[0].result for each in newer} == {"duplicate"}
    assert one["id"] not in scene.ids("c")
    assert "only to nobody" in " ".join(terms.sentences(sqlite_node, one["id"]))
