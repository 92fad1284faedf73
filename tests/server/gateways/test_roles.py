"""The market and trading in processes of their own, over a real NATS server: what a client sees is what one server would show."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import httpx2
import msgspec
import pytest
from bench.servers.nats import NatsServer, nats_server

from pricewire.bus.nats import NatsPlan
from pricewire.bus.nats_connection import NatsAddress
from pricewire.errors import FeedError, InvalidProposalError
from pricewire.market.feeds.simulated.feed import SimulatedFeed
from pricewire.market.hours import parse_hours
from pricewire.market.journal import Journal
from pricewire.market.market import Market
from pricewire.protocol.messages import Tick
from pricewire.protocol.topics import CandlesTopic
from pricewire.server.app import create_app
from pricewire.server.gateways import gateway, market_service
from pricewire.server.gateways.bus_feed import feeds_of, from_hours, to_hours
from pricewire.server.gateways.leader import NatsSetup
from pricewire.server.gateways.market_messages import MarketDescription
from pricewire.server.gateways.market_publisher import MarketPublisher
from pricewire.server.gateways.market_source import Interest, describe
from pricewire.server.limits import Limits
from pricewire.server.services import JournalSetup
from pricewire.server.transport.handover import HandoverProtocol
from pricewire.store.accounts import Account
from pricewire.store.audit import Operator
from pricewire.store.cashier import Cashier
from pricewire.store.database import Database
from pricewire.trading.partitions import partition_of
from server.gateways.test_gateway import GoldFeed, message, price, serve_gateway, until_ready
from support.app_server import TOKENS, Events, add_account, bearer, log_in, open_app_server, purchase, refused
from support.fake_market import settle
from support.feeds import GOLD
from support.full_disk import full_disk
from support.metrics import wait_until
from support.serving import PATIENCE, Serving

numbers = itertools.count()

OLD_TICKS = 40
"""How many ticks the market's journal has that the bus has not."""


class HoldingFeed(GoldFeed):
    """A feed of GOLD that can hold back a price."""

    is_held = False

    def is_holding(self, instrument_id: str) -> bool:
        return self.is_held


