"""`pricewire account`: accounts and their money."""

from __future__ import annotations

import asyncio
import getpass
import os
import re
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal

from cyclopts import App

from pricewire.cli.options import Money
from pricewire.cli.store import STORE, Store
from pricewire.errors import AccountError, PricewireError
from pricewire.protocol.account_messages import ACCOUNT_ID
from pricewire.server.auth.passwords import hash_password
from pricewire.store.accounts import Accounts, AccountStatus
from pricewire.store.audit import AuditTrail, Operator
from pricewire.store.cashier import Cashier
from pricewire.store.database import Database
from pricewire.store.statements import house_totals
from pricewire.trading.money import to_text

MIN_PASSWORD = 8
"""The shortest password, in characters. Source: NIST SP 800-63B, section 3.1.1."""


accounts = App(name="account", help="Open accounts, list them, change their passwords and status, move their money, and see who did what.")


@accounts.command
def add(
    account_id: str,
    /,
    *,
    balance: Money = Decimal(0),
    currency: str = "USD",
    type: str = "real",
    group: str = "default",
    uuid: str | None = None,
    author: str | None = None,
    reason: str = "",
    store: Store = STORE,
) -> None:
    """
    Open an account; its password is asked for, or read from standard input where that is no terminal.

    Args:
        account_id: the name to log in with.
        balance: what the account begins with.
        currency: of all its money.
        type: `real` or `demo`.
        group: for your own use.
        uuid: its name in topics and requests, for a front end that has one built in; by default a random one.
        author: who opens it, for the audit trail; by default the user of the system.
        reason: why, for the audit trail, and for the account's statement if it begins with money.
        store: where accounts are.
    """
    if re.fullmatch(ACCOUNT_ID, account_id) is None:
        raise AccountError(f"account {account_id!r}: an id is 1 to 64 letters, digits and '_', '.', '@', '+', '-'")
    operator = operator_of(author, reason)
    password = hash_password(ask_password())

    async def work(database: Database) -> None:
        account = await Accounts(database).add(
            account_id,
            password_hash=password,
            currency=currency,
            balance=balance,
            type=type,
            group=group,
            account_uuid=uuid,
            operator=operator,
        )
        sys.stdout.write(f"{account.uuid}\n")

    run(store, work)


@accounts.command(name="list")
def list_accounts(*, store: Store = STORE) -> None:
    """
    List all accounts, with tabs between the columns.

    Args:
        store: where accounts are.
    """

    async def work(database: Database) -> None:
        lines = [("id", "uuid", "type", "group", "status", "balance", "currency")]
        lines += [
            (each.id, each.uuid, each.type, each.group, each.status, to_text(each.balance), each.currency)
            for each in await Accounts(database).list()
        ]
        sys.stdout.writelines("\t".join(line) + "\n" for line in lines)

    run(store, work)


@accounts.command
def password(account_id: str, /, *, author: str | None = None, reason: str = "", store: Store = STORE) -> None:
    """
    Change an account's password, which is asked for, or read from standard input where that is no terminal; its tokens and streams end.

    Args:
        account_id: the account's name.
        author: who does it, for the audit trail; by default the user of the system.
        reason: why, for the audit trail.
        store: where accounts are.
    """
    operator = operator_of(author, reason)
    changed = hash_password(ask_password())
    run(store, lambda database: Accounts(database).set_password_hash(account_id, changed, operator))


@accounts.command
def status(account_id: str, status: AccountStatus, /, *, author: str | None = None, reason: str = "", store: Store = STORE) -> None:
    """
    Suspend an account, which can do nothing then - its tokens and streams end -, or make it active again.

    Args:
        account_id: the account's name.
        status: `active` or `suspended`.
        author: who does it, for the audit trail; by default the user of the system.
        reason: why, for the audit trail.
        store: where accounts are.
    """
    operator = operator_of(author, reason)
    run(store, lambda database: Accounts(database).set_status(account_id, status, operator))


@accounts.command
def deposit(account_id: str, amount: Money, /, *, reason: str, author: str | None = None, store: Store = STORE) -> None:
    """
    Give money to an account, and print its balance.

    Args:
        account_id: the account's name.
        amount: how much, in its currency.
        reason: why; the account's statement shows it.
        author: who does it, for the audit trail; by default the user of the system.
        store: where accounts are.
    """
    operator = operator_of(author, reason)
    print_balance(store, lambda cashier: cashier.deposit(account_id, amount, operator))


