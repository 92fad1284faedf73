"""A server with trading, and accounts to log in with."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import httpx2

from pricewire.market.feed import Feed
from pricewire.market.feeds.simulated.feed import SimulatedFeed
from pricewire.server.app import create_app
from pricewire.server.auth.keys import KeySource, SigningKey, shared_secret
from pricewire.server.auth.passwords import hash_password
from pricewire.server.auth.tokens import TokenRules, Tokens
from pricewire.server.services import TradingSetup
from pricewire.server.transport.handover import HandoverProtocol
from pricewire.store.accounts import Account, Accounts
from pricewire.store.database import Database
from support.serving import Reader, Serving

Result = TypeVar("Result")

KEY: SigningKey = shared_secret(b"the secret that the tests share.")
RULES = TokenRules(issuer="pricewire", audience="tests")
TOKENS = Tokens(KEY, RULES)

PASSWORD = "correct horse"
HASH = hash_password(PASSWORD)


@contextmanager
def open_app_server(
    database: str | Path,
    *feeds: Feed,
    keys: KeySource = KEY,
    http: type[asyncio.Protocol] = HandoverProtocol,
    journal: Path | None = None,
    **options: Any,
) -> Iterator[Serving]:
    """
    Serve feeds - the simulated instruments at twenty times their rate, where none are given - and trading over a database.

    The journal is beside an SQLite file, where none is given.
    """
    with tempfile.TemporaryDirectory() as folder:
        beside = database.with_name("journal") if isinstance(database, Path) else Path(folder)
        setup = TradingSetup(database, journal or beside, keys, RULES)
        app = create_app(feeds or [SimulatedFeed(seed=1, rate=20)], trading=setup, **{"heartbeat": 0.5, **options})
        with Serving(app, http=http) as serving:
            yield serving


def with_accounts(database: str | Path, work: Callable[[Accounts], Awaitable[Result]]) -> Result:
    """Do something with the accounts of a database, from outside of the server."""

    async def opened() -> Result:
        opened = await Database.open(database)
        try:
            return await work(Accounts(opened))
        finally:
            await opened.close()

    return asyncio.run(opened())


def add_account(database: str | Path, account_id: str, balance: str = "10000.00") -> Account:
    """Open an account whose password is `PASSWORD`."""
    return with_accounts(database, lambda accounts: accounts.add(account_id, password_hash=HASH, balance=Decimal(balance)))


def bearer(token: str | Account) -> dict[str, str]:
    """Return the header that shows a token, or one for an account."""
    return {"Authorization": f"Bearer {token if isinstance(token, str) else TOKENS.issue(token.uuid)}"}


def log_in(server: Serving, account_id: str, password: str = PASSWORD) -> str:
    """Log in by HTTP, and return the token."""
    answer = httpx2.post(f"{server.url}/login", json={"account_id": account_id, "password": password})
    assert answer.status_code == 200, answer.text
    token: str = answer.json()["token"]
    return token


class Events(Reader):
    """A stream, read event by event."""

    def __init__(self, server: Serving, path: str, account: str | Account | None = None, buffer: int | None = None, **headers: str) -> None:
        super().__init__(server.url, path, headers={**headers, **({} if account is None else bearer(account))}, buffer=buffer)
        self.socket.settimeout(60)
        self.status, self.head = self.read_head()
        self.last_id = ""

    def __enter__(self) -> Events:
        return self

    def next(self) -> tuple[str, Any]:
        """Return the next event's type and data."""
        fields: dict[str, str] = {}
        deadline = time.monotonic() + 60
        # Comments keep coming, so the socket's own limit would never be reached.
        while time.monotonic() < deadline:
            line = self.read_until(b"\n").decode().removesuffix("\n").removesuffix("\r")
            if not line and "data" in fields:
                self.last_id = fields.get("id", self.last_id)
                return fields.get("event", "message"), json.loads(fields["data"])
            name, _, value = line.partition(": ")
            fields[name] = value
        raise TimeoutError("no event within a minute")

    def until(self, is_it: Callable[[Any], bool]) -> Any:
        """Return the data of the first event, from the next on, of which something holds."""
        return self._first(lambda _, data: is_it(data))

    def wait_for(self, event: str) -> Any:
        """Return the data of the next event of a type."""
        return self._first(lambda name, _: name == event)

    def _first(self, is_it: Callable[[str, Any], bool]) -> Any:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            name, data = self.next()
            if is_it(name, data):
                return data
        raise TimeoutError("no such event within a minute")


def refused(answer: httpx2.Response, status: int, code: str) -> str:
    """Check that a request was refused, and how; return the message."""
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
    message: str = answer.json()["error"]["message"]
    return message
