"""Group M of CASES.md: what comes along with an object, and what does not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.cases_m.conftest import everything
from tests.conftest import Wall
from tests.scenes import (
    B_IDENTITY,
    C_IDENTITY,
    OWN_IDENTITY,
    THIRD_IDENTITY,
    TLP,
    Scene,
    address,
    at,
    identity,
    indicator,
    malware,
    note,
    relationship,
    report,
    uid,
)
from tests.taxii.conftest import Client, Served, served

from cert_exchange.node import Node
from cert_exchange.services import ledger, partners, policies, publishing, releasing
from cert_exchange.services.releasing import withdraw
from cert_exchange.services.releasing.dating import pass_dates
from cert_exchange.stix.references import is_identifier


def known(scene: Scene, partner: str) -> set[str]:
    """Every STIX id in whatever the partner sees."""

    def inside(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for child in value.values():
                yield from inside(child)
        elif isinstance(value, list):
            for child in value:
                yield from inside(child)
        elif isinstance(value, str) and is_identifier(value):
            yield value

    return set(inside(scene.sees(partner)))


@pytest.mark.case("M30")
@pytest.mark.parametrize("end", ["source", "target"])
def test_a_relationship_stays_with_its_hidden_end(scene: Scene, end: str) -> None:
    """Nothing of it is shown, no invented id, and the page goes on; it comes when its end does."""
    seen, hidden = indicator("seen"), malware("hidden", tlp="red")
    ends = (hidden, seen) if end == "source" else (seen, hidden)
    link = relationship(*ends)
    scene.publish(seen, hidden, link)
    assert scene.names("b") == ["seen"]
    assert known(scene, "b").isdisjoint({hidden["id"], link["id"]})
    scene.publish(malware("hidden", version=1))
    assert {seen["id"], hidden["id"], link["id"]} <= set(scene.ids("b"))


@pytest.mark.case("M31")
def test_one_unreadable_object_hides_itself_and_not_its_collection(node: Node, wall: Wall) -> None:
    """The owner's identity RED, a marking that nobody knows: what needs them waits, the collection answers 200 with the rest."""
    with served(node, wall) as server:
        scene = server.scene
        unknown = "marking-definition--11111111-1111-4111-8111-111111111111"
        scene.publish(
            identity(THIRD_IDENTITY, "the owner", tlp="red"),
            indicator("of the owner", by=THIRD_IDENTITY),
            indicator("of a marking", object_marking_refs=[TLP["green"], unknown], tlp=None),
            indicator("plain"),
        )
        for alias in ("indicators", "reports"):
            assert server.client("b").get(f"/api/collections/{alias}/").status == 200
            assert server.client("b").objects(alias=alias).status == 200
        got = server.client("b").objects()
        assert [one["name"] for one in got.objects if one["type"] == "indicator"] == ["plain"]
        assert THIRD_IDENTITY not in got.raw.decode()


@pytest.mark.case("M36")
def test_a_report_does_not_bring_or_name_a_member_above_the_ceiling(scene: Scene) -> None:
    """GREEN report with a RED member: withheld on create; on update the report that was seen goes; nobody reads the id."""
    members = [indicator("green"), malware("red", tlp="red")]
    scene.publish(*members, report("from the start", [one["id"] for one in members]))
    assert scene.names("b") == ["green"]
    scene.publish(report("later", [members[0]["id"]]))
    assert sorted(scene.names("b")) == ["green", "later"]
    scene.publish(report("later", [one["id"] for one in members], version=1))
    assert members[1]["id"] not in known(scene, "b")
    assert [one["modified"] for one in scene.sees("b", last=False) if one["type"] == "report"] in (
        [], [report("later", [])["modified"]],
    )  # fmt: skip
    ledger.verify(scene.node)


@pytest.mark.case("M36")
def test_a_first_sync_of_a_late_partner_decides_each_member_too(node: Node) -> None:
    """The policy comes after the objects: the same closure decides."""
    scene = Scene.set_up(node, policies_for=[])
    members = [indicator("green"), malware("red", tlp="red")]
    scene.publish(*members, report("mixed", [one["id"] for one in members]), report("clean", [members[0]["id"]]))  # fmt: skip
    scene.apply("b", everything("b"))
    assert sorted(scene.names("b")) == ["clean", "green"]
    assert members[1]["id"] not in known(scene, "b")


