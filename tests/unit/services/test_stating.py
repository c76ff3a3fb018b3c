"""What our statements commit to, and what a receipt is compared with: exactly the lines in force, whatever else was made ahead."""

from __future__ import annotations

import os
from typing import Any

import pytest
from sqlalchemy import delete, select
from tests.scenes import Scene, indicator

from cert_exchange.messages.deliveries import Way, split
from cert_exchange.messages.evidence import SALT_BYTES
from cert_exchange.messages.keys import make_signing_key, public_text
from cert_exchange.node import Node
from cert_exchange.services import deliveries, erasing, releasing, signing
from cert_exchange.services.deliveries import Span, Told, committing
from cert_exchange.services.deliveries.checking import CLOSED
from cert_exchange.store import delivered
from cert_exchange.store import deliveries as rows_of
from cert_exchange.store.statements import parts
from cert_exchange.store.tables import delivery_blocks, delivery_leaves, delivery_statements, live


@pytest.fixture
def scene(node: Node) -> Scene:
    return Scene.set_up(node)


def told(scene: Scene, after: Told | None = None) -> Told:
    span = Span(scene.partner("b"), scene.collection("indicators"), "u", Way.SERVED, "u", after=0)
    has = None if after is None else (after.row.seq, after.row.digest)
    found = deliveries.tell_next(scene.node, span, has)
    assert found is not None
    return found


def positions(scene: Scene) -> list[int]:
    """Of the lines in force, in order."""
    with scene.node.database.reading() as tx:
        view = scene.view("b")
        found = tx.execute(select(live.c.position).where(live.c.view == view))
        return sorted(found.scalars())


def made(scene: Scene) -> dict[int, tuple[bytes, bytes]]:
    """Position -> leaf and salt, of what was made ahead."""
    with scene.node.database.reading() as tx:
        c = delivery_leaves.c
        rows = tx.execute(select(c.position, c.leaf, c.salt).where(c.view == scene.view("b")))
        return {row[0]: (bytes(row[1]), bytes(row[2])) for row in rows}


def make_all(scene: Scene) -> None:
    view, upto = scene.view("b"), positions(scene)[-1]
    scene.node.database.transact(lambda tx: committing.make(tx, view, after=0, upto=upto))


def test_leaves_and_salts_come_byte_for_byte_in_their_order(scene: Scene) -> None:
    """Bytes that are no text, zeros among them, are put together by the database as they are."""
    scene.publish(*[indicator(f"n{n}") for n in range(6)])
    make_all(scene)
    strange = [bytes(32), b"\xff" * 32, b"\x00\xc3\x28" * 10 + b"\x00\x00", b"'\"\\\n\r\t%:" * 4]

    def work(tx: Any) -> None:
        c = delivery_leaves.c
        for place, leaf in zip(positions(scene), strange, strict=False):
            tx.execute(
                delivery_leaves.update()
                .where(c.view == scene.view("b"), c.position == place)
                .values(leaf=leaf, salt=leaf[:16])
            )

    scene.node.database.transact(work)
    found = told(scene)
    rows = [made(scene)[place] for place in positions(scene)]
    assert split(found.row.leaves) == [leaf for leaf, _ in rows]
    assert found.salts == b"".join(salt for _, salt in rows)
    assert strange == split(found.row.leaves)[: len(strange)]


def test_what_was_made_ahead_and_taken_back_is_never_taken_for_what_is_in_force(
    scene: Scene,
) -> None:
    """As many rows as lines, with positions of the same sum, are not yet the same ones."""
    scene.publish(*[indicator(f"n{n}") for n in range(4)])
    make_all(scene)
    right = made(scene)
    lines = positions(scene)
    first, second, third, last = lines[-4:]
    assert first + last == second + third
    seen = dict(zip(lines, scene.ids("b", last=False), strict=True))
    for place in (first, last):
        releasing.withdraw(scene.node, seen[place], by="x", reason="x")
    scene.node.database.transact(
        lambda tx: tx.execute(
            delete(delivery_leaves).where(delivery_leaves.c.position.in_([second, third]))
        )
    )
    still = positions(scene)[: len(lines) - 2]
    assert still[-2:] == [second, third]
    assert split(told(scene).row.leaves)[: len(still)] == [right[place][0] for place in still]


