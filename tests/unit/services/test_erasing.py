"""Erasure: bytes and salts go from everywhere, who fetched it is asked to delete it, and the ledger proves what it proved."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import LargeBinary, Text, create_engine, func, select, text, update
from sqlalchemy.pool import NullPool
from tests.scenes import (
    B_IDENTITY,
    OWN_IDENTITY,
    THIRD_IDENTITY,
    Scene,
    address,
    identity,
    indicator,
    malware,
    relationship,
)

from cert_exchange.errors import EvidenceBroken, InputRefused, NotFound
from cert_exchange.messages.evidence import ERASED_BODY
from cert_exchange.node import Node
from cert_exchange.services import (
    disclosing,
    erasing,
    holdings,
    ledger,
    legal_holds,
    recalling,
)
from cert_exchange.store import residues
from cert_exchange.store.tables import (
    erased_objects,
    ledger_lines,
    metadata,
    objects,
    release_log,
    renditions,
)

CANARY = "canary-7f3a91"
WITHOUT_DESCRIPTIONS = """\
partners: [c]
collections: [indicators, reports]
ceiling: {tlp: amber, unmarked: green}
rules:
  - name: without descriptions
    match: {origin: own}
    redact: {remove: [description]}
"""


def where_found(node: Node, words: str) -> list[str]:
    """Tables and columns in which a text stands."""
    found = []
    with node.database.reading() as tx:
        for table in metadata.sorted_tables:
            for column in table.columns:
                if not isinstance(column.type, Text | LargeBinary):
                    continue
                for value in tx.execute(select(column)).scalars():
                    raw = value.encode() if isinstance(value, str) else bytes(value or b"")
                    if words.encode() in raw:
                        found.append(f"{table.name}.{column.name}")
    return sorted(set(found))


def digests_of(node: Node, words: str) -> list[bytes]:
    """Digests of stored bytes in which a text stands, and of what they are compared by."""
    with node.database.reading() as tx:
        rows = tx.execute(
            select(renditions.c.digest, objects.c.sameness)
            .join(objects, objects.c.rendition == renditions.c.id)
            .where(renditions.c.body.contains(words))
        )
        return [bytes(one) for row in rows for one in row]


def digest_stands(node: Node, digest: bytes) -> bool:
    """Whether a digest stands in any column of any table."""
    with node.database.reading() as tx:
        return any(
            tx.execute(select(func.count()).where(column == digest)).scalar_one()
            for table in metadata.sorted_tables
            for column in table.columns
            if isinstance(column.type, LargeBinary)
        )


def fetch_all(scene: Scene, partner: str) -> None:
    """The partner fetches whatever it may see."""
    position = scene.log(partner)[-1][0]
    scene.node.marks.advance(scene.partner(partner), scene.view(partner), position)


def test_bytes_and_salts_go_and_the_ledger_verifies(node: Node) -> None:
    """Nothing of the content is left in any table; the logs, the other objects and the ledger are as they were."""
    scene = Scene.set_up(node)
    one = indicator("one", description=f"seen at {CANARY}")
    scene.publish(one, indicator("two"))
    scene.publish(indicator("one", version=1, description=f"again {CANARY}"))
    ledger.seal(node)
    before = ledger.verify(node)
    digests = digests_of(node, CANARY)
    assert len(digests) == 4
    assert where_found(node, CANARY) == ["renditions.body"]

    done = erasing.erase(node, one["id"], by="anna", reason="a court's order")

    assert (done.versions, done.derivatives) == (2, 0)
    assert set(done.audiences) == {"b", "c"}
    assert where_found(node, CANARY) == []
    assert not any(digest_stands(node, digest) for digest in digests)
    assert scene.names("b") == ["two"]
    after = ledger.verify(node)
    assert after.objects == before.objects
    assert after.erased == done.versions + done.log_lines
    ledger.seal(node)
    assert ledger.verify(node).erased == after.erased
    assert holdings.search(node, text=CANARY) == ()
    assert holdings.search(node, text=one["id"]) == ()
    with pytest.raises(NotFound, match=r"erased .* by anna, order 1 \(a court's order\)"):
        holdings.show(node, one["id"])
    with pytest.raises(NotFound, match="nothing is left"):
        erasing.erase(node, one["id"], by="anna", reason="twice")


def test_who_fetched_it_is_asked_to_delete_it(node: Node) -> None:
    """A notice goes to the one who fetched and to nobody else, and still the ledger says who had it; of the bytes nothing."""
    scene = Scene.set_up(node)
    one = indicator("one")
    scene.publish(one)
    fetch_all(scene, "b")
    done = erasing.erase(node, one["id"], by="anna", reason="on request")
    assert done.notices == 1
    (notice,) = [seen for seen in scene.sees("b") if seen["type"] == "note"]
    assert notice["object_refs"] == [one["id"]]
    said = next(iter(notice["extensions"].values()))
    assert (said["reason"], said["action"]) == ("erased", "delete")
    assert [seen for seen in scene.sees("c") if seen["type"] == "note"] == []
    assert done.named_by == ()  # the notice must name it
    holders = recalling.fetched(node, one["id"])
    assert {holder.partner: holder.has for holder in holders} == {
        "b": "fetched",
        "c": "not fetched",
    }
    assert {(holder.digest, holder.size) for holder in holders} == {("", 0)}
    account = disclosing.disclosed(node, "b", on=node.now())
    (told,) = [line for line in account if line.stix_id == one["id"]]
    assert told.digest == ""
    ledger.verify(node)


@pytest.mark.case("S24")
def test_what_was_erased_comes_in_again_only_when_a_person_lifts_the_order(node: Node) -> None:
    """From a partner, by its old version or a newer one, and from our desk; listed with date, person and reason."""
    scene = Scene.set_up(node)
    theirs = indicator("theirs", by=B_IDENTITY, description=CANARY)
    scene.post("b", theirs)
    erasing.erase(node, theirs["id"], by="anna", reason="on request")
    for version in (0, 1):
        (outcome,) = scene.post(
            "b", indicator("theirs", version=version, by=B_IDENTITY, description=CANARY)
        )
        assert (outcome.success, outcome.result, outcome.message) == (True, "erased", "")
    assert where_found(node, CANARY) == []
    (listed,) = erasing.list_erasures(node)
    assert (listed.stix_id, listed.ordered_by, listed.lifted_at) == (theirs["id"], "anna", None)

    mine = indicator("mine", description=CANARY)
    scene.publish(mine)
    erasing.erase(node, mine["id"], by="anna", reason="wrong person")
    (outcome,) = scene.publish(mine)
    assert (outcome.success, outcome.result) == (False, "erased")
    assert "erasures lift" in outcome.message
    assert where_found(node, CANARY) == []

    assert erasing.lift(node, listed.id, by="bert", reason="the court changed its mind") == 1
    (outcome,) = scene.post("b", theirs)
    assert (outcome.success, outcome.result) == (True, "accepted")
    assert where_found(node, CANARY) == ["renditions.body"]
    with pytest.raises(InputRefused, match="lifted already"):
        erasing.lift(node, listed.id, by="bert", reason="twice")
    ledger.verify(node)


def test_one_version_goes_and_the_one_before_returns(node: Node) -> None:
    """Only what was named is erased, and only that is kept out."""
    scene = Scene.set_up(node)
    scene.publish(indicator("one"))
    second = indicator("one", version=1, description=CANARY)
    scene.publish(second)
    erasing.erase(node, second["id"], version=second["modified"], by="anna", reason="a name in it")
    assert where_found(node, CANARY) == []
    (seen,) = [one for one in scene.sees("b") if one["type"] == "indicator"]
    assert seen["modified"] == indicator("one")["modified"]
    (outcome,) = scene.publish(second)
    assert outcome.result == "erased"
    (outcome,) = scene.publish(indicator("one", version=2))
    assert outcome.result == "accepted"
    ledger.verify(node)


def test_one_senders_copy_goes_and_the_others_keep_theirs(node: Node) -> None:
    """Bytes that two copies share stay that of the other; an address of ours is not touched."""
    scene = Scene.set_up(node)
    scene.post("b", address("203.0.113.9"))
    scene.publish(address("203.0.113.9"))
    erasing.erase(node, address("203.0.113.9")["id"], origin="b", by="anna", reason="their wish")
    assert scene.names("c") == ["203.0.113.9"]
    assert where_found(node, "203.0.113.9") == ["renditions.body"]
    with node.database.reading() as tx:
        rows = tx.execute(
            select(objects.c.origin, renditions.c.body)
            .join(renditions, renditions.c.id == objects.c.rendition)
            .where(objects.c.type == "ipv4-addr")
        )
        bodies = {row[0]: row[1] for row in rows}
    assert bodies[scene.partner("b")] == ERASED_BODY
    (outcome,) = scene.post("b", address("203.0.113.9"))
    assert outcome.result == "erased"
    (outcome,) = scene.publish(address("203.0.113.9", tlp="clear"))
    assert outcome.result == "accepted"
    ledger.verify(node)


def test_derivatives_go_with_what_they_were_made_of(node: Node) -> None:
    """What was shown in its place says what is left of it: that goes too, and its id is still nobody else's."""
    scene = Scene.set_up(node)
    scene.apply("c", WITHOUT_DESCRIPTIONS)
    one = indicator(f"name {CANARY}", description="withheld")
    scene.publish(one)
    (shown,) = [seen for seen in scene.sees("c") if seen["type"] == "indicator"]
    assert shown["id"] != one["id"]
    done = erasing.erase(node, one["id"], by="anna", reason="on request")
    assert done.derivatives == 1
    assert where_found(node, CANARY) == []
    assert scene.names("c") == []
    (outcome,) = scene.post("b", indicator("guess", by=B_IDENTITY, id=shown["id"]))
    assert outcome.result == "proposal"
    ledger.verify(node)


