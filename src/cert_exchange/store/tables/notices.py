"""What audiences are told of what was taken back (DECISIONS 19 and 20), and what is kept from one audience alone."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, Text

from cert_exchange.store.tables.schema import Exact, Number, metadata

owed_notices = Table(
    "owed_notices",
    metadata,
    # Withdrawals that nobody has decided on yet: written with the line, gone once the marks were looked at.
    Column("view", ForeignKey("views.id"), primary_key=True),
    Column("position", BigInteger, primary_key=True),  # of the withdrawal in the view's log
    Column("released", BigInteger, nullable=False),  # the position of the line that it took back
    Column("object", ForeignKey("objects.id"), nullable=False),
    Column("reason", Exact, nullable=False),  # messages.notices.Reason
    sqlite_with_rowid=False,
)

notices = Table(
    "notices",
    metadata,
    Column("id", Number, primary_key=True),
    Column("stix_id", Exact, nullable=False, unique=True),  # of the note
    Column("audience", ForeignKey("audiences.id")),  # who may see it; NULL: a partner sent it
    Column("partner", Integer),  # who sent it; NULL: it is ours
    Column("collection", ForeignKey("collections.id"), nullable=False),
    Column("reason", Exact, nullable=False),
    Column("action", Exact, nullable=False),  # what its reader is asked to do
    Column("due_at", BigInteger),  # by when
    Column("made_at", BigInteger, nullable=False),  # made by us, or taken in
)

notice_subjects = Table(
    "notice_subjects",
    metadata,
    Column("notice", ForeignKey("notices.id"), primary_key=True),
    Column("ident", ForeignKey("identifiers.num"), primary_key=True),
    Index(None, "ident"),
    sqlite_with_rowid=False,
)

notice_readers = Table(
    "notice_readers",
    metadata,
    # Of a notice of ours: who may have fetched what it names. Notices of earlier releases have no rows.
    Column("notice", ForeignKey("notices.id"), primary_key=True),
    Column("partner", ForeignKey("partners.id"), primary_key=True),
    sqlite_with_rowid=False,
)

untold_fetches = Table(
    "untold_fetches",
    metadata,
    # Who fetched a version that was taken back while its id stood for the audience: told when the id goes.
    Column("audience", ForeignKey("audiences.id"), primary_key=True),
    Column("ident", ForeignKey("identifiers.num"), primary_key=True),
    Column("partner", ForeignKey("partners.id"), primary_key=True),
    sqlite_with_rowid=False,
)

audience_blocks = Table(
    "audience_blocks",
    metadata,
    # The desk's order to keep an id from one audience, until it is freed; `identifiers.blocked_at` keeps it from all.
    Column("ident", ForeignKey("identifiers.num"), primary_key=True),
    Column("audience", ForeignKey("audiences.id"), primary_key=True),
    Column("blocked_at", BigInteger, nullable=False),
    Column("blocked_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    sqlite_with_rowid=False,
)
