"""All that came from a partner goes: at the end of an agreement, after its retention, again after an older backup."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from tests.conftest import Wall
from tests.scenes import B_IDENTITY, Scene, address, indicator
from tests.unit.services.test_erasing import CANARY, where_found
from tests.unit.services.test_undoing import ONWARD

from cert_exchange.errors import InputRefused, NotFound
from cert_exchange.node import Node
from cert_exchange.services import (
    erasing,
    forgetting,
    ledger,
    legal_holds,
    partners,
    purging,
    retention,
    safekeeping,
)
from cert_exchange.services.doctoring import forgotten
from cert_exchange.store import residues

AGREED = """\
partners: [b]
collections: [indicators, reports]
agreement: agreed.yaml
ceiling: {tlp: amber, unmarked: green}
rules:
  - name: all of ours
    match: {origin: own}
    allow: true
"""
AGREEMENT = """\
partner: b
title: With CERT b
parties:
  - {name: CERT A, contacts: [desk]}
  - {name: CERT B, contacts: [desk]}
review: 2100-01-01
profile: {}
retention: 30 days
"""


@pytest.fixture
def scene(node: Node) -> Scene:
    """What partner b sent goes on to c, and stands beside what is ours."""
    made = Scene.set_up(node)
    made.apply("c", ONWARD)
    made.post(
        "b",
        indicator("one", by=B_IDENTITY, description=CANARY),
        indicator("two", by=B_IDENTITY),
        address("192.0.2.1"),
    )
    made.post("b", indicator("one", by=B_IDENTITY, version=1, description=f"{CANARY} again"))
    made.publish(indicator("ours"))
    return made


def end(scene: Scene, *, erase: bool = True) -> tuple[purging.Ended, bytes]:
    """End the agreement with b; what it is given."""
    out = io.BytesIO()
    done = purging.end(
        scene.node, "b", by="anna", reason="the agreement ended", return_to=out, erase=erase
    )
    return done, out.getvalue()


def test_all_that_came_is_given_back_and_erased(scene: Scene) -> None:
    """As it came, every version; afterwards nothing of it is here, who got it is told, and the ledger verifies."""
    node = scene.node
    assert {"one", "two", "192.0.2.1", "ours"} <= set(scene.names("c"))
    position = scene.log("c")[-1][0]
    node.marks.advance(scene.partner("c"), scene.view("c"), position)
    done, written = end(scene)
    assert done.given_back is not None
    assert done.given_back.digest == sha256(written).hexdigest()
    bundle = json.loads(written)
    assert bundle["type"] == "bundle"
    assert sorted(one["id"].partition("--")[0] for one in bundle["objects"]) == [
        "indicator", "indicator", "indicator", "ipv4-addr",
    ]  # fmt: skip
    assert done.purged is not None
    assert (done.purged.versions, done.purged.held, done.purged.audiences) == (4, 0, ("c",))
    assert done.purged.notices == 1
    assert where_found(node, CANARY) == []
    assert where_found(node, "192.0.2.1") == []
    assert [name for name in scene.names("c") if "We took back" not in name] == ["ours"]
    (listed,) = [one for one in partners.listing(node) if one.partner.name == "b"]
    assert listed.partner.suspended_at is not None
    ledger.verify(node)
    again, _ = end(scene)
    assert again.purged is not None
    assert (again.purged.order, again.purged.versions) == (None, 0)


def test_it_may_come_again_when_the_agreement_is_renewed(scene: Scene) -> None:
    """Until then the same version from the same sender stays out; a newer one is a new object version."""
    end(scene)
    partners.resume(scene.node, "b")
    (outcome,) = scene.post("b", indicator("two", by=B_IDENTITY))
    assert (outcome.result, outcome.success) == ("erased", True)
    (order,) = erasing.list_erasures(scene.node)
    assert (order.kind, order.partner, order.versions) == ("partner", "b", 4)
    assert erasing.lift(scene.node, order.id, by="anna", reason="renewed") == 3
    outcomes = scene.post(
        "b", indicator("one", by=B_IDENTITY, description=CANARY), indicator("two", by=B_IDENTITY)
    )
    assert [one.result for one in outcomes] == ["accepted", "accepted"]
    assert {"one", "two"} <= set(scene.names("c"))
    ledger.verify(scene.node)


def test_what_is_only_given_back_stays(scene: Scene) -> None:
    """Nothing is erased then; an end that does neither is refused."""
    done, _ = end(scene, erase=False)
    assert done.purged is None
    assert purging.count(scene.node, "b") == 4
    with pytest.raises(InputRefused, match="say which"):
        purging.end(scene.node, "b", by="anna", reason="x", return_to=None, erase=False)
    with pytest.raises(NotFound, match="no partner 'x'"):
        purging.purge(scene.node, "x", by="anna", reason="x")


@pytest.mark.parametrize("over", ["object", "its copies of it", "partner"])
def test_legal_holds_are_left_out(scene: Scene, over: str) -> None:
    """What they cover stays, and is counted."""
    legal_holds.place(
        scene.node,
        stix_id=None if over == "partner" else indicator("one")["id"],
        partner=None if over == "object" else "b",
        by="court",
        reason="case 17",
    )
    done, _ = end(scene)
    assert done.purged is not None
    assert done.purged.held == (4 if over == "partner" else 2)
    assert done.purged.versions == 4 - done.purged.held
    assert where_found(scene.node, CANARY) == ["renditions.body"]
    ledger.verify(scene.node)
    assert len(legal_holds.list_holds(scene.node)) == 1


def test_parts_make_one_order(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part is a transaction and a line; one that was cut off goes on where it was."""
    monkeypatch.setattr(purging, "PART", 1)
    done = purging.purge(scene.node, "b", by="anna", reason="over")
    assert done.versions == 4
    (order,) = erasing.list_erasures(scene.node)
    assert (order.id, order.versions) == (done.order, 4)
    ledger.verify(scene.node)


