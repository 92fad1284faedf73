"""A purchase in the database: the key, the money and the contract, all or nothing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import Row, Select, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from pricewire.errors import AccountError, AccountSuspendedError, IdempotencyConflictError, InsufficientBalanceError
from pricewire.store.contract_rows import as_bought, from_row, to_row
from pricewire.store.tables import accounts, contracts, idempotency_keys, transactions
from pricewire.trading.contracts import Contract
from pricewire.trading.money import from_units, to_units


class Purchase(msgspec.Struct, frozen=True):
    """
    What an account wants to buy.

    Attributes:
        contract: the contract, open and not yet entered; its stake is the price.
        idempotency_key: the account's name for this purchase: repeated, it buys nothing and gets the first answer.
        digest: of what was asked for, to know a key that is used for something else.
    """

    contract: Contract
    idempotency_key: str
    digest: str


class Bought(msgspec.Struct, frozen=True):
    """
    What an account has bought.

    Attributes:
        contract: the contract, as it was right after the purchase.
        balance: what the account had then.
        change: by how much the purchase changed it, below zero.
        is_repeated: whether this is the first answer again: then nothing was bought now, and there is nothing to publish.
    """

    contract: Contract
    balance: Decimal
    change: Decimal
    is_repeated: bool


async def buy(connection: AsyncConnection, purchase: Purchase, now_ms: int) -> Bought:
    """
    Write a purchase.

    The key comes first: of two requests with the same one the second waits here until the first has bought or failed.

    Args:
        connection: in a transaction, undone where this raises.
        purchase: what is to be bought.
        now_ms: the time, in milliseconds since 1970.

    Raises:
        IdempotencyConflictError: the key was used for another purchase.
        InsufficientBalanceError: the account has less than the price.
        AccountSuspendedError: the account may not buy.
        AccountError: there is no such account, or it has another currency.
    """
    contract = purchase.contract
    price = to_units(contract.stake, contract.currency)
    insert_new = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    claimed = await connection.execute(
        insert_new(idempotency_keys)
        .on_conflict_do_nothing()
        .values(
            account_uuid=contract.account_uuid,
            key=purchase.idempotency_key,
            digest=purchase.digest,
            contract_id=contract.contract_id,
            expiry_time=contract.expiry_time,
        )
        .returning(idempotency_keys.c.key)
    )
    if claimed.scalar_one_or_none() is None:
        first = (await connection.execute(_key(contract.account_uuid, purchase.idempotency_key))).one()
        return await _answer(connection, first, purchase.digest)
    paid = await connection.execute(
        update(accounts)
        .where(
            accounts.c.uuid == contract.account_uuid,
            accounts.c.currency == contract.currency,
            accounts.c.status == "active",
            accounts.c.balance >= price,
        )
        .values(balance=accounts.c.balance - price)
        .returning(accounts.c.balance)
    )
    balance = paid.scalar_one_or_none()
    if balance is None:
        raise await _refusal(connection, contract)
    await connection.execute(insert(contracts).values(to_row(contract)))
    await connection.execute(
        insert(transactions).values(
            account_uuid=contract.account_uuid,
            contract_id=contract.contract_id,
            kind="purchase",
            amount=-price,
            balance=balance,
            epoch_ms=now_ms,
        )
    )
    return Bought(contract, from_units(balance, contract.currency), -contract.stake, is_repeated=False)


async def first_answer(connection: AsyncConnection, account_uuid: str, key: str, digest: str) -> Bought | None:
    """
    Return the answer that a purchase got, or None where there was none with this key.

    Args:
        connection: to read by.
        account_uuid: the buyer's account.
        key: its name for the purchase.
        digest: of what is asked for.

    Raises:
        IdempotencyConflictError: the key was used for another purchase.
    """
    first = (await connection.execute(_key(account_uuid, key))).one_or_none()
    return None if first is None else await _answer(connection, first, digest)


def _key(account_uuid: str, key: str) -> Select[Any]:
    return select(idempotency_keys).where(idempotency_keys.c.account_uuid == account_uuid, idempotency_keys.c.key == key)


async def _answer(connection: AsyncConnection, first: Row[Any], digest: str) -> Bought:
    if first.digest != digest:
        raise IdempotencyConflictError(first.key)
    row = (await connection.execute(select(contracts).where(contracts.c.contract_id == first.contract_id))).one()
    is_purchase = (transactions.c.contract_id == first.contract_id) & (transactions.c.kind == "purchase")
    balance = (await connection.execute(select(transactions.c.balance).where(is_purchase))).scalar_one()
    contract = as_bought(from_row(row), first.expiry_time)
    return Bought(contract, from_units(balance, contract.currency), -contract.stake, is_repeated=True)


async def _refusal(connection: AsyncConnection, contract: Contract) -> Exception:
    """Return why the account could not pay."""
    account = (await connection.execute(select(accounts).where(accounts.c.uuid == contract.account_uuid))).one_or_none()
    if account is None:
        return AccountError(f"there is no account {contract.account_uuid!r}")
    if account.currency != contract.currency:
        return AccountError(f"the account has {account.currency}; it cannot buy in {contract.currency}")
    if account.status != "active":
        return AccountSuspendedError()
    return InsufficientBalanceError(from_units(account.balance, account.currency), contract.stake, contract.currency)
