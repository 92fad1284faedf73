"""
The platform's own front end, as small as it can be, against the real server.

It takes every event for data, whatever its `event:` says, and splits the stream at blank lines; reads of a response's head what it needs;
sends its token in a header, and only where one is needed; chooses its chart by an instrument's market; colours a profit by its sign; and
has an account's uuid built in.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pricewire.market.feeds.simulated.feed import SimulatedFeed
from pricewire.server.app import create_app
from pricewire.server.services import TradingSetup
from pricewire.server.transport.handover import HandoverProtocol
from support.app_server import HASH, KEY, PASSWORD, RULES, TOKENS, add_account, with_accounts
from support.serving import Reader, Serving, unchunk

ACCOUNT = "7d444840-9dc0-11d1-b245-5ffdce74fad2"
"""What the front end was built with."""

CHARTS = {
    "Synthetic Index": "line",
    "Basket Index": "line",
    "Forex": "candles",
    "Indices": "candles",
    "Stocks": "candles",
    "Cryptocurrency": "candles",
    "Commodities": "candles",
}

TICKS = "/v1/market/instruments/ticks/stream?instrument_id=1HZ100V"
CANDLES = "/v1/market/instruments/candles/stream?instrument_id=1HZ100V&granularity=60"
PROPOSAL = (
    "/v1/trading/proposal/stream?product_id=rise_fall&instrument_id=1HZ100V&duration=5&duration_unit=minutes&allow_equals=false&stake=10"
)
PRICE = "/sse?action=instrument_price&instrument_id=1HZ100V"
PAYOUT = "/sse?action=contract_price&duration=5m&instrument=1HZ100V&trade_type=CALL&currency=USD&payout=20"
PUBLIC = (TICKS, CANDLES, PROPOSAL, PRICE, PAYOUT)

OPEN = f"/v1/trading/contracts/open/stream?account_uuid={ACCOUNT}"
CLOSED = f"/v1/trading/contracts/close/stream?account_uuid={ACCOUNT}"
BALANCE = f"/v1/accounting/balance/stream?account_uuid={ACCOUNT}"
PROTECTED = (OPEN, CLOSED, BALANCE)

MEMBERS = {
    TICKS: "ticks",
    CANDLES: "candles",
    PROPOSAL: "variants",
    PRICE: "bid",
    PAYOUT: "price",
    OPEN: "contracts",
    CLOSED: "contracts",
    BALANCE: "balance",
}
"""What the front end reads of each event first; it breaks on one without."""


class Stream(Reader):
    """A stream as the front end reads it."""

    def __init__(self, server: Serving, path: str, token: str | None = None, last_event_id: str | None = None) -> None:
        headers = {"Accept": "text/event-stream"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if last_event_id is not None:
            headers["Last-Event-ID"] = last_event_id
        super().__init__(server.url, path, headers=headers)
        self.socket.settimeout(60)
        self.path = path
        self.status, self.head = self.read_head()
        self.last_event_id: str | None = None
        (self._member,) = [member for begin, member in MEMBERS.items() if path.startswith(begin)]
        self._body = ""
        self._raw = b""

    def __enter__(self) -> Stream:
        return self

    def next(self) -> Any:
        """Return what the next event holds for the part of the page that wants it; raise EOFError where the stream is closed."""
        while "\n\n" not in self._body:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError(self._body)
            self._take(data)
        block, _, self._body = self._body.partition("\n\n")
        data_lines = []
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            if name == "data":
                data_lines.append(value.removeprefix(" "))
            elif name == "id":
                self.last_event_id = value.removeprefix(" ")
        message = json.loads("\n".join(data_lines))
        body = message.get("data", message)
        body[self._member]
        return body

    def until(self, is_it: Callable[[Any], object]) -> Any:
        """Return the first event of which something holds."""
        while True:
            body = self.next()
            if is_it(body):
                return body

    def to_end(self) -> str:
        """Read on until the server closes the stream, and return what is left of it that is no event, without heartbeats."""
        try:
            while True:
                self.next()
        except EOFError as error:
            return str(error).replace(":\n", "")

    def _take(self, data: bytes) -> None:
        self._raw += self.received + data
        self.received = b""
        # Whole chunks only.
        while (line := self._raw.find(b"\r\n")) >= 0:
            end = line + 2 + int(self._raw[:line], 16) + 2
            if len(self._raw) < end:
                return
            self._body += unchunk(self._raw[:end])[0].decode()
            self._raw = self._raw[end:]


def colour(profit_loss: str) -> str:
    """Return what a profit is shown in."""
    return {"+": "green", "-": "red"}[profit_loss[0]]


def refusal(server: Serving, path: str, token: str | None = None) -> tuple[int, str, dict[str, str]]:
    """Ask for a stream that is refused; return status, code and head."""
    with Stream(server, path, token) as stream:
        stream.socket.settimeout(60)
        body = json.loads(stream.read_until(b"}}"))
        return stream.status, body["error"]["code"], stream.head


@contextmanager
def streams_of(server: Serving, token: str, *paths: str) -> Iterator[dict[str, Stream]]:
    """Open streams, with the token where they need one."""
    with ExitStack() as stack:
        yield {path: stack.enter_context(Stream(server, path, token if path in PROTECTED else None)) for path in paths}


@contextmanager
def platform(database: Path, http: type[asyncio.Protocol], **options: Any) -> Iterator[Serving]:
    """Serve what the front end needs: an account with the uuid that it has built in, above all."""
    with_accounts(database, lambda accounts: accounts.add("alice", password_hash=HASH, balance=Decimal(1000), account_uuid=ACCOUNT))
    app = create_app(
        [SimulatedFeed(seed=1, rate=20)], heartbeat=0.2, trading=TradingSetup(database, database.with_name("journal"), KEY, RULES)
    )
    with Serving(app, http=http, **options) as server:
        yield server


@pytest.fixture(params=[HandoverProtocol, HttpToolsProtocol], ids=["handover", "fallback"])
def http(request: pytest.FixtureRequest) -> type[asyncio.Protocol]:
    found: type[asyncio.Protocol] = request.param
    return found


def test_a_session(tmp_path: Path, http: type[asyncio.Protocol]) -> None:
    with platform(tmp_path / "pricewire.db", http) as server, httpx2.Client(base_url=server.url, timeout=60) as client:
        token = client.post("/login", json={"account_id": "alice", "password": PASSWORD}).json()["token"]
        own = {"Authorization": f"Bearer {token}"}
        (account,) = client.get("/v1/accounts", headers=own).json()["data"]["accounts"]
        assert (account["uuid"], account["balance"]) == (ACCOUNT, 1000)

        instruments = client.get("/v1/market/instruments", params={"product_id": "rise_fall"}).json()["data"]["instruments"]
        assert {CHARTS[each["categories"][0]] for each in instruments} == {"line"}
        assert {each["categories"][1] for each in instruments} == {"Volatility"}

        with streams_of(server, token, *PUBLIC, *PROTECTED) as streams:
            trade(server, client, token, streams)


def trade(server: Serving, client: httpx2.Client, token: str, streams: dict[str, Stream]) -> None:
    """Look at prices, buy, look at the contract, sell, and log out."""
    own = {"Authorization": f"Bearer {token}"}
    assert {stream.status for stream in streams.values()} == {200}
    last = int(streams[TICKS].next()["ticks"][-1]["epoch_ms"])
    body = {"instrument_id": "1HZ100V", "to_epoch_ms": last, "count": 100}
    history = client.post("/v1/market/instruments/ticks/history", json=body).json()["data"]["ticks"]
    assert [int(each["epoch_ms"]) for each in history][-1] == last
    body = {"instrument_id": "1HZ100V", "granularity": 60, "count": 10}
    candles = client.post("/v1/market/instruments/candles/history", json=body).json()["data"]["candles"]
    streams[CANDLES].until(lambda body: body["candles"][0]["open_epoch_ms"] >= candles[-1]["open_epoch_ms"])

    (rise, _) = streams[PROPOSAL].next()["variants"]
    details = {"instrument_id": "1HZ100V", "duration": 5, "duration_unit": "minutes", "allow_equals": False, "stake": "10"}
    details |= {"variant": rise["variant"], "payout": rise["contract_details"]["payout"]}
    order = {"idempotency_key": "one", "product_id": "rise_fall", "proposal_details": details}
    query = {"account_uuid": ACCOUNT}
    bought = client.post("/v1/trading/contracts/buy", params=query, json=order, headers=own).json()["data"]
    contract_id = bought["contract_id"]
    assert streams[BALANCE].until(lambda body: body["balance"] == "990.00")["change"] == "-10.00"
    assert client.get("/v1/accounting/balance", params=query, headers=own).json()["data"]["balance"] == "990.00"

    body = streams[OPEN].until(lambda body: [each for each in body["contracts"] if each["contract_details"]["is_valid_to_sell"]])
    (shown,) = body["contracts"]
    assert shown["contract_id"] == contract_id
    profit = shown["contract_details"]["profit_loss"]
    assert colour(profit) == ("red" if Decimal(profit) < 0 else "green")
    with Stream(server, f"{OPEN}&contract_id={contract_id}", token) as chosen:
        assert chosen.next()["contracts"][0]["contract_details"]["tick_stream"]

    query["contract_id"] = contract_id
    sold = client.post("/v1/trading/contracts/sell", params=query, headers=own).json()["data"]
    streams[OPEN].until(lambda body: body["contracts"] == [])
    (closed,) = streams[CLOSED].until(lambda body: body["contracts"])["contracts"]
    assert closed["contract_id"] == contract_id
    assert Decimal(closed["contract_details"]["profit_loss"]) == Decimal(sold["profit"])
    colour(closed["contract_details"]["profit_loss"])
    streams[BALANCE].until(lambda body: Decimal(body["balance"]) == 990 + Decimal(sold["sell_price"]))
    for path in (PRICE, PAYOUT):
        streams[path].next()

    # It goes on where it was.
    with Stream(server, TICKS, last_event_id=streams[TICKS].last_event_id) as again:
        assert again.next()["ticks"][0]["epoch_ms"] > str(last)
    # Ids that mean nothing to the server give a stream that begins anew, without a word about it.
    for path in (TICKS, BALANCE):
        with Stream(server, path, token if path is BALANCE else None, last_event_id="of-another-server") as again:
            again.next()

    assert client.post("/v1/logout", headers=own).status_code == 200
    for path in PROTECTED:
        assert streams[path].to_end() == ""
        assert refusal(server, path, token)[:2] == (401, "UNAUTHORIZED")
    streams[TICKS].next()


def test_a_token_expires(tmp_path: Path, http: type[asyncio.Protocol]) -> None:
    with platform(tmp_path / "pricewire.db", http) as server:
        mallory = add_account(tmp_path / "pricewire.db", "mallory")
        token = TOKENS.issue(ACCOUNT, lifetime=5.0)
        with streams_of(server, token, *PROTECTED) as streams:
            for path, stream in streams.items():
                stream.next()
                assert stream.to_end() == "", "it is closed, and that is all"
                assert refusal(server, path, token)[:2] == (401, "UNAUTHORIZED")
                assert refusal(server, path)[:2] == (401, "UNAUTHORIZED")
                assert refusal(server, path, TOKENS.issue(mallory.uuid))[:2] == (403, "FORBIDDEN")
                with Stream(server, path, TOKENS.issue(ACCOUNT), stream.last_event_id) as again:
                    assert again.status == 200


def test_the_server_stops(tmp_path: Path) -> None:
    with (
        platform(tmp_path / "pricewire.db", HandoverProtocol, drain_seconds=4.0) as server,
        streams_of(server, TOKENS.issue(ACCOUNT), *PUBLIC, *PROTECTED) as streams,
        ThreadPoolExecutor(len(streams)) as pool,
    ):
        for stream in streams.values():
            stream.next()
        server.begin_to_stop()
        ends = [pool.submit(stream.to_end) for stream in streams.values()]
        wait(ends, return_when=FIRST_COMPLETED)
        # While the others are still being ended.
        status, code, head = refusal(server, TICKS)
        assert (status, code) == (503, "SERVER_DRAINING")
        assert int(head["retry-after"]) >= 1
        # When to come back stands in a line that is no event.
        rests = [end.result() for end in ends]
        assert all(re.fullmatch(r"retry: [0-9]+\n", rest) for rest in rests), rests
