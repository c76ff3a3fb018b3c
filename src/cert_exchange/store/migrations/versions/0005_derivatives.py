"""What views show in place of originals: the map of their ids, and what each version stands for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "derived_ids",
        sa.Column("audience", number, nullable=False),
        sa.Column("original", number, nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("ident", number, nullable=False),
        sa.Column("named_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["audience"], ["audiences.id"], name=op.f("fk_derived_ids_audience")
        ),
        sa.ForeignKeyConstraint(["ident"], ["identifiers.num"], name=op.f("fk_derived_ids_ident")),
        sa.ForeignKeyConstraint(
            ["original"], ["identifiers.num"], name=op.f("fk_derived_ids_original")
        ),
        sa.PrimaryKeyConstraint("audience", "original", "generation", name=op.f("pk_derived_ids")),
        sa.UniqueConstraint("ident", name=op.f("uq_derived_ids_ident")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_derived_ids_original"), "derived_ids", ["original"])
    op.create_table(
        "derivatives",
        sa.Column("object", number, nullable=False),
        sa.Column("source", number, nullable=False),
        sa.Column("audience", number, nullable=False),
        sa.Column("original", number, nullable=False),
        sa.Column("trimmed", sa.LargeBinary(length=32), nullable=False),
        sa.Column("content", sa.LargeBinary(length=32), nullable=False),
        sa.Column("withheld", sa.Text(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["audience"], ["audiences.id"], name=op.f("fk_derivatives_audience")
        ),
        sa.ForeignKeyConstraint(["object"], ["objects.id"], name=op.f("fk_derivatives_object")),
        sa.ForeignKeyConstraint(
            ["original"], ["identifiers.num"], name=op.f("fk_derivatives_original")
        ),
        sa.ForeignKeyConstraint(["source"], ["objects.id"], name=op.f("fk_derivatives_source")),
        sa.PrimaryKeyConstraint("object", name=op.f("pk_derivatives")),
    )
    op.create_index(
        op.f("ix_derivatives_original_audience"), "derivatives", ["original", "audience"]
    )
    op.create_index(op.f("ix_derivatives_source"), "derivatives", ["source"])