def test_thousands_of_lines_that_were_taken_back_do_not_hinder_a_statement(scene: Scene) -> None:
    """Their rows stay; positions are micros since 1970, of which 5,137 add up to more than SQLite's integers hold."""
    scene.publish(indicator("x"))
    make_all(scene)
    view, first = scene.view("b"), positions(scene)[0]
    rows = [
        {"view": view, "position": first - 1 - n, "leaf": os.urandom(32), "salt": bytes(16)}
        for n in range(6_000)
    ]

    def work(tx: Any) -> None:
        for part in parts(rows):
            tx.execute(delivery_leaves.insert(), part)

    scene.node.database.transact(work)
    found = told(scene)
    assert len(split(found.row.leaves)) == len(positions(scene))
    assert split(deliveries.tell_again(scene.node, found.row).row.leaves) == split(found.row.leaves)


def blocks(scene: Scene) -> list[Any]:
    with scene.node.database.reading() as tx:
        return list(tx.execute(select(delivery_blocks).order_by(delivery_blocks.c.after)))


def pinned(scene: Scene) -> Scene:
    """The worker makes ahead for partners whose key is pinned."""
    key = make_signing_key(os.urandom(32), since=0)
    signing.pin(scene.node, "b", public_text(key.public), by="x")
    return scene


def test_a_statement_refers_to_the_block_of_its_span(scene: Scene) -> None:
    """It commits to the same as one that joins the lines itself, opens the same, and holds them no second time."""
    pinned(scene).publish(*[indicator(f"n{n}") for n in range(7)])
    lines = positions(scene)
    deliveries.make_ahead(scene.node, block=3)
    assert [(row.after, row.upto, row.lines) for row in blocks(scene)][:2] == [
        (0, lines[2], 3),
        (lines[2], lines[5], 3),
    ]
    found = told(scene)
    rows = made(scene)
    assert (found.row.after, found.row.upto, found.row.block) == (0, lines[2], blocks(scene)[0].id)
    assert split(found.row.leaves) == [rows[place][0] for place in lines[:3]]
    assert found.salts == b"".join(rows[place][1] for place in lines[:3])
    with scene.node.database.reading() as tx:
        [kept] = tx.execute(select(delivery_statements.c.leaves)).scalars()
    assert bytes(kept) == b""
    assert deliveries.tell_again(scene.node, found.row) == found


def test_what_is_left_of_a_log_at_rest_is_put_together_too(scene: Scene) -> None:
    """A shorter block; when the log grows again a longer one takes its place, and statements lose nothing by it."""
    pinned(scene).publish(*[indicator(f"n{n}") for n in range(2)])
    lines = positions(scene)
    deliveries.make_ahead(scene.node, block=9, least=len(lines) + 1, at_rest=0)
    deliveries.make_ahead(scene.node, block=9, least=len(lines))
    assert blocks(scene) == []
    deliveries.make_ahead(scene.node, block=9, least=len(lines), at_rest=0)
    [tail] = blocks(scene)
    assert (tail.after, tail.lines) == (0, len(lines))
    found = told(scene)
    assert found.row.block == tail.id
    scene.publish(*[indicator(f"m{n}") for n in range(9)])
    following = told(scene, after=found)
    assert (following.row.after, following.row.block) == (found.row.upto, None)
    deliveries.make_ahead(scene.node, block=9, least=1, at_rest=0)
    whole, rest = blocks(scene)
    every = positions(scene)
    assert [(whole.after, whole.lines), (rest.after, rest.lines)] == [
        (0, 9),
        (every[8], len(every) - 9),
    ]
    with scene.node.database.reading() as tx:
        row = rows_of.by_numbers(tx, [found.row.id])[found.row.id]
    assert (row.block, row.leaves) == (None, found.row.leaves)
    again = deliveries.tell_again(scene.node, row)
    assert (again.row.leaves, again.salts) == (found.row.leaves, found.salts)
    assert deliveries.make_ahead(scene.node, block=9, least=1, at_rest=0) == 0
    assert blocks(scene) == [whole, rest]