@dataclass
class Parts:
    """
    A server in parts: the market, trading, and a gateway.

    Attributes:
        nats: the NATS server between them.
        plan: the stream of JetStream.
        folder: for the data of all.
        feed: of GOLD, of the market that serves.
        market: the market that serves.
        trading: trading that serves.
        gateway: what clients talk to.
        alice: an account.
        times: of the next ticks.
    """

    nats: NatsServer
    plan: NatsPlan
    folder: Path
    feed: HoldingFeed
    alice: Account
    times: Iterator[int]
    market: Serving = field(init=False)
    trading: Serving = field(init=False)
    gateway: Serving = field(init=False)

    @property
    def address(self) -> NatsAddress:
        return NatsAddress((self.nats.url,))

    @contextlib.contextmanager
    def open_market(self, name: str, feed: GoldFeed) -> Iterator[Serving]:
        setup = NatsSetup(self.address, self.plan, "market")
        with Serving(create_app([feed], journal=JournalSetup(self.folder / name), bus=setup), http=HandoverProtocol) as market:
            yield market

    @contextlib.contextmanager
    def open_trading(self, name: str) -> Iterator[Serving]:
        feeds = feeds_of(asyncio.run(describe(self.address, self.plan.stream)))
        setup = NatsSetup(self.address, self.plan, "trading")
        with open_app_server(self.folder / "pricewire.db", *feeds, bus=setup, journal=self.folder / name / "trading") as trading:
            yield trading

    def tick(self, bid: float) -> str:
        """Have a tick of GOLD come; return its price."""
        self.market.call(self.feed.give, bid, bid + 0.02, next(self.times))
        return f"{bid + 0.01:.2f}"

    def buy(self, key: str, **details: Any) -> str:
        """Buy a contract on GOLD by the gateway; return its id. On a busy machine the market may seem closed between two ticks."""
        order = purchase(key, instrument_id="GOLD", **details)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            self.tick(10)
            url = f"{self.gateway.url}/v1/trading/contracts/buy"
            answer = httpx2.post(url, json=order, headers=bearer(TOKENS.issue(self.alice.uuid)), timeout=PATIENCE)
            if answer.status_code == 200:
                contract_id: str = answer.json()["data"]["contract_id"]
                return contract_id
            if answer.status_code == 503:
                time.sleep(0.1)
            else:
                refused(answer, 409, "MARKET_CLOSED")
        raise TimeoutError("the market stays closed")

    def watch(self, *topics: str) -> Events:
        return Events(self.gateway, "/protected/sse?" + "&".join(f"topic={topic}" for topic in topics), self.alice)

    def settle_by(self, stream: Events, bid: float, count: int) -> tuple[Any, list[str]]:
        """Have ticks come after a purchase; return how the contract ended, and their prices."""
        # Those of the purchase may be ahead of the clock that it has its time of.
        self.times = itertools.count(max(next(self.times), time.time_ns() // 1_000_000 + 1000), 1000)
        given = [self.tick(bid + number) for number in range(count)]
        return stream.until(lambda data: data.get("event") == "contract_settled")["data"], given


@pytest.fixture
def parts(tmp_path: Path, sqlite_template: Path) -> Iterator[Parts]:
    database = tmp_path / "pricewire.db"
    database.write_bytes(sqlite_template.read_bytes())
    alice = add_account(database, "alice")
    plan, feed = NatsPlan(f"parts-{next(numbers)}"), HoldingFeed()
    write_old_ticks(tmp_path / "market")
    times = itertools.count(time.time_ns() // 1_000_000 - 90_000, 1000)
    with contextlib.ExitStack() as stack:
        nats = stack.enter_context(nats_server())
        parts = Parts(nats, plan, tmp_path, feed, alice, times)
        parts.market = stack.enter_context(parts.open_market("market", feed))
        # So many that the pace is known.
        for _ in range(30):
            parts.tick(10)
        parts.trading = stack.enter_context(parts.open_trading("first"))
        until_serving(parts.trading)
        parts.gateway = stack.enter_context(serve_gateway(nats, plan))
        yield parts


def write_old_ticks(folder: Path) -> None:
    """Have ticks of an hour ago in a journal, which the bus has not."""
    journal = Journal(folder, [GOLD])
    hour_ago_ms = time.time_ns() // 1_000_000 - 3_600_000
    for number in range(OLD_TICKS):
        # Three of each millisecond.
        journal.add("GOLD", hour_ago_ms + number // 3 * 1000, 1000 + number, 1001 + number, 999 + number)
    journal.close()


def until_serving(server: Serving) -> None:
    """Wait until a process no longer stands by."""
    deadline = time.monotonic() + PATIENCE
    while "stands by" in httpx2.get(f"{server.url}/readyz", timeout=PATIENCE).text:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def until_standing_by(server: Serving, folder: Path) -> None:
    """Wait until a process stands by and writes its journal: it has that open then."""
    deadline = time.monotonic() + PATIENCE
    while "stands by" not in httpx2.get(f"{server.url}/readyz", timeout=PATIENCE).text or not list(folder.glob("*.ticks")):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def journal_of(folder: Path) -> list[Tick]:
    """Return the ticks of GOLD in a journal that nobody has open any more."""
    journal = Journal(folder, [GOLD])
    try:
        return asyncio.run(journal.between("GOLD", 0, 10**14))
    finally:
        journal.close()


def test_an_account_trades_at_prices_of_another_process(parts: Parts) -> None:
    token = log_in(parts.gateway, "alice")
    account = parts.alice.uuid
    with parts.watch(f"balance:{account}", f"contracts:{account}", "ticks:GOLD") as stream:
        contract_id = parts.buy("one", duration=3, duration_unit="ticks", variant="rise")
        assert stream.until(lambda data: data.get("event") == "contract_opened")["data"]["contract_id"] == contract_id
        ended, given = parts.settle_by(stream, 20, 6)
        assert ended["contract_id"] == contract_id
        assert ended["contract_details"]["entry_spot"] == given[0]
        assert ended["contract_details"]["exit_spot"] == given[3], "three ticks after the entry"
        balance = stream.until(lambda data: data.get("event") == "balance")["data"]["balance"]
    answer = httpx2.get(f"{parts.gateway.url}/v1/accounting/balance", headers=bearer(token), timeout=PATIENCE)
    assert answer.json()["data"]["balance"] == balance
    for process in (parts.market, parts.trading, parts.gateway):
        parts.tick(20)
        assert until_ready(process) == "ok\n"


def test_nothing_is_traded_while_another_process_does_not_know_the_price(parts: Parts) -> None:
    def hold() -> None:
        parts.feed.is_held = True

    def fail() -> None:
        parts.market.call(parts.feed.fail, FeedError("the source is gone"))

    orders = (purchase(f"held-{number}", instrument_id="GOLD", duration=3, duration_unit="ticks", variant="rise") for number in numbers)

    def answer() -> httpx2.Response:
        url = f"{parts.gateway.url}/v1/trading/contracts/buy"
        return httpx2.post(url, json=next(orders), headers=bearer(TOKENS.issue(parts.alice.uuid)), timeout=PATIENCE)

    for number, happens in enumerate((hold, hold, fail)):
        parts.buy(f"before-{number}", duration=3, duration_unit="ticks", variant="rise")
        happens()
        # Also without this its prices would stop coming: that is another message.
        wait_until(lambda: "its market is closed" in answer().text)
        parts.feed.is_held = False
    parts.buy("after", duration=3, duration_unit="ticks", variant="rise")


def test_a_chosen_contract_has_the_ticks_of_its_life(parts: Parts) -> None:
    contract_id = parts.buy("one", duration=3, duration_unit="ticks", variant="rise")
    # They come after the purchase.
    parts.times = itertools.count(max(next(parts.times), time.time_ns() // 1_000_000 + 1000), 1000)
    path = f"/v1/trading/contracts/{{}}/stream?contract_id={contract_id}"
    given: list[str] = []
    with (
        Events(parts.gateway, path.format("open"), parts.alice) as opened,
        Events(parts.gateway, path.format("close"), parts.alice) as closed,
    ):
        assert contracts_of(closed.next()[1]) == []
        for bid in (20, 21, 22):
            given.append(parts.tick(bid))
            opened.until(lambda data: ticks_of(data) == given)
        given.append(parts.tick(23))
        assert opened.until(lambda data: not contracts_of(data))
        assert ticks_of(closed.until(contracts_of)) == given, "from the entry to the end"
        # Also where it begins with them.
        with Events(parts.gateway, path.format("close"), parts.alice) as again:
            assert ticks_of(again.next()[1]) == given
    refused(httpx2.get(parts.gateway.url + path.format("open"), timeout=PATIENCE), 401, "UNAUTHORIZED")
    for other, status, code in (
        ("/v1/trading/contracts/open/stream?contract_id=none", 404, "NOT_FOUND"),
        (f"/protected/sse?topic=open_contracts:{parts.alice.uuid}:{contract_id}", 400, "INVALID_PARAMETERS"),
    ):
        refused(httpx2.get(parts.gateway.url + other, headers=bearer(parts.alice), timeout=PATIENCE), status, code)


def contracts_of(data: Any) -> Any:
    return data["data"]["contracts"]


def ticks_of(data: Any) -> list[str]:
    """Return the prices of the ticks of the only contract of a list."""
    (contract,) = contracts_of(data)
    return [each["price"] for each in contract["contract_details"]["tick_stream"]]


def test_streams_of_one_instrument_are_limited_and_ended_by_trading(parts: Parts) -> None:
    application: Any = parts.trading._config.app
    application.change_limits(Limits(streams_per_address=2))
    path, token = "/v1/market/instruments/ticks/stream?instrument_id=GOLD", log_in(parts.gateway, "alice")
    for wrong in (path, "/v1/market/instruments"):
        with Events(parts.gateway, wrong, "garbage") as answer:
            assert answer.status == 401
    with Events(parts.gateway, path, token) as first, Events(parts.gateway, path):
        first.next()
        with Events(parts.gateway, path) as third:
            assert third.status == 429
        httpx2.post(f"{parts.gateway.url}/v1/logout", headers=bearer(token), timeout=PATIENCE)
        first.wait_for_end()
    # One after the other: each makes room for the next.
    for _ in range(4):
        wait_until(lambda: not application.leader.remote_streams)
        with Events(parts.gateway, path) as stream:
            assert stream.status == 200


def test_instruments_and_histories_are_the_markets(parts: Parts) -> None:
    instruments = httpx2.get(f"{parts.gateway.url}/v1/market/instruments", timeout=PATIENCE).json()["data"]["instruments"]
    assert [each["id"] for each in instruments] == ["GOLD"]
    given = [parts.tick(bid) for bid in (11, 12, 13)]
    body = {"instrument_id": "GOLD", "count": 3}
    deadline = time.monotonic() + PATIENCE
    prices: list[str] = []
    while prices != given:
        assert time.monotonic() < deadline, prices
        answer = httpx2.post(f"{parts.gateway.url}/v1/market/instruments/ticks/history", json=body, timeout=PATIENCE)
        prices = [each["price"] for each in answer.json()["data"]["ticks"]]


def test_candles_are_published_while_somebody_wants_them(parts: Parts) -> None:
    with Events(parts.gateway, "/sse?topic=candles:GOLD:60") as stream:
        first = message(stream)["data"]
        assert first["close"] == "10.01", "the current one, with which it begins"
        expected = parts.tick(11)
        assert stream.until(lambda data: "seq" in data and data["data"]["close"] == expected)
    metrics = httpx2.get(f"{parts.trading.url}/metrics", timeout=PATIENCE).text
    assert "pricewire_bus_lag_frames" in metrics
    assert "pricewire_bus_lease_held 1.0" in metrics


def test_trading_that_is_followed_by_another_ends_contracts_by_the_same_ticks(parts: Parts) -> None:
    account = parts.alice.uuid
    with contextlib.ExitStack() as stack:
        stream = stack.enter_context(parts.watch(f"contracts:{account}"))
        standby = stack.enter_context(parts.open_trading("second"))
        until_serving(standby)
        contract_id = parts.buy("one", duration=3, duration_unit="ticks", variant="rise")
        stream.until(lambda data: data.get("event") == "contract_opened")
        parts.times = itertools.count(max(next(parts.times), time.time_ns() // 1_000_000 + 1000), 1000)
        first = parts.tick(20)
        stream.until(lambda data: data.get("event") == "contract_updated" and data["data"]["contract_details"].get("entry_spot") == first)
        parts.trading.stop()
        missed = [parts.tick(bid) for bid in (21, 22, 23, 24)]
        ended = stream.until(lambda data: data.get("event") in ("contract_opened", "contract_settled"))
        assert ended["event"] == "contract_settled", "nothing is told again"
        assert ended["data"]["contract_id"] == contract_id
        assert (ended["data"]["contract_details"]["entry_spot"], ended["data"]["contract_details"]["exit_spot"]) == (first, missed[2])
        until_serving(standby)
        parts.buy("two")


def test_a_market_that_is_followed_by_another_goes_on_in_one_journal(parts: Parts) -> None:
    with contextlib.ExitStack() as stack:
        stream = stack.enter_context(Events(parts.gateway, "/sse?topic=ticks:GOLD"))
        message(stream)
        feed = HoldingFeed()
        standby = stack.enter_context(parts.open_market("standby", feed))
        until_standing_by(standby, parts.folder / "standby")
        before = parts.tick(11)
        assert price(stream.until(lambda data: "seq" in data and price(data) == before)) == before
        parts.market.stop()
        until_serving(standby)
        parts.feed, parts.market = feed, standby
        expected = parts.tick(12)
        assert price(message(stream)) == expected, "none is told again, and none is left out"
        parts.buy("one")
        standby.stop()
        parts.trading.stop()
        first, second = journal_of(parts.folder / "market"), journal_of(parts.folder / "standby")
        assert len(first) > OLD_TICKS
        assert second[: len(first)] == first, "also of before it was there"
        assert journal_of(parts.folder / "first" / "trading") == second, "trading has decided by the same ticks"


def test_a_market_that_is_away_makes_prices_stale_and_stops_trading(parts: Parts) -> None:
    parts.buy("before", duration=3, duration_unit="ticks", variant="rise")
    with Events(parts.gateway, "/sse?topic=ticks:GOLD") as stream:
        message(stream)
        parts.market.stop()
        assert stream.wait_for("stale")["topic"] == "ticks:GOLD"
        for process in (parts.gateway, parts.trading):
            deadline = time.monotonic() + PATIENCE
            while "no frame of the market" not in httpx2.get(f"{process.url}/readyz", timeout=PATIENCE).text:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        answer = httpx2.post(
            f"{parts.gateway.url}/v1/trading/contracts/buy",
            json=purchase("one", instrument_id="GOLD"),
            headers=bearer(TOKENS.issue(parts.alice.uuid)),
            timeout=PATIENCE,
        )
        # And not as prices have stopped coming, which irregular ones may do for long.
        assert refused(answer, 409, "MARKET_CLOSED").endswith("its market is closed")
        # Trading has them, and knows that no prices come.
        answer = httpx2.get(f"{parts.gateway.url}/v1/market/instruments", timeout=PATIENCE)
        assert [(each["id"], each["is_market_open"]) for each in answer.json()["data"]["instruments"]] == [("GOLD", False)]


def change(parts: Parts, stream: Events, what: dict[str, Any], token: str | None = None) -> Any:
    """Change a stream, or prolong it; return what is answered."""
    url = f"{parts.gateway.url}/v1/streams/{stream.head['pricewire-stream']}"
    answer = httpx2.patch(url, json=what, headers={} if token is None else bearer(token), timeout=PATIENCE)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def prolong(parts: Parts, stream: Events) -> None:
    """Prolong a stream of alice, and wait until its gateway knows."""
    change(parts, stream, {}, TOKENS.issue(parts.alice.uuid, lifetime=1000))
    app: Any = parts.gateway._config.app
    wait_until(lambda: app._token_watch.token(stream.head["pricewire-stream"]).expires_at > time.time() + 500)


@contextlib.contextmanager
def two_streams(parts: Parts) -> Iterator[tuple[Events, Events]]:
    """Open an anonymous stream, and one of an account whose token ends soon."""
    with (
        Events(parts.gateway, "/sse?topic=ticks:GOLD") as other,
        Events(parts.gateway, f"/protected/sse?topic=balance:{parts.alice.uuid}", TOKENS.issue(parts.alice.uuid, lifetime=100)) as own,
    ):
        other.next()
        own.next()
        yield other, own


def test_a_stream_is_prolonged_while_others_wait_for_their_first_values(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    held = asyncio.Event()

    async def first_values(interest: Interest) -> int:
        """Wait as where the market is away, for as long as the test takes."""
        await held.wait()
        return 0

    with two_streams(parts) as (other, own):
        monkeypatch.setattr(Interest, "first_values", first_values)
        answers = [change(parts, other, {what: ["candles:GOLD:60"]}) for what in ("add", "remove")]
        prolong(parts, own)
        parts.trading.call(held.set)
        assert [other.wait_for("changed") for _ in answers] == answers


def test_a_stream_is_prolonged_while_others_wait_for_what_their_gateway_has_not_read(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    async def first_values(interest: Interest) -> int:
        """Return a position that the bus does not reach while the test runs."""
        return 10**12

    monkeypatch.setattr(gateway, "POSITION_S", 1000.0)
    with two_streams(parts) as (other, own):
        monkeypatch.setattr(Interest, "first_values", first_values)
        change(parts, other, {"add": ["candles:GOLD:60"]})
        prolong(parts, own)


def test_trading_that_begins_gets_the_markets_ticks_in_parts(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(market_service, "MOST_TICKS", 7)
    at = next(parts.times)
    for bid in (11, 12, 12, 13):
        # Of one millisecond.
        parts.market.call(parts.feed.give, bid, bid + 0.02, at)
    with parts.open_trading("second") as second:
        until_standing_by(second, parts.folder / "second" / "trading")
        parts.trading.stop()
        until_serving(second)
        parts.tick(14)
        parts.trading = second
        # Ticks of one time are irregular ones: of few, after a pause, a short contract cannot be priced.
        parts.buy("one", duration=10, duration_unit="minutes")
        parts.market.stop()
        second.stop()
    ticks = journal_of(parts.folder / "market")
    assert len(ticks) > OLD_TICKS
    assert journal_of(parts.folder / "second" / "trading") == ticks


def test_what_one_process_has_refused_no_process_sells_that_gets_the_account(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither when one more begins, nor when it ends: the request may still be on its way."""
    monkeypatch.setattr("pricewire.trading.refusals.KEPT_NS", 10**13)
    database = parts.folder / "pricewire.db"
    half = {partition_of(each.uuid) % 2: each for each in (add_account(database, f"poor-{number}", "1.00") for number in range(12))}
    assert len(half) == 2

    def ask(account: Account, key: str) -> str:
        """Return the code that an order gets, as soon as the account's process answers."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            parts.tick(10)
            url, order = f"{parts.gateway.url}/v1/trading/contracts/buy", purchase(key, instrument_id="GOLD")
            answer = httpx2.post(url, json=order, headers=bearer(account), timeout=PATIENCE)
            if answer.status_code != 503:
                code: str = answer.json().get("error", {}).get("code", "")
                return code
        raise TimeoutError("nobody answers")

    before = [ask(account, "before") for account in half.values()]
    assert all(before)
    with parts.open_trading("second") as second:
        until_serving(second)
        asyncio.run(enrich(database, half.values()))
        assert [ask(account, "before") for account in half.values()] == before
        with monkeypatch.context() as patches:
            patches.setattr("pricewire.trading.trades.make_contract", no_contract)
            between = [ask(account, "between") for account in half.values()]
        assert between == ["INVALID_PARAMETERS"] * 2
    assert [ask(account, "before") for account in half.values()] == before
    assert [ask(account, "between") for account in half.values()] == between
    for number in itertools.count():
        if all(ask(account, f"after-{number}") == "" for account in half.values()):
            break
        assert number < 1000


def no_contract(*args: Any, **options: Any) -> Any:
    raise InvalidProposalError("not offered for a moment")


async def enrich(database: Path, accounts: Iterable[Account]) -> None:
    """Give accounts money, as an operator does."""
    opened = await Database.open(database)
    for each in accounts:
        await Cashier(opened).deposit(each.id, Decimal(100_000), Operator("bo", "a test"))
    await opened.close()


async def test_what_the_journal_cannot_take_is_published_when_it_has_it(tmp_path: Path) -> None:
    feed = GoldFeed()
    publisher = MarketPublisher([feed])
    journal = Journal(tmp_path, [GOLD])
    publisher.market.write_to(journal, {})
    running = asyncio.create_task(publisher.market.run())

    def prices(topic: str, name: str) -> list[str]:
        return [msgspec.json.decode(each.json)[name] for each in publisher.hub.recent_events(topic)]

    async def give(bid: float, minute: int) -> None:
        feed.give(bid, bid + 0.02, 1_700_000_000_000 + minute * 60_000)
        await settle()

    publisher.market.want(CandlesTopic("GOLD", 60))
    await give(10, 0)
    with full_disk():
        await give(11, 0)
        await give(12, 1)
        assert prices("ticks:GOLD", "price") == ["10.01"]
        # Nobody is to know what they have not got.
        assert prices("candles:GOLD:60", "close") == ["10.01"]
        assert list(publisher.market.without_prices()) == []
    await give(13, 2)
    assert prices("ticks:GOLD", "price") == ["10.01", "11.01", "12.01", "13.01"]
    assert prices("candles:GOLD:60", "close")[-1] == "13.01"
    assert {"11.01", "12.01"} <= set(prices("candles:GOLD:60", "close")), "they were closed meanwhile"
    running.cancel()
    await asyncio.wait([running])
    journal.close()


async def test_a_price_that_is_held_back_is_told_again_after_a_tick_that_has_waited(tmp_path: Path) -> None:
    feed = HoldingFeed()
    told = asyncio.Queue[str]()

    class Bus:
        def close(self, topic: str) -> None:
            told.put_nowait(f"closed {topic}")

    market = Market([feed], lambda *_: None, on_recorded=lambda tick: told.put_nowait(f"{tick.price}"))
    journal = Journal(tmp_path, [GOLD])
    market.write_to(journal, {})
    service = market_service.MarketService(market, lambda: None, cast("Any", Bus()), "", cast("Any", None))
    tasks = [asyncio.create_task(each) for each in (market.run(), service._tell_what_is_closed())]
    async with asyncio.timeout(PATIENCE):
        with full_disk():
            feed.give(10, 10.02, 1_700_000_000_000)
            feed.is_held = True
            assert await told.get() == "closed ticks:GOLD", "and the tick waits"
        assert [await told.get() for _ in range(2)] == ["10.01", "closed ticks:GOLD"]
    for each in tasks:
        each.cancel()
    await asyncio.wait(tasks)
    journal.close()


def test_what_a_feed_knows_of_its_prices_passes_unchanged() -> None:
    feed = SimulatedFeed(3, rate=4.0)
    nothing: Any = None
    service = market_service.MarketService(Market([feed], lambda *_: None), lambda: None, nothing, "", nothing)
    told = msgspec.msgpack.decode(msgspec.msgpack.encode(service._describe()), type=MarketDescription)
    (passed,) = feeds_of(told)
    assert passed.intervals_ms == feed.intervals_ms
    assert passed.volatilities == feed.volatilities
    assert not passed.is_recording


@pytest.mark.parametrize(
    "text", ["America/New_York Sun 17:00-Fri 17:00", "Europe/Berlin Mon-Fri 09:00-17:30 closed 2026-12-25, 2027-01-01"]
)
def test_trading_hours_pass_unchanged(text: str) -> None:
    hours = parse_hours(text)
    passed = to_hours(from_hours(hours))
    for epoch_ms in range(1_798_000_000_000, 1_800_000_000_000, 3_600_000):
        assert passed.session(epoch_ms) == hours.session(epoch_ms)
