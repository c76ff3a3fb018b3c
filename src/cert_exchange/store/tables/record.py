"""The ledger, the node's facts, and the marks of what was fetched."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, Table, Text

from cert_exchange.store.tables.schema import Exact, Number, metadata

ledger_lines = Table(
    "ledger_lines",
    metadata,
    Column("id", Number, primary_key=True),
    Column("body", Text, nullable=False),  # messages.evidence: canonical JSON, permanent format
    Column("seq", BigInteger, unique=True),  # given by the sealer, gapless from 1
    Column("hash", LargeBinary(32)),
)

ledger_head = Table(
    "ledger_head",
    metadata,
    Column("id", Integer, primary_key=True),  # always 1
    Column("seq", BigInteger, nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
)

node_facts = Table(
    "node_facts",
    metadata,
    Column("name", Exact, primary_key=True),
    Column("value", Text, nullable=False),
)

marks_metadata = MetaData(naming_convention=metadata.naming_convention)
"""On SQLite these live in a file of their own, so that a poll never waits for a writer (DECISIONS 24)."""

marks = Table(
    "marks",
    marks_metadata,
    Column("partner", Integer, primary_key=True),
    Column("view", BigInteger, primary_key=True),
    Column("position", BigInteger, nullable=False),  # everything up to here may have been fetched
    Column("ledgered", BigInteger, nullable=False),  # the part of it that stands in the ledger
)
