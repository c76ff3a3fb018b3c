"""What a credential may be used for and was used for, and what was answered to proposals."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Table, Text

from cert_exchange.store.tables.schema import Exact, Number, metadata

credential_scopes = Table(
    "credential_scopes",
    metadata,
    # Rows count where credentials.scoped_at says so; then what has no row is out of reach.
    Column("credential", ForeignKey("credentials.id"), primary_key=True),
    Column("collection", ForeignKey("collections.id"), primary_key=True),
    Column("may_read", Boolean, nullable=False),
    Column("may_write", Boolean, nullable=False),
)

credential_uses = Table(
    "credential_uses",
    metadata,
    # To the minute: written beside requests, never for each.
    Column("credential", ForeignKey("credentials.id"), primary_key=True),
    Column("first_used_at", BigInteger),
    Column("last_used_at", BigInteger),
    Column("last_network", Exact),
    Column("refused_at", BigInteger),  # its secret was right, and it came from elsewhere
    Column("refused_network", Exact),
)

proposal_answers = Table(
    "proposal_answers",
    metadata,
    Column("id", Number, primary_key=True),
    Column("object", ForeignKey("objects.id"), nullable=False),  # the proposal
    Column("answer", Exact, nullable=False),  # accepted | declined | answered
    Column("words", Text, nullable=False),  # what was said of it
    Column("made", ForeignKey("objects.id")),  # the version or note that came of it
    Column("answered_at", BigInteger, nullable=False),
    Column("answered_by", Text, nullable=False),
)
Index(None, proposal_answers.c.object)