def test_what_needs_it_goes_from_view_and_is_named(node: Node) -> None:
    """The order says whose bytes still name the id."""
    scene = Scene.set_up(node)
    one, two = indicator("one"), malware("two")
    tie = relationship(one, two)
    scene.publish(one, two, tie)
    done = erasing.erase(node, one["id"], by="anna", reason="on request")
    assert done.named_by == (tie["id"],)
    assert scene.names("b") == ["two"]
    ledger.verify(node)


def test_what_names_an_erased_creator_is_seen_as_before(node: Node) -> None:
    """A creator that is not held may dangle: erasing who made them takes nothing else from anybody."""
    scene = Scene.set_up(node)
    who = identity(THIRD_IDENTITY, CANARY, tlp="green")
    scene.publish(who, indicator("one", by=THIRD_IDENTITY))
    assert scene.names("b") == ["one"]
    done = erasing.erase(node, THIRD_IDENTITY, by="anna", reason="a person's wish")
    assert done.named_by == (indicator("one")["id"],)
    assert scene.names("b") == ["one"]
    assert THIRD_IDENTITY not in scene.ids("b")
    assert where_found(node, CANARY) == []
    ledger.verify(node)


def test_refused_input_under_the_id_goes_too(node: Node) -> None:
    """What is kept aside of bad input quotes the content."""
    scene = Scene.set_up(node)
    scene.post("b", indicator("theirs", by=B_IDENTITY))
    scene.post("b", indicator("theirs", by=B_IDENTITY, description=CANARY))  # other content
    assert where_found(node, CANARY) == ["quarantine.raw", "renditions.body"]
    erasing.erase(node, indicator("theirs")["id"], by="anna", reason="on request")
    assert where_found(node, CANARY) == []


