"""Terms beside objects, what partners allowed, and the partners' countries."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    exact = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.add_column("partners", sa.Column("country", exact, nullable=True))
    op.create_table(
        "terms",
        sa.Column("ident", number, nullable=False),
        sa.Column("origin", sa.Integer(), nullable=False),
        sa.Column("terms", sa.Text(), nullable=False),
        sa.Column("set_at", sa.BigInteger(), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["ident"], ["identifiers.num"], name=op.f("fk_terms_ident")),
        sa.PrimaryKeyConstraint("ident", "origin", name=op.f("pk_terms")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "consents",
        sa.Column("id", number, nullable=False),
        sa.Column("partner", number, nullable=False),
        sa.Column("ident", number, nullable=True),
        sa.Column("recipient", exact, nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("said_by", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("given_at", sa.BigInteger(), nullable=False),
        sa.Column("given_by", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["ident"], ["identifiers.num"], name=op.f("fk_consents_ident")),
        sa.ForeignKeyConstraint(["partner"], ["partners.id"], name=op.f("fk_consents_partner")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
    )
    embargoes = sa.text("rule = 'terms' AND released_at IS NULL")
    op.create_index(
        op.f("ix_holds_audience"),
        "holds",
        ["audience"],
        sqlite_where=embargoes,
        postgresql_where=embargoes,
    )
    op.create_index(op.f("ix_consents_partner"), "consents", ["partner"])
    op.create_index(
        op.f("ix_consents_until"),
        "consents",
        ["until"],
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
