"""What partners hold against objects of ours: further release waits until a person has looked at it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    exact = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "doubts",
        sa.Column("opinion", number, nullable=False),
        sa.Column("ident", number, nullable=False),
        sa.Column("partner", number, nullable=False),
        sa.Column("word", exact, nullable=False),
        sa.Column("raised_at", sa.BigInteger(), nullable=False),
        sa.Column("state", exact, nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.Column("remark", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["opinion"], ["objects.id"], name=op.f("fk_doubts_opinion")),
        sa.ForeignKeyConstraint(["ident"], ["identifiers.num"], name=op.f("fk_doubts_ident")),
        sa.ForeignKeyConstraint(["partner"], ["partners.id"], name=op.f("fk_doubts_partner")),
        sa.PrimaryKeyConstraint("opinion", "ident", name=op.f("pk_doubts")),
    )
    op.create_index(op.f("ix_doubts_state_raised_at"), "doubts", ["state", "raised_at"])
