"""Certificate authorities and certificates: ours, and those pinned to one partner each (DECISIONS 29)."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Table, Text

from cert_exchange.store.tables.schema import Exact, metadata

authorities = Table(
    "authorities",
    metadata,
    Column("fingerprint", Exact, primary_key=True),  # SHA-256 of the certificate, hexadecimal
    Column("partner", ForeignKey("partners.id")),  # NULL: ours
    Column("certificate", Text, nullable=False),  # PEM
    Column("crl", Text),  # PEM, the newest; without one nothing that it signed is accepted
    Column("crl_number", BigInteger, nullable=False),
    Column("crl_ends_at", BigInteger),
    Column("named_only", Boolean, nullable=False),  # only certificates that have a row are accepted
    Column("ends_at", BigInteger, nullable=False),
    Column("added_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),  # a person took it out
)

certificates = Table(
    "certificates",
    metadata,
    Column("authority", ForeignKey("authorities.fingerprint"), primary_key=True),
    Column("serial", Exact, primary_key=True),  # hexadecimal, lower case
    Column("fingerprint", Exact),  # NULL: known from a partner's CRL only
    Column("partner", ForeignKey("partners.id")),  # NULL: this node's own
    Column("purpose", Exact, nullable=False),  # server, client or listed (in a CRL)
    Column("subject", Text, nullable=False),
    Column("certificate", Text),  # PEM
    Column("issued_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("reason", Exact),
)
