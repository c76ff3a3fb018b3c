"""Restores, ours and our partners', and the pseudonyms that outlive the key they were made with."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Table, Text

from cert_exchange.store.tables.schema import Exact, metadata

partner_epochs = Table(
    "partner_epochs",
    metadata,
    # One row for each partner that runs a node like this one. Epochs count from 1; 0: nothing is known.
    Column("partner", ForeignKey("partners.id"), primary_key=True),
    Column("theirs", BigInteger, nullable=False),  # the epoch that the partner last told us
    Column("kept_until", BigInteger),  # what it received after this instant it may have lost
    Column("heard_at", BigInteger),
    Column("told", BigInteger, nullable=False),  # the epoch of ours that it was told
    Column("told_at", BigInteger),
    Column("asked", BigInteger, nullable=False),  # the epoch of ours for which it gave back all
    Column("asked_at", BigInteger),
    Column("brought", BigInteger, nullable=False),  # how many lost objects it gave back then
    Column("met_at", BigInteger),  # when it was last asked
)

pseudonyms = Table(
    "pseudonyms",
    metadata,
    # Written when the key of derivatives is changed: what an audience was told of makers stays.
    Column("audience", ForeignKey("audiences.id"), primary_key=True),
    Column("maker", Exact, primary_key=True),
    Column("pseudonym", Text, nullable=False),
    sqlite_with_rowid=False,
)
