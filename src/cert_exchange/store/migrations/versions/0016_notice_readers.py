"""For whom a notice was made: who had fetched what it names, so that nobody else counts as owing an answer."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "notice_readers",
        sa.Column("notice", number, nullable=False),
        sa.Column("partner", number, nullable=False),
        sa.ForeignKeyConstraint(["notice"], ["notices.id"], name=op.f("fk_notice_readers_notice")),
        sa.ForeignKeyConstraint(
            ["partner"], ["partners.id"], name=op.f("fk_notice_readers_partner")
        ),
        sa.PrimaryKeyConstraint("notice", "partner", name=op.f("pk_notice_readers")),
        sqlite_with_rowid=False,
    )
