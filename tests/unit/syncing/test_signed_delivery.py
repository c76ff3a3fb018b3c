"""Signed delivery and receipts between two nodes of ours, with what may happen on the way."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from tests.conftest import Wall
from tests.scenes import OWN_IDENTITY, Scene, address, indicator, uid
from tests.unit.syncing.conftest import quarantined
from tests.unit.syncing.peers import (
    Channel,
    altered,
    as_b,
    channel_between,
    public_key,
)

from cert_exchange.errors import SignatureBroken
from cert_exchange.messages.deliveries import (
    Ended,
    Receipt,
    Way,
    read_receipt,
    split,
    text_digest,
)
from cert_exchange.messages.evidence import decode_line
from cert_exchange.messages.key_lists import write_list
from cert_exchange.messages.keys import make_signing_key
from cert_exchange.messages.signatures import verify
from cert_exchange.node import Node
from cert_exchange.services import (
    deliveries,
    doctoring,
    erasing,
    freezing,
    ledger,
    partners,
    releasing,
    signing,
    syncing,
)
from cert_exchange.services.deliveries import OTHER_CONTENT, Span
from cert_exchange.services.syncing.vouching import UNSIGNED
from cert_exchange.stix.instants import format_micros
from cert_exchange.store import deliveries as rows
from cert_exchange.store import partner_keys
from cert_exchange.store.statement_rows import StatementRow
from cert_exchange.store.tables import (
    delivered,
    delivery_leaves,
    delivery_statements,
    identifiers,
    ledger_lines,
    memberships,
    objects,
    release_log,
    sources,
)


@pytest.fixture
def node(either_node: Node) -> Node:
    """One engine: what is looked at here is not SQL's."""
    return either_node


@pytest.fixture
def channel(node: Node, new_node: Any, wall: Wall, tmp_path: Path) -> Iterator[Channel]:
    """A on both engines, B on the same one, each knowing the other's key."""
    other = as_b(new_node(node.database.dialect, "b"), wall)
    try:
        with channel_between(node, other, tmp_path) as made:
            yield made
    finally:
        other.close()


def statements(scene: Scene, partner: str, *, ours: bool) -> list[StatementRow]:
    with scene.node.database.reading() as tx:
        return rows.listing(tx, partner=scene.partner(partner), ours=ours)[::-1]


def receipts(channel: Channel) -> list[Receipt]:
    """B's receipts as A has them, each verified once more."""
    with channel.a.node.database.reading() as tx:
        keys = partner_keys.keys_of(tx, channel.a.partner("b"))
    return [
        read_receipt(verify(row.receipt, keys, channel.a.node.now()))
        for row in statements(channel.a, "b", ours=True)
        if row.receipt is not None
    ]


def covered(scene: Scene) -> set[str]:
    """Names or ids of what B holds that a statement covers."""
    with scene.node.database.reading() as tx:
        found = tx.execute(
            select(identifiers.c.stix_id)
            .join(objects, objects.c.ident == identifiers.c.num)
            .join(delivered, delivered.c.object == objects.c.id)
        )
        return set(found.scalars())


def held(scene: Scene) -> set[str]:
    """Ids of what B holds from A."""
    with scene.node.database.reading() as tx:
        found = tx.execute(
            select(identifiers.c.stix_id)
            .join(objects, objects.c.ident == identifiers.c.num)
            .where(objects.c.origin == scene.partner("a"))
        )
        return set(found.scalars())


def kinds(scene: Scene) -> list[str]:
    with scene.node.database.reading() as tx:
        bodies = tx.execute(select(ledger_lines.c.body).order_by(ledger_lines.c.id)).scalars()
        return [decode_line(body).kind for body in bodies]


def ids(*made: dict[str, Any]) -> set[str]:
    return {one["id"] for one in made}


def tampers(document: Any, name: str, **changes: Any) -> None:
    for one in document.get("objects", []):
        if one.get("name") == name:
            one.update(changes)


