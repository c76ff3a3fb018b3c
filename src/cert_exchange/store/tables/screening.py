"""What is looked for at the way in, and what was held there."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, Table, Text

from cert_exchange.store.tables.schema import Exact, Number, metadata

screens = Table(
    "screens",
    metadata,
    Column("id", Number, primary_key=True),
    Column("version", Integer, nullable=False, unique=True),
    Column("text", Text, nullable=False),  # as the file was when it was applied
    Column("digest", LargeBinary(32), nullable=False),  # over the text and the files it names
    Column("companions", LargeBinary(32)),  # over the files alone; NULL: it names none
    Column("applied_at", BigInteger, nullable=False),
    Column("author", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("replaced_at", BigInteger),
)

screen_companions = Table(
    "screen_companions",
    metadata,
    Column("screen", ForeignKey("screens.id"), primary_key=True),
    Column("name", Exact, primary_key=True),
    Column("digest", ForeignKey("companion_texts.digest"), nullable=False),
    sqlite_with_rowid=False,
)

# A row stays when a person has answered: what was let in once is let in again with the same findings.
kept_out = Table(
    "kept_out",
    metadata,
    Column("object", ForeignKey("objects.id"), primary_key=True),
    Column("what", Exact, nullable=False),  # such as "listed keep-out, concerns protected"
    Column("said", Text, nullable=False),
    Column("state", Exact, nullable=False),  # held | refused | let in
    Column("held_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("ended_by", Text),
    Column("remark", Text),
    Index(None, "state", "held_at"),
)
