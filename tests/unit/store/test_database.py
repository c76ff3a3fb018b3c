"""The database's promises: atomic, durable, retried where that is safe, and no foreign error."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, bindparam, create_engine, func, insert, select, text, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool
from tests import engines
from tests.conftest import reopen

from cert_exchange.errors import CertExchangeError, ConfigurationInvalid, StoreUnavailable
from cert_exchange.node import Node, open_node
from cert_exchange.store.database import Database, reserve_ids
from cert_exchange.store.facts import fact, put_fact
from cert_exchange.store.tables import identifiers, node_facts


def value_of(node: Node, name: str) -> str | None:
    with node.database.reading() as tx:
        return fact(tx, name)


def count_up(tx: Connection) -> None:
    """Read, then write: the form that loses updates where nothing locks."""
    row = tx.execute(
        select(node_facts.c.value).where(node_facts.c.name == "n").with_for_update()
    ).scalar_one()
    tx.execute(update(node_facts).where(node_facts.c.name == "n").values(value=str(int(row) + 1)))


def in_threads(count: int, work: Callable[[int], object]) -> list[BaseException]:
    failed: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test shows it
            failed.append(error)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failed


def test_what_fails_leaves_nothing(node: Node) -> None:
    """An error inside a transaction takes all of it back, and passes on as it is."""

    def work(tx: Connection) -> None:
        put_fact(tx, "half", "1")
        raise ConfigurationInvalid("no")

    with pytest.raises(ConfigurationInvalid):
        node.database.transact(work)
    assert value_of(node, "half") is None


def test_threads_lose_no_update(node: Node) -> None:
    """Four threads count up in read-then-write transactions: every increment counts."""
    node.database.transact(lambda tx: put_fact(tx, "n", "0"))
    assert not in_threads(4, lambda _: [node.database.transact(count_up) for _ in range(25)])
    assert value_of(node, "n") == "100"


def _count_in_child(home: str, times: int) -> None:
    node = open_node(Path(home))
    for _ in range(times):
        node.database.transact(count_up)
    node.close()


def test_processes_lose_no_update(node: Node) -> None:
    """The same from three processes that open the node for themselves."""
    node.database.transact(lambda tx: put_fact(tx, "n", "0"))
    spawn = multiprocessing.get_context("spawn")
    children = [
        spawn.Process(target=_count_in_child, args=(str(node.settings.home), 20)) for _ in range(3)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
        assert child.exitcode == 0
    assert value_of(node, "n") == "60"


def test_a_transaction_inside_a_transaction_is_refused(node: Node) -> None:
    """It would wait for itself; the mistake is named at once, and the outer one is taken back."""
    with pytest.raises(RuntimeError, match="inside"):
        node.database.transact(lambda _: node.database.transact(count_up))
    assert node.database.transact(lambda tx: tx.execute(select(1)).scalar()) == 1


def test_readers_see_one_state_and_wait_for_nobody(node: Node) -> None:
    """A reading begun before a commit does not see it, and one during a write transaction is not held up."""
    node.database.transact(lambda tx: put_fact(tx, "n", "before"))
    with node.database.reading() as tx:
        assert fact(tx, "n") == "before"
        node.database.transact(lambda tx: put_fact(tx, "n", "after"))
        assert fact(tx, "n") == "before"

    def while_writing(tx: Connection) -> str | None:
        put_fact(tx, "n", "uncommitted")
        return value_of(node, "n")

    assert node.database.transact(while_writing) == "after"


def test_readers_cannot_write(node: Node) -> None:
    """Neither a reading transaction nor a raw reader changes anything."""
    with pytest.raises(CertExchangeError), node.database.reading() as tx:
        put_fact(tx, "n", "1")
    with pytest.raises(CertExchangeError), node.database.raw_reader() as connection:
        connection.execute("INSERT INTO node_facts (name, value) VALUES ('n', '1')")
    assert value_of(node, "n") is None


def test_durability_is_what_the_engine_says(node: Node) -> None:
    """WAL and FULL, or synchronous_commit: what `transact` returned survives the plug."""
    found = node.database.durability()
    if node.database.dialect == "sqlite":
        assert found == {
            "journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "15000",
        }  # fmt: skip
    else:
        assert found["synchronous_commit"] == "on"
        assert found["transaction_isolation"] == "read committed"


def test_the_marks_are_durable_too(sqlite_node: Node) -> None:
    """The small file beside the main one: WAL and FULL."""
    with sqlite_node.marks._pool.reader() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


CHILD = """
import os, signal, sys
from pathlib import Path
from cert_exchange.node import open_node
from cert_exchange.store.facts import put_fact
node = open_node(Path(sys.argv[1]))
def die(): os.kill(os.getpid(), signal.SIGKILL)
def work(tx):
    put_fact(tx, "first", "1")
    if sys.argv[2] == "inside": die()
    put_fact(tx, "second", "1")
    if sys.argv[2] == "before": die()