def test_what_is_pulled_is_signed_and_receipted(channel: Channel) -> None:
    """Every object is covered by a statement of A's, A has B's receipt for each, and both ledgers tell of it."""
    made = [indicator(f"n{n}") for n in range(5)]
    channel.a.publish(*made, address("198.51.100.9"))
    channel.source(limit=2)
    report = channel.pull()
    assert report.ok, report
    assert report.counts["signed"] == report.counts["received"] > 5
    assert report.counts["unsigned"] == 0
    assert covered(channel.b) == held(channel.b) >= ids(*made)
    # Once a run, whatever the number of pages; once more, with ids, for what is held from elsewhere (TLP's definitions).
    assert channel.to_a.count("statements") == 2
    (row,) = statements(channel.a, "b", ours=True)
    (receipt,) = receipts(channel)
    assert receipt.statement == row.digest == text_digest(row.text)
    assert receipt.outcomes == ((report.counts["received"], Ended.RECEIVED),)
    (theirs,) = statements(channel.b, "a", ours=False)
    assert (theirs.text, theirs.receipt, theirs.handed_over_at is not None) == (
        row.text, row.receipt, True
    )  # fmt: skip
    assert kinds(channel.a).count("receipt.received") == kinds(channel.a).count("statement") == 1
    assert kinds(channel.b).count("receipt") == kinds(channel.b).count("statement.received") == 1
    for scene in (channel.a, channel.b):
        ledger.seal(scene.node)
        ledger.verify(scene.node)


def test_a_run_that_brings_nothing_asks_for_no_statement(channel: Channel) -> None:
    """An idle poll costs what it cost before."""
    channel.a.publish(indicator("x"))
    channel.source()
    channel.pull()
    before = list(channel.to_a.seen)
    assert channel.pull().ok
    assert channel.to_a.seen[len(before) :] == ["objects"]


def test_statements_are_chained(channel: Channel) -> None:
    """Each names the one before, and so do receipts; nothing is covered twice or left out."""
    channel.source()
    for number in range(3):
        channel.a.publish(indicator(f"n{number}"))
        assert channel.pull().ok
    assert channel.to_a.count("statements") == 4
    ours = statements(channel.a, "b", ours=True)
    assert [row.seq for row in ours] == [1, 2, 3]
    assert [row.after for row in ours[1:]] == [row.upto for row in ours[:-1]]
    got = receipts(channel)
    assert [one.statement for one in got] == [row.digest for row in ours]
    assert [one.previous for one in got[1:]] == [text_digest(str(row.receipt)) for row in ours[:-1]]


def test_an_object_that_was_altered_on_its_way_is_not_taken_in(channel: Channel) -> None:
    """It stands in the quarantine; the others come in; both sides know of it."""
    channel.a.publish(indicator("good"), indicator("bad"))
    channel.to_a.answers["objects"] = altered(
        lambda page: tampers(page, "bad", pattern="[ipv4-addr:value = '203.0.113.1']")
    )
    channel.source()
    report = channel.pull()
    assert report.ok
    assert (report.counts["rejected"], report.counts["unsigned"]) == (1, 0)
    bad = indicator("bad")["id"]
    assert (("rejected", bad, OTHER_CONTENT)) in quarantined(channel.b.node)
    assert bad not in held(channel.b)
    (receipt,) = receipts(channel)
    assert receipt.total(Ended.DIFFERS) == 1
    assert [row.wrong for row in statements(channel.a, "b", ours=True)] == [1]


def test_what_was_altered_while_its_statement_was_kept_away_leaves_use_when_that_comes(
    channel: Channel,
) -> None:
    """Taken in unsigned, as the report says; the statement comes, and the object is in no view and named."""
    bad = indicator("bad")
    channel.a.publish(indicator("good"), bad, indicator("lost"))

    def tamper(page: Any) -> None:
        tampers(page, "bad", pattern="[ipv4-addr:value = '203.0.113.1']")
        page["objects"] = [one for one in page["objects"] if one.get("name") != "lost"]

    channel.to_a.answers["objects"] = altered(tamper)
    channel.to_a.answers["statements"] = lambda _: b"{}"
    channel.source()
    report = channel.pull()
    assert "3 unsigned" in report.outcome  # TLP's definition needs no statement
    assert bad["id"] in held(channel.b)
    assert in_use(channel.b, bad["id"])
    channel.to_a.answers.clear()
    report = channel.pull()
    assert report.ok
    assert not in_use(channel.b, bad["id"])
    assert in_use(channel.b, indicator("good")["id"])
    assert ("rejected", bad["id"], OTHER_CONTENT) in quarantined(channel.b.node)
    (note,) = [one for one in report.notes if "did not come as signed" in one]
    assert f"{bad['id']} differs" in note
    assert f"{indicator('lost')['id']} missing" in note
    (receipt,) = receipts(channel)
    assert (receipt.total(Ended.DIFFERS), receipt.total(Ended.MISSING)) == (1, 1)
    assert kinds(channel.b).count("statement.differs") == 1


