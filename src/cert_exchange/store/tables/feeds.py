"""Feeds for defenders' tools: what each gives, who may read it, and the numbers that rules keep."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, LargeBinary, Table, Text

from cert_exchange.store.tables.schema import Exact, Number, metadata

feeds = Table(
    "feeds",
    metadata,
    Column("id", Number, primary_key=True),
    Column("name", Exact, nullable=False, unique=True),
    Column("options", Text, nullable=False),  # JSON of services.feeding.kinds.Choice
    Column("made_at", BigInteger, nullable=False),
    Column("made_by", Text, nullable=False),
    # Over the entries that were served last, and the number that rises when they change.
    Column("digest", LargeBinary(32)),
    Column("serial", BigInteger, nullable=False),
)

feed_credentials = Table(
    "feed_credentials",
    metadata,
    Column("id", Exact, primary_key=True),  # the public half of `id.secret`
    Column("feed", ForeignKey("feeds.id"), nullable=False),
    Column("digest", LargeBinary(32), nullable=False),  # keyed SHA-256 of the secret half
    Column("label", Text),  # which tool has it
    Column("networks", Text),  # where it may come from, by blanks; NULL: from anywhere
    Column("issued_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("last_used_at", BigInteger),  # exact to a minute
    Index(None, "feed"),
)

rule_numbers = Table(
    "rule_numbers",
    metadata,
    # What a rule looks for keeps its number for ever, also when it leaves a feed and comes back.
    Column("number", Number, primary_key=True),
    Column("key", LargeBinary(32), nullable=False, unique=True),  # keyed digest of kind and value
)
