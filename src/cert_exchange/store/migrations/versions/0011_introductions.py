"""The set-up of channels, contact cards, and whether a partner sees the TEST collection only."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    exact = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("partners", sa.Column("stage", exact, server_default="live", nullable=False))
    op.create_table(
        "introductions",
        sa.Column("name", exact, nullable=False),
        sa.Column("offer", sa.Text(), nullable=False),
        sa.Column("offered_at", sa.BigInteger(), nullable=False),
        sa.Column("theirs", sa.Text(), nullable=True),
        sa.Column("accepted_at", sa.BigInteger(), nullable=True),
        sa.Column("accepted_by", sa.Text(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("opened_at", sa.BigInteger(), nullable=True),
        sa.Column("checked_at", sa.BigInteger(), nullable=True),
        sa.Column("wrong", sa.BigInteger(), nullable=True),
        sa.Column("promoted_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_introductions")),
    )
    op.create_table(
        "contact_cards",
        sa.Column("partner", number, nullable=False),
        sa.Column("card", sa.Text(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("confirmed_at", sa.BigInteger(), nullable=False),
        sa.Column("confirmed_by", sa.Text(), nullable=False),
        sa.Column("compared_at", sa.BigInteger(), nullable=False),
        sa.Column("compared_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["partner"], ["partners.id"], name=op.f("fk_contact_cards_partner")
        ),
        sa.PrimaryKeyConstraint("partner", name=op.f("pk_contact_cards")),
    )
