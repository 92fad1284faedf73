"""Keep the books by double entry: every transaction names the house's account that is its other side. Keep what operators do, too."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

# Not "0003" alone: another migration of that number would be taken for this one without a word.
revision = "0003_double_entry"
down_revision = "0002"

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")

CURRENCIES = ("USD", "EUR", "GBP", "JPY", "BTC", "ETH")

ENTRIES = """
CREATE VIEW entries AS
SELECT transactions.number, transactions.account_uuid AS account, accounts.currency, transactions.kind, transactions.contract_id,
    transactions.amount, transactions.epoch_ms
FROM transactions JOIN accounts ON accounts.uuid = transactions.account_uuid
UNION ALL
SELECT transactions.number, transactions.house_account, house_accounts.currency, transactions.kind, transactions.contract_id,
    -transactions.amount, transactions.epoch_ms
FROM transactions JOIN house_accounts ON house_accounts.id = transactions.house_account
"""


def upgrade() -> None:
    """Give each transaction its other side, and each deposit of before the author that it had: the program, which opened the account."""
    op.create_table(
        "house_accounts",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("currency", sa.Text, nullable=False, unique=True),
    )
    for currency in CURRENCIES:
        op.execute(f"INSERT INTO house_accounts (id, currency) VALUES ('house:{currency}', '{currency}')")  # noqa: S608 - ours
    op.add_column("transactions", sa.Column("house_account", sa.Text))
    currency = "SELECT currency FROM accounts WHERE accounts.uuid = transactions.account_uuid"
    op.execute(f"UPDATE transactions SET house_account = 'house:' || ({currency})")  # noqa: S608 - ours
    op.drop_index("account_transactions", "transactions")
    with op.batch_alter_table("transactions") as batch:
        # No foreign key: in PostgreSQL every purchase of a currency would lock the same row of `house_accounts`, if only for sharing.
        batch.alter_column("house_account", existing_type=sa.Text, nullable=False)
    op.execute(ENTRIES)
    # Statements are read by time, and those of money alone must not pass through all purchases.
    op.create_index("account_transactions", "transactions", ["account_uuid", "epoch_ms", "number"])
    is_money = sa.text("contract_id IS NULL")
    op.create_index(
        "account_money", "transactions", ["account_uuid", "epoch_ms", "number"], sqlite_where=is_money, postgresql_where=is_money
    )
    op.drop_index("closed_contracts", "contracts")
    is_closed = sa.text("status <> 'open'")
    # With what profit and loss are summed from: so the contracts themselves are not read for it.
    columns = ["account_uuid", "exit_time", "contract_id", "status", "product_id", "stake", "proceeds"]
    op.create_index("closed_contracts", "contracts", columns, sqlite_where=is_closed, postgresql_where=is_closed)
    op.create_table(
        "operator_acts",
        sa.Column("number", NUMBER, primary_key=True),
        sa.Column("epoch_ms", sa.BigInteger, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("act", sa.Text, nullable=False),
        sa.Column("account_uuid", sa.Text, sa.ForeignKey("accounts.uuid"), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("transaction_number", sa.BigInteger, sa.ForeignKey("transactions.number"), unique=True),
    )
    op.create_index("account_acts", "operator_acts", ["account_uuid", "number"])
    op.execute(
        "INSERT INTO operator_acts (epoch_ms, author, act, account_uuid, detail, reason, transaction_number)"
        " SELECT epoch_ms, 'pricewire', 'deposit', account_uuid, '', 'opening balance, of before the audit trail', number"
        " FROM transactions WHERE contract_id IS NULL ORDER BY number"
    )
