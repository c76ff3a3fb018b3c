"""What may come in from a partner in a window, what came, and whether it waits for a person's approval."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("partners", sa.Column("gate", sa.Text(), nullable=True))
