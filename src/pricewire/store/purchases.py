"""A purchase in the database: its key, its money and its contract, all or nothing; and the answer that an earlier one got."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Insert, Table, bindparam, insert, or_, select, update

from pricewire.errors import AccountError, AccountSuspendedError, IdempotencyConflictError, InsufficientBalanceError
from pricewire.store.contract_rows import as_bought, from_row, to_row
from pricewire.store.prepared import Prepared
from pricewire.store.tables import accounts, contracts, idempotency_keys, outbox, terms, transactions
from pricewire.store.terms import IS_TRADING, NEWEST, OWN_TERM, check_term
from pricewire.store.transactions import MOVED_MS, NOW, transaction_row
from pricewire.trading.contracts import Contract
from pricewire.trading.interfaces import Bought, Purchase
from pricewire.trading.money import from_units, to_units

Rows = Mapping[Table, Mapping[str, Any]]

TRANSACTION = [column.name for column in transactions.c if column is not transactions.c.number]
"""What a transaction is inserted with; the database numbers it."""

OF_ACCOUNT = {"balance": "balance", "epoch_ms": "moved_ms"}
"""What of it the account's row says when it has paid, and the column that does."""

EVENT = ["contract_id", "expiry_time"]
"""The same of an event in the outbox."""

PAID = (
    update(accounts)
    .where(
        accounts.c.uuid == bindparam("buyer"),
        accounts.c.currency == bindparam("in_currency"),
        accounts.c.status == "active",
        accounts.c.balance >= bindparam("price"),
    )
    .values(balance=accounts.c.balance - bindparam("price"), moved_ms=MOVED_MS)
    .returning(accounts.c.balance, accounts.c.moved_ms)
)

OWN_TERM_IS_NEWEST = or_(OWN_TERM.is_(None), select(terms.c.term).where(IS_TRADING).scalar_subquery() == OWN_TERM)

PAY = Prepared(PAID.where(OWN_TERM_IS_NEWEST))
ADD_KEY = Prepared(insert(idempotency_keys))
ADD_CONTRACT = Prepared(insert(contracts))
ADD_TRANSACTION = Prepared(insert(transactions), TRANSACTION)
ADD_EVENT = Prepared(insert(outbox).returning(outbox.c.number), EVENT)


def _all_at_once() -> Insert:
    """Return a purchase as one statement: it inserts all for the row of the account that has paid, or nothing where there is none."""
    newest = NEWEST.cte("newest")
    paid = PAID.where(or_(OWN_TERM.is_(None), newest.c.term == OWN_TERM)).cte("paid")

    def added(table: Table, names: list[str]) -> Insert:
        def value(name: str) -> ColumnElement[Any]:
            if table is transactions and name in OF_ACCOUNT:
                return paid.c[OF_ACCOUNT[name]]
            return bindparam(f"{table.name}_{name}", type_=table.c[name].type)

        return insert(table).from_select(names, select(*map(value, names)).select_from(paid))

    names = {idempotency_keys: idempotency_keys.c.keys(), contracts: contracts.c.keys(), transactions: TRANSACTION}
    others = [added(table, each).cte(f"added_{table.name}") for table, each in names.items()]
    return added(outbox, EVENT).returning(select(paid.c.balance).scalar_subquery(), outbox.c.number).add_cte(*others)


BUY = Prepared(_all_at_once())