def test_a_block_of_which_a_line_was_taken_back_is_not_stated(scene: Scene) -> None:
    """The statement ends where the block does, and commits to what is in force of it, whose leaves it holds itself."""
    pinned(scene).publish(*[indicator(f"n{n}") for n in range(4)])
    lines = positions(scene)
    deliveries.make_ahead(scene.node, block=len(lines) - 1)
    seen = dict(zip(lines, scene.ids("b", last=False), strict=True))
    rows = made(scene)
    releasing.withdraw(scene.node, seen[lines[-2]], by="x", reason="x")
    found = told(scene)
    assert (found.row.upto, found.row.block) == (lines[-2], None)
    assert split(found.row.leaves) == [rows[place][0] for place in lines[:-2]]


def test_a_block_of_which_nothing_is_in_force_does_not_end_the_statements(scene: Scene) -> None:
    """What stands behind it is stated."""
    pinned(scene).publish(indicator("x"))
    lines = positions(scene)
    deliveries.make_ahead(scene.node, block=len(lines))
    scene.node.database.transact(lambda tx: tx.execute(live.delete()))
    scene.publish(indicator("y"))
    found = told(scene)
    assert len(split(found.row.leaves)) == len(positions(scene)) > 0
    assert found.row.upto > lines[-1]


def test_an_own_line_among_them_is_not_stated_to_its_partner(scene: Scene) -> None:
    """A block counts everybody's lines; a statement none that came from who is told."""
    pinned(scene).publish(*[indicator(f"n{n}") for n in range(3)])
    lines = positions(scene)
    scene.node.database.transact(
        lambda tx: tx.execute(
            live.update().where(live.c.position == lines[1]).values(origin=scene.partner("b"))
        )
    )
    deliveries.make_ahead(scene.node, block=3)
    found = told(scene)
    assert found.row.block is None
    assert split(found.row.leaves) == [made(scene)[place][0] for place in (lines[0], lines[2])]


def test_erasure_closes_the_block_and_leaves_what_was_signed(scene: Scene) -> None:
    """What opens any commitment of the block goes with the first salt; the commitments stay as they were signed."""
    pinned(scene).publish(*[indicator(f"n{n}") for n in range(3)])
    lines = positions(scene)
    deliveries.make_ahead(scene.node, block=len(lines))
    found = told(scene)
    assert found.row.block is not None
    erasing.erase(scene.node, scene.ids("b", last=False)[-1], by="x", reason="asked for")
    assert blocks(scene)[0].salts is None
    with scene.node.database.reading() as tx:
        row = rows_of.by_numbers(tx, [found.row.id])[found.row.id]
    assert row.leaves == found.row.leaves
    again = deliveries.tell_again(scene.node, row)
    assert again.salts == found.salts[:-SALT_BYTES] + CLOSED


def test_a_batch_ends_with_the_last_line_that_it_has_room_for(scene: Scene) -> None:
    """With as many lines as there is room for, and with fewer, it ends at the head."""
    scene.publish(*[indicator(f"n{n}") for n in range(4)])
    lines = positions(scene)
    head = lines[-1] + 1_000

    def end(limit: int, *, after: int = 0, partner: int = -1) -> int:
        with scene.node.database.reading() as tx:
            return delivered.end_of_batch(
                tx, scene.view("b"), after=after, head=head, partner=partner, limit=limit
            )

    assert end(1) == lines[0]
    assert end(len(lines) - 1) == lines[-2]
    assert end(len(lines)) == head
    assert end(len(lines) + 1) == head
    assert end(1, after=lines[0]) == lines[1]
    assert end(1, after=lines[-1]) == head
    with scene.node.database.reading() as tx:
        own = tx.execute(select(live.c.origin).limit(1)).scalar_one()
    assert end(1, partner=own) == head
