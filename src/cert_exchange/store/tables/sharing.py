"""Who sees what: audiences, policies, the release logs and what they leave in force."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from cert_exchange.store.tables.schema import Exact, Number, metadata

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
    Column("closed_at", BigInteger),  # not used: a view stays (docs/decisions/views-stay-open.md)
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
    Column("due_at", BigInteger),  # NULL: only persons release it
    Column("released_at", BigInteger),
    Column("released_by", Text),
    Column("owner", Text),  # who looks after it, as the rule says
    Column("on_expiry", Exact),  # release | deny at due_at; NULL: a plain time, or no end
    Column("approvals", Integer),  # persons who must let it go; NULL: one
    Index(None, "due_at"),
    # From whom embargoes hold something back is asked in every transaction that releases.
    Index(
        None,
        "audience",
        sqlite_where=text("rule = 'terms' AND released_at IS NULL"),
        postgresql_where=text("rule = 'terms' AND released_at IS NULL"),
    ),
    sqlite_with_rowid=False,
)

hold_approvals = Table(
    "hold_approvals",
    metadata,
    # Persons who let a hold go that needs more of them.
    Column("audience", ForeignKey("audiences.id"), primary_key=True),
    Column("object", ForeignKey("objects.id"), primary_key=True),
    Column("collection", ForeignKey("collections.id"), primary_key=True),
    Column("rule", Text, primary_key=True),
    Column("person", Exact, primary_key=True),
    Column("approved_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

hold_endings = Table(
    "hold_endings",
    metadata,
    # What ended a rule's hold for good, by a person or by its expiry; other rules may still hold the version.
    Column("audience", ForeignKey("audiences.id"), primary_key=True),
    Column("object", ForeignKey("objects.id"), primary_key=True),
    Column("collection", ForeignKey("collections.id"), primary_key=True),
    Column("rule", Text, primary_key=True),
    Column("outcome", Exact, nullable=False),  # released | denied
    Column("held_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger, nullable=False),
    Column("ended_by", Text, nullable=False),
    sqlite_with_rowid=False,
)

freezes = Table(
    "freezes",
    metadata,
    # While one stands, nothing goes out to the audience; what is in force stays so, and comes after it.
    Column("id", Number, primary_key=True),
    Column("audience", BigInteger, nullable=False),  # audiences.id; 0: everyone
    Column("frozen_at", BigInteger, nullable=False),
    Column("frozen_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("lifted_at", BigInteger),  # NULL: it stands
    Column("lifted_by", Text),
    Index(
        None,
        "audience",
        unique=True,
        sqlite_where=text("lifted_at IS NULL"),
        postgresql_where=text("lifted_at IS NULL"),
    ),
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
    # Digest over the (name, digest) pairs of its companions; NULL: it names no other file.
    Column("companions", LargeBinary(32)),
    UniqueConstraint("name", "version"),
)

companion_texts = Table(
    "companion_texts",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),  # SHA-256 of the text in UTF-8
    Column("text", Text, nullable=False),
)

policy_companions = Table(
    "policy_companions",
    metadata,
    # The files that a policy version names, as they were when it was applied.
    Column("policy", ForeignKey("policies.id"), primary_key=True),
    Column("name", Exact, primary_key=True),
    Column("digest", ForeignKey("companion_texts.digest"), nullable=False),
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
