"""The files that a policy version names: their texts, once each, and which version has which."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "companion_texts",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_companion_texts")),
    )
    op.create_table(
        "policy_companions",
        sa.Column("policy", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["digest"], ["companion_texts.digest"], name=op.f("fk_policy_companions_digest")
        ),
        sa.ForeignKeyConstraint(
            ["policy"], ["policies.id"], name=op.f("fk_policy_companions_policy")
        ),
        sa.PrimaryKeyConstraint("policy", "name", name=op.f("pk_policy_companions")),
    )
    op.add_column("policies", sa.Column("companions", sa.LargeBinary(length=32), nullable=True))
