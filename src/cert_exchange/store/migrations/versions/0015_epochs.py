"""What partners were told of a restore, and told us of theirs; pseudonyms that outlive their key."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    exact = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "partner_epochs",
        sa.Column("partner", number, nullable=False),
        sa.Column("theirs", sa.BigInteger(), nullable=False),
        sa.Column("kept_until", sa.BigInteger(), nullable=True),
        sa.Column("heard_at", sa.BigInteger(), nullable=True),
        sa.Column("told", sa.BigInteger(), nullable=False),
        sa.Column("told_at", sa.BigInteger(), nullable=True),
        sa.Column("asked", sa.BigInteger(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=True),
        sa.Column("brought", sa.BigInteger(), nullable=False),
        sa.Column("met_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["partner"], ["partners.id"], name=op.f("fk_partner_epochs_partner")
        ),
        sa.PrimaryKeyConstraint("partner", name=op.f("pk_partner_epochs")),
    )
    op.create_table(
        "pseudonyms",
        sa.Column("audience", number, nullable=False),
        sa.Column("maker", exact, nullable=False),
        sa.Column("pseudonym", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["audience"], ["audiences.id"], name=op.f("fk_pseudonyms_audience")
        ),
        sa.PrimaryKeyConstraint("audience", "maker", name=op.f("pk_pseudonyms")),
        sqlite_with_rowid=False,
    )
