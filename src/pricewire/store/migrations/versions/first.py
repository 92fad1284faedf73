"""Make the first tables: accounts and their money, contracts, ticks, revoked tokens."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "accounts",
        sa.Column("uuid", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("group", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("password_hash", sa.Text),
        sa.Column("balance", sa.BigInteger, sa.CheckConstraint("balance >= 0", name="balance_not_negative"), nullable=False),
    )
    op.create_table(
        "contracts",
        sa.Column("contract_id", sa.Text, primary_key=True),
        sa.Column("reference_id", sa.Text, nullable=False),
        sa.Column("account_uuid", sa.Text, sa.ForeignKey("accounts.uuid"), nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("product_id", sa.Text, nullable=False),
        sa.Column("variant", sa.Text, nullable=False),
        sa.Column("instrument_id", sa.Text, nullable=False),
        sa.Column("duration", sa.BigInteger, nullable=False),
        sa.Column("duration_unit", sa.Text, nullable=False),
        sa.Column("allow_equals", sa.Boolean, nullable=False),
        sa.Column("barrier", sa.Text),
        sa.Column("stake", sa.BigInteger, nullable=False),
        sa.Column("payout", sa.BigInteger, nullable=False),
        sa.Column("commission", sa.Double, nullable=False),
        sa.Column("volatility", sa.Double, nullable=False),
        sa.Column("buy_time", sa.BigInteger, nullable=False),
        sa.Column("expiry_time", sa.BigInteger, nullable=False),
        sa.Column("entry_tick_time", sa.BigInteger),
        sa.Column("entry_spot", sa.Text),
        sa.Column("barrier_price", sa.Text),
        sa.Column("touch_time", sa.BigInteger),
        sa.Column("exit_tick_time", sa.BigInteger),
        sa.Column("exit_spot", sa.Text),
        sa.Column("exit_time", sa.BigInteger),
        sa.Column("proceeds", sa.BigInteger),
        sa.Column("status", sa.Text, nullable=False),
    )
    is_open = sa.text("status = 'open'")
    op.create_index("open_contracts", "contracts", ["contract_id"], sqlite_where=is_open, postgresql_where=is_open)
    is_closed = sa.text("status <> 'open'")
    op.create_index(
        "closed_contracts", "contracts", ["account_uuid", "exit_time", "contract_id"], sqlite_where=is_closed, postgresql_where=is_closed
    )
    op.create_table(
        "transactions",
        sa.Column("number", NUMBER, primary_key=True),
        sa.Column("account_uuid", sa.Text, sa.ForeignKey("accounts.uuid"), nullable=False),
        sa.Column("contract_id", sa.Text, sa.ForeignKey("contracts.contract_id")),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("balance", sa.BigInteger, nullable=False),
        sa.Column("epoch_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("account_transactions", "transactions", ["account_uuid", "number"])
    op.create_index("transactions_once", "transactions", ["contract_id", "kind"], unique=True)
    op.create_table(
        "idempotency_keys",
        sa.Column("account_uuid", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("contract_id", sa.Text, nullable=False),
        sa.Column("expiry_time", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "ticks",
        sa.Column("instrument_id", sa.Text, primary_key=True),
        sa.Column("epoch_ms", sa.BigInteger, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("price", sa.Text, nullable=False),
        sa.Column("bid", sa.Text, nullable=False),
        sa.Column("ask", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "revocations",
        sa.Column("number", NUMBER, primary_key=True),
        sa.Column("token_id", sa.Text, nullable=False, unique=True),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        # A number is never used twice: a process that has seen the last one would miss the next.
        sqlite_autoincrement=True,
    )
