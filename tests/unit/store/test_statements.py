"""Kept statements: lists of any length, and what a PostgreSQL pipeline may never hide."""

from __future__ import annotations

from typing import Final

import pytest
from sqlalchemy import Connection, bindparam, delete, insert, select, text

from cert_exchange.errors import CertExchangeError
from cert_exchange.node import Node
from cert_exchange.store.bulk import insert_rows
from cert_exchange.store.facts import put_fact
from cert_exchange.store.statements import PART, Kept, among, observed
from cert_exchange.store.tables import identifiers, node_facts, renditions

NAMES_OF: Final = Kept(
    select(identifiers.c.num, identifiers.c.stix_id).where(among(identifiers.c.num, "nums")), "nums"
)
PUT: Final = Kept(insert(node_facts))
DROP: Final = Kept(delete(node_facts).where(node_facts.c.name == bindparam("wanted")))


def number(tx: Connection, count: int) -> None:
    tx.execute(
        insert(identifiers),
        [{"num": 10_000 + n, "stix_id": f"indicator--{n}"} for n in range(count)],
    )


@pytest.mark.parametrize("length", [1, 2, 3, 15, 16, 17, PART, PART + 1, 2 * PART + 7])
def test_a_list_of_any_length_finds_each_row_once(node: Node, length: int) -> None:
    """The placeholders that are left over, and the parts of a long list, give no row twice."""
    node.database.transact(lambda tx: number(tx, length + 5))
    wanted = [10_000 + n for n in range(length)]
    with node.database.reading() as tx:
        found = list(NAMES_OF.among(tx, "nums", wanted))
        asked = NAMES_OF.ask_among(tx, "nums", wanted)()
    assert sorted(row[0] for row in found) == wanted
    assert sorted(row[0] for row in asked) == wanted


def test_an_empty_list_asks_nothing(node: Node) -> None:
    seen: list[str] = []
    with observed(seen.append), node.database.reading() as tx:
        assert NAMES_OF.ask_among(tx, "nums", [])() == []
        assert list(NAMES_OF.among(tx, "nums", [])) == []
    assert seen == []


def test_what_was_asked_first_does_not_see_what_is_written_after_it(node: Node) -> None:
    def work(tx: Connection) -> list[tuple[int, str]]:
        asked = NAMES_OF.ask(tx, {"nums": [10_000, 10_001]})
        number(tx, 2)
        return asked()

    assert node.database.transact(work) == []


def test_statements_of_both_kinds_see_each_other_in_order(node: Node) -> None:
    """SQLAlchemy's own statements between kept ones: each sees all that came before."""

    def work(tx: Connection) -> None:
        PUT.run(tx, {"name": "a", "value": "1"})
        assert tx.execute(text("SELECT value FROM node_facts WHERE name = 'a'")).scalar() == "1"
        put_fact(tx, "a", "2")
        DROP.run(tx, {"wanted": "a"})
        assert tx.execute(text("SELECT count(*) FROM node_facts WHERE name = 'a'")).scalar() == 0
        PUT.run_each(tx, [{"name": f"n{n}", "value": "x"} for n in range(30)])
        assert tx.execute(text("SELECT count(*) FROM node_facts WHERE value = 'x'")).scalar() == 30

    node.database.transact(work)


def test_a_statement_that_fails_and_is_waited_for_by_nobody_fails_the_transaction(
    node: Node,
) -> None:
    """Its answer is read before COMMIT at the latest, and nothing of the transaction stays."""
    node.database.transact(lambda tx: PUT.run(tx, {"name": "twice", "value": "1"}))

    def work(tx: Connection) -> None:
        PUT.run(tx, {"name": "other", "value": "1"})
        PUT.run(tx, {"name": "twice", "value": "2"})

    with pytest.raises(CertExchangeError):
        node.database.transact(work)
    with node.database.reading() as tx:
        assert tx.execute(text("SELECT name FROM node_facts WHERE name = 'other'")).all() == []
        assert tx.execute(
            text("SELECT value FROM node_facts WHERE name = 'twice'")
        ).scalars().all() == ["1"]


def test_the_next_transaction_of_the_connection_is_whole(node: Node) -> None:
    """After a pipeline that broke, the same connection serves on."""

    def broken(tx: Connection) -> None:
        PUT.run(tx, {"name": None, "value": "1"})

    for _ in range(3):
        with pytest.raises(CertExchangeError):
            node.database.transact(broken)
        node.database.transact(lambda tx: put_fact(tx, "well", "yes"))


@pytest.mark.parametrize("count", [1, 16, 17, 99, 100, 250])
def test_rows_arrive_as_they_were_given_however_many(node: Node, count: int) -> None:
    """One statement, many, or COPY: text with its tabs, backslashes and other scripts, and bytes with every value."""
    bodies = ["\t\\.\\N", "a\nb\rc", "\\x41", "Привет", "漢字", "مرحبا", '"', "'", ""]
    c = renditions.c
    rows = [
        (n + 1, bytes([n % 256, *range(31)]) + n.to_bytes(4), bodies[n % len(bodies)], n)
        for n in range(count)
    ]
    rows = [(number, digest[-32:], body, size) for number, digest, body, size in rows]
    node.database.transact(lambda tx: insert_rows(tx, (c.id, c.digest, c.body, c.size), rows))
    with node.database.reading() as tx:
        found = tx.execute(
            select(c.id, c.digest, c.body, c.size).where(c.id <= count).order_by(c.id)
        ).all()
    assert [(row[0], bytes(row[1]), row[2], row[3]) for row in found] == rows


def test_a_copy_that_breaks_a_constraint_leaves_nothing(node: Node) -> None:
    c = identifiers.c
    rows = [(n, f"indicator--{n % 150}") for n in range(200)]
    with pytest.raises(CertExchangeError):
        node.database.transact(lambda tx: insert_rows(tx, (c.num, c.stix_id), rows))
    with node.database.reading() as tx:
        assert tx.execute(select(c.num).where(c.stix_id == "indicator--1")).all() == []
