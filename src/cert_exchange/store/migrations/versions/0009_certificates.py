"""Certificate authorities, ours and those pinned to a partner, and the certificates that they gave."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    exact = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "authorities",
        sa.Column("fingerprint", exact, nullable=False),
        sa.Column("partner", number, nullable=True),
        sa.Column("certificate", sa.Text(), nullable=False),
        sa.Column("crl", sa.Text(), nullable=True),
        sa.Column("crl_number", sa.BigInteger(), nullable=False),
        sa.Column("crl_ends_at", sa.BigInteger(), nullable=True),
        sa.Column("named_only", sa.Boolean(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["partner"], ["partners.id"], name=op.f("fk_authorities_partner")),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_authorities")),
    )
    op.create_table(
        "certificates",
        sa.Column("authority", exact, nullable=False),
        sa.Column("serial", exact, nullable=False),
        sa.Column("fingerprint", exact, nullable=True),
        sa.Column("partner", number, nullable=True),
        sa.Column("purpose", exact, nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("certificate", sa.Text(), nullable=True),
        sa.Column("issued_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.Column("reason", exact, nullable=True),
        sa.ForeignKeyConstraint(
            ["authority"], ["authorities.fingerprint"], name=op.f("fk_certificates_authority")
        ),
        sa.ForeignKeyConstraint(["partner"], ["partners.id"], name=op.f("fk_certificates_partner")),
        sa.PrimaryKeyConstraint("authority", "serial", name=op.f("pk_certificates")),
    )
    op.add_column("partners", sa.Column("certificates_since", sa.BigInteger(), nullable=True))
