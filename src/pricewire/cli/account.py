"""The command line for accounts and tokens, and where their data is."""

from __future__ import annotations

import asyncio
import getpass
import re
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

from cyclopts import App, Group, Parameter

from pricewire.cli.options import to_decimal
from pricewire.errors import AccountError, PricewireError
from pricewire.market.feeds.simulated.secret import local_secret
from pricewire.market.journal import KEEP_S
from pricewire.protocol.account_messages import ACCOUNT_ID
from pricewire.server.auth.jwks import IssuerKeys
from pricewire.server.auth.keys import KeySource, local_key, shared_secret
from pricewire.server.auth.passwords import hash_password
from pricewire.server.auth.tokens import MAX_HOURS, READ, TRADE, TokenRules, Tokens
from pricewire.server.services import TradingSetup
from pricewire.store.accounts import Accounts, AccountStatus
from pricewire.store.database import Database
from pricewire.trading.products import Products

GROUP = Group("Accounts and trading", sort_key=1)

KEEP_TICKS_HOURS = KEEP_S / 3600

MIN_PASSWORD = 8
"""The shortest password, in characters. Source: NIST SP 800-63B, section 3.1.1."""


@Parameter(name="*", group=GROUP)
@dataclass(frozen=True)
class Store:
    """
    Where accounts and contracts are, and what tokens are signed with.

    Attributes:
        data_dir: the directory of the database, of the journal of ticks, of the key that tokens are signed with, and of the secret of the
            simulated prices.
        database: another database than the one in the data directory: `postgresql://user:password@host/database`, or a file.
        jwt_secret_file: a file with a secret of 32 bytes or more: tokens are signed with it (HS256), and no longer with a key of the
            server's own, so that another program that has the secret can issue them.
        jwks_url: where another issuer publishes its keys: only its tokens are good then.
        jwt_issuer: what a token's `iss` has to be.
        jwt_audience: what a token's `aud` has to hold.
    """

    data_dir: Path = Path("pricewire-data")
    database: Annotated[str | None, Parameter(show_default=False)] = None
    jwt_secret_file: Path | None = None
    jwks_url: str | None = None
    jwt_issuer: str | None = None
    jwt_audience: str | None = None

    @property
    def address(self) -> str | Path:
        """Where the database is."""
        return self.data_dir / "pricewire.db" if self.database is None else self.database

    @property
    def rules(self) -> TokenRules:
        """What tokens have to say."""
        return TokenRules(self.jwt_issuer, self.jwt_audience)

    def keys(self) -> KeySource:
        """
        Return what tokens are signed with.

        Raises:
            PricewireError: it cannot be had, or two are given.
        """
        if self.jwt_secret_file is not None and self.jwks_url is not None:
            raise PricewireError("--jwt-secret-file and --jwks-url exclude each other: give one")
        if self.jwks_url is not None:
            return IssuerKeys(self.jwks_url)
        if self.jwt_secret_file is None:
            return local_key(self.data_dir)
        try:
            return shared_secret(self.jwt_secret_file.read_bytes().strip())
        except OSError as error:
            raise PricewireError(f"--jwt-secret-file {self.jwt_secret_file}: {error.strerror}") from None

    def market_secret(self) -> bytes:
        """
        Return what simulated prices are made from.

        Raises:
            PricewireError: the file that keeps it cannot be used.
        """
        return local_secret(self.data_dir)

    def setup(
        self,
        host: str,
        demo_account: bool | None = None,
        commissions: Mapping[str, float] | None = None,
        keep_ticks_hours: float = KEEP_TICKS_HOURS,
        *,
        is_proxied: bool = False,
    ) -> TradingSetup:
        """
        Return what a server needs of it, once the database can be opened.

        Args:
            host: the address that the server listens at.
            demo_account: whether there is to be the account `demo`; None for where nobody else reaches it.
            commissions: of the products that have another than the usual one.
            keep_ticks_hours: how long the journal keeps ticks.
            is_proxied: whether others reach the server by a proxy or a name, wherever it listens.

        Raises:
            PricewireError: the database, the keys or the commissions cannot be used.
        """
        products = Products(commissions)
        asyncio.run(check(self.address))
        if demo_account is None:
            demo_account = self.database is None and is_loopback(host) and not is_proxied
        return TradingSetup(
            self.address, self.data_dir / "journal", self.keys(), self.rules, demo_account, products, keep_ticks_hours * 3600
        )