node.database.transact(work)
if sys.argv[2] == "mark": node.marks.advance(1, 1, 77)
die()
"""


@pytest.mark.parametrize(
    ("point", "there"), [("inside", None), ("before", None), ("after", "1"), ("mark", "1")]
)
def test_a_kill_leaves_all_or_nothing(node: Node, point: str, there: str | None) -> None:
    """kill -9 inside, just before and just after the commit; a mark that was advanced stays."""
    ended = subprocess.run(
        [sys.executable, "-c", CHILD, str(node.settings.home), point], check=False, timeout=60
    )
    assert ended.returncode == -signal.SIGKILL
    again = reopen(node)
    assert (value_of(again, "first"), value_of(again, "second")) == (there, there)
    assert again.marks.reached(1, 1) == (77 if point == "mark" else 0)
    again.database.transact(lambda tx: put_fact(tx, "writable", "1"))
    again.close()


@pytest.mark.case("D04")
def test_a_forked_child_makes_its_own_connections(node: Node) -> None:
    """Fork after use: parent and children read and write at once, on connections of their own."""
    node.database.transact(lambda tx: put_fact(tx, "n", "0"))
    node.marks.advance(1, 1, 1)
    children = []
    for number in range(3):
        child = os.fork()
        if child == 0:
            try:
                for _ in range(10):
                    node.database.transact(count_up)
                    assert value_of(node, "n") is not None
                node.marks.advance(2 + number, 1, 5)
                os._exit(0)
            finally:
                os._exit(1)
        children.append(child)
    for _ in range(10):
        node.database.transact(count_up)
        assert value_of(node, "n") is not None
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    assert value_of(node, "n") == "40"
    assert [mark.partner for mark in node.marks.everything()] == [1, 2, 3, 4]


@pytest.mark.case("D05")
def test_a_restart_of_the_server_costs_no_request_after_it(tmp_path: Path) -> None:
    """PostgreSQL stops and starts while idle links are open: the next transaction, reading and raw read work."""
    server = engines.start_server()
    try:
        database = Database.open(server.url.render_as_string(hide_password=False))
        database.migrate()

        def all_three() -> None:
            database.transact(lambda tx: put_fact(tx, "n", "1"))
            with database.reading() as tx:
                assert fact(tx, "n") == "1"
            with database.raw_reader() as connection:
                assert connection.execute("SELECT 1").fetchone() == (1,)

        all_three()
        server.stop()
        with pytest.raises(StoreUnavailable):
            database.transact(lambda tx: put_fact(tx, "n", "2"))
        with pytest.raises(StoreUnavailable), database.raw_reader() as connection:
            connection.execute("SELECT 1")
        server.start()
        all_three()
        database.dispose()
    finally:
        server.remove()


def kill_own_link(tx: Connection) -> None:
    """End this transaction's own server process, as a restart would."""
    own = tx.execute(text("SELECT pg_backend_pid()")).scalar_one()
    killer = create_engine(tx.engine.url, poolclass=NullPool)
    with killer.begin() as other:
        other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": own})


