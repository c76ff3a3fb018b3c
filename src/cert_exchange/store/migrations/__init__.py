"""Alembic migrations of the store.

1. They only add, so that a release works on the schema of the next one (removals take two releases).
2. All of an upgrade is one transaction under a lock: processes that start together do it once, and a kill leaves the
   state before.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, inspect, text

from cert_exchange.errors import ConfigurationInvalid
from cert_exchange.store.planning import plant_statistics

if TYPE_CHECKING:
    from cert_exchange.store.database import Database

HEAD: Final = "0027"
"""The newest revision, so that a start need not read the scripts; a test compares."""
_LOCK: Final = 0x63657274


def upgrade(database: Database) -> list[str]:
    """Apply what is missing; returns the revisions applied."""
    with database.reading() as tx:
        if _revision(tx) == HEAD:
            return []
    return database.transact(_upgrade)


def _upgrade(tx: Connection) -> list[str]:
    if tx.dialect.name == "postgresql":
        tx.execute(text("SET LOCAL statement_timeout = 0"))
        tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    from alembic import command  # noqa: PLC0415 - a start that has nothing to migrate does not load it
    from alembic.config import Config  # noqa: PLC0415 - as above, loaded with it
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - as above, loaded with it

    before = _revision(tx)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    scripts = ScriptDirectory.from_config(config)
    known = [script.revision for script in reversed(list(scripts.walk_revisions()))]
    if before is not None and before not in known:
        raise ConfigurationInvalid(
            f"the database is at revision {before}, which this release does not know; install the"
            " newer release that made it."
        )
    config.attributes["connection"] = tx
    command.upgrade(config, "head")
    plant_statistics(tx)
    return known[known.index(before) + 1 :] if before else known


def _revision(tx: Connection) -> str | None:
    if not inspect(tx).has_table("alembic_version"):
        return None
    return tx.execute(text("SELECT version_num FROM alembic_version")).scalar()
