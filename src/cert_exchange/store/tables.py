"""The tables, the same on SQLite and PostgreSQL.

1. Instants are whole microseconds since 1970 (UTC) in a BigInteger; texts of instants are kept as they came.
2. Texts that are compared or ordered have binary collation on both engines.
3. STIX ids are numbered once in `identifiers`; every other table refers to the number, so that only one index has
   random keys.
4. `release_log` lines and `ledger_lines` bodies are never changed or deleted; `live` is what is derived from the log.
5. Migrations only add (`migrations/versions`); this file is the newest state and a test compares the two.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

OWN: Final = 0
"""The origin of what our own desk published. Partners are numbered from 1."""


class ObjectStatus(StrEnum):
    """`accepted` versions count; `proposal` is kept and shown to us, and never released (invariant 4)."""

    ACCEPTED = "accepted"
    PROPOSAL = "proposal"


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

identifiers = Table(
    "identifiers",
    metadata,
    Column("num", Number, primary_key=True),
    Column("stix_id", Exact, nullable=False, unique=True),
    # The desk's order on a cyber-observable: out of every view until freed (DECISIONS 5).
    Column("blocked_at", BigInteger),
)

renditions = Table(
    "renditions",
    metadata,
    Column("id", Number, primary_key=True),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("body", Text, nullable=False),  # canonical JSON: never holds a raw NUL
    Column("size", Integer, nullable=False),  # bytes of UTF-8
)

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
    UniqueConstraint("ident", "version_key", "origin"),
    Index(None, "origin", "id"),
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

collections = Table(
    "collections",
    metadata,
    Column("id", Number, primary_key=True),
    Column("uuid", Exact, nullable=False, unique=True),
    Column("alias", Exact, unique=True),
    Column("title", Text, nullable=False),
    Column("description", Text),
    Column("file_digest", LargeBinary(32), nullable=False),
    Column("retired_at", BigInteger),  # its file is gone: nobody may read or write it
)

collection_rights = Table(
    "collection_rights",
    metadata,
    Column("collection", ForeignKey("collections.id"), primary_key=True),
    Column("partner", ForeignKey("partners.id"), primary_key=True),
    Column("may_read", Boolean, nullable=False),
    Column("may_write", Boolean, nullable=False),
)

partners = Table(
    "partners",
    metadata,
    Column("id", Number, primary_key=True),
    Column("name", Exact, nullable=False, unique=True),
    Column("title", Text, nullable=False),
    Column("contact", Text),
    Column("suspended_at", BigInteger),
    Column("relays_any", Boolean, nullable=False, default=False),
    Column("empty_objects_list", Boolean, nullable=False, default=False),
    Column("requests_per_minute", Integer, nullable=False),
    Column("added_at", BigInteger, nullable=False),
)

partner_identities = Table(
    "partner_identities",
    metadata,
    Column("partner", ForeignKey("partners.id"), primary_key=True),
    Column("stix_id", Exact, primary_key=True),
    Column(
        "relayed", Boolean, nullable=False
    ),  # False: it speaks for this identity; True: it may relay it
)

credentials = Table(
    "credentials",
    metadata,
    Column("id", Exact, primary_key=True),  # the public half of `id.secret`
    Column("partner", ForeignKey("partners.id"), nullable=False),
    Column("digest", LargeBinary(32), nullable=False),  # keyed SHA-256 of the secret half
    Column("issued_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
)

lockouts = Table(
    "lockouts",
    metadata,
    Column("partner", Integer, primary_key=True),  # 0: the credential named no partner
    Column("network", Exact, primary_key=True),  # IPv4 /24 or IPv6 /48 in text
    Column("failures", Integer, nullable=False),
    Column("last_failure_at", BigInteger, nullable=False),
    Column("locked_until", BigInteger, nullable=False),
)

audiences = Table(
    "audiences",
    metadata,
    Column("id", Number, primary_key=True),
    Column("name", Exact, nullable=False, unique=True),
    Column("policy", Exact, nullable=False),  # the name of the policy that decides for it
    Column("made_at", BigInteger, nullable=False),
)

audience_members = Table(
    "audience_members",
    metadata,
    Column("audience", ForeignKey("audiences.id"), primary_key=True),
    Column("partner", ForeignKey("partners.id"), primary_key=True),
    Column("since", BigInteger, nullable=False),
    Column("until", BigInteger),  # NULL: a member now; a partner is in one audience at a time
    Index(
        None,
        "partner",
        unique=True,
        sqlite_where=text("until IS NULL"),
        postgresql_where=text("until IS NULL"),
    ),
)

views = Table(
    "views",
    metadata,
    Column("id", Number, primary_key=True),
    Column("audience", ForeignKey("audiences.id"), nullable=False),
    Column("collection", ForeignKey("collections.id"), nullable=False),
    # The head: the last instant of the log. `append` locks this row until commit.
    Column("head", BigInteger, nullable=False),
    Column("closed_at", BigInteger),  # its policy no longer names the collection
    UniqueConstraint("audience", "collection"),
)

release_log = Table(
    "release_log",
    metadata,
    Column("view", ForeignKey("views.id"), primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("kind", Exact, nullable=False),
    Column("object", ForeignKey("objects.id"), nullable=False),
    Column("rendition", ForeignKey("renditions.id"), nullable=False),
    Column(
        "policy", ForeignKey("policies.id")
    ),  # NULL where no policy decided (an owner's withdrawal)
    Column("rule", Text, nullable=False),
    Column("salt", LargeBinary(16)),
    Column("commitment", LargeBinary(32)),  # kept in place of an erased salt
    Column("ledger_line", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

live = Table(
    "live",
    metadata,
    Column("view", ForeignKey("views.id"), primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("object", ForeignKey("objects.id"), nullable=False),
    Column("ident", BigInteger, nullable=False),
    Column("type", Exact, nullable=False),
    Column("version", Exact, nullable=False),
    Column("version_key", Exact, nullable=False),
    Column("origin", Integer, nullable=False),
    Column("is_last", SmallInteger, nullable=False),  # 1 or 0, so that one index serves both
    Column("is_first", SmallInteger, nullable=False),
    Column("carried", SmallInteger, nullable=False),  # 1: here only because a dependant needs it
    Column("rendition", ForeignKey("renditions.id"), nullable=False),
    Column("size", Integer, nullable=False),
    # A page's bounds and bytes are found without touching the row: rendition and size stand in the index.
    Index(None, "view", "is_last", "position", "rendition", "size"),
    Index(None, "view", "type", "is_last", "position"),
    Index(None, "view", "ident", "object", unique=True),
    sqlite_with_rowid=False,
)

waiting = Table(
    "waiting",
    metadata,
    # Allowed, but a required reference is not visible to the audience yet: reconsidered when `target` is.
    Column("audience", ForeignKey("audiences.id"), primary_key=True),
    Column("target", ForeignKey("identifiers.num"), primary_key=True),
    Column("object", ForeignKey("objects.id"), primary_key=True),
    Index(None, "object"),
    sqlite_with_rowid=False,
)

holds = Table(
    "holds",
    metadata,
    Column("audience", ForeignKey("audiences.id"), primary_key=True),
    Column("object", ForeignKey("objects.id"), primary_key=True),
    Column("collection", ForeignKey("collections.id"), primary_key=True),
    Column("rule", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("held_at", BigInteger, nullable=False),
    Column("due_at", BigInteger),  # NULL: only a person releases it
    Column("released_at", BigInteger),
    Column("released_by", Text),
    Index(None, "due_at"),
    sqlite_with_rowid=False,
)

policies = Table(
    "policies",
    metadata,
    Column("id", Number, primary_key=True),
    Column("name", Exact, nullable=False),  # one active version a name
    Column("version", Integer, nullable=False),  # counts from 1 within a name
    Column("text", Text, nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    Column("author", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("applied_at", BigInteger, nullable=False),
    Column("replaced_at", BigInteger),  # NULL: active
    # Gains stream after the switch: the last objects.id considered; NULL when all have been.
    Column("gains_after", BigInteger),
    UniqueConstraint("name", "version"),
)

staged_losses = Table(
    "staged_losses",
    metadata,
    Column("run", Exact, primary_key=True),  # one run of preview or apply
    Column("view", ForeignKey("views.id"), primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("rule", Text, nullable=False),
    Column("staged_at", BigInteger, nullable=False),
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
)

sources = Table(
    "sources",
    metadata,
    Column("id", Number, primary_key=True),
    Column("name", Exact, nullable=False, unique=True),
    Column("partner", ForeignKey("partners.id"), nullable=False),
    Column("url", Text, nullable=False),  # the API root
    Column("remote_collection", Text, nullable=False),
    Column("collection", ForeignKey("collections.id"), nullable=False),  # what is pulled joins it
    Column(
        "options", Text, nullable=False
    ),  # JSON of remote.connection.Options: names of secret files, never secrets
    Column("cursor", Text),  # X-TAXII-Date-Added-Last as received
    Column("next_token", Text),  # in the middle of a run
    Column("paused_at", BigInteger),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_attempt_at", BigInteger, nullable=False, default=0),
    Column("lease_owner", Text),
    Column("lease_until", BigInteger, nullable=False, default=0),
    Column("last_success_at", BigInteger),
    Column("last_outcome", Text),  # a sentence for `status`
    Column("counters", Text, nullable=False, default="{}"),
)

targets = Table(
    "targets",
    metadata,
    Column("id", Number, primary_key=True),
    Column("name", Exact, nullable=False, unique=True),
    Column("partner", ForeignKey("partners.id"), nullable=False),
    Column("url", Text, nullable=False),
    Column("remote_collection", Text, nullable=False),
    Column(
        "collection", ForeignKey("collections.id"), nullable=False
    ),  # the partner's view of it is pushed
    Column("options", Text, nullable=False),
    Column(
        "cursor", BigInteger, nullable=False, default=0
    ),  # the position up to which all was pushed
    Column("view", BigInteger),  # the view the cursor belongs to
    Column("pending", Text),  # a status resource that was still pending, with what it covers
    Column("paused_at", BigInteger),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_attempt_at", BigInteger, nullable=False, default=0),
    Column("lease_owner", Text),
    Column("lease_until", BigInteger, nullable=False, default=0),
    Column("last_success_at", BigInteger),
    Column("last_outcome", Text),
    Column("counters", Text, nullable=False, default="{}"),
)

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

poll_notes = Table(
    "poll_notes",
    metadata,
    # What a partner's client sends that we ignored: shown by `doctor` (taxii21 37).
    Column("partner", ForeignKey("partners.id"), primary_key=True),
    Column("note", String(200), primary_key=True),
    Column("first_at", BigInteger, nullable=False),
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