def test_what_was_kept_long_enough_is_erased(node: Node, wall: Wall) -> None:
    """By a person's word, never before the agreement's days are over, and never what is ours."""
    scene = Scene.set_up(node)
    from cert_exchange.services import policies

    policies.apply(
        node, AGREED, file="b.yaml", author="test", companions={"agreed.yaml": AGREEMENT}
    )
    scene.post("b", indicator("old", by=B_IDENTITY, description=CANARY))
    scene.publish(indicator("ours"))
    wall.forward(timedelta(days=29))
    scene.post("b", indicator("young", by=B_IDENTITY))
    assert purging.purge_passed(node) == {}
    wall.forward(timedelta(days=2))
    assert retention.count_passed(node) == {"b": 1}
    done = purging.purge_passed(node)
    assert done["b"].versions == 1
    assert where_found(node, CANARY) == []
    assert where_found(node, '"young"') == ["renditions.body"]
    assert retention.count_passed(node) == {}
    (outcome,) = scene.post("b", indicator("old", by=B_IDENTITY, description=CANARY))
    assert outcome.result == "erased"
    ledger.verify(node)


def test_backups_that_hold_it_are_named_and_removed_in_time(
    sqlite_node: Node, wall: Wall, tmp_path: Path
) -> None:
    """The erasure names them, `doctor` too, and the worker removes them after the days that were set."""
    node = sqlite_node
    scene = Scene.set_up(node)
    one = indicator("one", description=CANARY)
    scene.publish(one)
    folder = tmp_path / "copy"
    safekeeping.backup(node, folder)
    wall.forward(timedelta(hours=1))
    done = erasing.erase(node, one["id"], by="anna", reason="on request")
    assert [copy.folder for copy in done.backups] == [str(folder)]
    assert any(str(folder) in found.finding for found in forgotten.examine(node))
    assert forgetting.remove_old_backups(node) == 0
    keeping = node.settings.model_copy(update={"backups_keep_days": 30})
    object.__setattr__(node, "settings", keeping)
    wall.forward(timedelta(days=29))
    assert forgetting.remove_old_backups(node) == 0
    wall.forward(timedelta(days=1))
    assert forgetting.remove_old_backups(node) == 1
    assert not folder.exists()
    assert forgetting.leftovers(node).backups == ()
    forgetting.rewrite(node)
    assert not forgetting.leftovers(node).unused_places
    assert list(forgotten.examine(node)) == []
    ledger.verify(node)


def test_nothing_but_a_backup_is_removed(sqlite_node: Node, wall: Wall, tmp_path: Path) -> None:
    """A folder that is no backup any more is left alone; one that is gone is noted."""
    node = sqlite_node
    other, gone = tmp_path / "other", tmp_path / "gone"
    other.mkdir()
    (other / "photo").write_text("mine")
    node.database.transact(lambda tx: residues.note_backup(tx, str(other), at=1))
    node.database.transact(lambda tx: residues.note_backup(tx, str(gone), at=1))
    keeping = node.settings.model_copy(update={"backups_keep_days": 1})
    object.__setattr__(node, "settings", keeping)
    assert forgetting.remove_old_backups(node) == 0
    assert (other / "photo").exists()
    with node.database.reading() as tx:
        left = residues.backups(tx, standing_only=True)
    assert [copy.folder for copy in left] == [str(other)]


