"""Who has what: told from marks, logs and the ledger, and never less than the truth."""

from __future__ import annotations

import hashlib
import json
import shutil
from datetime import timedelta

import pytest
from sqlalchemy import select
from tests.conftest import Wall, reopen
from tests.scenes import Scene, address, indicator, relationship

from cert_exchange.errors import NotFound
from cert_exchange.node import Node
from cert_exchange.services import freezing, ledger, polling, recalling, releasing
from cert_exchange.services.polling import PageQuery, Resource
from cert_exchange.services.recalling import Has
from cert_exchange.store.tables import objects, renditions

ONE = indicator("one")


@pytest.fixture
def scene(node: Node) -> Scene:
    return Scene.set_up(node)


def fetch(scene: Scene, partner: str, collection: str = "indicators") -> int:
    """Poll everything as a partner's machine does; how many objects came."""
    caller = scene.caller(partner)
    with scene.node.database.raw_reader() as conn:
        grant = polling.find_collection(scene.node, conn, caller, collection)
        page = polling.poll(
            scene.node, conn, caller, grant, PageQuery(Resource.OBJECTS), inline=False
        )
    return page.count


def has(scene: Scene, stix_id: str = ONE["id"]) -> dict[tuple[str, str], Has]:
    return {
        (one.partner, one.collection): one.has for one in recalling.fetched(scene.node, stix_id)
    }


def test_who_has_it_since_when_and_which_bytes(scene: Scene) -> None:
    """The digest and the size are those of the bytes that were served."""
    scene.publish(ONE)
    fetch(scene, "b")
    found = {one.partner: one for one in recalling.fetched(scene.node, ONE["id"])}
    assert {name: one.has for name, one in found.items()} == {
        "b": Has.FETCHED,
        "c": Has.NOT_FETCHED,
    }
    with scene.node.database.reading() as tx:
        body = tx.execute(
            select(renditions.c.body)
            .join(objects, objects.c.rendition == renditions.c.id)
            .where(objects.c.type == "indicator")
        ).scalar_one()
    assert json.loads(body)["id"] == ONE["id"]
    b = found["b"]
    assert b.digest == hashlib.sha256(body.encode()).hexdigest()
    assert b.size == len(body.encode())
    assert b.since == next(at for at, _, stix_id in scene.log("b") if stix_id == ONE["id"])
    assert (b.until, b.noted_at) == (None, None)
    ledger.note_fetches(scene.node)
    (b,) = recalling.fetched(scene.node, ONE["id"], partner="b")
    assert b.noted_at is not None
    assert b.noted_at >= b.since


def test_what_came_later_is_not_fetched(scene: Scene) -> None:
    """A mark covers what stood below it, and nothing that came after."""
    scene.publish(indicator("early"))
    fetch(scene, "b")
    scene.publish(ONE)
    assert has(scene) == {
        ("b", "indicators"): Has.NOT_FETCHED,
        ("c", "indicators"): Has.NOT_FETCHED,
    }


def test_each_version_is_told_on_its_own(scene: Scene) -> None:
    """B has the first version, C the second as well."""
    scene.publish(ONE)
    fetch(scene, "b")
    scene.publish(indicator("one", version=1))
    fetch(scene, "c")
    found = {
        (one.partner, one.version): one.has for one in recalling.fetched(scene.node, ONE["id"])
    }
    first, second = ONE["modified"], indicator("one", version=1)["modified"]
    assert found == {
        ("b", first): Has.FETCHED,
        ("b", second): Has.NOT_FETCHED,
        ("c", first): Has.FETCHED,
        ("c", second): Has.FETCHED,
    }


def test_what_partners_ask_for_later_does_not_blur_a_recall(scene: Scene) -> None:
    """B had it, C had not: that stays so when both go on polling. A plain withdrawal leaves it at `maybe`."""
    scene.publish(ONE, indicator("two"))
    fetch(scene, "b")
    done = recalling.recall(scene.node, ONE["id"], by="duty", reason="wrong", freeze="none")
    releasing.withdraw(scene.node, indicator("two")["id"], by="duty", reason="wrong")
    assert done.frozen == ()
    assert done.withdrawal is not None
    assert done.withdrawal.audiences == ("b", "c")
    scene.publish(indicator("later"))
    for name in ("b", "c"):
        fetch(scene, name)
        ledger.note_fetches(scene.node)
    assert has(scene) == {("b", "indicators"): Has.FETCHED, ("c", "indicators"): Has.NOT_FETCHED}
    assert has(scene, indicator("two")["id"]) == {
        ("b", "indicators"): Has.FETCHED,
        ("c", "indicators"): Has.MAYBE,
    }


def test_a_withdrawal_without_evidence_is_maybe(scene: Scene) -> None:
    """Nobody wrote down the fetch before it was taken back: nobody can tell which was first."""
    scene.publish(ONE)
    fetch(scene, "b")
    releasing.withdraw(scene.node, ONE["id"], by="duty", reason="wrong")
    assert has(scene) == {("b", "indicators"): Has.MAYBE, ("c", "indicators"): Has.NOT_FETCHED}


