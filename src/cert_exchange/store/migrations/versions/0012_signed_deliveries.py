"""Partners' public keys, the statements that go with what is delivered, and the receipts for them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    exact = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "partner_keys",
        sa.Column("partner", number, nullable=False),
        sa.Column("kid", exact, nullable=False),
        sa.Column("public", sa.LargeBinary(32), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.Column("pinned_at", sa.BigInteger(), nullable=False),
        sa.Column("vouched_by", exact, nullable=True),
        sa.ForeignKeyConstraint(["partner"], ["partners.id"], name=op.f("fk_partner_keys_partner")),
        sa.PrimaryKeyConstraint("partner", "kid", name=op.f("pk_partner_keys")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "delivery_statements",
        sa.Column("id", number, nullable=False),
        sa.Column("partner", number, nullable=False),
        sa.Column("way", exact, nullable=False),
        sa.Column("ours", sa.Integer(), nullable=False),
        sa.Column("stream", exact, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("view", sa.BigInteger(), nullable=True),
        sa.Column("collection", number, nullable=False),
        sa.Column("after", sa.BigInteger(), nullable=False),
        sa.Column("upto", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("leaves", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("receipt", sa.Text(), nullable=True),
        sa.Column("receipt_at", sa.BigInteger(), nullable=True),
        sa.Column("handed_over_at", sa.BigInteger(), nullable=True),
        sa.Column("wrong", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["partner"], ["partners.id"], name=op.f("fk_delivery_statements_partner")
        ),
        sa.ForeignKeyConstraint(
            ["collection"], ["collections.id"], name=op.f("fk_delivery_statements_collection")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery_statements")),
        sa.UniqueConstraint(
            "partner",
            "ours",
            "way",
            "stream",
            "seq",
            name=op.f("uq_delivery_statements_partner_ours_way_stream_seq"),
        ),
    )
    op.create_index(
        op.f("ix_delivery_statements_ours_at"),
        "delivery_statements",
        ["ours", "at"],
        sqlite_where=sa.text("handed_over_at IS NULL"),
        postgresql_where=sa.text("handed_over_at IS NULL"),
    )
    op.create_table(
        "delivery_leaves",
        sa.Column("view", number, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("leaf", sa.LargeBinary(32), nullable=False),
        sa.Column("salt", sa.LargeBinary(16), nullable=False),
        sa.ForeignKeyConstraint(["view"], ["views.id"], name=op.f("fk_delivery_leaves_view")),
        sa.PrimaryKeyConstraint("view", "position", name=op.f("pk_delivery_leaves")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "delivered",
        sa.Column("object", number, nullable=False),
        sa.Column("statement", number, nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("salt", sa.LargeBinary(16), nullable=True),
        sa.ForeignKeyConstraint(["object"], ["objects.id"], name=op.f("fk_delivered_object")),
        sa.ForeignKeyConstraint(
            ["statement"], ["delivery_statements.id"], name=op.f("fk_delivered_statement")
        ),
        sa.PrimaryKeyConstraint("object", name=op.f("pk_delivered")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_delivered_statement"), "delivered", ["statement"])
