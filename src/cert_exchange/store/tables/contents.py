"""Object versions: stored once by (identifier, version, origin), their bytes once by digest."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

from cert_exchange.store.tables.schema import Exact, Number, metadata

identifiers = Table(
    "identifiers",
    metadata,
    Column("num", Number, primary_key=True),
    Column("stix_id", Exact, nullable=False, unique=True),
    # The desk's order on a cyber-observable: out of every view until freed (DECISIONS 5).
    Column("blocked_at", BigInteger),
    # Erased here: nothing under it is taken in until the order is lifted (`erasures`).
    Column("barred_at", BigInteger),
)

renditions = Table(
    "renditions",
    metadata,
    Column("id", Number, primary_key=True),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("body", Text, nullable=False),  # canonical JSON: never holds a raw NUL
    Column("size", Integer, nullable=False),  # bytes of UTF-8
)

ANSWERING: Final = "type IN ('note', 'opinion', 'sighting')"
"""What says something about other objects. In these words a query must ask for it, or SQLite does not use the index."""

objects = Table(
    "objects",
    metadata,
    Column("id", Number, primary_key=True),
    Column("ident", ForeignKey("identifiers.num"), nullable=False),
    Column("type", Exact, nullable=False),
    Column("version", Exact, nullable=False),  # as it came; own instants have six digits
    Column("version_key", Exact, nullable=False),  # stix.instants.order_key(version)
    Column("origin", Integer, nullable=False),  # OWN or partners.id
    Column("rendition", ForeignKey("renditions.id"), nullable=False),
    Column("sameness", LargeBinary(32), nullable=False),
    Column("creator", BigInteger),  # identifiers.num of created_by_ref, or NULL
    Column("revoked", Boolean, nullable=False),
    Column("observable", Boolean, nullable=False),  # a cyber-observable: no version of its own
    Column("status", Exact, nullable=False),
    Column("stored_at", BigInteger, nullable=False),
    Column("salt", LargeBinary(16)),  # of its commitment in the ledger; NULL after erasure
    Column("commitment", LargeBinary(32)),  # kept in place of an erased salt
    Column("ledger_line", BigInteger, nullable=False),
    # Held at the way in and not let in by a person: released nowhere (`kept_out` says why).
    Column("kept_out", Boolean, nullable=False, server_default=false()),
    Column(
        "ended", Text
    ),  # expired | delisted: why a last version of ours came; NULL: a person's word, or another's
    UniqueConstraint("ident", "version_key", "origin"),
    Index(None, "origin", "id"),
    # Answers are looked for among millions of objects that are none.
    Index(
        "ix_objects_answering",
        "id",
        sqlite_where=text(ANSWERING),
        postgresql_where=text(ANSWERING),
    ),
)

memberships = Table(
    "memberships",
    metadata,
    Column("object", ForeignKey("objects.id"), primary_key=True),
    Column("collection", ForeignKey("collections.id"), primary_key=True),
    Column("added_at", BigInteger, nullable=False),
    # Taken back by its owner or our desk: no audience and no reconsidering revives it (DECISIONS 1).
    Column("taken_back_at", BigInteger),
    Column("taken_back_by", Integer),  # OWN or partners.id
    Index(None, "collection", "object"),
    sqlite_with_rowid=False,
)

references = Table(
    "references_to",
    metadata,
    Column("source", ForeignKey("objects.id"), primary_key=True),
    Column("target", ForeignKey("identifiers.num"), primary_key=True),
    Column(
        "role", SmallInteger, nullable=False
    ),  # the strictest Role when there are several: see Role
    Index(None, "target", "source"),
    sqlite_with_rowid=False,
)

# The next instant at which what its markings say of a version begins or ends.
handling_dates = Table(
    "handling_dates",
    metadata,
    Column("object", ForeignKey("objects.id"), primary_key=True),
    Column("due_at", BigInteger, nullable=False),
    Index(None, "due_at"),
)

submissions = Table(
    "submissions",
    metadata,
    Column("id", Exact, primary_key=True),  # UUID 4
    Column("partner", ForeignKey("partners.id"), nullable=False),
    Column("collection", ForeignKey("collections.id"), nullable=False),
    Column("requested_at", BigInteger, nullable=False),
    Column("body", Text, nullable=False),  # the status resource as served
    Index(None, "requested_at"),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", Number, primary_key=True),
    Column("origin", Integer, nullable=False),
    Column("collection", Integer),
    Column("kind", Exact, nullable=False),  # rejected | conflict | refused_by_target
    Column("stix_id", Text),
    Column("version", Text),
    Column("reason", Text, nullable=False),
    Column("raw", Text),  # the object as it came, at most Limits.object_bytes
    Column("at", BigInteger, nullable=False),
    Index(None, "at"),
    Index(None, "origin", "stix_id"),
)
