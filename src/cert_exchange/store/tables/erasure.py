"""What was erased and by which order, what may not be erased, and what was undone of what a partner sent.

1. A row of `objects` whose bytes and salt are gone stands in `erased_objects`, under the ledger line that tells of it.
2. Nothing of an object's content is in these tables; a person's reason may be, and is what that person wrote.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, Text, text

from cert_exchange.store.tables.schema import Exact, Number, metadata

erasures = Table(
    "erasures",
    metadata,
    Column("id", Number, primary_key=True),
    Column("kind", Exact, nullable=False),  # object | partner | retention
    Column("ident", ForeignKey("identifiers.num")),  # NULL: of many ids
    Column("partner", Integer),  # whose copies; NULL: everybody's
    Column("reason", Text, nullable=False),
    Column("ordered_at", BigInteger, nullable=False),
    Column("ordered_by", Text, nullable=False),
    # Until then the id that it names does not come back (`identifiers.barred_at`).
    Column("lifted_at", BigInteger),
    Column("lifted_by", Text),
    Index(None, "ident"),
)

erased_objects = Table(
    "erased_objects",
    metadata,
    Column("object", ForeignKey("objects.id"), primary_key=True),
    Column("erasure", ForeignKey("erasures.id"), nullable=False),
    Column("erased_at", BigInteger, nullable=False),
    Column("ledger_line", BigInteger, nullable=False),  # of the transaction that erased it
)

legal_holds = Table(
    "legal_holds",
    metadata,
    # While one stands, what it covers is not erased by anybody; it may be out of use.
    Column("id", Number, primary_key=True),
    Column("ident", ForeignKey("identifiers.num")),  # NULL: all that came from the partner
    Column("partner", Integer),  # NULL: everybody's copies of the id
    Column("reason", Text, nullable=False),
    Column("placed_at", BigInteger, nullable=False),
    Column("placed_by", Text, nullable=False),
    Column("lifted_at", BigInteger),
    Column("lifted_by", Text),
    Index(
        None,
        "ident",
        sqlite_where=text("lifted_at IS NULL"),
        postgresql_where=text("lifted_at IS NULL"),
    ),
)

undone_objects = Table(
    "undone_objects",
    metadata,
    # Versions that counted until all that came from their sender since some instant was undone. They are proposals now.
    Column("object", ForeignKey("objects.id"), primary_key=True),
    Column("undone_at", BigInteger, nullable=False),
    Column("undone_by", Text, nullable=False),
)

backups_made = Table(
    "backups_made",
    metadata,
    # Where copies of this node lie, as far as it made them itself: what is erased here is still in the older ones.
    Column("id", Number, primary_key=True),
    Column("folder", Text, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("gone_at", BigInteger),  # removed, or found missing
)
