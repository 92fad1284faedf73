"""A server with trading, and accounts to log in with."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx2
import pytest
from litestar import Litestar

from pricewire.market.feed import Feed
from pricewire.market.feeds.simulated.feed import SimulatedFeed
from pricewire.server.app import create_app
from pricewire.server.auth.keys import KeySource, SigningKey, shared_secret
from pricewire.server.auth.passwords import hash_password
from pricewire.server.auth.tokens import TokenRules, Tokens
from pricewire.server.leading import BusSetup
from pricewire.server.services import TradingSetup
from pricewire.server.transport.handover import HandoverProtocol
from pricewire.store.accounts import Account, Accounts
from pricewire.store.database import Database
from support import behind_gateways
from support.serving import PATIENCE, EventReader, Serving

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

    The journal is beside an SQLite file, where none is given, and the ring of the bus beside the journal. Simulated markets are open when
    it yields: their first ticks have come.
    """
    feeds = feeds or (SimulatedFeed(seed=1, rate=20, history_s=3600),)
    with tempfile.TemporaryDirectory() as folder:
        beside = database.parent if isinstance(database, Path) else Path(folder)
        setup = TradingSetup(database, journal or beside / "journal", keys, RULES, ring=(journal or beside / "journal").with_name("bus"))
        asked = {"heartbeat": 0.5, **options}

        def make_app(bus: BusSetup | None) -> Litestar:
            return create_app(feeds, trading=setup, **{"bus": bus, **asked})

        alone = Serving(make_app(None), http=http) if "bus" in asked else None
        with alone or behind_gateways.serving(make_app, heartbeat=asked["heartbeat"], limits=asked.get("limits"), http=http) as serving:
            for feed in feeds:
                if isinstance(feed, SimulatedFeed):
                    until_open(serving, [instrument.id for instrument in feed.instruments])
            yield serving


def until_open(server: Serving, instrument_ids: Sequence[str]) -> None:
    """Wait until each of some instruments has a tick that came after the server's beginning: the first of a stream may be an older one."""
    seen: set[str] = set()
    waiting = set(instrument_ids)
    with Events(server, "/sse?" + "&".join(f"topic=ticks:{instrument_id}" for instrument_id in instrument_ids)) as stream:
        while waiting:
            instrument_id = stream.until(lambda data: "seq" in data)["data"]["instrument_id"]
            if instrument_id in seen:
                waiting.discard(instrument_id)
            seen.add(instrument_id)


def with_accounts(database: str | Path, work: Callable[[Accounts], Awaitable[Result]]) -> Result:
    """Do something with the accounts of a database, from outside of the server."""

    async def opened() -> Result:
        opened = await Database.open(database)
        try:
            return await work(Accounts(opened))
        finally:
            await opened.close()

    return asyncio.run(opened())


def add_account(database: str | Path, account_id: str, balance: str = "10000.00", currency: str = "USD") -> Account:
    """Open an account whose password is `PASSWORD`."""
    return with_accounts(
        database, lambda accounts: accounts.add(account_id, password_hash=HASH, balance=Decimal(balance), currency=currency)
    )


def bearer(token: str | Account) -> dict[str, str]:
    """Return the header that shows a token, or one for an account."""
    return {"Authorization": f"Bearer {token if isinstance(token, str) else TOKENS.issue(token.uuid)}"}


def log_in(server: Serving, account_id: str, password: str = PASSWORD) -> str:
    """Log in by HTTP, and return the token."""
    answer = httpx2.post(f"{server.url}/login", json={"account_id": account_id, "password": password})
    assert answer.status_code == 200, answer.text
    token: str = answer.json()["token"]
    return token


class Events(EventReader):
    """A stream of a server, which may need a token."""

    def __init__(
        self,
        server: Serving,
        path: str,
        account: str | Account | None = None,
        buffer: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(server.url, path, headers={**(headers or {}), **({} if account is None else bearer(account))}, buffer=buffer)

    def until(self, is_it: Callable[[Any], bool]) -> Any:
        """Return the data of the first event, from the next on, of which something holds."""
        return self._first(lambda _, data: is_it(data))

    def wait_for(self, event: str) -> Any:
        """Return the data of the next event of a type."""
        return self._first(lambda name, _: name == event)

    def _first(self, is_it: Callable[[str, Any], bool]) -> Any:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            name, data = self.next()
            if is_it(name, data):
                return data
        raise TimeoutError("no such event within a minute")


@dataclass
class Scene:
    """A server with trading, its database, and an account."""

    server: Serving
    database: Path
    alice: Account

    @classmethod
    @contextmanager
    def open(cls, folders: pytest.TempPathFactory, *feeds: Feed, **options: Any) -> Iterator[Self]:
        """Serve as `open_app_server` does, over a new database."""
        database = folders.mktemp("scene") / "pricewire.db"
        alice = add_account(database, "alice")
        with open_app_server(database, *feeds, **options) as server:
            yield cls(server, database, alice)

    def get(self, path: str, token: str | Account | None = None, **options: Any) -> httpx2.Response:
        """Return the answer of a request that may be refused; an open stream is an empty answer."""
        with httpx2.stream("GET", self.server.url + path, **self._with(token, options)) as answer:
            if not answer.headers["content-type"].startswith("text/event-stream"):
                answer.read()
            return answer

    def post(self, path: str, token: str | Account | None = None, **options: Any) -> httpx2.Response:
        """Return the answer to a request, repeated while this machine is too busy for a process to keep its lease."""
        deadline = time.monotonic() + PATIENCE
        while True:
            answer = httpx2.post(self.server.url + path, **self._with(token, options))
            if "another process has this account" not in answer.text or time.monotonic() > deadline:
                return answer

    def ask_to_buy(self, token: str | Account | None, query: str = "", **options: Any) -> httpx2.Response:
        """Return the answer of a purchase, repeated while this machine is too busy for the next price to come in time."""
        deadline = time.monotonic() + PATIENCE
        while True:
            answer = self.post(f"/v1/trading/contracts/buy{query}", token, **options)
            if answer.status_code != 409 or "overdue" not in answer.text or time.monotonic() > deadline:
                return answer

    def buy(self, key: str, **details: Any) -> dict[str, Any]:
        """Buy a contract for alice, as `purchase` says."""
        answer = self.ask_to_buy(self.alice, json=purchase(key, **details))
        assert answer.status_code == 200, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    def change(self, stream: Events, token: str | Account, **change: Any) -> httpx2.Response:
        return httpx2.patch(f"{self.server.url}/v1/streams/{stream.head['pricewire-stream']}", json=change, headers=bearer(token))

    def _with(self, token: str | Account | None, options: dict[str, Any]) -> dict[str, Any]:
        headers = {} if token is None else bearer(token)
        return {"timeout": PATIENCE, **options, "headers": {**headers, **options.get("headers", {})}}


def refused(answer: httpx2.Response, status: int, code: str) -> str:
    """Check that a request was refused, and how; return the message."""
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
    message: str = answer.json()["error"]["message"]
    return message


def purchase(key: str, product_id: str = "rise_fall", **details: Any) -> dict[str, Any]:
    """Return the body of a purchase; by default of a contract on rising within five minutes, for 10.00."""
    order = {"instrument_id": "1HZ100V", "duration": 5, "duration_unit": "minutes", "stake": "10", "variant": "rise", **details}
    return {"idempotency_key": key, "product_id": product_id, "proposal_details": order}
