"""Group M of CASES.md: who is meant by an audience, and what its members learn of each other."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from tests.cases_m.conftest import everything
from tests.conftest import Wall
from tests.scenes import (
    ALLOW_ALL,
    B_IDENTITY,
    C_IDENTITY,
    Scene,
    identity,
    indicator,
    malware,
    relationship,
    uid,
)
from tests.taxii.conftest import Client, Served, served

from cert_exchange.errors import PolicyInvalid
from cert_exchange.node import Node
from cert_exchange.services import (
    bundling,
    collections,
    doctoring,
    holding,
    ledger,
    partners,
    policies,
    reaching,
)

NOBODY = """\
partners: []
collections: [indicators, reports]
ceiling: {tlp: red, unmarked: clear}
rules:
  - {name: everything, match: {origin: any}, allow: true}
"""


@pytest.fixture
def node(either_node: Node) -> Node:
    """One engine: what is looked at here is not SQL's."""
    return either_node


@pytest.mark.case("M01")
def test_an_empty_group_is_nobody(node: Node) -> None:
    """A policy with zero members lets out nothing: neither to partners without a policy, nor to one that joins later and leaves."""
    scene = Scene.set_up(node, policies_for=[])
    scene.apply("circle", NOBODY)
    scene.publish(indicator("one", tlp="clear"))
    for name in ("b", "c"):
        assert scene.caller(name).audience is None
        assert policies.explain(node, indicator("one")["id"], partner=name).versions == ()
    scene.apply("circle", NOBODY.replace("[]", "[b]", 1))
    assert scene.names("b") == ["one"]
    scene.apply("circle", NOBODY)
    assert scene.caller("b").audience is None


@pytest.mark.case("M01")
def test_two_partners_poll_an_empty_group(node: Node, wall: Wall) -> None:
    """Over HTTP: 200 and no object."""
    with served(node, wall, policies_for=[]) as server:
        server.scene.apply("circle", NOBODY)
        server.scene.publish(indicator("one", tlp="clear"))
        for name in ("b", "c"):
            got = server.client(name).objects()
            assert got.status == 200
            assert "objects" not in got.json


@pytest.mark.case("M10")
def test_an_audience_is_a_name_and_never_a_number(new_node: Callable[..., Node]) -> None:
    """Two nodes in which the numbers of B and C are exchanged: the same policy means the same partner."""
    for order in (("b", "c"), ("c", "b")):
        scene = Scene.set_up(new_node("sqlite", name="".join(order)), partners_named=order, policies_for=[])  # fmt: skip
        scene.apply("of-b", ALLOW_ALL.format(partner="b"))
        scene.publish(indicator("for b"))
        assert scene.names("b") == ["for b"]
        assert scene.caller("c").audience is None


@pytest.mark.case("M10")
def test_an_unknown_audience_is_an_error_and_nobody_near_it(scene: Scene) -> None:
    """`cert-b` is not `b`; a number in an object, such as MISP's sharing group, means nothing here."""
    for unknown in ("cert-b", "bb", "1"):
        with pytest.raises(PolicyInvalid, match="partner"):
            scene.apply("new", ALLOW_ALL.format(partner=f'"{unknown}"'))
    held = indicator("in group 1", tlp="red", x_misp_sharing_group_id=1, x_misp_distribution="3")
    scene.publish(held)
    assert scene.names("b") == scene.names("c") == []


def add_partner(scene: Scene, name: str) -> None:
    """One more CERT that may read and write everywhere."""
    partners.add(scene.node, name, title=f"CERT {name}", speaks_for=[f"identity--{uid(name)}"])
    directory = scene.node.settings.home / "collections"
    for path in directory.glob("*.yaml"):
        path.write_text(re.sub(r"\[([^\]]+)\]", rf"[\1, {name}]", path.read_text()))
    collections.load_collections(scene.node, directory)


