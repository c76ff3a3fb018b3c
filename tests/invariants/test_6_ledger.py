"""Invariant 6: the ledger verifies from first to last line; a changed, missing, reordered or cut-off line is found.

One history is written through the services; then every kind of tampering is tried on it, row by row, column by column,
each undone before the next.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import (
    Connection,
    LargeBinary,
    Table,
    create_engine,
    delete,
    func,
    insert,
    select,
    text,
    update,
)  # fmt: skip
from sqlalchemy.pool import NullPool
from tests.scenes import B_IDENTITY, Scene, address, indicator, malware, relationship, report

from cert_exchange.errors import CursorMoved, EvidenceBroken
from cert_exchange.messages.evidence import Line, commitments_root, encode_line, release_commitment
from cert_exchange.node import Node
from cert_exchange.services import ledger, releasing
from cert_exchange.store import epochs
from cert_exchange.store import ledger as ledger_rows
from cert_exchange.store.tables import (
    identifiers,
    ledger_head,
    ledger_lines,
    live,
    objects,
    release_log,
    renditions,
    views,
)

Row = dict[str, Any]


def write_history(node: Node) -> Scene:
    """Publishing, posting, new versions, withdrawals, a new epoch; sealed lines and some that wait."""
    scene = Scene.set_up(node)
    one, two = indicator("one"), malware("two")
    scene.publish(one, two, relationship(one, two), report("all", [one["id"], two["id"]]))
    scene.post("b", indicator("theirs", by=B_IDENTITY), address("192.0.2.1"))
    scene.publish(address("192.0.2.1"), address("192.0.2.2"))
    scene.publish(indicator("one", version=1))
    ledger.seal(node)
    releasing.withdraw(
        node, one["id"], version=None, collection="indicators", by="desk", reason="wrong"
    )
    scene.publish(indicator("one", version=2), indicator("three"))
    with node.database.reading() as tx:
        heads = {row[0]: row[1] for row in tx.execute(select(views.c.id, views.c.head))}
    view = scene.view("b")
    node.marks.advance(scene.partner("b"), view, heads[view])
    ledger.note_fetches(node)
    now = node.now()
    node.database.transact(
        lambda tx: epochs.raise_heads(
            tx, above=max(heads.values()) + 5, at=now, by="test", kept_until=0
        )
    )
    scene.publish(indicator("four"))
    ledger.seal(node)
    scene.publish(indicator("five"))
    return scene


@dataclass
class History:
    """A finished history and the rows of its tables."""

    node: Node
    scene: Scene
    rows: dict[str, list[Row]]

    def of(self, table: Table) -> list[Row]:
        return self.rows[table.name]

    @contextmanager
    def tampered(self, table: Table, tamper: Callable[[Connection], None]) -> Iterator[None]:
        self.without_keys(tamper)
        try:
            yield
        finally:
            self.without_keys(lambda tx: self._put_back(tx, table))

    def without_keys(self, work: Callable[[Connection], None]) -> None:
        """Who tampers with the file or the server is stopped by no foreign key."""
        engine = create_engine(self.node.database.url, poolclass=NullPool)
        with engine.begin() as tx:
            if tx.dialect.name == "postgresql":
                tx.execute(text("SET LOCAL session_replication_role = replica"))
            work(tx)

    def _put_back(self, tx: Connection, table: Table) -> None:
        tx.execute(delete(table))
        tx.execute(insert(table), self.of(table))

    def refused(self) -> str:
        with pytest.raises(EvidenceBroken) as found:
            ledger.verify(self.node)
        return found.value.public


TABLES = (
    identifiers, renditions, objects, release_log, live, views, ledger_lines, ledger_head,
)  # fmt: skip


@pytest.fixture
def history(node: Node) -> History:
    return recorded(node)


def recorded(node: Node) -> History:
    scene = write_history(node)
    with node.database.reading() as tx:
        rows = {
            table.name: [
                dict(row._mapping) for row in tx.execute(select(table).order_by(*table.primary_key))
            ]
            for table in TABLES
        }
    return History(node, scene, rows)


def test_an_untouched_history_verifies(history: History) -> None:
    """Everything is counted, and progress reaches the total."""
    told: list[tuple[int, int | None]] = []
    found = ledger.verify(history.node, lambda done, total: told.append((done, total)))
    assert found.sealed + found.unsealed == len(history.of(ledger_lines))
    assert found.unsealed == 1
    assert found.log_lines == len(history.of(release_log))
    assert found.objects == len(history.of(objects))
    assert found.live == len(history.of(live)) > 0
    assert told[-1][0] == told[-1][1]
    ledger.seal(history.node)
    assert ledger.verify(history.node).unsealed == 0


CHANGES: dict[Table, tuple[str, ...]] = {
    release_log: (
        "position", "kind", "object", "rendition", "policy", "rule", "salt", "commitment", "ledger_line",
    ),
    live: (
        "position", "object", "ident", "type", "version", "version_key", "origin", "is_last", "is_first",
        "rendition", "size",
    ),
    ledger_lines: ("body", "seq", "hash"),
    ledger_head: ("seq", "hash"),
    views: ("head",),
    objects: (
        "ident", "version", "origin", "rendition", "salt", "commitment", "ledger_line", "type", "version_key",
    ),
    renditions: ("body", "digest", "size"),
    identifiers: ("stix_id",),
}  # fmt: skip
"""Every column that tells what was disclosed. `live.carried` is not in the log: it follows from references."""


def changed(history: History, table: Table, name: str, row: Row) -> object:
    """Another value for a column: that of another row where one fits, else a made-up one."""
    rows, value = history.of(table), row[name]
    if isinstance(table.columns[name].type, LargeBinary):
        return os.urandom(16 if name == "salt" else 32)
    if name == "body":
        return value.replace("2", "3", 1) if "2" in value else value + " "
    if name == "stix_id":
        return "indicator--x"
    if name in ("is_last", "is_first"):
        return 1 - value
    if name == "ident":
        taken = {(one["ident"], one["version_key"], one["origin"]) for one in rows}
        return next(
            one["num"]
            for one in reversed(history.of(identifiers))
            if (one["num"], row["version_key"], row["origin"]) not in taken
        )
    if isinstance(value, int) and name not in ("object", "rendition", "policy"):
        return value + 1_000_003
    others = [one[name] for one in rows if one[name] not in (value, None)]
    if others:
        return random.Random(value).choice(others)
    return None if name == "policy" else f"{value}x"


@pytest.mark.parametrize("table", CHANGES, ids=lambda table: table.name)
def test_a_changed_value_is_found(history: History, table: Table) -> None:
    """In a sample of rows, another value in any column breaks the evidence."""
    rows = history.of(table)
    if table is ledger_lines:
        # What waits for the sealer is not evidence yet, but for what the logs say of it.
        rows = [row for row in rows if row["seq"] is not None]
    for name in CHANGES[table]:
        for row in random.Random(name).sample(rows, min(3, len(rows))):
            if table is views and row["head"] == 0:
                continue
            fresh = changed(history, table, name, row)
            here = [column == row[column.name] for column in table.primary_key]
            change = update(table).where(*here).values({name: fresh})
            with history.tampered(table, lambda tx, change=change: tx.execute(change)):
                assert history.refused(), (name, row[name], fresh)
    ledger.verify(history.node)


@pytest.mark.parametrize("table", CHANGES, ids=lambda table: table.name)
def test_a_value_of_another_kind_is_found(sqlite_node: Node, table: Table) -> None:
    """SQLite keeps bytes where a text or a number belongs: that is evidence that breaks, and no fault of ours."""
    history = recorded(sqlite_node)
    used = {one["ident"] for one in history.of(objects)}
    row = next(one for one in history.of(table) if table is not identifiers or one["num"] in used)
    where = " AND ".join(f'"{column.name}" = :{column.name}' for column in table.primary_key)
    keys = {column.name: row[column.name] for column in table.primary_key}
    for name in CHANGES[table]:
        odd = "no bytes" if isinstance(table.columns[name].type, LargeBinary) else b"\xff\x00"
        change = text(f'UPDATE "{table.name}" SET "{name}" = :odd WHERE {where}')
        with history.tampered(
            table, lambda tx, change=change, odd=odd: tx.execute(change, keys | {"odd": odd})
        ):
            assert history.refused(), name
    ledger.verify(history.node)


@pytest.mark.parametrize(
    "table", [release_log, live, ledger_lines, ledger_head, renditions], ids=lambda t: t.name
)
def test_a_dropped_row_is_found(history: History, table: Table) -> None:
    """Each row, taken out alone: first, middle, last; the only unsealed ledger line too."""
    rows = history.of(table)
    for row in [rows[0], rows[-1], *random.Random(7).sample(rows, min(5, len(rows)))]:
        if table is renditions and row["id"] not in {
            one["rendition"] for one in history.of(objects)
        }:
            continue
        here = [column == row[column.name] for column in table.primary_key]
        with history.tampered(table, lambda tx, here=here: tx.execute(delete(table).where(*here))):
            assert history.refused()
    ledger.verify(history.node)


def test_reordered_ledger_lines_are_found(history: History) -> None:
    """Two sealed lines that change places, with or without their hashes."""
    sealed = [row for row in history.of(ledger_lines) if row["seq"] is not None]
    one, two = sealed[1], sealed[2]
    for names in (("body",), ("seq",), ("seq", "hash"), ("body", "hash")):

        def swap(tx: Connection, names: tuple[str, ...] = names) -> None:
            tx.execute(delete(ledger_lines).where(ledger_lines.c.id.in_([one["id"], two["id"]])))
            tx.execute(
                insert(ledger_lines),
                [
                    {**one, **{name: two[name] for name in names}},
                    {**two, **{name: one[name] for name in names}},
                ],
            )

        with history.tampered(ledger_lines, swap):
            assert history.refused()


def test_a_cut_off_tail_is_found(history: History) -> None:
    """The last sealed lines gone: the head tells; the head set back too: the logs tell."""
    sealed = [row for row in history.of(ledger_lines) if row["seq"] is not None]
    for cut in (1, 2, len(sealed)):
        gone = [row["id"] for row in sealed[-cut:]]
        drop = delete(ledger_lines).where(ledger_lines.c.id.in_(gone))
        with history.tampered(ledger_lines, lambda tx, drop=drop: tx.execute(drop)):
            assert "head" in history.refused()
            kept = sealed[: len(sealed) - cut]
            back = {
                "seq": kept[-1]["seq"] if kept else 0,
                "hash": kept[-1]["hash"] if kept else ledger_rows.GENESIS,
            }
            with history.tampered(
                ledger_head, lambda tx, back=back: tx.execute(update(ledger_head).values(back))
            ):
                assert history.refused()


def test_an_inserted_log_line_is_found(history: History) -> None:
    """A release that no ledger line tells of, between two or at the end, under an old or an unknown ledger line."""
    row = next(one for one in history.of(release_log) if one["kind"] == "release")
    head = next(one["head"] for one in history.of(views) if one["id"] == row["view"])
    for position in (row["position"] - 1, head + 1):
        for line in (row["ledger_line"], 999_999, 0):
            forged = {**row, "position": position, "ledger_line": line}
            with history.tampered(
                release_log,
                lambda tx, forged=forged: tx.execute(insert(release_log).values(forged)),
            ):
                assert history.refused()


def test_an_inserted_or_forged_ledger_line_is_found(history: History) -> None:
    """A line squeezed in among the sealed ones, or a forged unsealed one for a log line of the forger's."""
    sealed = [row for row in history.of(ledger_lines) if row["seq"] is not None]
    extra = {**sealed[1], "id": 999_999}
    for seq in (None, sealed[-1]["seq"] + 1):
        forged = {**extra, "seq": seq, "hash": None if seq is None else extra["hash"]}
        with history.tampered(
            ledger_lines, lambda tx, forged=forged: tx.execute(insert(ledger_lines).values(forged))
        ):
            # Unsealed, the copy claims objects and ranges that its double has.
            if seq is not None or '"released"' in extra["body"] or '"stored"' in extra["body"]:
                assert history.refused()