STORE = Store()
"""In the working directory."""

accounts = App(name="account", help="Open accounts, list them, and change their passwords and status.")


@accounts.command
def add(
    account_id: str,
    /,
    *,
    balance: Annotated[Decimal, Parameter(converter=lambda _, tokens: to_decimal(tokens[0].value))] = Decimal(0),
    currency: str = "USD",
    type: str = "real",
    group: str = "default",
    uuid: str | None = None,
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
        uuid: what topics and requests call it, for a front end that has one built in; by default one is drawn.
        store: where accounts are.
    """
    if re.fullmatch(ACCOUNT_ID, account_id) is None:
        raise AccountError(f"account {account_id!r}: an id is 1 to 64 letters, digits and '_', '.', '@', '+', '-'")
    password = hash_password(ask_password())

    async def work(accounts: Accounts) -> None:
        account = await accounts.add(
            account_id, password_hash=password, currency=currency, balance=balance, type=type, group=group, account_uuid=uuid
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

    async def work(accounts: Accounts) -> None:
        lines = [("id", "uuid", "type", "group", "status", "balance", "currency")]
        lines += [
            (each.id, each.uuid, each.type, each.group, each.status, str(each.balance), each.currency) for each in await accounts.list()
        ]
        sys.stdout.writelines("\t".join(line) + "\n" for line in lines)

    run(store, work)


@accounts.command
def password(account_id: str, /, *, store: Store = STORE) -> None:
    """
    Change an account's password, which is asked for, or read from standard input where that is no terminal; its tokens and streams end.

    Args:
        account_id: the account's name.
        store: where accounts are.
    """
    changed = hash_password(ask_password())
    run(store, lambda accounts: accounts.set_password_hash(account_id, changed))


@accounts.command
def status(account_id: str, status: AccountStatus, /, *, store: Store = STORE) -> None:
    """
    Suspend an account, which can do nothing then - its tokens and streams end -, or make it active again.

    Args:
        account_id: the account's name.
        status: `active` or `suspended`.
        store: where accounts are.
    """
    run(store, lambda accounts: accounts.set_status(account_id, status))


def token(
    account_id: str, /, *, hours: float = 1.0, read_only: Annotated[bool, Parameter(negative=())] = False, store: Store = STORE
) -> None:
    """
    Print a token for an account.

    Args:
        account_id: the account's name.
        hours: how long it is good, 8760 at most.
        read_only: whether it is for looking only, and not for buying and selling.
        store: where accounts are, and what tokens are signed with.
    """
    if not 0 < hours <= MAX_HOURS:
        raise PricewireError(f"--hours {hours:g}: a token is good for more than 0 and at most {MAX_HOURS:g} hours")

    async def work(accounts: Accounts) -> None:
        account = await accounts.find(account_id)
        if account is None:
            raise AccountError(f"there is no account {account_id!r}; `pricewire account list` shows those there are")
        if account.status != "active":
            raise AccountError(f"the account {account_id!r} is suspended, and no token of it is good")
        scopes = frozenset({READ}) if read_only else frozenset({READ, TRADE})
        issued = Tokens(store.keys(), store.rules).issue(account.uuid, scopes, lifetime=hours * 3600, generation=account.generation)
        sys.stdout.write(f"{issued}\n")

    run(store, work)


def run(store: Store, work: Callable[[Accounts], Awaitable[None]]) -> None:
    """Do something with the accounts of a store."""

    async def opened() -> None:
        database = await Database.open(store.address)
        try:
            await work(Accounts(database))
        finally:
            await database.close()

    asyncio.run(opened())


async def check(address: str | Path) -> None:
    """Open a database and close it again: what is wrong with it is told before the server starts."""
    await (await Database.open(address)).close()


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


def is_loopback(host: str) -> bool:
    """Return whether an address is reached from this machine only."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
