"""Objects whose references have not arrived are parked, and completed whichever way what they wait for comes.

How waiting works in SQL, on both engines, is `unit/services/test_releasing.py`'s; here one is enough.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.neighbour import Collection
from tests.scenes import (
    ALLOW_ALL,
    B_IDENTITY,
    Scene,
    indicator,
    malware,
    note,
    relationship,
    report,
    uid,
)
from tests.unit.services.test_quarantine import agree
from tests.unit.syncing.conftest import add_source, sync

from cert_exchange.node import Node
from cert_exchange.services import partners, quarantine, syncing
from cert_exchange.services.policies import explain

ANY_ORIGIN = ALLOW_ALL.replace("{{origin: own}}", "{{origin: any}}")
D_IDENTITY = f"identity--{uid('d')}"

one = indicator("one", by=B_IDENTITY)
bad = malware("bad", by=B_IDENTITY)
tie = relationship(one, bad, by=B_IDENTITY)
told = report("told", [tie["id"], one["id"]], by=B_IDENTITY)
remark = note("remark", [told["id"]], by=B_IDENTITY)
CHAIN = (remark, told, tie)
"""Each refers to the next, and all of them in the end to `bad`."""


def dated(*made: dict[str, Any], minute: int = 0) -> list[tuple[str | None, dict[str, Any]]]:
    return [(f"2026-06-01T00:{minute:02d}:{n:02d}.000000Z", each) for n, each in enumerate(made)]


def set_up(node: Node) -> Scene:
    scene = Scene.set_up(node, partners_named=("b", "c", "d"))
    scene.apply("c", ANY_ORIGIN.format(partner="c"))
    return scene


def ids(*made: dict[str, Any]) -> set[str]:
    return {each["id"] for each in made}


def complete(scene: Scene) -> None:
    """c has all of it, each once, and what is referred to before what refers to it."""
    released = [stix_id for _, kind, stix_id in scene.log("c") if kind == "release"]
    assert len(released) == len(set(released))
    order = [released.index(each["id"]) for each in (one, bad, tie, told, remark)]
    assert order[2] > max(order[:2])
    assert order[2:] == sorted(order[2:])


@pytest.mark.case("S23")
@pytest.mark.parametrize("limit", [1, 2])
def test_across_the_pages_of_one_run(sqlite_node: Node, neighbour: Any, limit: int) -> None:
    """Sent the wrong way round, page by page: nothing of it leaves before all that it refers to is here."""
    scene = set_up(sqlite_node)
    add_source(sqlite_node, neighbour(Collection(dated(*CHAIN, one, bad))), limit=limit)
    report_ = sync(sqlite_node)
    assert report_.ok
    assert report_.fates["new"] == 5
    complete(scene)


def in_a_later_pull(scene: Scene, remote: Collection, _new: Callable[..., Any]) -> None:
    remote.rows += dated(bad, minute=9)
    assert sync(scene.node, "from-b").fates["new"] == 1


def mended_by_its_sender(scene: Scene, remote: Collection, _new: Callable[..., Any]) -> None:
    remote.rows += dated(bad | {"is_family": "perhaps"}, minute=9)
    assert sync(scene.node, "from-b").fates["failed"] == 1
    assert bad["id"] not in scene.ids("c")
    remote.rows += dated(bad | {"modified": "2026-01-01T00:00:01.000Z"}, minute=10)
    assert sync(scene.node, "from-b").fates["new"] == 1


def let_in_from_the_quarantine(scene: Scene, remote: Collection, _new: Callable[..., Any]) -> None:
    agree(scene, "{required: {malware: [description]}}")
    remote.rows += dated(bad, minute=9)
    assert sync(scene.node, "from-b").fates["refused"] == 1
    assert not ids(*CHAIN) & set(scene.ids("c"))
    agree(scene, "{required: {malware: [name]}}")
    (kept,) = quarantine.listed(scene.node)
    (done,) = quarantine.replay(scene.node, [kept.number], by="anna")
    assert done.result == "accepted"


def pushed_to_us(scene: Scene, _remote: Collection, _new: Callable[..., Any]) -> None:
    assert scene.post("b", bad)[0].result == "accepted"


def by_another_source(scene: Scene, _remote: Collection, new: Callable[..., Any]) -> None:
    partners.amend(scene.node, "d", speaks_for=[D_IDENTITY], relays=[])
    theirs = {key: value for key, value in bad.items() if key != "created_by_ref"}
    peer = new(Collection(dated(theirs)))
    syncing.add_source(
        scene.node, "from-d", partner="d", url=peer.url, remote_collection=peer.collection,
        collection="indicators", options={"insecure": True},
    )  # fmt: skip
    assert sync(scene.node, "from-d").fates["new"] == 1


def from_our_desk(scene: Scene, _remote: Collection, _new: Callable[..., Any]) -> None:
    mine = {key: value for key, value in bad.items() if key != "created_by_ref"}
    assert scene.publish(mine)[0].result == "accepted"


@pytest.mark.case("S23")
@pytest.mark.parametrize(
    "comes",
    [
        in_a_later_pull, mended_by_its_sender, let_in_from_the_quarantine, pushed_to_us,
        by_another_source, from_our_desk,
    ],
    ids=lambda comes: comes.__name__,
)  # fmt: skip
def test_what_waits_is_completed_whichever_way_it_comes(
    sqlite_node: Node, neighbour: Any, comes: Callable[..., None]
) -> None:
    """Parked over runs, with what it waits for said; what waits for nothing went at once; then all of it, once, also by push."""
    scene = set_up(sqlite_node)
    remote = Collection(dated(*CHAIN, one))
    add_source(sqlite_node, neighbour(remote))
    for _ in range(2):
        assert sync(sqlite_node, "from-b").ok
        assert one["id"] in scene.ids("c")
        assert not ids(*CHAIN) & set(scene.ids("c"))
    (said,) = explain(sqlite_node, tie["id"], partner="c").versions
    assert (said.answer, said.waits_for) == ("waiting", (bad["id"],))
    there = Collection()
    to_c = neighbour(there)
    syncing.add_target(
        sqlite_node, "to-c", partner="c", url=to_c.url, remote_collection=to_c.collection,
        collection="indicators", options={"insecure": True},
    )  # fmt: skip
    assert sync(sqlite_node, "to-c").ok
    comes(scene, remote, neighbour)
    complete(scene)
    assert sync(sqlite_node, "to-c").ok
    sent = [each["id"] for _, each in there.rows]
    assert len(sent) == len(set(sent))
    assert ids(*CHAIN, one, bad) <= set(sent)
    before = scene.log("c")
    assert sync(sqlite_node, "from-b").ok
    assert scene.log("c") == before


@pytest.mark.case("S12")
@pytest.mark.case("S23")
def test_what_waits_for_ever_delays_nobody(sqlite_node: Node, neighbour: Any) -> None:
    """What it refers to is refused at each poll: it waits and says for what, the cursor moves on, the rest goes."""
    scene = set_up(sqlite_node)
    remote = Collection(dated(*CHAIN, bad | {"is_family": "perhaps"}, one))
    add_source(sqlite_node, neighbour(remote))
    for number in range(3):
        later = indicator(f"later {number}", by=B_IDENTITY)
        remote.rows += dated(later, minute=number + 1)
        assert sync(sqlite_node).ok
        assert later["id"] in scene.ids("c")
    assert not ids(*CHAIN) & set(scene.ids("c"))
    assert [each.stix_id for each in quarantine.listed(sqlite_node)] == [bad["id"]]
    for each, awaited in ((remark, told), (told, tie), (tie, bad)):
        (said,) = explain(sqlite_node, each["id"], partner="c").versions
        assert said.waits_for == (awaited["id"],)