@pytest.mark.case("M12")
def test_a_hub_passes_on_its_own_objects_only(scene: Scene) -> None:
    """The agreement with Z covers A: what B and C sent stays, CLEAR or not; a rule that names B lets B's go, and only it."""
    add_partner(scene, "z")
    scene.apply("z", ALLOW_ALL.format(partner="z").replace("origin: own", "type: indicator"))
    scene.post("b", identity(B_IDENTITY, "CERT B"), indicator("of b", by=B_IDENTITY, tlp="clear"))
    scene.post("c", identity(C_IDENTITY, "CERT C"), indicator("of c", by=C_IDENTITY, tlp="clear"))
    scene.publish(indicator("of a"))
    assert scene.names("z") == ["of a"]
    named = ALLOW_ALL.format(partner="z").replace("origin: own", "origin: [own, b]")
    scene.apply("z", named)
    assert sorted(scene.names("z")) == ["of a", "of b"]
    assert not any(one["id"] == C_IDENTITY for one in scene.sees("z"))


@pytest.mark.case("M15")
def test_what_is_held_on_arrival_says_so_and_is_released_unchanged(scene: Scene) -> None:
    """Received from B, held for C by a named rule until a person releases it; the bytes are those that B sent."""
    scene.apply(
        "c",
        everything("c", more="  - {name: desk looks first, match: {origin: partners}, hold: approval, reason: new partner}\n"),
    )  # fmt: skip
    sent = indicator("from b", by=B_IDENTITY)
    (told,) = scene.post("b", sent)
    assert told.success
    (hold,) = holding.list_holds(scene.node)
    assert (hold.stix_id, hold.rule) == (sent["id"], "desk looks first")
    found = policies.explain(scene.node, sent["id"], partner="c").versions[0]
    assert (found.answer, found.rule) == ("held", "desk looks first")
    assert "new partner" in found.reason
    with scene.node.database.reading() as conn:
        before = conn.execute(text("SELECT count(*), sum(size) FROM renditions")).one()
    holding.release_hold(scene.node, [sent["id"]], audience="c", by="duty", reason="read")
    assert [one for one in scene.sees("c") if one["id"] == sent["id"]] == [sent]
    with scene.node.database.reading() as conn:
        assert conn.execute(text("SELECT count(*), sum(size) FROM renditions")).one() == before


def everything_said(client: Client) -> Iterator[str]:
    """Every kind of answer a partner can get, head and body."""
    stix_id = indicator("shared")["id"]
    gets: list[tuple[str, dict[str, Any]]] = [
        ("/taxii2/", {}), ("/api/", {}), ("/api/collections/", {}), ("/api/collections/indicators/", {}),
        ("/api/collections/nothing/", {}), ("/api/collections/indicators/objects/", {"match[version]": "all"}),
        ("/api/collections/indicators/objects/", {"limit": "0"}), ("/api/collections/indicators/objects/", {"next": "x"}),
        ("/api/collections/indicators/manifest/", {}), (f"/api/collections/indicators/objects/{stix_id}/", {}),
        (f"/api/collections/indicators/objects/{stix_id}/versions/", {}),
        (f"/api/collections/indicators/objects/{indicator('hidden')['id']}/", {}), ("/api/status/none/", {}),
    ]  # fmt: skip
    for path, query in gets:
        got = client.get(path, query)
        yield f"{path} {got.status} {got.all_headers} {got.raw.decode()}"
    posts = [
        {"objects": [indicator("mine", by=B_IDENTITY)]},
        {"objects": [indicator("claims", by=C_IDENTITY)]},
        {"objects": [indicator("shared", version=3, by=B_IDENTITY)]},
        {"objects": [{"type": "indicator"}]},
    ]
    for body in posts:
        got = client.post("/api/collections/indicators/objects/", body)
        yield f"post {got.status} {got.all_headers} {got.raw.decode()}"
        if got.status == 202:
            yield client.get(f"/api/status/{got.json['id']}/").raw.decode()
    got = client.delete(f"/api/collections/indicators/objects/{stix_id}/")
    yield f"delete {got.status} {got.all_headers} {got.raw.decode()}"


