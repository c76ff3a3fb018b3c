"""What comes again is known again: a derivative under another name, and what was refused before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("derivatives", sa.Column("essence", sa.LargeBinary(32), nullable=True))
    op.create_index(op.f("ix_derivatives_audience_essence"), "derivatives", ["audience", "essence"])
    op.create_index(op.f("ix_quarantine_origin_stix_id"), "quarantine", ["origin", "stix_id"])
