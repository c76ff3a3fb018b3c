"""What partners hold against objects of ours."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Table, Text

from cert_exchange.store.tables.schema import Exact, metadata

# A row for each opinion (version) of a partner that disagrees, and each object of ours that it is about.
doubts = Table(
    "doubts",
    metadata,
    Column("opinion", ForeignKey("objects.id"), primary_key=True),
    Column(
        "ident", ForeignKey("identifiers.num"), primary_key=True
    ),  # ours, also where it named a derivative
    Column("partner", ForeignKey("partners.id"), nullable=False),
    Column("word", Exact, nullable=False),  # disagree | strongly-disagree
    Column("raised_at", BigInteger, nullable=False),
    Column("state", Exact, nullable=False),  # open | noted | kept | revoked | taken back
    Column("ended_at", BigInteger),
    Column("ended_by", Text),
    Column("remark", Text),
    Index(None, "state", "raised_at"),
)
