"""What was said about sharing beside the objects: terms, and what partners allowed."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, Text, text

from cert_exchange.store.tables.schema import Exact, Number, metadata

terms = Table(
    "terms",
    metadata,
    # Beside the object, for all its versions: nothing of it is in the bytes, and no later version loosens it.
    Column("ident", ForeignKey("identifiers.num"), primary_key=True),
    Column("origin", Integer, primary_key=True),  # OWN or partners.id; EVERY: whoever's copy
    Column("terms", Text, nullable=False),  # policy.sharing_terms: canonical JSON
    Column("set_at", BigInteger, nullable=False),
    Column("set_by", Text, nullable=False),
    Column("reason", Text),
    sqlite_with_rowid=False,
)

consents = Table(
    "consents",
    metadata,
    # Who allowed what to whom until when; it lifts the originator's terms, never the ceiling or a rule.
    Column("id", Number, primary_key=True),
    Column("partner", ForeignKey("partners.id"), nullable=False),  # whose objects: who allowed it
    Column("ident", ForeignKey("identifiers.num")),  # NULL: all that came from this partner
    Column("recipient", Exact, nullable=False),  # a partner's name, country:XX or any
    Column("until", BigInteger, nullable=False),
    Column("said_by", Text, nullable=False),  # the person there who allowed it
    Column("note", Text),
    Column("given_at", BigInteger, nullable=False),
    Column("given_by", Text, nullable=False),  # who recorded it here
    Column("ended_at", BigInteger),  # NULL: it stands, or its end was not acted upon yet
    Column("ended_by", Text),
    Column("granted_by", BigInteger),  # objects.id of the partner's answer to a request of ours
    Index(None, "partner"),
    Index(
        None,
        "until",
        sqlite_where=text("ended_at IS NULL"),
        postgresql_where=text("ended_at IS NULL"),
    ),
)