@pytest.mark.case("M16")
def test_a_partner_without_any_channel_is_named_and_a_file_holds_what_it_may_have(
    scene: Scene,
) -> None:
    """Nobody believes that it gets anything; the file is what its view serves, and follows its policy."""

    def told() -> list[str]:
        found = [one for one in doctoring.examine(scene.node) if one.about == "partner b"]
        return [one.step for one in found if "no channel" in one.finding]

    scene.apply("b", everything("b"))
    scene.publish(indicator("green"), indicator("red", tlp="red"))
    assert {"b", "c"} <= reaching.without_channel(scene.node)
    (step,) = told()
    assert "cert-exchange export" in step
    file = io.BytesIO()
    bundling.export(scene.node, "b/indicators", file)
    assert [one["id"] for one in json.loads(file.getvalue())["objects"]] == scene.ids("b")
    assert scene.names("b") == ["green"]
    partners.issue(scene.node, "b", lifetime=timedelta(days=1))
    assert "b" not in reaching.without_channel(scene.node)
    assert told() == []


@pytest.mark.case("M42")
def test_members_of_a_group_learn_nothing_of_each_other(node: Node, wall: Wall) -> None:
    """B, C and D in one audience: in whatever B is told, no name, title or identity of C and D, nor the policy's."""
    with served(node, wall, partners_named=("b", "xray", "yankee"), policies_for=[]) as server:
        scene = server.scene
        scene.apply("secret-circle", ALLOW_ALL.format(partner="b, xray, yankee"))
        scene.publish(indicator("shared"), indicator("hidden", tlp="red"))
        assert scene.names("b") == scene.names("xray") == ["shared"]
        scene.post("xray", indicator("of c", by=f"identity--{uid('xray')}"))
        said = [
            answer.replace(C_IDENTITY, "<what b wrote itself>")
            for answer in everything_said(server.client("b"))
        ]
        assert len(said) > 18
        for answer in said:
            found = re.search(
                rf"xray|yankee|{uid('xray')}|{uid('yankee')}|secret-circle|all of ours|audience",
                answer,
            )
            assert found is None, answer
        assert any("shared" in answer for answer in said)


@pytest.mark.case("M43")
def test_one_object_in_two_groups_and_on_to_another(scene: Scene, wall: Wall) -> None:
    """For B and for C by two policies; C learns nothing of B. What C passes on to B goes by C's leave, and is recorded."""
    shared = [indicator("for both"), malware("seen by both")]
    shared.append(relationship(shared[0], shared[1]))
    scene.publish(*shared)
    bytes_of = {
        name: {one["id"]: json.dumps(one, sort_keys=True) for one in scene.sees(name)}
        for name in ("b", "c")
    }
    assert bytes_of["b"] == bytes_of["c"]
    assert not any("cert b" in body.casefold() or B_IDENTITY in body for body in bytes_of["c"].values())  # fmt: skip
    (green, amber) = (indicator("c green", by=C_IDENTITY), indicator("c amber", by=C_IDENTITY, tlp="amber"))  # fmt: skip
    scene.post("c", identity(C_IDENTITY, "CERT C"), green, amber)
    assert "c green" not in scene.names("b")
    scene.apply("b", everything("b"))
    assert "c green" in scene.names("b")
    assert "c amber" not in scene.names("b")
    ledger.verify(scene.node)
    found = policies.explain(scene.node, green["id"], partner="b").versions[0]
    assert (found.answer, found.rule) == ("visible", "everything")
    assert policies.explain(scene.node, amber["id"], partner="b").versions[0].rule == "ceiling"


@pytest.mark.case("M04")
def test_a_collection_that_one_may_not_read_answers_with_an_error_and_never_500(
    node: Node, wall: Wall
) -> None:
    """Write-only: 403 for what is inside, the collection itself is known; no right at all: 404. Always a TAXII error."""
    with served(node, wall) as server:
        server.rights("inbox", read="c", write="b, c")
        server.rights("closed", read="c", write="c")
        b = server.client("b")
        for tail in ("objects/", "manifest/", f"objects/{indicator('x')['id']}/"):
            got = b.get(f"/api/collections/inbox/{tail}")
            assert got.status in (403, 404), (tail, got.raw)
            assert set(got.json) >= {"title", "http_status"}
            closed = b.get(f"/api/collections/closed/{tail}")
            assert closed.status == 404
            assert set(closed.json) >= {"title", "http_status"}
            assert "permission" not in closed.raw.decode().casefold()


@pytest.fixture
def server(node: Node, wall: Wall) -> Iterator[Served]:
    with served(node, wall) as one:
        yield one