def test_an_object_that_was_put_in_between_is_unsigned(channel: Channel) -> None:
    """It is taken in as such; with `require` it stays outside, and comes in once it is signed."""
    added = indicator("added")

    def put(page: Any) -> None:
        page.setdefault("objects", []).append(added)

    channel.a.publish(indicator("good"))
    channel.to_a.answers["objects"] = altered(put)
    channel.source(statements="require")
    report = channel.pull()
    assert report.counts["unsigned"] == 1
    assert added["id"] not in held(channel.b)
    assert ("rejected", added["id"], UNSIGNED) in quarantined(channel.b.node)
    channel.to_a.answers.clear()
    channel.a.publish(added)
    assert channel.pull().counts["signed"] == 1
    assert added["id"] in covered(channel.b)


def test_without_require_an_unsigned_object_comes_in_and_is_known_as_such(channel: Channel) -> None:
    """What no statement covers is held, and covered by none."""
    added = indicator("added")
    channel.a.publish(indicator("good"))
    channel.to_a.answers["objects"] = altered(lambda page: page["objects"].append(added))
    channel.source()
    assert channel.pull().counts["unsigned"] == 1
    assert held(channel.b) - covered(channel.b) == {added["id"]}


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (lambda d: d.update(statement=d["statement"][:-86] + "A" * 86), "does not fit"),
        (lambda d: shorten(d, 1), "not those that were signed"),
        (lambda d: d.update(leaves="AAAA" + d["leaves"][4:]), "not those that were signed"),
        (lambda d: d.update(leaves=turned(d["leaves"])), "not those that were signed"),
        (lambda d: d.update(salts="x"), "without its commitments"),
        (lambda d: d.update(salts="AAAA"), "not those that were signed"),
        (lambda d: d.pop("salts"), "without its commitments"),
        (lambda d: d.update(leaves="", salts=""), "not those that were signed"),
        (lambda d: d.update(entries="x"), "without its commitments"),
        (lambda d: d.update(entries=[[7]]), "cannot be read"),
        (lambda d: d.update(statement="a.b"), "no compact JWS"),
    ],
)
def test_a_broken_statement_ends_the_run(channel: Channel, fault: Any, said: str) -> None:
    """Nothing of the page comes in, the cursor stays, the text is kept; afterwards all goes on."""
    channel.a.publish(indicator("x"), indicator("y"))
    channel.to_a.answers["statements"] = altered(fault)
    channel.source()
    for _ in range(2):
        report = channel.pull()
        assert not report.ok
        assert said in report.outcome
        assert held(channel.b) == set()
    assert [kind for kind, _, _ in quarantined(channel.b.node)] == ["statement"]
    assert kinds(channel.b).count("statement.broken") == 1
    channel.to_a.answers.clear()
    assert channel.pull().ok
    assert covered(channel.b) == held(channel.b) >= ids(indicator("x"), indicator("y"))


def shorten(document: Any, by: int) -> None:
    """Leave the last commitments out, with their salts."""
    for name, width in (("leaves", 32), ("salts", 16)):
        raw = b64decode(document[name])
        document[name] = b64encode(raw[: -width * by]).decode()


def turned(leaves: str) -> str:
    """The same commitments in another order."""
    return b64encode(b"".join(split(b64decode(leaves))[::-1])).decode()


def test_what_opens_a_commitment_proves_itself(channel: Channel) -> None:
    """Ids and salts are not signed: other ones fit nothing, and then the object counts as altered."""

    def confuse(document: Any) -> None:
        if "salts" in document:
            document["salts"] = b64encode(b"\x01" * len(b64decode(document["salts"]))).decode()
        for entry in document.get("entries", ()):
            entry[3] = "01" * 16

    channel.a.publish(indicator("x"))
    channel.to_a.answers["statements"] = altered(confuse)
    channel.source()
    report = channel.pull()
    assert report.counts["signed"] == 0
    assert indicator("x")["id"] not in held(channel.b)