def test_recalled_observables_are_blocked_and_told(scene: Scene) -> None:
    """An address is blocked in all views; it is told from where it was seen."""
    bad = address("198.51.100.9")
    scene.publish(bad)
    fetch(scene, "c")
    done = recalling.recall(scene.node, bad["id"], by="duty", reason="wrong", freeze="all")
    assert done.frozen == ("everyone",)
    assert {(one.partner, one.has) for one in done.holders} == {
        ("b", Has.NOT_FETCHED),
        ("c", Has.FETCHED),
    }
    scene.publish(bad)
    assert done.notices == 1
    assert scene.names("b") == []
    (notice,) = [
        one for one in scene.sees("c") if one["type"] not in ("identity", "marking-definition")
    ]
    assert notice["object_refs"] == [bad["id"]]
    ledger.verify(scene.node)


def test_a_recall_for_one_partner_leaves_the_others(scene: Scene) -> None:
    """Frozen, told and taken back: that partner's audience alone."""
    scene.publish(ONE)
    fetch(scene, "b")
    done = recalling.recall(scene.node, ONE["id"], by="duty", reason="wrong", partner="b")
    assert done.frozen == ("b",)
    assert done.withdrawal is not None
    assert done.withdrawal.audiences == ("b",)
    assert done.notices == 1
    assert ONE["id"] not in scene.ids("b")
    assert ONE["id"] in scene.ids("c")


def test_a_recall_again_changes_nothing_more(scene: Scene) -> None:
    scene.publish(ONE)
    recalling.recall(scene.node, ONE["id"], by="duty", reason="wrong")
    again = recalling.recall(scene.node, ONE["id"], by="duty", reason="once more")
    assert again.withdrawal is not None
    assert (again.withdrawal.versions, again.withdrawal.lines) == (0, ())
    assert again.frozen == ("b", "c")
    assert len(freezing.frozen(scene.node)) == 2


def test_a_wrong_id_or_partner_changes_nothing(scene: Scene) -> None:
    scene.publish(ONE)
    with pytest.raises(NotFound, match="we hold no object"):
        recalling.recall(scene.node, indicator("x")["id"], by="duty", reason="r", freeze="all")
    with pytest.raises(NotFound, match="no partner"):
        recalling.recall(scene.node, ONE["id"], by="duty", reason="r", partner="x", freeze="all")
    assert freezing.frozen(scene.node) == ()
    assert "one" in scene.names("b")


def test_a_restore_makes_not_fetched_a_maybe(sqlite_node: Node, wall: Wall) -> None:
    """What B fetched between backup and restore is forgotten; of what is released afterwards we are sure again."""
    scene = Scene.set_up(sqlite_node)
    scene.publish(ONE)
    database = sqlite_node.database
    assert database.path is not None
    assert database.marks_path is not None
    with database.reading():
        pass
    fetch(scene, "c")
    before = dict(recalling_positions(scene))
    for view, position in before.items():  # what a restore does: the heads rise, an epoch begins
        ledger.begin_epoch(scene.node, {view: position + 10})
    assert has(scene)["b", "indicators"] is Has.MAYBE
    assert has(scene)["c", "indicators"] is Has.FETCHED
    wall.forward(timedelta(seconds=5))
    scene.publish(indicator("after"))
    assert has(scene, indicator("after")["id"])["b", "indicators"] is Has.NOT_FETCHED


def recalling_positions(scene: Scene) -> dict[int, int]:
    return {scene.view(name): max(at for at, _, _ in scene.log(name)) for name in ("b", "c")}


def test_lost_marks_make_fetched_a_maybe(sqlite_node: Node, wall: Wall) -> None:
    """Rebuilt marks say that everything released was fetched: nobody knows it."""
    scene = Scene.set_up(sqlite_node)
    scene.publish(ONE)
    marks = sqlite_node.database.marks_path
    assert marks is not None
    sqlite_node.close()
    for path in marks.parent.glob(f"{marks.name}*"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    again = reopen(sqlite_node, wall)
    try:
        found = recalling.fetched(again, ONE["id"])
        assert {one.has for one in found} == {Has.MAYBE}
    finally:
        again.close()


def test_publishing_it_once_more_does_not_undo_a_recall(scene: Scene) -> None:
    """A feed that runs at night brings the same file again; only `free` and then publishing lets it out."""
    tie = relationship(ONE, indicator("other"), name="tie")
    scene.publish(ONE, indicator("other"), tie)
    recalling.recall(scene.node, ONE["id"], by="night", reason="wrong", freeze="none")
    assert ONE["id"] not in scene.ids("b")
    scene.publish(ONE, indicator("other"), tie)
    scene.publish(indicator("one", version=5))
    assert ONE["id"] not in scene.ids("b")
    assert tie["id"] not in scene.ids("b")
    releasing.free(scene.node, ONE["id"], by="day", reason="it was right")
    scene.publish(indicator("one", version=5))
    assert {ONE["id"], tie["id"]} <= set(scene.ids("b"))
