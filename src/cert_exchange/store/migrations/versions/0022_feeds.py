"""Feeds for defenders' tools, what those log in with, and the numbers that their rules keep."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    exact = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "feeds",
        sa.Column("id", number, nullable=False),
        sa.Column("name", exact, nullable=False),
        sa.Column("options", sa.Text(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=True),
        sa.Column("serial", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feeds")),
        sa.UniqueConstraint("name", name=op.f("uq_feeds_name")),
    )
    op.create_table(
        "feed_credentials",
        sa.Column("id", exact, nullable=False),
        sa.Column("feed", number, nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("label", sa.Text(), nullable=True),
        sa.Column("networks", sa.Text(), nullable=True),
        sa.Column("issued_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["feed"], ["feeds.id"], name=op.f("fk_feed_credentials_feed")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feed_credentials")),
    )
    op.create_index(op.f("ix_feed_credentials_feed"), "feed_credentials", ["feed"])
    op.create_table(
        "rule_numbers",
        sa.Column("number", number, nullable=False),
        sa.Column("key", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_rule_numbers")),
        sa.UniqueConstraint("key", name=op.f("uq_rule_numbers_key")),
    )