def test_a_forked_history_is_found(channel: Channel, wall: Wall) -> None:
    """A that tells B one thing and later another under the same number is refused, and the evidence kept."""
    channel.source()
    channel.a.publish(indicator("x"))
    channel.pull()
    with channel.a.node.database.reading() as tx:
        before = rows.listing(tx)[0]
    # A's store as it would be if statement 1 had never been made, and another were made in its place.
    channel.a.node.database.transact(
        lambda tx: tx.execute(
            update(delivery_statements)
            .where(delivery_statements.c.id == before.id)
            .values(digest=bytes(32))
        )
    )
    channel.a.publish(indicator("y"))
    report = channel.pull()
    assert not report.ok
    assert "forked" in report.outcome
    assert indicator("y")["id"] not in held(channel.b)


def test_a_run_that_was_cut_off_is_receipted_by_the_next(channel: Channel) -> None:
    """Between the statement and the second page the line dies; the next run asks for the same statement again."""
    channel.a.publish(*[indicator(f"n{n}") for n in range(6)])
    channel.source(limit=2)
    pages = 0

    def die(body: bytes) -> bytes:
        nonlocal pages
        pages += 1
        return body if pages == 1 else b"{"

    channel.to_a.answers["objects"] = die
    assert not channel.pull().ok
    assert statements(channel.b, "a", ours=False)[0].receipt is None
    channel.to_a.answers.clear()
    assert channel.pull().ok
    (receipt,) = receipts(channel)
    assert {ended for _, ended in receipt.outcomes} == {Ended.RECEIVED}
    assert covered(channel.b) == held(channel.b)
    assert len(statements(channel.a, "b", ours=True)) == 1


@pytest.mark.parametrize("lost", ["statements", "receipts"])
def test_a_lost_answer_costs_nothing(channel: Channel, lost: str) -> None:
    """Done, but the answer did not come: the next run ends with one statement and its one receipt."""
    channel.a.publish(indicator("x"))
    channel.source()
    channel.to_a.lose.add(lost)
    channel.pull()
    assert channel.pull().ok
    assert len(statements(channel.a, "b", ours=True)) == 1
    assert len(receipts(channel)) == 1
    (theirs,) = statements(channel.b, "a", ours=False)
    assert theirs.handed_over_at is not None


def test_what_was_replaced_or_taken_back_meanwhile_is_not_missing(channel: Channel) -> None:
    """Between statement and page a newer version came and another object was withdrawn: nothing is wrong."""
    channel.a.publish(indicator("new"), indicator("gone"), indicator("stays"))
    channel.source(limit=1)
    done = False

    def meanwhile(body: bytes) -> bytes:
        nonlocal done
        if not done:
            done = True
            channel.a.publish(indicator("new", version=1))
            releasing.withdraw(channel.a.node, indicator("gone")["id"], by="x", reason="x")
        return body

    channel.to_a.answers["statements"] = meanwhile
    assert channel.pull().ok
    assert channel.pull().ok
    for receipt in receipts(channel):
        assert receipt.total(Ended.MISSING) == 0
    assert sum(one.total(Ended.SUPERSEDED) for one in receipts(channel)) >= 1


def test_what_is_kept_from_us_is_missing(channel: Channel) -> None:
    """An object that a third hand dropped on its way is named in the receipt: its sender finds out."""
    channel.a.publish(indicator("x"), indicator("dropped"))

    def drop(page: Any) -> None:
        page["objects"] = [one for one in page["objects"] if one.get("name") != "dropped"]

    channel.to_a.answers["objects"] = altered(drop)
    channel.source()
    report = channel.pull()
    assert report.ok
    assert any("did not come as signed" in note for note in report.notes)
    (receipt,) = receipts(channel)
    assert receipt.total(Ended.MISSING) == 1