def buy(connection: Connection, purchase: Purchase, now_ms: int, term: int | None) -> Bought:
    """
    Write a purchase, or return the first answer where its key was used before.

    In PostgreSQL it is one statement, which is a transaction by itself.

    Args:
        connection: to the database.
        purchase: the purchase.
        now_ms: the time, in milliseconds since 1970.
        term: of who writes; None where there is none.

    Raises:
        FencedError: another process has begun a term.
        IdempotencyConflictError: the key was used for another purchase.
        AccountError: there is no such account, or it has another currency.
        AccountSuspendedError: it may not buy.
        InsufficientBalanceError: it has less than the stake.
    """
    contract = purchase.contract
    price = to_units(contract.stake, contract.currency)
    rows: Rows = {
        idempotency_keys: {
            "account_uuid": contract.account_uuid,
            "key": purchase.idempotency_key,
            "digest": purchase.digest,
            "contract_id": contract.contract_id,
            "expiry_time": contract.expiry_time,
        },
        accounts: {"buyer": contract.account_uuid, "in_currency": contract.currency, "price": price, NOW.key: now_ms},
        terms: {OWN_TERM.key: term},
        contracts: to_row(contract),
        transactions: transaction_row(contract.account_uuid, contract.currency, "purchase", -price, 0, now_ms, contract.contract_id),
        outbox: {"contract_id": contract.contract_id, "expiry_time": contract.expiry_time},
    }
    write = _write_at_once if connection.dialect.name == "postgresql" else _write_in_turn
    try:
        written = write(connection, rows)
    except connection.dialect.loaded_dbapi.IntegrityError:
        # The key is there. In PostgreSQL this has waited for the same request of another process.
        first = first_answer(connection, contract.account_uuid, purchase.idempotency_key, purchase.digest)
        if first is None:
            raise
        return first
    if written is None:
        check_term(connection, term)
        raise _refusal(connection, contract)
    balance, number = written
    return Bought(contract, from_units(balance, contract.currency), is_repeated=False, event_number=number)


def first_answer(connection: Connection, account_uuid: str, key: str, digest: str) -> Bought | None:
    """
    Return the answer that a purchase got, from what was written; None where there was none.

    Raises:
        IdempotencyConflictError: the key was used for another purchase.
    """
    is_key = (idempotency_keys.c.account_uuid == account_uuid) & (idempotency_keys.c.key == key)
    first = connection.execute(select(idempotency_keys).where(is_key)).one_or_none()
    if first is None:
        return None
    if first.digest != digest:
        raise IdempotencyConflictError(key)
    row = connection.execute(select(contracts).where(contracts.c.contract_id == first.contract_id)).one()
    is_purchase = (transactions.c.contract_id == first.contract_id) & (transactions.c.kind == "purchase")
    balance = connection.execute(select(transactions.c.balance).where(is_purchase)).scalar_one()
    contract = as_bought(from_row(row), first.expiry_time)
    return Bought(contract, from_units(balance, contract.currency), is_repeated=True)


def _write_at_once(connection: Connection, rows: Rows) -> Sequence[int] | None:
    """Write a purchase in one statement; return the balance and the event's number, or None where nothing was written: it is not paid."""
    values = {**rows[accounts], **rows[terms]}
    for table in (idempotency_keys, contracts, transactions, outbox):
        values |= {f"{table.name}_{name}": value for name, value in rows[table].items()}
    return BUY(connection, values)


def _write_in_turn(connection: Connection, rows: Rows) -> Sequence[int] | None:
    """Write a purchase in several statements; the same, but of one that cannot be paid the key has to be taken back."""
    ADD_KEY(connection, rows[idempotency_keys])
    paid = PAY(connection, {**rows[accounts], **rows[terms]})
    if paid is None:
        return None
    ADD_CONTRACT(connection, rows[contracts])
    balance, moved_ms = paid
    ADD_TRANSACTION(connection, {**rows[transactions], "balance": balance, "epoch_ms": moved_ms})
    return [balance, *(ADD_EVENT(connection, rows[outbox]) or ())]


def _refusal(connection: Connection, contract: Contract) -> Exception:
    """Return why the account could not pay."""
    account = connection.execute(select(accounts).where(accounts.c.uuid == contract.account_uuid)).one_or_none()
    if account is None:
        return AccountError(f"there is no account {contract.account_uuid!r}")
    if account.currency != contract.currency:
        return AccountError(f"the account has {account.currency}; it cannot buy in {contract.currency}")
    if account.status != "active":
        return AccountSuspendedError()
    return InsufficientBalanceError(from_units(account.balance, account.currency), contract.stake, contract.currency)