@accounts.command
def withdraw(account_id: str, amount: Money, /, *, reason: str, author: str | None = None, store: Store = STORE) -> None:
    """
    Take money from an account, which must have it, and print its balance.

    Args:
        account_id: the account's name; it may be suspended.
        amount: how much, in its currency.
        reason: why; the account's statement shows it.
        author: who does it, for the audit trail; by default the user of the system.
        store: where accounts are.
    """
    operator = operator_of(author, reason)
    print_balance(store, lambda cashier: cashier.withdraw(account_id, amount, operator))


@accounts.command
def adjust(account_id: str, amount: Money, /, *, reason: str, author: str | None = None, store: Store = STORE) -> None:
    """
    Correct the balance of an account, and print it.

    Args:
        account_id: the account's name.
        amount: by how much, in its currency; `-12.50` takes.
        reason: why; the account's statement shows it.
        author: who does it, for the audit trail; by default the user of the system.
        store: where accounts are.
    """
    operator = operator_of(author, reason)
    print_balance(store, lambda cashier: cashier.adjust(account_id, amount, operator))


@accounts.command
def audit(account_id: str | None = None, /, *, newest: int = 1000, store: Store = STORE) -> None:
    """
    List what operators did to accounts, newest first, with tabs between the columns.

    Args:
        account_id: to this account alone.
        newest: how many at most.
        store: where accounts are.
    """
    if newest < 1:
        raise PricewireError(f"--newest {newest}: give 1 or more")

    async def work(database: Database) -> None:
        if account_id is not None and await Accounts(database).find(account_id) is None:
            raise AccountError(f"there is no account {account_id!r}; `pricewire account list` shows those there are")
        lines = [("number", "time", "author", "act", "account", "detail", "reason")]
        lines += [
            (str(act.number), iso_time(act.epoch_ms), act.author, act.act, act.account_id, act.detail, act.reason)
            for act in await AuditTrail(database).acts(account_id, newest=newest)
        ]
        sys.stdout.writelines("\t".join(line) + "\n" for line in lines)

    run(store, work)


@accounts.command
def house(*, store: Store = STORE) -> None:
    """
    List the house's account of each currency beside what all accounts have together: the two sum to zero, or the books are wrong.

    Args:
        store: where accounts are.
    """

    async def work(database: Database) -> None:
        totals = await house_totals(database)
        lines = [("currency", "house", "accounts", "sum")]
        lines += [(each.currency, to_text(each.house), to_text(each.accounts), to_text(each.house + each.accounts)) for each in totals]
        sys.stdout.writelines("\t".join(line) + "\n" for line in lines)
        if wrong := [each.currency for each in totals if each.house + each.accounts != 0]:
            raise PricewireError(f"the books of {', '.join(wrong)} do not sum to zero: something else than Pricewire has written to them")

    run(store, work)


def operator_of(author: str | None, reason: str) -> Operator:
    """
    Return who does something, and why.

    Args:
        author: their name; None for that of the system's user, who may have become another by `sudo`.
        reason: why.

    Raises:
        AccountError: one of them cannot be kept, or nobody knows the user's name.
    """
    if author is None:
        try:
            author = os.environ.get("SUDO_USER") or getpass.getuser()
        except (OSError, KeyError, ImportError):
            raise AccountError("the user of the system has no name; say who does this: --author NAME") from None
    return Operator(author, reason)


def print_balance(store: Store, move: Callable[[Cashier], Awaitable[Decimal]]) -> None:
    """Move money of an account of a store, and print its balance."""

    async def work(database: Database) -> None:
        sys.stdout.write(f"{to_text(await move(Cashier(database)))}\n")

    run(store, work)


def iso_time(epoch_ms: int) -> str:
    """Return a time in milliseconds since 1970 in the form of ISO 8601."""
    return datetime.fromtimestamp(epoch_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def run(store: Store, work: Callable[[Database], Awaitable[None]]) -> None:
    """Do something with the database of a store."""

    async def opened() -> None:
        database = await Database.open(store.address)
        try:
            await work(database)
        finally:
            await database.close()

    asyncio.run(opened())


def ask_password() -> str:
    """
    Return a new password.

    Raises:
        PricewireError: it is too short, or was not written the same twice.
    """
    if sys.stdin.isatty():
        password = getpass.getpass("Password: ")
        if getpass.getpass("Again: ") != password:
            raise PricewireError("the passwords differ; nothing was changed")
    else:
        password = sys.stdin.readline().rstrip("\n")
    if len(password) < MIN_PASSWORD:
        raise PricewireError(f"a password of {len(password)} characters is too short; take {MIN_PASSWORD} or more")
    return password