def test_a_refused_object_is_told_with_its_reason(channel: Channel) -> None:
    """The receipt says which one and why, as the status of a POST would."""
    channel.a.publish(indicator("x"))

    def spoil(page: Any) -> None:
        tampers(page, "x", pattern=7)

    channel.to_a.answers["objects"] = altered(spoil)
    channel.source()
    channel.pull()
    (receipt,) = receipts(channel)
    assert receipt.total(Ended.REFUSED) == 1
    assert "pattern" in receipt.reasons[0][1]


def test_a_rotated_key_is_followed_and_the_old_one_ends(channel: Channel, wall: Wall) -> None:
    """B learns of A's new key by itself; what the old one signs counts for the overlap, and no longer."""
    channel.source()
    channel.a.publish(indicator("x"))
    channel.pull()
    old = channel.a.node.secrets.signing_keys[0]
    fresh = signing.rotate(channel.a.node, by="x")
    channel.a.publish(indicator("y"))
    assert channel.pull().ok
    pinned = {one.key.kid: one for one in signing.pinned(channel.b.node)}
    assert pinned.keys() == {old.kid, fresh.kid}
    assert pinned[fresh.kid].vouched_by == old.kid
    assert pinned[old.kid].key.until == pytest.approx(
        channel.b.node.now() + signing.OVERLAP, abs=60_000_000
    )
    assert indicator("y")["id"] in covered(channel.b)


def test_a_replaced_key_vouches_for_nothing(channel: Channel) -> None:
    """Who stole the old key before it was replaced cannot lead B to a key of his own."""
    channel.source()
    channel.a.publish(indicator("x"))
    channel.pull()
    stolen = channel.a.node.secrets.signing_keys[0]
    signing.rotate(channel.a.node, by="x")
    channel.a.publish(indicator("y"))
    assert channel.pull().ok
    thief = make_signing_key(bytes(range(32)), since=0)
    forged = write_list(OWN_IDENTITY, [thief, stolen], now=channel.b.node.now())
    with pytest.raises(SignatureBroken, match="not pinned"):
        signing.follow(channel.b.node, channel.b.partner("a"), forged)


def test_a_key_that_a_person_ended_signs_nothing_more(channel: Channel) -> None:
    """A stolen key vouches for no other one either."""
    channel.source()
    channel.a.publish(indicator("x"))
    channel.pull()
    signing.end(channel.b.node, "a", channel.a.node.secrets.signing_keys[0].kid, by="x")
    signing.rotate(channel.a.node, by="the thief")
    channel.a.publish(indicator("y"))
    report = channel.pull()
    assert not report.ok
    assert "not pinned" in report.outcome
    signing.pin(channel.b.node, "a", public_key(channel.a.node), by="x")
    assert channel.pull().ok


def test_what_is_pushed_is_signed_and_receipted(channel: Channel) -> None:
    """One statement for the run, B's receipt in its answer, and every object covered at B."""
    made = [indicator(f"n{n}") for n in range(5)]
    channel.a.publish(*made)
    channel.target(batch_objects=2)
    report = channel.push()
    assert report.ok, report
    assert [one for one in report.notes if "in the clear" not in one] == []
    assert channel.to_b.count("deliveries") == 1
    (row,) = statements(channel.a, "b", ours=True)
    assert row.way is Way.PUSHED
    (receipt,) = receipts(channel)
    assert {ended for _, ended in receipt.outcomes} == {Ended.RECEIVED}
    assert covered(channel.b) == held(channel.b) >= ids(*made)
    channel.a.publish(indicator("more"))
    assert channel.push().ok
    assert [row.seq for row in statements(channel.a, "b", ours=True)] == [1, 2]
    assert channel.push().ok
    assert channel.to_b.count("deliveries") == 2


def test_what_was_altered_in_a_push_is_found(channel: Channel) -> None:
    """B took in what it could not know to be wrong: the statement takes it out of use, and A is told."""
    channel.a.publish(indicator("good"), indicator("bad"))
    channel.to_b.requests["objects"] = altered(
        lambda body: tampers(body, "bad", pattern="[ipv4-addr:value = '203.0.113.1']")
    )
    channel.target()
    report = channel.push()
    assert any("not there as we signed" in note for note in report.notes)
    (receipt,) = receipts(channel)
    assert receipt.total(Ended.DIFFERS) == 1
    bad = indicator("bad")["id"]
    assert bad not in covered(channel.b)
    assert ("rejected", bad, OTHER_CONTENT) in quarantined(channel.b.node)
    assert "statement.differs" in kinds(channel.b)
    assert in_use(channel.b, bad) == []
    assert len(in_use(channel.b, indicator("good")["id"])) == 1
    ledger.seal(channel.b.node)
    ledger.verify(channel.b.node)


