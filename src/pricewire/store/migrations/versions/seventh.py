"""Have each account know the time of its newest transaction, before which none that follows is dated."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007_moved"
down_revision = "0006_buy_tick"

IN_ORDER = """
UPDATE transactions SET epoch_ms = latest.epoch_ms
FROM (SELECT number, MAX(epoch_ms) OVER (PARTITION BY account_uuid ORDER BY number) AS epoch_ms FROM transactions) AS latest
WHERE latest.number = transactions.number AND latest.epoch_ms > transactions.epoch_ms
"""

MOVED = """
UPDATE accounts SET moved_ms = latest.epoch_ms
FROM (SELECT account_uuid, MAX(epoch_ms) AS epoch_ms FROM transactions GROUP BY account_uuid) AS latest
WHERE latest.account_uuid = accounts.uuid
"""


def upgrade() -> None:
    """Add the time, and date later what a clock that was set back has dated before the transaction that it followed."""
    op.add_column("accounts", sa.Column("moved_ms", sa.BigInteger, nullable=False, server_default="0"))
    op.execute(IN_ORDER)
    op.execute(MOVED)