def test_an_older_backup_that_is_put_back_is_erased_again(node: Node, tmp_path: Path) -> None:
    """The journal says what; what was lifted is not erased, and nothing happens twice."""
    scene = Scene.set_up(node)
    before = {
        "one": indicator("one", description=CANARY),
        "two": indicator("two"),
        "three": indicator("three"),
    }
    scene.publish(*before.values())
    journal = tmp_path / "journal.jsonl"
    rows = [
        {
            "order": 7, "kind": "object", "whole": True, "of": None, "reason": "on request",
            "at": 5, "by": "anna", "id": before["one"]["id"],
            "version": before["one"]["modified"], "from": "own",
        },
        {
            "order": 8, "kind": "object", "whole": True, "of": None, "reason": "a mistake",
            "at": 6, "by": "anna", "id": before["two"]["id"],
            "version": before["two"]["modified"], "from": "own",
        },
        {"order": 8, "at": 6, "lifted": True},
    ]  # fmt: skip
    journal.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = forgetting.redo(node, journal, by="bert")
    assert (done.erased, done.held, done.orders) == (1, 0, 1)
    assert where_found(node, CANARY) == []
    assert sorted(scene.names("b")) == ["three", "two"]
    (outcome,) = scene.publish(before["one"])
    assert outcome.result == "erased"
    assert forgetting.redo(node, journal, by="bert").erased == 0
    ledger.verify(node)
    journal.write_text("{}")
    with pytest.raises(InputRefused, match="no journal"):
        forgetting.redo(node, journal, by="bert")


def test_a_log_file_that_readers_held_is_emptied_later(sqlite_node: Node) -> None:
    """Older states of pages lie in it until then."""
    node = sqlite_node
    scene = Scene.set_up(node)
    assert not forgetting.empty_log(node)
    scene.publish(indicator("one", description=CANARY))
    path = node.database.path
    assert path is not None
    log = path.with_name(f"{path.name}-wal")
    with node.database.reading() as tx:
        residues.last_erased_at(tx)  # a reader, all along
        erasing.erase(node, indicator("one")["id"], by="anna", reason="on request")
        assert CANARY.encode() in log.read_bytes()
        assert not forgetting.empty_log(node)
    assert forgetting.empty_log(node)
    assert CANARY.encode() not in log.read_bytes()
    assert not forgetting.empty_log(node)


def test_a_journal_that_was_cut_off_is_completed(node: Node) -> None:
    """Killed between the commit and the journal: the worker writes what is missing, once."""
    scene = Scene.set_up(node)
    scene.publish(indicator("one"), indicator("two"))
    journal = node.settings.home / erasing.JOURNAL
    assert forgetting.complete_journal(node) == 0
    erasing.erase(node, indicator("one")["id"], by="anna", reason="on request")
    erasing.erase(node, indicator("two")["id"], by="anna", reason="on request")
    erasing.lift(node, 1, by="anna", reason="a mistake")
    whole = sorted(journal.read_text().splitlines())
    assert len(whole) == 3
    journal.unlink()
    assert forgetting.complete_journal(node) == 2
    assert sorted(journal.read_text().splitlines()) == whole
    assert forgetting.complete_journal(node) == 0
    assert sorted(journal.read_text().splitlines()) == whole


def test_the_journal_of_one_node_serves_its_backup(
    sqlite_node: Node, wall: Wall, tmp_path: Path
) -> None:
    """Back up, erase, lose the machine, restore, redo: it is gone again."""
    node = sqlite_node
    scene = Scene.set_up(node)
    scene.apply("c", ONWARD)
    scene.publish(indicator("one", description=CANARY))
    scene.post("b", indicator("theirs", by=B_IDENTITY, description=CANARY))
    safekeeping.backup(node, tmp_path / "copy")
    erasing.erase(node, indicator("one")["id"], by="anna", reason="on request")
    purging.purge(node, "b", by="anna", reason="over")
    journal = tmp_path / "kept elsewhere.jsonl"
    journal.write_bytes((node.settings.home / erasing.JOURNAL).read_bytes())
    assert CANARY not in journal.read_text()
    assert not list((tmp_path / "copy").rglob(erasing.JOURNAL))

    from cert_exchange.node import open_node

    home = tmp_path / "again"
    safekeeping.restore(tmp_path / "copy", home, clock=wall.clock())
    restored = open_node(home, clock=wall.clock())
    try:
        assert where_found(restored, CANARY) == ["renditions.body"]
        done = forgetting.redo(restored, journal, by="bert")
        assert (done.erased, done.orders) == (2, 2)
        assert where_found(restored, CANARY) == []
        ledger.verify(restored)
    finally:
        restored.close()