def in_use(scene: Scene, stix_id: str) -> list[int]:
    """The versions of an id that stand in a collection."""
    with scene.node.database.reading() as tx:
        found = tx.execute(
            select(memberships.c.object)
            .join(objects, objects.c.id == memberships.c.object)
            .join(identifiers, identifiers.c.num == objects.c.ident)
            .where(identifiers.c.stix_id == stix_id, memberships.c.taken_back_at.is_(None))
        )
        return list(found.scalars())


def test_a_pushed_statement_whose_answer_was_lost_is_sent_again(channel: Channel) -> None:
    """The same statement, the same receipt."""
    channel.a.publish(indicator("x"))
    channel.target()
    channel.to_b.lose.add("deliveries")
    assert channel.push().ok
    assert receipts(channel) == []
    assert channel.push().ok
    assert len(receipts(channel)) == len(statements(channel.a, "b", ours=True)) == 1


def test_two_receipts_for_one_statement_are_not_believed(channel: Channel) -> None:
    """The first stands; the second is evidence against who signed it."""
    channel.a.publish(indicator("x"))
    channel.source()
    channel.pull()
    (row,) = statements(channel.b, "a", ours=False)
    other = resigned(channel, str(row.receipt), at=1)
    client = channel.a
    with pytest.raises(SignatureBroken, match="otherwise than the one before"):
        deliveries.take_receipt(client.node, client.partner("b"), {"receipt": other})
    assert [kind for kind, _, _ in quarantined(client.node)] == ["statement"]
    assert statements(client, "b", ours=True)[0].receipt == row.receipt


def resigned(channel: Channel, text: str, **changes: Any) -> str:
    """B signs another receipt."""
    from cert_exchange.messages.signatures import canonical, sign

    with channel.a.node.database.reading() as tx:
        keys = partner_keys.keys_of(tx, channel.a.partner("b"))
    content = {**verify(text, keys, channel.a.node.now()).content, **changes}
    return sign(canonical(content), channel.b.node.secrets.signing_keys[0])


def test_a_withdrawn_line_is_in_no_statement(channel: Channel) -> None:
    """Neither its id nor that it was there: what was taken back before it was fetched stays unknown (invariant 1)."""
    channel.a.publish(indicator("never"), indicator("x"))
    releasing.withdraw(channel.a.node, indicator("never")["id"], by="x", reason="x")
    told = next_of(channel, None)
    assert told is not None
    lines = len(told.row.leaves) // 32
    assert lines == len(channel.a.ids("b"))
    text = json.dumps(deliveries.tell_long(channel.a.node, told.row).document())
    assert indicator("never")["id"] not in text
    assert indicator("x")["id"] in text
    releasing.withdraw(channel.a.node, indicator("x")["id"], by="x", reason="x")
    again = deliveries.tell_long(channel.a.node, told.row)
    assert indicator("x")["id"] not in json.dumps(again.document())
    assert again.row.text == told.row.text
    short = deliveries.tell_again(channel.a.node, told.row)
    assert short.salts.count(bytes(16)) == lines - len(channel.a.ids("b"))


def next_of(channel: Channel, has: tuple[int, bytes] | None) -> deliveries.Told | None:
    scene = channel.a
    span = Span(scene.partner("b"), scene.collection("indicators"), "u", Way.SERVED, "u", after=0)
    return deliveries.tell_next(scene.node, span, has)


def test_the_long_form_raises_the_mark(channel: Channel) -> None:
    """It names ids: whoever asked for it may know them, and is told when they are taken back. The short form names none."""
    channel.a.publish(indicator("x"))
    told = next_of(channel, None)
    assert told is not None
    assert indicator("x")["id"] not in json.dumps(told.document())
    marks = channel.a.node.marks
    assert marks.reached(channel.a.partner("b"), channel.a.view("b")) == 0
    deliveries.tell_long(channel.a.node, told.row)
    assert marks.reached(channel.a.partner("b"), channel.a.view("b")) >= told.row.upto


