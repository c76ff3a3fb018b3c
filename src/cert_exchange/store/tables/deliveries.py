"""Partners' public keys; the signed statements that go with deliveries, sent and received, with their receipts."""

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
    text,
)

from cert_exchange.store.tables.schema import Exact, Number, metadata

partner_keys = Table(
    "partner_keys",
    metadata,
    Column("partner", ForeignKey("partners.id"), primary_key=True),
    Column("kid", Exact, primary_key=True),
    Column("public", LargeBinary(32), nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("until", BigInteger),  # NULL: no end
    Column("pinned_at", BigInteger, nullable=False),
    Column("vouched_by", Exact),  # the key that vouched for it; NULL: a person compared it
    sqlite_with_rowid=False,
)

delivery_statements = Table(
    "delivery_statements",
    metadata,
    Column("id", Number, primary_key=True),
    Column("partner", ForeignKey("partners.id"), nullable=False),
    Column("way", Exact, nullable=False),  # messages.statements.Way
    Column("ours", Integer, nullable=False),  # 1: we signed it; 0: the partner did
    Column("stream", Exact, nullable=False),  # what is numbered and chained together
    Column("seq", BigInteger, nullable=False),  # from 1
    Column("view", BigInteger),  # of ours: whose log it covers
    Column("collection", ForeignKey("collections.id"), nullable=False),  # ours
    Column("after", BigInteger, nullable=False),  # it covers the positions in (after, upto]
    Column("upto", BigInteger, nullable=False),
    Column("digest", LargeBinary(32), nullable=False),  # SHA-256 of the text
    Column("text", Text, nullable=False),  # the compact JWS
    Column(
        "leaves", LargeBinary, nullable=False
    ),  # its commitments, 32 bytes each, in order; none: its block's
    Column("at", BigInteger, nullable=False),  # made, or received
    Column("receipt", Text),  # the compact JWS of who received; NULL: open
    Column("receipt_at", BigInteger),  # when it was signed, or taken in
    Column("handed_over_at", BigInteger),  # of what we received: when the partner had our receipt
    Column("wrong", Integer, nullable=False),  # how many of its objects did not end as it says
    Column(
        "block", Number
    ),  # of ours: the block whose commitments it has; NULL: they stand in `leaves`
    UniqueConstraint("partner", "ours", "way", "stream", "seq"),
    Index(
        None,
        "ours",
        "at",
        sqlite_where=text("handed_over_at IS NULL"),
        postgresql_where=text("handed_over_at IS NULL"),
    ),
)

delivery_leaves = Table(
    "delivery_leaves",
    metadata,
    # The commitment to a line of a release log as statements make it, made ahead: gone when its salt is erased.
    Column("view", ForeignKey("views.id"), primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("leaf", LargeBinary(32), nullable=False),
    Column("salt", LargeBinary(16), nullable=False),
    sqlite_with_rowid=False,
)

delivery_blocks = Table(
    "delivery_blocks",
    metadata,
    # What was in force of a release log in (after, upto] when they were put together: never changed.
    Column("id", Number, primary_key=True),
    Column("view", ForeignKey("views.id"), nullable=False),
    Column("after", BigInteger, nullable=False),
    Column("upto", BigInteger, nullable=False),
    Column("lines", Integer, nullable=False),
    Column("leaves", LargeBinary, nullable=False),  # 32 bytes each, in order
    Column("salts", LargeBinary),  # 16 bytes each; NULL after one of them was erased
    UniqueConstraint("view", "after"),
)

delivered = Table(
    "delivered",
    metadata,
    # Of what we received: which statement covers an object version, and what opens its commitment.
    Column("object", ForeignKey("objects.id"), primary_key=True),
    Column("statement", ForeignKey("delivery_statements.id"), nullable=False),
    Column("place", Integer, nullable=False),  # among the statement's commitments, from 0
    Column("salt", LargeBinary(16)),  # NULL after erasure
    Index(None, "statement"),
    sqlite_with_rowid=False,
)
