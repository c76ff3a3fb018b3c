"""Files that carry the channel by hand, made by us or brought in."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, LargeBinary, Table, Text

from cert_exchange.store.tables.schema import metadata

carried_files = Table(
    "carried_files",
    metadata,
    Column("partner", ForeignKey("partners.id"), primary_key=True),
    Column("ours", Integer, primary_key=True),  # 1: we made it; 0: the partner did
    Column("number", BigInteger, primary_key=True),  # from 1, of one partner and one way
    Column("base", BigInteger, nullable=False),  # who has this one may take it in
    Column("digest", LargeBinary(32), nullable=False),  # SHA-256 of the text
    Column("text", Text, nullable=False),  # the compact JWS; empty: only its digest is known
    Column("at", BigInteger, nullable=False),  # made, or brought in
    Column("objects", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("spans", Text, nullable=False),  # JSON: what of which log it carries
    Column("receipts", Text, nullable=False),  # JSON: the statements whose receipts it carries
    Column("heard", Text, nullable=False),  # JSON: how far the other side says it has come
    Column("answered_at", BigInteger),  # of ours: when the partner said that it has it
    sqlite_with_rowid=False,
)
