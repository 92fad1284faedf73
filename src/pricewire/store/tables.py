"""
The tables, as the code uses them; `migrations/` makes them.

Money is whole numbers of the currency's smallest unit. Prices of instruments are decimals as text, exact and with their decimals. Times are
milliseconds since 1970 in UTC.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Double, ForeignKey, Integer, MetaData, Table, Text

metadata = MetaData()

accounts = Table(
    "accounts",
    metadata,
    Column("uuid", Text, primary_key=True),
    Column("id", Text, unique=True),
    Column("type", Text),
    Column("group", Text),
    Column("status", Text),
    Column("currency", Text),
    Column("password_hash", Text),
    Column("balance", BigInteger),
    Column("generation", BigInteger),
    Column("not_before_ms", BigInteger),
    Column("moved_ms", BigInteger),
)
"""
Who trades. The balance is the sum of the account's transactions: both change in one database transaction.

`generation` is 0, and a number above those of all accounts whenever the password or the status changes: tokens of an earlier one are no
longer valid, and a process that asks for those above the highest that it knows misses no change. `not_before_ms` is when that was.

`moved_ms` is the time of the account's newest transaction, 0 where it has none. It is here, and not looked up, as the row is locked when
a transaction is written: in PostgreSQL one that has waited for the lock sees this as it is now, but not the other's transaction.
"""

house_accounts = Table(
    "house_accounts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("currency", Text, unique=True),
)
"""The house's account of each currency: the other side of every transaction. Its balance is the sum of its entries."""

transactions = Table(
    "transactions",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("account_uuid", Text, ForeignKey("accounts.uuid")),
    Column("house_account", Text),
    Column("contract_id", Text, ForeignKey("contracts.contract_id")),
    Column("kind", Text),
    Column("amount", BigInteger),
    Column("balance", BigInteger),
    Column("epoch_ms", BigInteger),
)
"""
Every movement of money, with the balance of the account after it. An account's are in the same order by their numbers and by their times.

A row is both sides: the account gets `amount`, and the house's account of the same currency gives it. So neither side is ever written
without the other, and it costs a purchase one row.
"""

entries = Table(
    "entries",
    MetaData(),
    Column("number", BigInteger),
    Column("account", Text),
    Column("currency", Text),
    Column("kind", Text),
    Column("contract_id", Text),
    Column("amount", BigInteger),
    Column("epoch_ms", BigInteger),
)
"""A view: the two sides of each transaction as rows of their own, whose amounts sum to zero in each currency."""

operator_acts = Table(
    "operator_acts",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("epoch_ms", BigInteger),
    Column("author", Text),
    Column("act", Text),
    Column("account_uuid", Text, ForeignKey("accounts.uuid")),
    Column("detail", Text),
    Column("reason", Text),
    Column("transaction_number", BigInteger, ForeignKey("transactions.number"), unique=True),
)
"""The audit trail: what operators did to accounts, never changed. Of money, the transaction that it made."""

contracts = Table(
    "contracts",
    metadata,
    Column("contract_id", Text, primary_key=True),
    Column("reference_id", Text),
    Column("account_uuid", Text, ForeignKey("accounts.uuid")),
    Column("currency", Text),
    Column("product_id", Text),
    Column("variant", Text),
    Column("instrument_id", Text),
    Column("duration", BigInteger),
    Column("duration_unit", Text),
    Column("allow_equals", Boolean),
    Column("barrier", Text),
    Column("stake", BigInteger),
    Column("payout", BigInteger),
    Column("commission", Double),
    Column("volatility", Double),
    Column("buy_time", BigInteger),
    Column("buy_tick_time", BigInteger),
    Column("buy_spot", Text),
    Column("expiry_time", BigInteger),
    Column("entry_tick_time", BigInteger),
    Column("entry_spot", Text),
    Column("barrier_price", Text),
    Column("touch_time", BigInteger),
    Column("exit_tick_time", BigInteger),
    Column("exit_spot", Text),
    Column("exit_time", BigInteger),
    Column("proceeds", BigInteger),
    Column("status", Text),
)
"""Contracts, with the fields of `Contract`."""

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("account_uuid", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("digest", Text),
    Column("contract_id", Text),
    Column("expiry_time", BigInteger),
)
"""Which purchase a key stands for, and what of the answer changes later: a repeated request gets the first answer."""

outbox = Table(
    "outbox",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("contract_id", Text),
    Column("expiry_time", BigInteger),
)
"""
What was done to contracts and may not be published yet: a purchase, with the `expiry_time` that was expected then, or, without one, an end.

A row is written by the transaction that does it, and removed once the bus has the event.
"""

terms = Table(
    "terms",
    metadata,
    Column("name", Text, primary_key=True),
    Column("term", BigInteger),
)
"""
The number of the process that trades, where several could: each that begins to counts it up, and what one of an earlier term writes is
refused. A transaction that moves money holds a share of the row, so the next process waits for its end, and then sees all that it has done.
"""

revocations = Table(
    "revocations",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("token_id", Text, unique=True),
    Column("expires_at", BigInteger),
)
"""Revoked tokens."""

ticks = Table(
    "ticks",
    metadata,
    Column("instrument_id", Text, primary_key=True),
    Column("epoch_ms", BigInteger, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("price", Text),
    Column("bid", Text),
    Column("ask", Text),
)
"""Recorded ticks; `number` tells those of the same millisecond apart, in the order of their coming."""