@pytest.mark.case("M37")
def test_a_denial_of_an_author_is_not_passed_by_through_a_relationship(scene: Scene) -> None:
    """Never X's objects: neither X's end nor what links to it nor a report of both; only the sender decides."""
    deny = f"  - {{name: never X, match: {{origin: any, created_by_ref: {THIRD_IDENTITY}}}, deny: true}}\n"
    scene.apply("b", everything("b", more=deny))
    partners.amend(scene.node, "b", speaks_for=[B_IDENTITY], relays=[THIRD_IDENTITY])
    theirs, ours = malware("of X", by=THIRD_IDENTITY), indicator("ours")
    scene.publish(
        identity(THIRD_IDENTITY, "X", by=THIRD_IDENTITY), theirs, ours, relationship(ours, theirs),
        report("both", [ours["id"], theirs["id"]]),
    )  # fmt: skip
    assert scene.names("b") == ["ours"]
    assert known(scene, "b").isdisjoint({theirs["id"], THIRD_IDENTITY})


@pytest.mark.case("M39")
def test_access_that_is_granted_later_brings_the_whole_closure(scene: Scene) -> None:
    """A container made long ago, its members, its members' links: all come with the grant, dependencies first."""
    scene.apply("b", "partners: [b]\ncollections: [reports]\nceiling: {tlp: amber}\nrules: []\n")
    ends = [indicator("one"), malware("two"), address("192.0.2.7")]
    links = [relationship(ends[0], ends[1]), relationship(ends[0], ends[2], name="to the address")]
    whole = [identity(OWN_IDENTITY, "we"), *ends, *links]
    scene.publish(*whole, report("old", [one["id"] for one in (*ends, *links)]))
    assert scene.caller("b").audience is not None
    scene.apply("b", everything("b"))
    assert {one["id"] for one in whole} <= set(scene.ids("b"))
    order = scene.ids("b")
    assert order.index(report("old", [])["id"]) > max(order.index(one["id"]) for one in links)


@pytest.mark.case("M40")
def test_a_circle_becomes_visible_together(scene: Scene) -> None:
    """Report A holds note B, which refers to report A: both or none."""
    a = report("a", [note("b", [report("a", [])["id"]])["id"]])
    b = note("b", [a["id"]])
    scene.publish(a)
    assert scene.names("b") == []
    scene.publish(b)
    assert sorted(scene.names("b")) == ["a", "b"]
    scene.publish(note("b", [a["id"]], version=1, tlp="red"))
    assert scene.names("b") == []


@pytest.mark.long
@pytest.mark.case("M40")
@pytest.mark.timeout(300)
def test_a_container_of_twenty_thousand_is_paged(sqlite_node: Node, wall: Wall) -> None:
    """Its members are drained page by page, each once, and the container after them."""
    with served(sqlite_node, wall) as server:
        made = [address(f"44.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}") for n in range(20_000)]
        for start in range(0, len(made), 4_000):
            server.scene.publish(*made[start : start + 4_000])
        big = report("big", [one["id"] for one in made])
        server.scene.publish(big)
        pages = server.client("b").drain(limit=1_000)
        ids = [one for page in pages for one in page.ids]
        assert len(pages) > 20
        assert len(ids) == len(set(ids))
        assert set(ids) >= {one["id"] for one in made} | {big["id"]}
        assert ids.index(big["id"]) == len(ids) - 1


@pytest.mark.case("M13")
def test_a_revocation_is_sent_so_that_partners_learn_it(scene: Scene) -> None:
    """The revoked indicator goes on; what stands on its own beside it is not touched."""
    scene.publish(indicator("x"), address("192.0.2.8"))
    scene.publish(indicator("x", version=1, revoked=True))
    (last,) = [one for one in scene.sees("b") if one["type"] == "indicator"]
    assert last["revoked"] is True
    assert address("192.0.2.8")["id"] in scene.ids("b")


ENDED = """\
partners: [{partner}]
collections: [indicators]
ceiling: {{tlp: amber, unmarked: green}}
rules:
  - {{name: all, match: {{origin: any}}, allow: true}}
  - {{name: ended, match: {{origin: any, indicators: ended}}, deny: true, withdraw: true}}
"""


