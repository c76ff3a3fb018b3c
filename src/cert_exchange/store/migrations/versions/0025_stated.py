"""Which object states which value: what our desk publishes is compared with it. Filled by the worker, in parts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "stated",
        sa.Column("digest", sa.LargeBinary(length=8), nullable=False),
        sa.Column("object", number, nullable=False),
        sa.ForeignKeyConstraint(["object"], ["objects.id"], name=op.f("fk_stated_object")),
        sa.PrimaryKeyConstraint("digest", "object", name=op.f("pk_stated")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_stated_object"), "stated", ["object"])
    op.execute("INSERT INTO node_facts (name, value) VALUES ('stated.upto', '0')")