def test_a_forger_who_keeps_the_books_is_found_by_the_chain(history: History) -> None:
    """A changed rule with its new commitment written into the sealed line: the line's hash no longer fits."""
    lines = {row["id"]: row for row in history.of(ledger_lines)}
    row = next(
        one for one in history.of(release_log) if lines[one["ledger_line"]]["seq"] is not None
    )
    digests = {one["id"]: bytes(one["digest"]) for one in history.of(renditions)}
    siblings = [one for one in history.of(release_log) if one["ledger_line"] == row["ledger_line"]]

    def leaf(one: Row, rule: str) -> bytes:
        return release_commitment(
            bytes(one["salt"]), one["view"], one["position"], one["kind"],
            digests[one["rendition"]], object_id=one["object"], policy=one["policy"], rule=rule,
        )  # fmt: skip

    old = commitments_root([leaf(one, one["rule"]) for one in siblings]).hex()
    new = commitments_root(
        [leaf(one, "forged" if one is row else one["rule"]) for one in siblings]
    ).hex()
    body = lines[row["ledger_line"]]["body"]
    assert old in body

    def forge(tx: Connection) -> None:
        tx.execute(
            update(ledger_lines)
            .where(ledger_lines.c.id == row["ledger_line"])
            .values(body=body.replace(old, new))
        )

    change = (
        update(release_log)
        .where(release_log.c.view == row["view"], release_log.c.position == row["position"])
        .values(rule="forged")
    )
    with (
        history.tampered(ledger_lines, forge),
        history.tampered(release_log, lambda tx: tx.execute(change)),
    ):
        assert "hash" in history.refused()


