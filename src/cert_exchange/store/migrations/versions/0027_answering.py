"""What partners say about objects is found among millions that say nothing: an index of sightings, opinions and notes alone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    answers = sa.text("type IN ('note', 'opinion', 'sighting')")
    op.create_index(
        op.f("ix_objects_answering"), "objects", ["id"],
        sqlite_where=answers, postgresql_where=answers,
    )  # fmt: skip
