"""Notices of what was taken back, those that are owed, and blocks for one audience."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    exact = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "owed_notices",
        sa.Column("view", number, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("released", sa.BigInteger(), nullable=False),
        sa.Column("object", number, nullable=False),
        sa.Column("reason", exact, nullable=False),
        sa.ForeignKeyConstraint(["object"], ["objects.id"], name=op.f("fk_owed_notices_object")),
        sa.ForeignKeyConstraint(["view"], ["views.id"], name=op.f("fk_owed_notices_view")),
        sa.PrimaryKeyConstraint("view", "position", name=op.f("pk_owed_notices")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "notices",
        sa.Column("id", number, nullable=False),
        sa.Column("stix_id", exact, nullable=False),
        sa.Column("audience", number, nullable=True),
        sa.Column("partner", sa.Integer(), nullable=True),
        sa.Column("collection", number, nullable=False),
        sa.Column("reason", exact, nullable=False),
        sa.Column("action", exact, nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["audience"], ["audiences.id"], name=op.f("fk_notices_audience")),
        sa.ForeignKeyConstraint(
            ["collection"], ["collections.id"], name=op.f("fk_notices_collection")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
        sa.UniqueConstraint("stix_id", name=op.f("uq_notices_stix_id")),
    )
    op.create_table(
        "notice_subjects",
        sa.Column("notice", number, nullable=False),
        sa.Column("ident", number, nullable=False),
        sa.ForeignKeyConstraint(
            ["ident"], ["identifiers.num"], name=op.f("fk_notice_subjects_ident")
        ),
        sa.ForeignKeyConstraint(["notice"], ["notices.id"], name=op.f("fk_notice_subjects_notice")),
        sa.PrimaryKeyConstraint("notice", "ident", name=op.f("pk_notice_subjects")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_notice_subjects_ident"), "notice_subjects", ["ident"])
    op.create_table(
        "audience_blocks",
        sa.Column("ident", number, nullable=False),
        sa.Column("audience", number, nullable=False),
        sa.Column("blocked_at", sa.BigInteger(), nullable=False),
        sa.Column("blocked_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["audience"], ["audiences.id"], name=op.f("fk_audience_blocks_audience")
        ),
        sa.ForeignKeyConstraint(
            ["ident"], ["identifiers.num"], name=op.f("fk_audience_blocks_ident")
        ),
        sa.PrimaryKeyConstraint("ident", "audience", name=op.f("pk_audience_blocks")),
        sqlite_with_rowid=False,
    )