def test_a_link_lost_before_commit_is_tried_again(postgresql_node: Node) -> None:
    """Nothing was committed: the work runs once more, and counts once."""
    runs: list[int] = []

    def work(tx: Connection) -> None:
        runs.append(1)
        if len(runs) == 1:
            kill_own_link(tx)
        put_fact(tx, "n", str(len(runs)))

    postgresql_node.database.transact(work)
    assert value_of(postgresql_node, "n") == "2"


def test_a_link_lost_at_commit_is_not_tried_again(postgresql_node: Node) -> None:
    """Nobody knows whether it counted: the caller hears so, and the work did not run twice."""
    runs: list[int] = []

    def work(tx: Connection) -> None:
        runs.append(1)
        put_fact(tx, "n", "1")
        kill_own_link(tx)

    with pytest.raises(StoreUnavailable):
        postgresql_node.database.transact(work)
    assert len(runs) == 1


def test_deadlocks_reach_no_caller(postgresql_node: Node) -> None:
    """Two transactions that lock two rows in opposite order: both are done in the end."""
    node = postgresql_node
    node.database.transact(lambda tx: (put_fact(tx, "a", "0"), put_fact(tx, "b", "0")))
    meeting = threading.Barrier(2, timeout=5)

    def crossing(number: int) -> None:
        names = ["a", "b"] if number == 0 else ["b", "a"]

        def work(tx: Connection) -> None:
            for name in names:
                found = tx.execute(
                    select(node_facts.c.value).where(node_facts.c.name == name).with_for_update()
                )
                put_fact(tx, name, str(int(found.scalar_one()) + 1))
                try:
                    meeting.wait()
                except threading.BrokenBarrierError:
                    continue

        node.database.transact(work)

    meeting_off = threading.Timer(2, meeting.abort)
    meeting_off.start()
    assert not in_threads(2, crossing)
    meeting_off.join()
    assert (value_of(node, "a"), value_of(node, "b")) == ("2", "2")


def test_who_loses_a_race_for_a_key_sees_the_winner_on_the_next_try(postgresql_node: Node) -> None:
    """Two transactions number the same new id: one inserts, the other finds it."""
    node = postgresql_node
    meeting = threading.Barrier(2)

    def number_it(_: int) -> None:
        first = True

        def work(tx: Connection) -> None:
            nonlocal first
            found = tx.execute(
                select(identifiers.c.num).where(identifiers.c.stix_id == "x--1")
            ).scalar()
            if first:
                first = False
                meeting.wait(10)
            if found is None:
                number = reserve_ids(tx, identifiers, 1)[0]
                tx.execute(insert(identifiers).values(num=number, stix_id="x--1"))

        node.database.transact(work)

    assert not in_threads(2, number_it)
    with node.database.reading() as tx:
        assert tx.execute(select(func.count()).select_from(identifiers)).scalar() == 1


@pytest.mark.case("D07")
def test_a_full_disk_is_503_and_nothing_half_written(sqlite_node: Node) -> None:
    """SQLITE_FULL in mid-transaction: StoreUnavailable, all taken back, and work goes on once there is space."""
    node = sqlite_node
    with node.database.writing_engine().connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 4}")

    def fill(tx: Connection) -> None:
        put_fact(tx, "small", "1")
        put_fact(tx, "large", "x" * 1_000_000)

    with pytest.raises(StoreUnavailable) as refused:
        node.database.transact(fill)
    assert refused.value.status == 503
    assert "FULL" in refused.value.detail
    assert value_of(node, "small") is None
    with node.database.writing_engine().connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1000000")
    node.database.transact(fill)
    assert value_of(node, "small") == "1"


