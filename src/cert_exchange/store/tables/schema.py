"""The tables, the same on SQLite and PostgreSQL.

1. Instants are whole microseconds since 1970 (UTC) in a BigInteger; texts of instants are kept as they came.
2. Texts that are compared or ordered have binary collation on both engines.
3. STIX ids are numbered once in `identifiers`; every other table refers to the number, so that only one index has
   random keys.
4. `release_log` lines and `ledger_lines` bodies are never changed or deleted; `live` is what is derived from the log.
5. Migrations only add (`migrations/versions`); these files are the newest state and a test compares the two.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from sqlalchemy import (
    BigInteger,
    Integer,
    MetaData,
    Text,
)

OWN: Final = 0
"""The origin of what our own desk published. Partners are numbered from 1."""


class ObjectStatus(StrEnum):
    """`accepted` versions count; `proposal` is kept and shown to us, and never released (invariant 4).

    A `derivative` is what a view shows in place of an original (DECISIONS 11): no object of its own for policy. Of what is
    `erased` only the commitment is left.
    """

    ACCEPTED = "accepted"
    PROPOSAL = "proposal"
    DERIVATIVE = "derivative"
    ERASED = "erased"


class LineKind(StrEnum):
    """What a line of the release log does."""

    RELEASE = "release"
    WITHDRAWAL = "withdrawal"


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Exact = Text().with_variant(Text(collation="C"), "postgresql")
"""Text compared byte by byte on both engines."""
Number = BigInteger().with_variant(Integer(), "sqlite")
"""A primary key that counts up; SQLite needs INTEGER for its rowid."""
