"""Erasure, legal holds, and what was undone of what a partner sent."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    exact = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.add_column("identifiers", sa.Column("barred_at", sa.BigInteger(), nullable=True))
    op.create_table(
        "erasures",
        sa.Column("id", number, nullable=False),
        sa.Column("kind", exact, nullable=False),
        sa.Column("ident", number, nullable=True),
        sa.Column("partner", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("ordered_at", sa.BigInteger(), nullable=False),
        sa.Column("ordered_by", sa.Text(), nullable=False),
        sa.Column("lifted_at", sa.BigInteger(), nullable=True),
        sa.Column("lifted_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["ident"], ["identifiers.num"], name=op.f("fk_erasures_ident")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasures")),
    )
    op.create_index(op.f("ix_erasures_ident"), "erasures", ["ident"])
    op.create_table(
        "erased_objects",
        sa.Column("object", number, nullable=False),
        sa.Column("erasure", number, nullable=False),
        sa.Column("erased_at", sa.BigInteger(), nullable=False),
        sa.Column("ledger_line", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["object"], ["objects.id"], name=op.f("fk_erased_objects_object")),
        sa.ForeignKeyConstraint(
            ["erasure"], ["erasures.id"], name=op.f("fk_erased_objects_erasure")
        ),
        sa.PrimaryKeyConstraint("object", name=op.f("pk_erased_objects")),
    )
    op.create_table(
        "legal_holds",
        sa.Column("id", number, nullable=False),
        sa.Column("ident", number, nullable=True),
        sa.Column("partner", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("placed_at", sa.BigInteger(), nullable=False),
        sa.Column("placed_by", sa.Text(), nullable=False),
        sa.Column("lifted_at", sa.BigInteger(), nullable=True),
        sa.Column("lifted_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["ident"], ["identifiers.num"], name=op.f("fk_legal_holds_ident")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_legal_holds")),
    )
    op.create_index(
        op.f("ix_legal_holds_ident"),
        "legal_holds",
        ["ident"],
        sqlite_where=sa.text("lifted_at IS NULL"),
        postgresql_where=sa.text("lifted_at IS NULL"),
    )
    op.create_table(
        "undone_objects",
        sa.Column("object", number, nullable=False),
        sa.Column("undone_at", sa.BigInteger(), nullable=False),
        sa.Column("undone_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["object"], ["objects.id"], name=op.f("fk_undone_objects_object")),
        sa.PrimaryKeyConstraint("object", name=op.f("pk_undone_objects")),
    )
    op.create_table(
        "backups_made",
        sa.Column("id", number, nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("gone_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_backups_made")),
    )