@pytest.mark.case("D07")
@pytest.mark.parametrize("state", ["53100", "53200", "57P03", "58030"])
def test_what_a_server_lacks_is_503(postgresql_node: Node, state: str) -> None:
    """Disk full, out of memory, shutting down, I/O error, as PostgreSQL reports them."""
    with pytest.raises(StoreUnavailable):
        postgresql_node.database.transact(
            lambda tx: tx.execute(
                text(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE='{state}'; END $$")
            )
        )


@pytest.mark.case("D08")
def test_starting_again_keeps_everything(node: Node) -> None:
    """Opening and migrating any number of times changes and wipes nothing."""
    node.database.transact(lambda tx: put_fact(tx, "kept", "1"))
    for _ in range(2):
        again = reopen(node)
        assert again.database.migrate() == []
        assert value_of(again, "kept") == "1"
        again.close()


def test_a_locked_file_is_503_after_a_bounded_time(sqlite_node: Node) -> None:
    """Another program holds the file's write lock for longer than we wait."""
    url = sqlite_node.database.url
    holder = create_engine(url, poolclass=NullPool)
    with sqlite_node.database.writing_engine().connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout=50")
    with holder.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        connection.exec_driver_sql("INSERT INTO node_facts VALUES ('held', '1')")
        with pytest.raises(StoreUnavailable):
            sqlite_node.database.transact(lambda tx: put_fact(tx, "n", "1"))
        connection.exec_driver_sql("ROLLBACK")
    sqlite_node.database.transact(lambda tx: put_fact(tx, "n", "1"))


def test_no_foreign_error_and_no_content_leaves(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever the engine says, our error says codes and names of columns; values stay inside."""
    secret = "canary-5f0c"
    caplog.set_level(logging.DEBUG)
    node.database.transact(lambda tx: put_fact(tx, secret, "1"))
    faults = [
        lambda tx: tx.execute(insert(node_facts).values(name=secret, value="2")),
        lambda tx: tx.execute(insert(node_facts).values(name=secret + "2", value=None)),
        lambda tx: tx.execute(text("SELECT * FROM nowhere WHERE x = :x"), {"x": secret}),
        lambda tx: tx.execute(
            text("SELECT CAST(:x AS INTEGER) FROM node_facts, nowhere"), {"x": secret}
        ),
        lambda tx: tx.execute(insert(node_facts).values(name=secret + "\x00", value=object())),
    ]
    for work in faults:
        with pytest.raises(CertExchangeError) as found:
            node.database.transact(work)
        assert not isinstance(found.value, SQLAlchemyError | psycopg.Error)
        assert found.value.__cause__ is None
        assert secret not in str(found.value)
    assert secret not in caplog.text


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "sqlite://",
        "sqlite:///relative.db",
        "mysql://x/y",
        "postgresql+asyncpg://x/y",
    ],
)
def test_other_addresses_are_refused_in_a_sentence(url: str) -> None:
    """Only absolute SQLite files and PostgreSQL through psycopg."""
    with pytest.raises(ConfigurationInvalid, match="database_url"):
        Database.open(url)


def test_ids_are_reserved_in_order(node: Node) -> None:
    """Rising and free, so that rows can be inserted sorted and referred to before."""

    def work(tx: Connection) -> list[int]:
        numbers = list(reserve_ids(tx, identifiers, 3))
        tx.execute(insert(identifiers), [{"num": n, "stix_id": f"x--{n}"} for n in numbers])
        return numbers + list(reserve_ids(tx, identifiers, 2))

    numbers = node.database.transact(work)
    assert numbers == sorted(set(numbers))


def test_a_compiled_statement_is_the_core_statement(node: Node) -> None:
    """The hot path's text gives what Core gives, with fixed and given parameters."""
    node.database.transact(lambda tx: [put_fact(tx, name, name * 2) for name in "abc"])
    statement = (
        select(node_facts.c.name, node_facts.c.value)
        .where(node_facts.c.name > bindparam("after"), node_facts.c.value != "bb")
        .where(node_facts.c.name < "d")
        .order_by(node_facts.c.name)
        .limit(5)
    )
    prepared = node.database.compile(statement)
    with node.database.raw_reader() as connection:
        assert prepared.all(connection, {"after": "a"}) == [("c", "cc")]
        assert prepared.one(connection, {"after": "c"}) is None
    with pytest.raises(ValueError, match="expanding"):
        node.database.compile(select(node_facts).where(node_facts.c.name.in_(["a", "b"])))
