"""What views show in place of originals (DECISIONS 11 and 12): their ids, and what each version stands for."""

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
)

from cert_exchange.store.tables.schema import metadata

derived_ids = Table(
    "derived_ids",
    metadata,
    # Under which id an audience knows what stands for an original. Never changed: a lost key renames nothing.
    Column("audience", ForeignKey("audiences.id"), primary_key=True),
    Column("original", ForeignKey("identifiers.num"), primary_key=True),
    Column("generation", Integer, primary_key=True),  # counts from 1; rises after a revocation
    Column("ident", ForeignKey("identifiers.num"), nullable=False, unique=True),
    Column("named_at", BigInteger, nullable=False),  # its first derivation: `created`
    Index(None, "original"),
    sqlite_with_rowid=False,
)

derivatives = Table(
    "derivatives",
    metadata,
    # One version of a derivative. It is a row of `objects` too, whose `references_to` name what it needs: originals.
    Column("object", ForeignKey("objects.id"), primary_key=True),
    Column("source", ForeignKey("objects.id"), nullable=False),  # the version that it was made of
    Column("audience", ForeignKey("audiences.id"), nullable=False),
    Column("original", ForeignKey("identifiers.num"), nullable=False),
    Column("trimmed", LargeBinary(32), nullable=False),  # digest of what was left of its source
    Column("content", LargeBinary(32), nullable=False),  # digest of it without its instants
    Column("withheld", Text, nullable=False),  # JSON list: the kinds of what was taken away
    Column("made_at", BigInteger, nullable=False),
    # Digest of what it says apart from its names and instants; null where it was made before that was kept.
    Column("essence", LargeBinary(32)),
    Index(None, "original", "audience"),
    Index(None, "source"),
    Index(None, "audience", "essence"),
)
