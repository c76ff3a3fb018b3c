"""The tree over the ledger's lines, the heads of it that we signed, and those that partners showed us."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    exact = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "ledger_tree",
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.Column("salt", sa.LargeBinary(16), nullable=True),
        sa.PrimaryKeyConstraint("level", "number", name=op.f("pk_ledger_tree")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "checkpoints",
        sa.Column("id", number, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(32), nullable=False),
        sa.Column("issued_at", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checkpoints")),
    )
    op.create_table(
        "partner_checkpoints",
        sa.Column("id", number, nullable=False),
        sa.Column("partner", number, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(32), nullable=False),
        sa.Column("issued_at", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("standing", exact, nullable=False),
        sa.ForeignKeyConstraint(
            ["partner"], ["partners.id"], name=op.f("fk_partner_checkpoints_partner")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_partner_checkpoints")),
        sa.UniqueConstraint(
            "partner", "size", "root", name=op.f("uq_partner_checkpoints_partner_size_root")
        ),
    )
    op.create_index(
        op.f("ix_partner_checkpoints_partner_standing_size"),
        "partner_checkpoints",
        ["partner", "standing", "size"],
    )
    op.create_table(
        "ledger_breaks",
        sa.Column("id", number, nullable=False),
        sa.Column("partner", number, nullable=False),
        sa.Column("kind", exact, nullable=False),
        sa.Column("held", sa.Text(), nullable=False),
        sa.Column("told", sa.Text(), nullable=False),
        sa.Column("found_at", sa.BigInteger(), nullable=False),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.Column("settled_by", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["partner"], ["partners.id"], name=op.f("fk_ledger_breaks_partner")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_breaks")),
    )
    op.create_index(
        op.f("ix_ledger_breaks_partner_settled_at"), "ledger_breaks", ["partner", "settled_at"]
    )
    op.create_table(
        "ledger_comparisons",
        sa.Column("partner", number, nullable=False),
        sa.Column("tried_at", sa.BigInteger(), nullable=False),
        sa.Column("compared_at", sa.BigInteger(), nullable=True),
        sa.Column("trouble", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["partner"], ["partners.id"], name=op.f("fk_ledger_comparisons_partner")
        ),
        sa.PrimaryKeyConstraint("partner", name=op.f("pk_ledger_comparisons")),
    )
