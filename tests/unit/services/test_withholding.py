"""What a partner disputes goes, until a person has looked, from whoever has not fetched it yet; who has it keeps it."""

from __future__ import annotations

import io
import json
import random
import threading
import time
from dataclasses import dataclass, field

import pytest
from tests.scenes import TLP, Scene, at, envelope, indicator, relationship, report
from tests.unit.services.test_noticing import told
from tests.unit.services.test_recalling import fetch
from tests.unit.services.test_reviewing import opinion

from cert_exchange.node import Node
from cert_exchange.services import noticing, policies, polling, releasing, reviewing, taking
from cert_exchange.services.polling import PageQuery, Resource
from cert_exchange.services.publishing.taking_in import take_in
from cert_exchange.services.taking import Order, Source
from cert_exchange.stix.envelopes import examine
from cert_exchange.store.database import Transaction
from cert_exchange.store.tables import untold_fetches

CDN, OTHER = indicator("cdn"), indicator("other")


@pytest.fixture
def scene(sqlite_node: Node) -> Scene:
    return Scene.set_up(sqlite_node)


def dispute(scene: Scene, *about: str, version: int = 0) -> None:
    (done,) = scene.post("b", opinion(*about, version=version))
    assert (done.success, done.message) == (True, "")


def test_who_has_not_fetched_it_does_not_get_it_until_it_is_kept(node: Node) -> None:
    """B, who names it, keeps it; from C it is taken back without a word, and given again by `keep`."""
    scene = Scene.set_up(node)
    scene.publish(CDN, OTHER)
    dispute(scene, CDN["id"])
    assert scene.names("b") == ["cdn", "other"]
    assert scene.names("c") == ["other"]
    assert "disputed by b" in json.dumps(
        policies.explain(node, CDN["id"], partner="c"), default=str
    )
    fetch(scene, "c")
    assert noticing.tell(node) == 0
    done = reviewing.keep(node, [CDN["id"]], by="anna", reason="seen there")
    assert (done.ended, done.released) == (1, 1)
    assert scene.names("c") == ["other", "cdn"]
    assert [kind for _, kind, stix_id in scene.log("c") if stix_id == CDN["id"]] == [
        "release", "withdrawal", "release",
    ]  # fmt: skip
    assert [kind for _, kind, stix_id in scene.log("b") if stix_id == CDN["id"]] == ["release"]


def test_a_page_that_is_under_way_is_told_of_by_a_notice(node: Node) -> None:
    """C's page reads before the dispute is committed, and after it looked at who fetched."""
    scene = Scene.set_up(node)
    scene.publish(CDN)
    batch = examine(envelope(opinion(CDN["id"])), limits=node.limits)
    partner, place = scene.partner("b"), scene.collection("indicators")

    def work(tx: Transaction) -> int:
        now = node.clock.releasing_now()
        take_in(tx, node, batch, origin=partner, collection=place, now=now)
        return fetch(scene, "c")

    got = node.database.transact(work)
    assert got >= 1
    assert scene.names("c") == []
    assert noticing.tell(node) == 1
    assert [one.subjects for one in told(scene, "c")] == [(CDN["id"],)]
    assert told(scene, "b") == []
    reviewing.keep(node, [CDN["id"]], by="anna", reason="seen there")
    assert "cdn" in scene.names("c")


def test_what_was_fetched_keeps_what_it_requires(scene: Scene) -> None:
    """C has the report, of another collection, and so has its right to the indicator in it; of the other it has nothing."""
    scene.publish(CDN, OTHER)
    scene.publish(report("both", [CDN["id"]]), to="reports")
    scene.publish(relationship(CDN, OTHER))
    fetch(scene, "b")
    fetch(scene, "c", "reports")
    dispute(scene, CDN["id"], OTHER["id"])
    assert scene.names("c") == ["cdn"]
    assert scene.names("c", "reports") == ["both"]
    assert len(scene.names("b")) == 3
    reviewing.keep(scene.node, [CDN["id"], OTHER["id"]], by="anna", reason="seen there")
    assert len(scene.names("c")) == 3


def test_what_requires_it_and_was_not_fetched_goes_with_it(scene: Scene) -> None:
    scene.publish(CDN, OTHER, report("both", [CDN["id"], OTHER["id"]]))
    fetch(scene, "b")
    dispute(scene, CDN["id"])
    assert scene.names("c") == ["other"]
    scene.post("b", opinion(CDN["id"], word="agree", version=1))
    assert scene.names("c") == ["other", "cdn", "both"]


