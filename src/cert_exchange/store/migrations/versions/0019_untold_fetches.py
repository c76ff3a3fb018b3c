"""Who fetched a version that was taken back while its object stood, so that it is told when the object goes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "untold_fetches",
        sa.Column("audience", number, nullable=False),
        sa.Column("ident", number, nullable=False),
        sa.Column("partner", number, nullable=False),
        sa.ForeignKeyConstraint(
            ["audience"], ["audiences.id"], name=op.f("fk_untold_fetches_audience")
        ),
        sa.ForeignKeyConstraint(
            ["ident"], ["identifiers.num"], name=op.f("fk_untold_fetches_ident")
        ),
        sa.ForeignKeyConstraint(
            ["partner"], ["partners.id"], name=op.f("fk_untold_fetches_partner")
        ),
        sa.PrimaryKeyConstraint("audience", "ident", "partner", name=op.f("pk_untold_fetches")),
        sqlite_with_rowid=False,
    )