def test_a_partner_cannot_make_us_say_that_we_were_restored(channel: Channel) -> None:
    """Who names statements that we never made is told nothing."""
    channel.a.publish(indicator("x"))
    assert next_of(channel, (9, bytes(32))) is None
    told = next_of(channel, None)
    assert told is not None
    assert told.row.seq == 1


def test_an_erased_salt_closes_a_commitment(channel: Channel) -> None:
    """Statement and root stay as they were; what was erased is named no more."""
    channel.a.publish(indicator("x"), indicator("y"))
    told = next_of(channel, None)
    assert told is not None
    erasing.erase(channel.a.node, indicator("x")["id"], by="x", reason="x")
    again = deliveries.tell_long(channel.a.node, told.row)
    named = {entry[1] for entry in again.entries if len(entry) > 1}
    assert indicator("y")["id"] in named
    assert indicator("x")["id"] not in named
    assert again.row.leaves == told.row.leaves
    with channel.a.node.database.reading() as tx:
        made = tx.execute(select(delivery_leaves.c.position)).scalars().all()
        salted = tx.execute(
            select(release_log.c.position).where(release_log.c.salt.is_not(None))
        ).scalars()
        assert set(made) <= set(salted)


def test_a_freeze_states_nothing(channel: Channel) -> None:
    """While what goes out is frozen, the peer face says so as the pages do."""
    channel.a.publish(indicator("x"))
    channel.source()
    freezing.freeze(channel.a.node, "b", by="x", reason="x")
    assert not channel.pull().ok
    assert statements(channel.a, "b", ours=True) == []


def test_without_a_pinned_key_nobody_is_asked(
    sqlite_node: Node, new_node: Any, wall: Wall, tmp_path: Path
) -> None:
    """A channel that knows no keys goes as before: pages only, and no statement is made."""
    other = as_b(new_node("sqlite", "b"), wall)
    with channel_between(sqlite_node, other, tmp_path, pinned=False) as channel:
        channel.a.publish(indicator("x"))
        channel.source()
        channel.target()
        report = channel.pull()
        assert report.ok
        assert report.counts["signed"] == report.counts["unsigned"] == 0
        channel.push()
        assert {"statements", "deliveries", "receipts"}.isdisjoint(
            channel.to_a.seen + channel.to_b.seen
        )
        assert statements(channel.a, "b", ours=True) == []
    other.close()


def test_require_without_a_key_takes_in_nothing(
    sqlite_node: Node, new_node: Any, wall: Wall, tmp_path: Path
) -> None:
    """The run says what is missing."""
    other = as_b(new_node("sqlite", "b"), wall)
    with channel_between(sqlite_node, other, tmp_path, pinned=False) as channel:
        channel.a.publish(indicator("x"))
        channel.source(statements="require")
        report = channel.pull()
        assert not report.ok
        assert "keys pin" in report.outcome
        assert held(channel.b) == set()
    other.close()


def test_a_receiver_that_lost_its_place_gets_all_statements_again(channel: Channel) -> None:
    """B's rows are gone, as after a restore: A tells its statements from the first one on, and B checks them all."""
    channel.source()
    for number in range(3):
        channel.a.publish(indicator(f"n{number}"))
        channel.pull()
    channel.b.node.database.transact(lambda tx: tx.execute(delivered.delete()))
    channel.b.node.database.transact(lambda tx: tx.execute(delivery_statements.delete()))
    channel.b.node.database.transact(
        lambda tx: tx.execute(update(sources).values(cursor=None, next_token=None))
    )
    assert channel.pull().ok
    assert covered(channel.b) == held(channel.b)
    assert [row.seq for row in statements(channel.b, "a", ours=False)] == [1, 2, 3]
    assert len(statements(channel.a, "b", ours=True)) == 3


def test_commitments_are_made_ahead_and_are_the_same(channel: Channel) -> None:
    """The worker's rows are those that a statement would make itself; a second look makes nothing."""
    channel.a.publish(*[indicator(f"n{n}") for n in range(4)])
    made = deliveries.make_ahead(channel.a.node)
    assert made == len(channel.a.ids("b"))
    assert deliveries.make_ahead(channel.a.node) == 0
    channel.a.publish(indicator("late"))
    told = next_of(channel, None)
    assert told is not None
    before = told.row.leaves
    channel.a.node.database.transact(lambda tx: tx.execute(delivery_leaves.delete()))
    again = deliveries.tell_again(channel.a.node, told.row)
    assert (again.row.leaves, again.salts) == (before, told.salts)