@pytest.mark.case("M13")
def test_an_observable_goes_with_its_last_indicator(scene: Scene) -> None:
    """By a relationship, or through an observed-data; the revoked indicator stays, and with a new one it comes back."""
    scene.apply("b", ENDED.format(partner="b"))
    one, other = indicator("one"), indicator("other")
    host, seen = address("192.0.2.8"), address("192.0.2.9")
    observed = observed_data("seen", [seen["id"]])
    by_host = [relationship(one, host), relationship(other, host)]
    by_data = relationship(other, observed, relationship_type="based-on")
    scene.publish(one, other, host, seen, observed, *by_host, by_data)
    assert {host["id"], seen["id"], observed["id"]} <= set(scene.ids("b"))
    scene.publish(indicator("other", version=1, revoked=True))
    assert host["id"] in scene.ids("b")  # the other one still points at it
    assert not {seen["id"], observed["id"]} & set(scene.ids("b"))
    scene.publish(indicator("one", version=1, revoked=True))
    left = {one["id"]: one for one in scene.sees("b")}
    assert host["id"] not in left
    assert left[one["id"]]["revoked"] is left[other["id"]]["revoked"] is True
    (told,) = policies.explain(scene.node, host["id"], partner="b").versions
    assert (told.answer, told.rule) == ("denied", "ended")
    fresh = indicator("fresh")
    scene.publish(fresh, relationship(host, fresh))
    assert host["id"] in scene.ids("b")
    withdraw(scene.node, fresh["id"], by="anna", reason="wrong")
    assert host["id"] not in scene.ids("b")
    ledger.verify(scene.node)


@pytest.mark.case("M13")
def test_an_indicator_that_expires_takes_its_observable_along(scene: Scene, wall: Wall) -> None:
    """On its day, without anybody asking; a policy that comes later sees the same, and a preview says it before."""
    scene.apply("b", ENDED.format(partner="b"))
    tomorrow = datetime.fromtimestamp(wall.read() / 1_000_000, tz=UTC) + timedelta(days=1)
    one = indicator("one", valid_until=f"{tomorrow:%Y-%m-%dT%H:%M:%SZ}")
    host = address("192.0.2.8")
    scene.publish(one, host, relationship(one, host))
    assert host["id"] in scene.ids("b")
    assert pass_dates(scene.node) == 0
    wall.forward(timedelta(days=2))
    while pass_dates(scene.node):
        pass
    assert host["id"] not in scene.ids("b")
    assert one["id"] in scene.ids("b")
    scene.apply("c", ENDED.format(partner="c"))
    assert one["id"] in scene.ids("c")
    assert host["id"] not in scene.ids("c")


def test_nobody_else_ends_or_revives_an_observable_of_ours(scene: Scene) -> None:
    """A partner that names our address decides nothing about it, for itself or for others."""
    scene.apply("b", ENDED.format(partner="b"))
    scene.apply("c", ENDED.format(partner="c"))
    host = address("192.0.2.8")
    scene.publish(host)
    theirs = indicator("theirs", by=C_IDENTITY)
    scene.post("c", theirs, relationship(theirs, host, by=C_IDENTITY))
    scene.post("c", indicator("theirs", version=1, revoked=True, by=C_IDENTITY))
    assert host["id"] in scene.ids("b")
    ours = indicator("ours")
    scene.publish(ours, relationship(ours, host))
    scene.publish(indicator("ours", version=1, revoked=True))
    assert host["id"] not in scene.ids("b")
    again = indicator("again", by=C_IDENTITY)
    scene.post("c", again, relationship(again, host, by=C_IDENTITY))
    assert host["id"] not in scene.ids("b")


def observed_data(name: str, refs: list[str]) -> dict[str, Any]:
    return {
        "type": "observed-data", "spec_version": "2.1", "id": f"observed-data--{uid(name)}",
        "created": at(0), "modified": at(0), "first_observed": at(0), "last_observed": at(0),
        "number_observed": 1, "object_refs": refs, "object_marking_refs": [TLP["green"]],
    }  # fmt: skip


@pytest.mark.case("M45")
def test_one_address_of_two_sources(node: Node) -> None:
    """B's GREEN copy goes to Z, C's AMBER copy to nobody; which came first changes nothing, and B's existence is not shown."""
    scene = Scene.set_up(node)
    scene.apply("c", everything("c"))
    scene.post("c", address("192.0.2.9", tlp="amber", x_from="c"))
    scene.post("b", address("192.0.2.9", tlp="green", x_from="b"))
    assert [one["x_from"] for one in scene.sees("c") if one["type"] == "ipv4-addr"] == ["b"]
    scene.apply("b", everything("b"))
    assert [one for one in scene.sees("b") if one["type"] == "ipv4-addr"] == []
    assert C_IDENTITY not in known(scene, "b")


# -- M18: four ways to ask, one answer -----------------------------------------------------------------------------------

things = st.lists(
    st.tuples(
        st.sampled_from(["one", "two", "three"]), st.integers(0, 2), st.sampled_from(sorted(TLP)),
        st.sampled_from(["publish", "withdraw", "link", "address"]),
    ),
    min_size=3,
    max_size=8,
)  # fmt: skip