def test_erased_salts_still_verify_and_cannot_be_put_back(history: History) -> None:
    """A salt goes only by an order that the ledger tells of (tests/unit/services/test_erasing.py); its commitment stays."""
    row = next(one for one in history.of(release_log) if one["kind"] == "release")
    digests = {one["id"]: bytes(one["digest"]) for one in history.of(renditions)}
    kept = release_commitment(
        bytes(row["salt"]), row["view"], row["position"], row["kind"], digests[row["rendition"]],
        object_id=row["object"], policy=row["policy"], rule=row["rule"],
    )  # fmt: skip
    here = (release_log.c.view == row["view"], release_log.c.position == row["position"])

    def erase(commitment: bytes | None) -> Callable[[Connection], object]:
        return lambda tx: tx.execute(
            update(release_log).where(*here).values(salt=None, commitment=commitment)
        )

    with history.tampered(release_log, erase(kept)):
        assert "nobody ordered it" in history.refused()
    with history.tampered(release_log, erase(None)):
        assert "commitment" in history.refused()
    with history.tampered(release_log, erase(os.urandom(32))):
        assert history.refused()


def test_sealers_do_not_fork_the_chain(node: Node) -> None:
    """Sealers in parallel: each line is sealed once, the chain is one; who comes second is told so."""
    for number in range(60):
        line = encode_line(Line("test", number, "node"))
        node.database.transact(
            lambda tx, line=line: ledger_rows.write_line(tx, ledger_rows.reserve_line(tx), line)
        )
    sealed: list[int] = []
    failed: list[BaseException] = []

    def seal() -> None:
        while True:
            try:
                count = node.database.transact(lambda tx: ledger_rows.seal(tx, limit=7))
            except CursorMoved:
                continue
            except BaseException as error:
                failed.append(error)
                raise
            if not count:
                return
            sealed.append(count)

    threads = [threading.Thread(target=seal) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert sum(sealed) == 60
    assert ledger.verify(node).sealed == 60
    with node.database.reading() as tx:
        assert tx.execute(select(func.count()).select_from(ledger_head)).scalar() == 1


def test_what_was_fetched_is_in_the_ledger_once(history: History) -> None:
    """A mark that rose gives a line with what was not yet told; one that did not gives none."""
    node, view = history.node, history.scene.view("b")
    partner = history.scene.partner("b")
    assert ledger.note_fetches(node) == 0
    before = node.marks.reached(partner, view)
    node.marks.advance(partner, view, before + 10)
    assert ledger.note_fetches(node) == 1
    assert ledger.note_fetches(node) == 0
    with node.database.reading() as tx:
        bodies = [row.body for row in ledger_rows.every_line(tx)]
    assert f'"b/{view}/{before}/{before + 10}"' in bodies[-1]
