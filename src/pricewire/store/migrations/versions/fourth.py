"""Keep the events of accounts until they are published."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004_outbox"
down_revision = "0003_double_entry"


def upgrade() -> None:
    """Add the outbox, empty: what was published before is not known."""
    op.create_table(
        "outbox",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("contract_id", sa.Text, nullable=False),
        sa.Column("expiry_time", sa.BigInteger),
        # A number is never used twice: one that is removed late would take another event with it.
        sqlite_autoincrement=True,
    )
