"""Credentials with a scope, networks and a last use, suspension in parts, and answers to proposals."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    exact = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("partners", sa.Column("sending_suspended_at", sa.BigInteger(), nullable=True))
    op.add_column("partners", sa.Column("receiving_suspended_at", sa.BigInteger(), nullable=True))
    op.execute(
        "UPDATE partners SET sending_suspended_at = suspended_at,"
        " receiving_suspended_at = suspended_at WHERE suspended_at IS NOT NULL"
    )
    op.add_column("credentials", sa.Column("label", sa.Text(), nullable=True))
    op.add_column("credentials", sa.Column("networks", sa.Text(), nullable=True))
    op.add_column("credentials", sa.Column("scoped_at", sa.BigInteger(), nullable=True))
    op.add_column("credentials", sa.Column("replaces", exact, nullable=True))
    op.create_table(
        "credential_scopes",
        sa.Column("credential", exact, nullable=False),
        sa.Column("collection", number, nullable=False),
        sa.Column("may_read", sa.Boolean(), nullable=False),
        sa.Column("may_write", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["credential"], ["credentials.id"], name=op.f("fk_credential_scopes_credential")
        ),
        sa.ForeignKeyConstraint(
            ["collection"], ["collections.id"], name=op.f("fk_credential_scopes_collection")
        ),
        sa.PrimaryKeyConstraint("credential", "collection", name=op.f("pk_credential_scopes")),
    )
    op.create_table(
        "credential_uses",
        sa.Column("credential", exact, nullable=False),
        sa.Column("first_used_at", sa.BigInteger(), nullable=True),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.Column("last_network", exact, nullable=True),
        sa.Column("refused_at", sa.BigInteger(), nullable=True),
        sa.Column("refused_network", exact, nullable=True),
        sa.ForeignKeyConstraint(
            ["credential"], ["credentials.id"], name=op.f("fk_credential_uses_credential")
        ),
        sa.PrimaryKeyConstraint("credential", name=op.f("pk_credential_uses")),
    )
    op.create_table(
        "proposal_answers",
        sa.Column("id", number, nullable=False),
        sa.Column("object", number, nullable=False),
        sa.Column("answer", exact, nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("made", number, nullable=True),
        sa.Column("answered_at", sa.BigInteger(), nullable=False),
        sa.Column("answered_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["object"], ["objects.id"], name=op.f("fk_proposal_answers_object")
        ),
        sa.ForeignKeyConstraint(["made"], ["objects.id"], name=op.f("fk_proposal_answers_made")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proposal_answers")),
    )
    op.create_index(op.f("ix_proposal_answers_object"), "proposal_answers", ["object"])
