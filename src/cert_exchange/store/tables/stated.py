"""Which object states which value."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, LargeBinary, Table

from cert_exchange.store.tables.schema import metadata

# Beside the objects, and filled after them: nobody who brings an object waits for it.
stated = Table(
    "stated",
    metadata,
    Column("digest", LargeBinary(8), primary_key=True),  # policy.stating: of one value
    Column("object", ForeignKey("objects.id"), primary_key=True),
    Index(None, "object"),
    sqlite_with_rowid=False,
)
