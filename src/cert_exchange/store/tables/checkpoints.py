"""The tree over the ledger's lines, the heads of it that we signed, and those that partners showed us."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
)

from cert_exchange.store.tables.schema import Exact, Number, metadata

ledger_tree = Table(
    "ledger_tree",
    metadata,
    # Every complete subtree: level 0 is the leaf of line number + 1, level n the root over 2^n leaves (messages.trees).
    Column("level", Integer, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("hash", LargeBinary(32), nullable=False),
    Column("salt", LargeBinary(16)),  # of a leaf: without it nobody can guess a line from its hash
    sqlite_with_rowid=False,
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("id", Number, primary_key=True),
    Column("size", BigInteger, nullable=False),  # over the lines 1 to size
    Column("root", LargeBinary(32), nullable=False),
    Column("issued_at", BigInteger, nullable=False),
    Column(
        "note", Text, nullable=False
    ),  # messages.checkpoints: the signed note, as partners get it
)

partner_checkpoints = Table(
    "partner_checkpoints",
    metadata,
    Column("id", Number, primary_key=True),
    Column("partner", ForeignKey("partners.id"), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("root", LargeBinary(32), nullable=False),
    Column("issued_at", BigInteger, nullable=False),  # by the partner's clock
    Column("note", Text, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    # Whether it was shown to continue what we held before: "seen" not yet, "proved", "broken", "replaced" by a person's order
    Column("standing", Exact, nullable=False),
    UniqueConstraint("partner", "size", "root"),
    Index(None, "partner", "standing", "size"),
)

ledger_breaks = Table(
    "ledger_breaks",
    metadata,
    # A partner's history that does not continue the one that it showed before, until a person settles it.
    Column("id", Number, primary_key=True),
    Column("partner", ForeignKey("partners.id"), nullable=False),
    Column("kind", Exact, nullable=False),  # services.ledger.comparing.Break
    Column(
        "held", Text, nullable=False
    ),  # the signed note that we held; empty where there was none
    Column("told", Text, nullable=False),  # what the partner showed instead
    Column("found_at", BigInteger, nullable=False),
    Column("settled_at", BigInteger),
    Column("settled_by", Text),
    Column("reason", Text),
    Index(None, "partner", "settled_at"),
)

ledger_comparisons = Table(
    "ledger_comparisons",
    metadata,
    # When we last asked a partner for its head, and when that last went well.
    Column("partner", ForeignKey("partners.id"), primary_key=True),
    Column("tried_at", BigInteger, nullable=False),
    Column("compared_at", BigInteger),
    Column("trouble", Text, nullable=False),  # why the last try told nothing; empty when it did
)