def test_nothing_is_made_ahead_where_nobody_asks(sqlite_node: Node) -> None:
    """A node whose partners have no pinned key writes no row."""
    scene = Scene.set_up(sqlite_node)
    scene.publish(indicator("x"))
    assert deliveries.make_ahead(sqlite_node) == 0


def test_a_suspension_of_receiving_takes_no_statement(channel: Channel) -> None:
    """What A pushes is refused as a whole, its statement too; nothing is lost."""
    channel.a.publish(indicator("x"))
    channel.target()
    assert channel.push().ok
    partners.suspend(channel.b.node, "a", by="x", direction=partners.Direction.RECEIVING)
    channel.a.publish(indicator("y"))
    assert not channel.push().ok
    partners.resume(channel.b.node, "a", by="x")
    assert channel.push().ok
    assert {indicator("x")["id"], indicator("y")["id"]} <= covered(channel.b)


@pytest.mark.parametrize("statements_wanted", ["", "require"])
def test_what_was_signed_at_its_first_arrival_is_signed_when_it_comes_again(
    channel: Channel, statements_wanted: str
) -> None:
    """TLP's definitions, and what our own desk has too: not unsigned after a reset, and no word of it from `doctor`."""
    both = indicator("both", by=f"identity--{uid('a vendor')}")
    channel.b.publish(both)
    channel.a.publish(indicator("x"), both)
    channel.source(**({"statements": statements_wanted} if statements_wanted else {}))
    first = channel.pull()
    assert first.counts["signed"] == first.counts["received"]
    assert both["id"] not in held(channel.b)  # as A's
    for _ in range(2):
        syncing.reset(channel.b.node, "from-a", by="tester")
        again = channel.pull()
        assert again.ok
        assert (again.counts["received"], again.counts["unsigned"]) == (first.counts["received"], 0)
        assert "unsigned" not in again.outcome
    assert quarantined(channel.b.node) == []
    assert [
        one.finding
        for one in doctoring.examine(channel.b.node, partner="a")
        if "nothing since" in one.finding
    ] == []
    channel.to_a.answers["statements"] = lambda _: b'{"statement": null}'
    syncing.reset(channel.b.node, "from-a", by="tester")
    assert (
        channel.pull().counts["unsigned"] == 1
    )  # `both`: a definition of TLP's needs no statement


def test_what_is_put_in_after_a_reset_is_unsigned_all_the_same(channel: Channel) -> None:
    """Statements of before are asked for again, and cover what they covered: nothing else."""
    added = indicator("added")
    channel.a.publish(indicator("x"))
    channel.source(statements="require")
    channel.pull()
    channel.to_a.answers["objects"] = altered(lambda page: page["objects"].append(added))
    syncing.reset(channel.b.node, "from-a", by="tester")
    assert channel.pull().counts["unsigned"] == 1
    assert ("rejected", added["id"], UNSIGNED) in quarantined(channel.b.node)
    assert added["id"] not in held(channel.b)


def test_doctor_says_who_signed_and_signs_no_more(channel: Channel) -> None:
    """Statements stop while objects come: said with the day and the number, until the next statement."""

    def said() -> list[str]:
        listed = doctoring.examine(channel.b.node, partner="a")
        return [one.finding for one in listed if "nothing since" in one.finding]

    channel.a.publish(indicator("signed"))
    channel.source()
    channel.pull()
    assert said() == []
    until = statements(channel.b, "a", ours=False)[0].at
    channel.to_a.answers["statements"] = lambda _: b'{"statement": null}'
    channel.a.publish(indicator("one"), indicator("two"))
    channel.pull()
    channel.a.publish(indicator("three"))
    channel.pull()
    (finding,) = said()
    assert format_micros(until) in finding
    assert finding.endswith("objects that came unsigned: 3")
    channel.to_a.answers.clear()
    channel.pull()
    assert said() == []