def happen(scene: Scene, name: str, version: int, tlp: str, what: str) -> None:
    if what == "publish":
        scene.publish(indicator(name, version=version, tlp=tlp, description=f"{tlp} {version}"))
    elif what == "link":
        scene.publish(relationship(indicator(name), malware(name), tlp=tlp), malware(name, tlp=tlp))
    elif what == "address":
        scene.publish(address(f"192.0.2.{version}", tlp=tlp))
    elif any(outcome.result == "accepted" for outcome in scene.publish(indicator(name, version=9))):
        releasing.withdraw(scene.node, indicator(name)["id"], by="desk", reason="wrong")


def ways(client: Client) -> list[set[tuple[str, str]]]:
    """(id, version) by objects, manifest, object by id and versions."""
    objects = [one for page in client.drain(limit=4, **{"match[version]": "all"}) for one in page.objects]  # fmt: skip
    listed = [
        one
        for page in client.drain(limit=4, what="manifest", **{"match[version]": "all"})
        for one in page.objects
    ]
    by_manifest = {(one["id"], one["version"]) for one in listed}
    dated = {(one["id"], one["version"]) for one in listed}
    ids = {one["id"] for one in objects}
    by_object, by_id, by_versions = set(), set(), set()
    for one in objects:
        # An observable's version is its instant of storage, which only the manifest shows.
        versions = {version for stix_id, version in dated if stix_id == one["id"]}
        own = one.get("modified") or one.get("created")
        by_object |= {(one["id"], own)} if own else {(one["id"], v) for v in versions}
    for stix_id in ids | {one[0] for one in by_manifest}:
        path = f"/api/collections/indicators/objects/{stix_id}/"
        for one in client.get(path, {"match[version]": "all"}).objects:
            own = one.get("modified") or one.get("created")
            versions = {version for i, version in dated if i == stix_id}
            by_id |= {(stix_id, own)} if own else {(stix_id, v) for v in versions}
        by_versions |= {(stix_id, v) for v in client.get(f"{path}versions/").json.get("versions", ())}  # fmt: skip
    return [by_object, by_manifest, by_id, by_versions]


@pytest.mark.case("M18")
def test_four_ways_to_ask_give_one_set(node: Node, wall: Wall) -> None:
    """For each partner, after whatever happened: the ids and versions by objects, manifest, id and versions are equal."""
    with served(node, wall) as server:
        server.scene.apply("c", everything("c", tlp="green"))

        @settings(
            max_examples=8, deadline=None, derandomize=True, database=None,
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(things)
        def equal(happened: list[tuple[str, int, str, str]]) -> None:
            for one in happened:
                happen(server.scene, *one)
            for partner in ("b", "c"):
                first, *others = ways(server.client(partner))
                assert all(other == first for other in others), (partner, happened)

        equal()
        assert ways(server.client("b"))[0]


@pytest.mark.case("M09")
def test_who_will_get_it_is_who_gets_it(scene: Scene) -> None:
    """Ask before, then publish: partner by partner and object by object the same, for each kind of answer."""
    from tests.scenes import envelope

    scene.apply("c", everything("c", tlp="green", more="  - {name: h, match: {origin: any, labels: ask}, hold: approval}\n"))  # fmt: skip
    batch = [
        indicator("green"), indicator("amber", tlp="amber"), indicator("red", tlp="red"), indicator("held", labels=["ask"]),
        malware("m", tlp="amber"), relationship(indicator("green"), malware("m")), note("dangling", [malware("absent")["id"]]),
    ]  # fmt: skip
    looked = publishing.preview_publish(scene.node, envelope(*batch), collection="indicators")
    will = {(one.audience, one.stix_id) for one in looked.sighted if one.answer == "released"}
    scene.publish(*batch)
    got = {(name, stix_id) for name in ("b", "c") for stix_id in scene.ids(name)}
    carried = {pair for pair in got if pair[1].startswith(("identity--", "marking-definition--"))}
    assert will - carried == got - carried
    assert len(will) > 4


@pytest.mark.case("M03")
def test_an_empty_page_can_be_explained(node: Node, wall: Wall) -> None:
    """The partner sees 200 and nothing; the operator reads the rule and the marking that took each object."""
    with served(node, wall) as server:
        server.scene.apply("b", everything("b", tlp="green"))
        server.scene.publish(indicator("amber", tlp="amber"))
        got = server.client("b").objects()
        assert got.status == 200
        assert "objects" not in got.json
        found = policies.explain(node, indicator("amber")["id"], partner="b").versions[0]
        assert (found.answer, found.rule) == ("denied", "ceiling")
        assert "AMBER" in found.reason
        (row,) = policies.withheld(node, partner="b")
        assert (row.rule, row.versions) == ("ceiling", 1)


@pytest.fixture
def server(node: Node, wall: Wall) -> Iterator[Served]:
    with served(node, wall) as one:
        yield one