def test_a_legal_hold_keeps_anybody_from_erasing(node: Node) -> None:
    """Until it is lifted; what it covers may be out of every view meanwhile."""
    scene = Scene.set_up(node)
    one = indicator("one", description=CANARY)
    scene.publish(one)
    number = legal_holds.place(node, stix_id=one["id"], by="court", reason="case 17")
    with pytest.raises(InputRefused, match=rf"legal hold {number} .* placed by court"):
        erasing.erase(node, one["id"], by="anna", reason="on request")
    assert where_found(node, CANARY) == ["renditions.body"]
    assert scene.names("b") == ["one"]
    legal_holds.lift(node, number, by="court", reason="closed")
    erasing.erase(node, one["id"], by="anna", reason="on request")
    assert where_found(node, CANARY) == []
    with pytest.raises(NotFound):
        legal_holds.lift(node, number, by="court", reason="twice")


@pytest.mark.parametrize(
    "stix_id", ["marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487", OWN_IDENTITY]
)
def test_what_the_node_stands_on_is_not_erased(node: Node, stix_id: str) -> None:
    """TLP's definitions, and who we are."""
    Scene.set_up(node)
    with pytest.raises(InputRefused, match="stands on it"):
        erasing.erase(node, stix_id, by="anna", reason="on request")