def test_of_a_newer_version_the_one_that_was_fetched_is_left(scene: Scene) -> None:
    """C keeps the version that it has, and is told when the id goes, though it never fetched the line that stands then."""
    scene.publish(CDN)
    fetch(scene, "c")
    scene.publish(indicator("cdn", version=1, description="worse"))
    dispute(scene, CDN["id"])
    assert [one["modified"] for one in scene.sees("c") if "pattern" in one] == [CDN["modified"]]
    assert [one["modified"] for one in scene.sees("b") if "pattern" in one] == [at(1)]
    assert noticing.tell(scene.node) == 0
    with scene.node.database.reading() as conn:
        owed = conn.execute(untold_fetches.select()).all()
    assert [row.partner for row in owed] == [scene.partner("c")]
    releasing.withdraw(scene.node, CDN["id"], by="anna", reason="it is theirs")
    assert noticing.tell(scene.node) == 1
    assert [one.subjects for one in told(scene, "c")] == [(CDN["id"],)]


def test_a_derivative_that_nobody_fetched_goes_as_its_original(scene: Scene) -> None:
    """Without a last version that revokes it: who never had it is told nothing of it."""
    scene.apply(
        "c",
        "partners: [c]\ncollections: [indicators, reports]\nceiling: {tlp: amber, unmarked: green}\nrules:\n"
        "  - {name: cut, match: {origin: own}, redact: {remove: [description]}}\n",
    )
    scene.publish(indicator("cdn", description="who told us"))
    (shown,) = (one for one in scene.sees("c") if "pattern" in one)
    dispute(scene, CDN["id"])
    assert [one for one in scene.sees("c") if "pattern" in one] == []
    reviewing.keep(scene.node, [CDN["id"]], by="anna", reason="seen there")
    assert [one for one in scene.sees("c") if "pattern" in one] == [shown]


def take(scene: Scene, text: str) -> None:
    """A list as an analyst publishes it: an indicator, its observable, and what ties them."""
    body, order = text.encode(), Order(markings=(TLP["green"],))
    source = Source("list.csv", lambda: io.BytesIO(body), len(body))
    how = taking.understand(source, order)
    taking.take(scene.node, source, how, order, collection="indicators", by="desk")


def test_the_observable_that_was_made_for_it_goes_with_it_where_nobody_has_it(scene: Scene) -> None:
    take(scene, "value,comment\n45.9.1.7,C2\n")
    before = set(scene.ids("c"))
    (made,) = (one for one in before if one.startswith("indicator--"))
    dispute(scene, made)
    assert {one.partition("--")[0] for one in scene.ids("c")} <= {"identity", "marking-definition"}
    fetch(scene, "c")
    assert noticing.tell(scene.node) == 0
    reviewing.keep(scene.node, [made], by="anna", reason="seen there")
    assert set(scene.ids("c")) == before


def test_the_observable_that_somebody_has_stays_with_the_version_that_it_has(scene: Scene) -> None:
    """A newer version of the indicator, which C did not fetch, is held; what C has, it keeps."""
    take(scene, "value,comment\n45.9.1.7,C2\n")
    fetch(scene, "c")
    before = scene.ids("c")
    (made,) = (one for one in before if one.startswith("indicator--"))
    take(scene, "value,comment\n45.9.1.7,now a loader\n")
    dispute(scene, made)
    assert set(scene.ids("c")) >= {one for one in before if not one.startswith("grouping--")}
    (seen,) = (one for one in scene.sees("c") if one["id"] == made)
    assert "loader" not in seen["description"]
    assert noticing.tell(scene.node) == 0


@dataclass
class Poller:
    """C's client: it polls by `added_after` until it is told to stop, and keeps the ids that it got."""

    scene: Scene
    stop: threading.Event = field(default_factory=threading.Event)
    got: list[str] = field(default_factory=list)
    last: int = 0

    def run(self) -> None:
        while not self.stop.is_set():
            self.page()
            time.sleep(0.002)

    def page(self) -> int:
        node, caller = self.scene.node, self.scene.caller("c")
        with node.database.raw_reader() as conn:
            grant = polling.find_collection(node, conn, caller, "indicators")
            wanted = PageQuery(Resource.OBJECTS, added_after=self.last, limit=3)
            page = polling.poll(node, conn, caller, grant, wanted, inline=False)
        objects = json.loads(f"[{page.text.decode()}]")
        self.got += [one["id"] for one in objects]
        if page.count:
            self.last = page.last
        return page.count


def test_whoever_got_it_in_the_very_moment_is_told(node: Node) -> None:
    """While C polls, B disputes what comes: at rest C has each object in force, or never got it, or a notice of it."""
    scene = Scene.set_up(node)
    order = random.Random(7)
    poller = Poller(scene)
    thread = threading.Thread(target=poller.run)
    thread.start()
    made = [indicator(f"cdn {number}") for number in range(6)]
    try:
        for number, one in enumerate(made):
            scene.publish(one)
            time.sleep(order.random() / 50)
            (done,) = scene.post("b", opinion(one["id"], name=f"opinion {number}"))
            assert done.success
    finally:
        poller.stop.set()
        thread.join()
    noticing.tell(node)
    while poller.page():
        pass
    named = {subject for one in told(scene, "c") for subject in one.subjects}
    standing, got = set(scene.ids("c")), set(poller.got)
    assert standing <= got
    for one in made:
        assert one["id"] in standing or one["id"] in named or one["id"] not in got
