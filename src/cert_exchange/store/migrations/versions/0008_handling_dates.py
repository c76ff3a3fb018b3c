"""When what a marking says of an object begins or ends, so that it is decided again then."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "handling_dates",
        sa.Column("object", number, nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["object"], ["objects.id"], name=op.f("fk_handling_dates_object")),
        sa.PrimaryKeyConstraint("object", name=op.f("pk_handling_dates")),
    )
    op.create_index(op.f("ix_handling_dates_due_at"), "handling_dates", ["due_at"])
