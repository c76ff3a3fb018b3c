"""Commitments of a log put together ahead, which statements refer to instead of holding them each."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "delivery_blocks",
        sa.Column("id", number, nullable=False),
        sa.Column("view", number, nullable=False),
        sa.Column("after", sa.BigInteger(), nullable=False),
        sa.Column("upto", sa.BigInteger(), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("leaves", sa.LargeBinary(), nullable=False),
        sa.Column("salts", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["view"], ["views.id"], name=op.f("fk_delivery_blocks_view")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery_blocks")),
        sa.UniqueConstraint("view", "after", name=op.f("uq_delivery_blocks_view_after")),
    )
    op.add_column("delivery_statements", sa.Column("block", number, nullable=True))
