"""Which message of a partner granted a consent, where a request asked for it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("consents", sa.Column("granted_by", sa.BigInteger(), nullable=True))