def _tampered(node: Node, statement: Any) -> None:
    engine = create_engine(node.database.url, poolclass=NullPool)
    with engine.begin() as tx:
        if tx.dialect.name == "postgresql":
            tx.execute(text("SET LOCAL session_replication_role = replica"))
        tx.execute(statement)


@pytest.mark.parametrize(
    "fault", ["a salt less", "a log salt less", "told away", "bytes back", "bytes away"]
)
def test_a_change_that_is_dressed_up_as_an_erasure_is_found(node: Node, fault: str) -> None:
    """Who takes a salt away to hide what he changed needs a line of the ledger, which he cannot write."""
    scene = Scene.set_up(node)
    one, two = indicator("one"), indicator("two")
    scene.publish(one)
    scene.publish(two)
    erasing.erase(node, one["id"], by="anna", reason="on request")
    ledger.seal(node)
    ledger.verify(node)
    with node.database.reading() as tx:
        kept, gone = (
            tx.execute(
                select(objects.c.id).where(
                    objects.c.status == status, objects.c.type == "indicator"
                )
            ).scalar_one()
            for status in ("accepted", "erased")
        )
        line = tx.execute(
            select(ledger_lines.c.body).where(ledger_lines.c.body.contains('"kind":"erase"'))
        ).scalar_one()
    assert line
    statements = {
        "a salt less": update(objects)
        .where(objects.c.id == kept)
        .values(salt=None, commitment=bytes(32)),
        "a log salt less": update(release_log)
        .where(release_log.c.object == kept)
        .values(salt=None, commitment=bytes(32)),
        "told away": erased_objects.delete().where(erased_objects.c.object == gone),
        "bytes back": update(renditions).where(renditions.c.body == ERASED_BODY).values(body="{ }"),
        "bytes away": update(renditions)
        .where(renditions.c.body.contains('"two"'))
        .values(body=ERASED_BODY),
    }
    _tampered(node, statements[fault])
    with pytest.raises(EvidenceBroken):
        ledger.verify(node)


def test_the_files_hold_nothing_of_it_once_they_are_made_anew(sqlite_node: Node) -> None:
    """Neither the database nor its log; unused places of pages included."""
    scene = Scene.set_up(sqlite_node)
    for number in range(60):
        scene.publish(indicator(f"one {number}", description=f"{CANARY} {number} " * 40))
    path = sqlite_node.database.path
    assert path is not None
    for number in range(60):
        erasing.erase(sqlite_node, indicator(f"one {number}")["id"], by="anna", reason="test")
    sqlite_node.database.dispose()
    assert residues.forget_freed(sqlite_node.database)
    assert CANARY.encode() not in _raw(path)
    residues.rewrite(sqlite_node.database)
    assert CANARY.encode() not in _raw(path)
    ledger.verify(sqlite_node)


def _raw(path: Path) -> bytes:
    return b"".join(
        file.read_bytes() for file in path.parent.iterdir() if file.name.startswith(path.stem)
    )


def test_rewriting_works_on_both_engines(node: Node) -> None:
    """The database's files are made anew, and hold what they held."""
    scene = Scene.set_up(node)
    scene.publish(indicator("one"), indicator("two"))
    erasing.erase(node, indicator("one")["id"], by="anna", reason="test")
    residues.rewrite(node.database)
    assert scene.names("b") == ["two"]
    ledger.verify(node)
    assert sqlite3.sqlite_version_info >= (3, 35)
