"""Why a version of ours is the last: its validity ended, or its list dropped it. Only then may its value come back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("objects", sa.Column("ended", sa.Text(), nullable=True))
