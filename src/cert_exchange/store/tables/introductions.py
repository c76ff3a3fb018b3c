"""How a channel to a partner is being set up, and whom to call there."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Table, Text

from cert_exchange.store.tables.schema import Exact, metadata

introductions = Table(
    "introductions",
    metadata,
    # A partner of this name is there once its letter is accepted.
    Column("name", Exact, primary_key=True),
    Column("offer", Text, nullable=False),  # ours as we sent it, signed
    Column("offered_at", BigInteger, nullable=False),
    Column("theirs", Text),  # their offer, whose words a person compared
    Column("accepted_at", BigInteger),
    Column("accepted_by", Text),
    Column("answer", Text),  # ours, signed and sealed for them
    Column("opened_at", BigInteger),  # since when their answer is in use here
    Column("checked_at", BigInteger),  # the last self-check
    Column("wrong", BigInteger),  # how many of its questions it answered with no
    Column("promoted_at", BigInteger),
)

contact_cards = Table(
    "contact_cards",
    metadata,
    Column("partner", ForeignKey("partners.id"), primary_key=True),
    Column("card", Text, nullable=False),  # canonical JSON
    Column("received_at", BigInteger, nullable=False),
    Column("confirmed_at", BigInteger, nullable=False),  # a person called and asked, each quarter
    Column("confirmed_by", Text, nullable=False),
    Column("compared_at", BigInteger, nullable=False),  # the words were compared, each year
    Column("compared_by", Text, nullable=False),
)
