"""Invariant 6, the part that a chain alone cannot hold: what we signed is what the ledger still says.

A chain shows that nothing was changed *in* it. Whoever may write the database can make another chain, from the first line to
the last; the heads that were signed before, and the tree that they stand for, say which was the first one.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, bindparam, delete, insert, select, update
from tests.conftest import Wall
from tests.invariants.test_6_ledger import TABLES, History, Row, write_history

from cert_exchange.errors import EvidenceBroken
from cert_exchange.messages import checkpoints as notes
from cert_exchange.messages import trees
from cert_exchange.messages.evidence import GENESIS, Line, chain_hash
from cert_exchange.messages.keys import make_signing_key
from cert_exchange.node import Node
from cert_exchange.services import ledger
from cert_exchange.services.ledger import checkpointing
from cert_exchange.signing_keys import add_signing_key
from cert_exchange.store.tables import (
    checkpoints,
    ledger_head,
    ledger_lines,
    ledger_tree,
)

HEAD_TABLES = (ledger_tree, checkpoints)


def record(node: Node, kind: str, *, by: str = "anna", **facts: str) -> None:
    """A line that tells of no rows, as `partner.suspend` is."""
    line = Line(kind, node.now(), by, facts=facts)
    node.database.transact(lambda tx: ledger.record(tx, line))


@pytest.fixture
def history(node: Node) -> History:
    write_history(node)
    for number in range(7):
        record(node, "partner.suspend", partner=f"p{number}")
        if number in (2, 4):
            checkpointing.issue(node)
    checkpointing.issue(node)
    record(node, "partner.resume", partner="p1")
    ledger.seal(node)
    with node.database.reading() as tx:
        rows = {
            table.name: [
                dict(row._mapping) for row in tx.execute(select(table).order_by(*table.primary_key))
            ]
            for table in (*TABLES, *HEAD_TABLES)
        }
    return History(node, None, rows)  # type: ignore[arg-type]  # no scene is needed here


def public(node: Node) -> list[bytes]:
    return [key.public for key in node.secrets.signing_keys]


def test_heads_say_what_the_ledger_has(history: History) -> None:
    """Each head has the size and the root of its time, and other programs read it with the key alone."""
    node = history.node
    found = ledger.verify(node)
    assert found.checkpoints == 3
    assert found.tree == found.sealed - 1
    for row in history.of(checkpoints):
        said = notes.checked(row["note"], public(node), origin=notes.origin_of(node.identity))
        assert (said.size, said.root) == (row["size"], bytes(row["root"]))


@pytest.mark.long
def test_a_changed_value_of_tree_or_head_is_found(history: History) -> None:
    """In every row, another value in any column breaks the evidence."""
    for table in HEAD_TABLES:
        for row in history.of(table):
            for name, value in row.items():
                if name == "id" or value is None:
                    continue
                fresh = (
                    os.urandom(len(value)) if isinstance(value, bytes)
                    else value.replace("at 20", "at 21") if isinstance(value, str)
                    else value + 1_000_003
                )  # fmt: skip
                here = [column == row[column.name] for column in table.primary_key]
                change = update(table).where(*here).values({name: fresh})
                with history.tampered(table, lambda tx, change=change: tx.execute(change)):
                    assert history.refused(), (table.name, name)
    ledger.verify(history.node)


def test_a_dropped_or_forged_row_of_tree_or_head_is_found(history: History) -> None:
    """Each subtree and leaf taken out; subtrees that nothing stands for. A head taken out is what partners find."""
    for row in history.of(ledger_tree):
        here = [column == row[column.name] for column in ledger_tree.primary_key]
        drop = delete(ledger_tree).where(*here)
        with history.tampered(ledger_tree, lambda tx, drop=drop: tx.execute(drop)):
            assert history.refused()
    last = history.of(ledger_tree)[-1]
    for level, number in ((0, 999), (1, 999), (last["level"] + 1, 0), (30, 0)):
        forged = {"level": level, "number": number, "hash": bytes(32), "salt": bytes(16)}
        with history.tampered(
            ledger_tree, lambda tx, forged=forged: tx.execute(insert(ledger_tree).values(forged))
        ):
            assert history.refused()
    ledger.verify(history.node)


def test_a_head_under_a_strange_key_is_found(history: History) -> None:
    """Who can write the database but has not our key cannot sign another head."""
    row = history.of(checkpoints)[-1]
    said = notes.read(row["note"])
    forged = notes.signed(said, make_signing_key(os.urandom(32), since=0))
    change = update(checkpoints).where(checkpoints.c.id == row["id"]).values(note=forged)
    with history.tampered(checkpoints, lambda tx: tx.execute(change)):
        assert "no key that we know" in history.refused()


class Forger:
    """Writes another chain, and if he wants another tree, over what the lines say now."""

    def __init__(self, tx: Connection) -> None:
        self.tx = tx

    def chain(self) -> list[bytes]:
        rows = self.tx.execute(
            select(ledger_lines.c.id, ledger_lines.c.body)
            .where(ledger_lines.c.seq.is_not(None))
            .order_by(ledger_lines.c.seq)
        ).all()
        self.tx.execute(update(ledger_lines).values(seq=None, hash=None))
        link, links, sealed = GENESIS, [], []
        for seq, (line_id, body) in enumerate(rows, start=1):
            link = chain_hash(link, seq, body)
            links.append(link)
            sealed.append({"line": line_id, "number": seq, "link": link})
        self.tx.execute(
            update(ledger_lines)
            .where(ledger_lines.c.id == bindparam("line"))
            .values(seq=bindparam("number"), hash=bindparam("link")),
            sealed,
        )
        self.tx.execute(update(ledger_head).values(seq=len(links), hash=link))
        return links

    def tree(self, links: list[bytes]) -> None:
        self.tx.execute(delete(ledger_tree))
        salts = [os.urandom(16) for _ in links]
        leaves = [trees.line_leaf(*one) for one in zip(salts, links, strict=True)]
        made = trees.grown(0, leaves, dict[trees.Place, bytes]().__getitem__)
        self.tx.execute(
            insert(ledger_tree),
            [
                {
                    "level": level,
                    "number": number,
                    "hash": value,
                    "salt": salts[number] if level == 0 else None,
                }
                for (level, number), value in made
            ],
        )


def back_date(tx: Connection, row: Row) -> None:
    body = row["body"].replace('"at":', '"at":1', 1)
    tx.execute(update(ledger_lines).where(ledger_lines.c.id == row["id"]).values(body=body))


def drop(tx: Connection, row: Row) -> None:
    tx.execute(delete(ledger_lines).where(ledger_lines.c.id == row["id"]))


def alter(tx: Connection, row: Row) -> None:
    body = row["body"].replace('"partner":"p', '"partner":"q')
    assert body != row["body"]
    tx.execute(update(ledger_lines).where(ledger_lines.c.id == row["id"]).values(body=body))


@pytest.mark.parametrize("also_tree", [False, True])
@pytest.mark.parametrize("deed", [back_date, drop, alter])
def test_a_whole_new_chain_is_found_by_what_was_signed(
    history: History, deed: Callable[[Connection, Row], None], also_tree: bool
) -> None:
    """A line that no row speaks of, changed with every hash after it, the head, and even the tree: a signed head differs."""
    suspended = [row for row in history.of(ledger_lines) if '"partner.suspend"' in row["body"]]
    touched = (ledger_lines, ledger_head, ledger_tree)
    for row in suspended:

        def forge(tx: Connection, row: Row = row) -> None:
            deed(tx, row)
            forger = Forger(tx)
            links = forger.chain()
            if also_tree:
                forger.tree(links)

        try:
            history.without_keys(forge)
            told = history.refused()
            assert "joined the tree" in told or "signed" in told
        finally:
            for table in touched:
                history.without_keys(lambda tx, table=table: history._put_back(tx, table))
    ledger.verify(history.node)


def test_our_own_node_signs_no_second_history(history: History) -> None:
    """After such a rewriting nothing more is signed, and the operator is told to verify."""

    def forge(tx: Connection) -> None:
        suspended = [row for row in history.of(ledger_lines) if '"p3"' in row["body"]]
        drop(tx, suspended[0])
        forger = Forger(tx)
        forger.tree(forger.chain())

    history.without_keys(forge)
    record(history.node, "partner.resume", partner="p2")
    with pytest.raises(EvidenceBroken, match="nothing is signed until"):
        checkpointing.issue(history.node)


def test_a_head_is_signed_each_hour_in_which_something_happened(node: Node, wall: Wall) -> None:
    """Not for each line: how many there were when would tell a partner when we acted. A head of a day is signed again."""
    record(node, "partner.suspend", partner="p")
    first = checkpointing.issue_due(node)
    assert first is not None
    record(node, "partner.resume", partner="p")
    assert checkpointing.issue_due(node) is None
    wall.forward(timedelta(minutes=61))
    second = checkpointing.issue_due(node)
    assert second is not None
    assert second.size == first.size + 1
    wall.forward(timedelta(hours=2))
    assert checkpointing.issue_due(node) == second
    wall.forward(timedelta(hours=23))
    again = checkpointing.issue_due(node)
    assert again is not None
    assert (again.size, again.root) == (second.size, second.root)
    assert again.issued_at > second.issued_at
    assert ledger.verify(node).checkpoints == 3


def test_every_head_is_proved_by_every_later_one_and_every_line_by_its_head(
    history: History,
) -> None:
    """What a partner checks: consistency of any two heads, inclusion of any line; nothing beyond the last head is proved."""
    node = history.node
    heads = [(row["size"], bytes(row["root"])) for row in history.of(checkpoints)]
    for first, first_root in heads:
        for second, second_root in heads:
            found = checkpointing.continuation(node, first, second)
            if second < first:
                assert found is None
                continue
            assert found is not None
            assert trees.consistent(first, second, first_root, second_root, found.path)
    size, root = heads[-1]
    for row in history.of(ledger_lines):
        if row["seq"] is None or row["seq"] > size:
            continue
        proof = checkpointing.inclusion(node, row["seq"], size)
        assert proof is not None
        leaf = trees.line_leaf(proof.salt, bytes(row["hash"]))
        assert trees.included(leaf, row["seq"] - 1, size, proof.path, root)
    assert checkpointing.continuation(node, 1, size + 1) is None
    assert checkpointing.inclusion(node, size + 1, size) is None
    assert checkpointing.inclusion(node, 0, size) is None


def test_keys_overlap(history: History) -> None:
    """While we change keys a head bears both signatures: who knows one of them believes it."""
    node = history.node
    fresh = add_signing_key(node.secret_files, now=node.now())
    assert node.secrets.signing_keys[0] == fresh
    record(node, "partner.resume", partner="p4")
    head = checkpointing.issue(node)
    for key in node.secrets.signing_keys:
        assert notes.checked(head.note, [key.public]).size == head.size
    assert ledger.verify(node).checkpoints == 4


def test_two_workers_at_once_sign_no_shorter_head_after_a_longer_one(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one begins between what the first one reads and its signature (found by `make chaos`)."""
    record(node, "partner.suspend", partner="p0")
    proved = checkpointing._proved_root
    others: list[threading.Thread] = []

    def more() -> None:
        record(node, "partner.suspend", partner="p1")
        checkpointing.issue(node)

    def interrupted(*given: Any) -> bytes:
        if not others:
            others.append(threading.Thread(target=more))
            others[0].start()
            others[0].join(1.0)
        return proved(*given)

    monkeypatch.setattr(checkpointing, "_proved_root", interrupted)
    checkpointing.issue(node)
    others[0].join()
    ledger.verify(node)
    with node.database.reading() as tx:
        sizes = tx.execute(select(checkpoints.c.size).order_by(checkpoints.c.id)).scalars().all()
    assert len(sizes) == 2
    assert list(sizes) == sorted(sizes)
