"""Keep the tick that a contract was priced at: which side of a barrier the price was on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006_buy_tick"
down_revision = "0005_terms"


def upgrade() -> None:
    """Add its time and its price, which of the contracts so far nobody knows."""
    op.add_column("contracts", sa.Column("buy_tick_time", sa.BigInteger))
    op.add_column("contracts", sa.Column("buy_spot", sa.Text))
