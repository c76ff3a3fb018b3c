"""Hold terms with what persons and the clock said of them, and the freezes of what goes out."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    exact = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.add_column("holds", sa.Column("owner", sa.Text(), nullable=True))
    op.add_column("holds", sa.Column("on_expiry", exact, nullable=True))
    op.add_column("holds", sa.Column("approvals", sa.Integer(), nullable=True))
    op.create_table(
        "hold_approvals",
        sa.Column("audience", number, nullable=False),
        sa.Column("object", number, nullable=False),
        sa.Column("collection", number, nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("person", exact, nullable=False),
        sa.Column("approved_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["audience"], ["audiences.id"], name=op.f("fk_hold_approvals_audience")
        ),
        sa.ForeignKeyConstraint(
            ["collection"], ["collections.id"], name=op.f("fk_hold_approvals_collection")
        ),
        sa.ForeignKeyConstraint(["object"], ["objects.id"], name=op.f("fk_hold_approvals_object")),
        sa.PrimaryKeyConstraint(
            "audience", "object", "collection", "rule", "person", name=op.f("pk_hold_approvals")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "hold_endings",
        sa.Column("audience", number, nullable=False),
        sa.Column("object", number, nullable=False),
        sa.Column("collection", number, nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("outcome", exact, nullable=False),
        sa.Column("held_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["audience"], ["audiences.id"], name=op.f("fk_hold_endings_audience")
        ),
        sa.ForeignKeyConstraint(
            ["collection"], ["collections.id"], name=op.f("fk_hold_endings_collection")
        ),
        sa.ForeignKeyConstraint(["object"], ["objects.id"], name=op.f("fk_hold_endings_object")),
        sa.PrimaryKeyConstraint(
            "audience", "object", "collection", "rule", name=op.f("pk_hold_endings")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "freezes",
        sa.Column("id", number, nullable=False),
        sa.Column("audience", sa.BigInteger(), nullable=False),
        sa.Column("frozen_at", sa.BigInteger(), nullable=False),
        sa.Column("frozen_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("lifted_at", sa.BigInteger(), nullable=True),
        sa.Column("lifted_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_freezes")),
    )
    op.create_index(
        op.f("ix_freezes_audience"),
        "freezes",
        ["audience"],
        unique=True,
        sqlite_where=sa.text("lifted_at IS NULL"),
        postgresql_where=sa.text("lifted_at IS NULL"),
    )
    # What persons released before stays released, also when another rule's hold takes the row.
    op.execute(
        "INSERT INTO hold_endings"
        " (audience, object, collection, rule, outcome, held_at, ended_at, ended_by)"
        " SELECT audience, object, collection, rule, 'released', held_at, released_at,"
        " coalesce(released_by, '') FROM holds WHERE released_at IS NOT NULL"
    )
