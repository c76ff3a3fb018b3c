"""What is looked for at the way in, and what was held there."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    exact = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "screens",
        sa.Column("id", number, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("companions", sa.LargeBinary(length=32), nullable=True),
        sa.Column("applied_at", sa.BigInteger(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("replaced_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_screens")),
        sa.UniqueConstraint("version", name=op.f("uq_screens_version")),
    )
    op.create_table(
        "screen_companions",
        sa.Column("screen", number, nullable=False),
        sa.Column("name", exact, nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["digest"], ["companion_texts.digest"], name=op.f("fk_screen_companions_digest")
        ),
        sa.ForeignKeyConstraint(
            ["screen"], ["screens.id"], name=op.f("fk_screen_companions_screen")
        ),
        sa.PrimaryKeyConstraint("screen", "name", name=op.f("pk_screen_companions")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "kept_out",
        sa.Column("object", number, nullable=False),
        sa.Column("what", exact, nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("state", exact, nullable=False),
        sa.Column("held_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.Column("remark", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["object"], ["objects.id"], name=op.f("fk_kept_out_object")),
        sa.PrimaryKeyConstraint("object", name=op.f("pk_kept_out")),
    )
    op.create_index(op.f("ix_kept_out_state_held_at"), "kept_out", ["state", "held_at"])
    op.add_column(
        "objects",
        sa.Column("kept_out", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
