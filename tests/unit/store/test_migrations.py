"""Migrations lead to what tables.py says, on both engines, once, from nothing or from before."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, create_engine, text
from sqlalchemy.schema import CreateIndex, CreateTable

from cert_exchange.errors import ConfigurationInvalid
from cert_exchange.store import carrying, consents, migrations, partners
from cert_exchange.store.database import Database
from cert_exchange.store.tables import ANSWERING, marks_metadata, metadata


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    return str(request.getfixturevalue("empty_postgresql_url"))


def wanted(dialect: str) -> MetaData:
    """What the main database holds: on PostgreSQL the marks as well."""
    if dialect == "sqlite":
        return metadata
    both = MetaData(naming_convention=metadata.naming_convention)
    for source in (metadata, marks_metadata):
        for table in source.tables.values():
            table.to_metadata(both)
    return both


def test_the_migrated_schema_is_that_of_tables(empty_url: str) -> None:
    """Alembic finds no difference: no table, column, type, nullability, index or constraint."""
    database = Database.open(empty_url)
    assert database.migrate()[-1] == migrations.HEAD
    with database.reading() as tx:
        context = MigrationContext.configure(tx, opts={"compare_type": True})
        assert compare_metadata(context, wanted(database.dialect)) == []
    database.dispose()


def test_sqlite_tables_are_spelled_as_in_tables(tmp_path: Path) -> None:
    """Also what alembic does not compare: WITHOUT ROWID, primary keys' order, partial indexes."""
    database = Database.open(f"sqlite:///{tmp_path / 'migrated.db'}")
    database.migrate()
    plain = create_engine(f"sqlite:///{tmp_path / 'plain.db'}")
    metadata.create_all(plain)
    ask = text(
        "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT IN ('alembic_version', 'sqlite_stat1')"
    )

    def flat(sql: str) -> list[str]:
        # Alembic orders constraints otherwise, which changes nothing.
        body, _, tail = sql.lower().rpartition(")")
        return [
            *sorted(" ".join(part.split()).strip(" ()") for part in body.split(",")),
            tail.strip(),
        ]

    with database.reading() as tx, plain.connect() as other:
        migrated = {row[0]: flat(row[1]) for row in tx.execute(ask)}
        made = {row[0]: flat(row[1]) for row in other.execute(ask)}
    assert migrated == made
    plain.dispose()
    database.dispose()


@pytest.mark.case("D08")
def test_starts_at_once_migrate_once(empty_url: str) -> None:
    """Four processes' worth of starts on an empty database: one migrates, the others find it done."""
    outcomes: list[list[str]] = []

    def start() -> None:
        database = Database.open(empty_url)
        outcomes.append(database.migrate())
        database.dispose()

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done = sorted(outcomes)
    assert done[:3] == [[], [], []]
    assert done[3][-1] == migrations.HEAD


def test_a_newer_database_is_refused(empty_url: str) -> None:
    """A release does not work on a schema that it does not know."""
    database = Database.open(empty_url)
    database.migrate()
    database.transact(
        lambda tx: tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    )
    with pytest.raises(ConfigurationInvalid, match="9999"):
        database.migrate()
    database.dispose()


