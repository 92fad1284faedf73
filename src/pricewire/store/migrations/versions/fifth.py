"""Count the processes that have traded, one after another."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005_terms"
down_revision = "0004_outbox"


def upgrade() -> None:
    """Begin with none."""
    op.create_table("terms", sa.Column("name", sa.Text, primary_key=True), sa.Column("term", sa.BigInteger, nullable=False))
    op.execute("INSERT INTO terms (name, term) VALUES ('trading', 0)")