def test_head_is_the_newest_script() -> None:
    """The constant that a start compares with is the scripts' own head, and they form one line."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    assert ScriptDirectory.from_config(config).get_heads() == [migrations.HEAD]


def test_every_table_compiles_for_both_engines() -> None:
    """No construct that one engine only understands."""
    from sqlalchemy.dialects import postgresql, sqlite

    for table in metadata.sorted_tables:
        for dialect in (postgresql.dialect(), sqlite.dialect()):
            assert str(CreateTable(table).compile(dialect=dialect))
            for index in table.indexes:
                assert str(CreateIndex(index).compile(dialect=dialect))


def of_revision(folder: Path, revision: str) -> tuple[Path, Database]:
    """A database as a release before left it, closed: its file, and the door to it that will bring it on."""
    from alembic import command

    path = folder / "old.db"
    database = Database.open(f"sqlite:///{path}")
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))

    def upgrade(tx: Connection) -> None:
        config.attributes["connection"] = tx
        command.upgrade(config, revision)

    database.transact(upgrade)
    database.dispose()
    return path, database


def test_what_persons_released_before_stays_released(tmp_path: Path) -> None:
    """A hold that was released under the second revision stands among the endings; an open one does not."""
    path, database = of_revision(tmp_path, "0002")
    with sqlite3.connect(path) as plain:  # without foreign keys: only the holds matter here
        plain.executescript("""
            INSERT INTO audiences (id, name, policy, made_at) VALUES (1, 'b', 'b', 1), (2, 'c', 'c', 1);
            INSERT INTO collections (id, uuid, title, file_digest) VALUES (1, 'u', 't', x'00');
            INSERT INTO objects VALUES
                (7, 1, 'tool', 'v', 'v', 0, 1, x'00', NULL, 0, 0, 'accepted', 1, NULL, NULL, 1);
        """)
        plain.executemany(
            "INSERT INTO holds (audience, object, collection, rule, reason, held_at, released_at,"
            " released_by) VALUES (?, ?, 1, 'ask', 'r', 5, ?, ?)",
            [(1, 7, 9, "anna"), (2, 7, None, None)],
        )
    plain.close()
    assert database.migrate()[0] == "0003"
    with database.reading() as tx:
        rows = tx.execute(text("SELECT audience, object, rule, outcome, held_at FROM hold_endings"))
        assert rows.all() == [(1, 7, "ask", "released", 5)]
    database.dispose()


def test_partners_from_before_are_in_no_known_country(tmp_path: Path) -> None:
    """What the third revision knew of partners and holds is there after the fourth, which adds and changes nothing."""
    path, database = of_revision(tmp_path, "0003")
    with sqlite3.connect(path) as plain:
        plain.execute(
            "INSERT INTO partners (id, name, title, relays_any, empty_objects_list, requests_per_minute, added_at)"
            " VALUES (1, 'b', 'CERT B', 0, 0, 60, 5)"
        )
    plain.close()
    assert database.migrate()[0] == "0004"
    with database.reading() as tx:
        assert tx.execute(text("SELECT name, country FROM partners")).all() == [("b", None)]
        assert tx.execute(text("SELECT count(*) FROM terms")).scalar() == 0
        assert tx.execute(text("SELECT count(*) FROM consents")).scalar() == 0
    database.dispose()


def test_a_node_from_before_carried_nothing(tmp_path: Path) -> None:
    """What the seventeenth revision knew is there after the eighteenth, which adds an empty table."""
    _, database = of_revision(tmp_path, "0017")
    database.transact(
        lambda tx: tx.execute(
            text(
                "INSERT INTO partners (id, name, title, relays_any, empty_objects_list, requests_per_minute, added_at)"
                " VALUES (1, 'b', 'CERT B', 0, 0, 60, 5)"
            )
        )
    )
    assert database.migrate()[0] == "0018"
    with database.reading() as tx:
        assert tx.execute(text("SELECT name FROM partners")).all() == [("b",)]
        assert carrying.listing(tx) == []
        assert carrying.last(tx, 1, ours=True) is None
    database.dispose()


def test_derivatives_from_before_say_nothing_that_is_known_again(tmp_path: Path) -> None:
    """What was made before its essence was kept has none, and stays what it was; so does what is in the quarantine."""
    path, database = of_revision(tmp_path, "0019")
    with sqlite3.connect(path) as plain:  # without foreign keys: only these two tables matter here
        plain.executescript("""
            INSERT INTO derivatives (object, source, audience, original, trimmed, content, withheld, made_at)
                VALUES (7, 5, 1, 3, x'00', x'01', '["custom"]', 9);
            INSERT INTO quarantine (id, origin, kind, stix_id, reason, at) VALUES (4, 2, 'rejected', 'tool--1', 'r', 9);
        """)
    plain.close()
    assert database.migrate()[0] == "0020"
    with database.reading() as tx:
        kept = tx.execute(text("SELECT object, content, essence FROM derivatives")).all()
        assert kept == [(7, b"\x01", None)]
        assert tx.execute(text("SELECT id, stix_id FROM quarantine")).all() == [(4, "tool--1")]
    database.dispose()


def test_partners_from_before_have_no_gate(tmp_path: Path) -> None:
    """Who was a partner before gates were kept is not limited, and what it brings waits for nobody."""
    path, database = of_revision(tmp_path, "0020")
    with sqlite3.connect(path) as plain:
        plain.execute(
            "INSERT INTO partners (id, name, title, relays_any, empty_objects_list, requests_per_minute, added_at)"
            " VALUES (1, 'b', 'CERT B', 0, 0, 60, 5)"
        )
    plain.close()
    assert database.migrate()[0] == "0021"
    with database.reading() as tx:
        assert partners.gates(tx) == {}
        assert partners.authority(tx, 1).gate is None
    database.dispose()


def test_a_node_from_before_has_no_feed(tmp_path: Path) -> None:
    """What the twenty-first revision knew is there after the twenty-second, which adds empty tables."""
    path, database = of_revision(tmp_path, "0021")
    with sqlite3.connect(path) as plain:
        plain.execute(
            "INSERT INTO partners (id, name, title, relays_any, empty_objects_list, requests_per_minute, added_at)"
            " VALUES (1, 'b', 'CERT B', 0, 0, 60, 5)"
        )
    plain.close()
    assert database.migrate()[0] == "0022"
    with database.reading() as tx:
        assert tx.execute(text("SELECT name FROM partners")).all() == [("b",)]
        for table in ("feeds", "feed_credentials", "rule_numbers"):
            assert tx.execute(text(f"SELECT count(*) FROM {table}")).scalar() == 0
    database.dispose()


def test_consents_from_before_answer_no_request(tmp_path: Path) -> None:
    """What a person recorded before requests were kept stands as it is."""
    path, database = of_revision(tmp_path, "0022")
    with sqlite3.connect(path) as plain:
        plain.executescript("""
        INSERT INTO partners (id, name, title, relays_any, empty_objects_list, requests_per_minute, added_at)
            VALUES (1, 'b', 'CERT B', 0, 0, 60, 5);
        INSERT INTO consents (id, partner, recipient, until, said_by, given_at, given_by)
            VALUES (3, 1, 'any', 9, 'Eva', 5, 'anna');
        """)
    plain.close()
    assert database.migrate()[0] == "0023"
    with database.reading() as tx:
        assert [one.id for one in consents.listing(tx, partner="b", open_only=True)] == [3]
        assert tx.execute(text("SELECT granted_by FROM consents")).all() == [(None,)]
    database.dispose()


def test_a_node_from_before_has_no_doubt(tmp_path: Path) -> None:
    """What partners disagreed with before is an opinion as it was: nothing is held for it."""
    path, database = of_revision(tmp_path, "0023")
    with sqlite3.connect(path) as plain:
        plain.execute("INSERT INTO identifiers (num, stix_id) VALUES (7, 'opinion--1')")
    plain.close()
    assert database.migrate()[0] == "0024"
    with database.reading() as tx:
        assert tx.execute(text("SELECT stix_id FROM identifiers")).all() == [("opinion--1",)]
        assert tx.execute(text("SELECT count(*) FROM doubts")).scalar() == 0
    database.dispose()


def test_what_was_stated_before_is_looked_at_from_the_start(tmp_path: Path) -> None:
    """The table is empty after the migration, and the worker begins with the first object."""
    path, database = of_revision(tmp_path, "0024")
    with sqlite3.connect(path) as plain:
        plain.execute("INSERT INTO identifiers (num, stix_id) VALUES (7, 'indicator--1')")
    plain.close()
    assert database.migrate()[0] == "0025"
    with database.reading() as tx:
        assert tx.execute(text("SELECT stix_id FROM identifiers")).all() == [("indicator--1",)]
        assert tx.execute(text("SELECT count(*) FROM stated")).scalar() == 0
        upto = tx.execute(text("SELECT value FROM node_facts WHERE name = 'stated.upto'"))
        assert upto.scalar() == "0"
    database.dispose()


def test_what_was_revoked_before_stays_revoked(tmp_path: Path) -> None:
    """Nobody wrote down why: it counts as a person's word, and its value does not come back."""
    path, database = of_revision(tmp_path, "0025")
    with sqlite3.connect(path) as plain:
        plain.execute("INSERT INTO identifiers (num, stix_id) VALUES (7, 'indicator--1')")
        plain.execute("INSERT INTO renditions (id, digest, body, size) VALUES (1, x'00', '{}', 2)")
        plain.execute(
            "INSERT INTO objects (id, ident, type, version, version_key, origin, rendition, sameness, revoked,"
            " observable, status, stored_at, ledger_line)"
            " VALUES (1, 7, 'indicator', 'v', 'v', 0, 1, x'00', 1, 0, 'accepted', 5, 1)"
        )
    plain.close()
    assert database.migrate()[0] == "0026"
    with database.reading() as tx:
        assert tx.execute(text("SELECT revoked, ended FROM objects")).all() == [(1, None)]
    database.dispose()


def test_answers_of_before_are_in_their_index(tmp_path: Path) -> None:
    """A store of the migration before gets the index, over what it holds, and nothing else of it changes."""
    path, database = of_revision(tmp_path, "0026")
    with sqlite3.connect(path) as plain:
        plain.execute("INSERT INTO renditions (id, digest, body, size) VALUES (1, x'00', '{}', 2)")
        for number, kind in enumerate(("note", "indicator", "opinion"), 1):
            plain.execute(
                "INSERT INTO identifiers (num, stix_id) VALUES (?, ?)", (number, f"{kind}--1")
            )
            plain.execute(
                "INSERT INTO objects (id, ident, type, version, version_key, origin, rendition, sameness, revoked,"
                " observable, status, stored_at, ledger_line)"
                " VALUES (?, ?, ?, 'v', 'v', 1, 1, x'00', 0, 0, 'accepted', 5, 1)",
                (number, number, kind),
            )
    plain.close()
    assert database.migrate()[0] == "0027"
    asked = f"SELECT id FROM objects INDEXED BY ix_objects_answering WHERE {ANSWERING} ORDER BY id"
    with database.reading() as tx:
        assert tx.execute(text(asked)).scalars().all() == [1, 3]
    database.dispose()
