"""The feed of an exchange: ccxt itself against a server that speaks the protocol of Binance, honestly and not."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import sys
from typing import Any

import pytest

from pricewire.errors import FeedError, MissingExtraError
from pricewire.market.feeds.ccxt import ExchangeFeed, decimals_of, id_of
from pricewire.market.feeds.find import open_address
from support.fake_exchange import FakeExchange, fake_exchange, market
from support.message_feeds import OptionsFile, supervised, until

# Without importing it, which takes all of its exchanges.
needs_ccxt = pytest.mark.skipif(importlib.util.find_spec("ccxt") is None, reason="`make test-ccxt` installs ccxt")


async def opened(
    options_file: OptionsFile, exchange: FakeExchange, query: str = "?symbols=BTC/USDT,ETH/USDT", more: str = ""
) -> ExchangeFeed:
    """A feed; it asks for the markets where this loop can answer."""
    feed = await asyncio.to_thread(open_address, f"ccxt:binance{query}#{options_file(exchange.options(more))}")
    assert isinstance(feed, ExchangeFeed)
    return feed


def best(symbol: str, bid: Any, ask: Any) -> dict[str, Any]:
    return {"u": 1, "s": symbol, "b": bid, "B": "1.0", "a": ask, "A": "2.0"}


def ticker(bid: str, ask: str, epoch_ms: Any) -> dict[str, Any]:
    return {"e": "24hrTicker", "E": epoch_ms, "C": epoch_ms, "s": "BTCUSDT", "c": bid, "b": bid, "a": ask}


def deltas(first: int, last: int, bids: list[list[str]], asks: list[list[str]], epoch_ms: int) -> dict[str, Any]:
    return {"e": "depthUpdate", "E": epoch_ms, "s": "BTCUSDT", "U": first, "u": last, "b": bids, "a": asks}


@needs_ccxt
async def test_the_best_prices_of_its_markets_come_as_ticks(options_file: OptionsFile) -> None:
    async with fake_exchange() as exchange:
        feed = await opened(options_file, exchange)
        described = [(each.id, each.display_name, each.categories, each.pip_size) for each in feed.instruments]
        assert described == [
            ("BTCUSDT", "BTC/USDT", ["Cryptocurrency", "Binance"], 2),
            ("ETHUSDT", "ETH/USDT", ["Cryptocurrency", "Binance"], 3),
        ]
        async with supervised(feed) as ticks:
            assert sorted(await exchange.subscribed()) == ["btcusdt@bookTicker", "ethusdt@bookTicker"]
            await exchange.send(best("BTCUSDT", "93120.10", "93120.20"))
            assert await ticks.next() == [("BTCUSDT", "93120.10", "93120.20")]
            # Both at once, again and again: none may hide the other.
            for number in range(1, 4):
                await exchange.send(best("BTCUSDT", f"{number}", f"{number}"), best("ETHUSDT", f"{number}.5", f"{number}.5"))
                assert {each: bid for each, bid, _ in await ticks.next(2)} == {"BTCUSDT": f"{number}.00", "ETHUSDT": f"{number}.500"}
    (counters,) = feed.counters
    assert (counters.ticks, counters.gaps, counters.connections, sum(counters.rejected.values())) == (7, 0, 1, 0)
    assert counters.messages == 8  # with the confirmation


@needs_ccxt
async def test_what_cannot_be_right_is_held_back_and_the_next_tick_comes_on_the_same_connection(options_file: OptionsFile) -> None:
    async with fake_exchange() as exchange:
        feed = await opened(options_file, exchange)
        async with supervised(feed) as ticks:
            await exchange.subscribed()
            lies: list[object] = [
                best("BTCUSDT", "2", "1"),
                best("BTCUSDT", "NaN", "1"),
                best("BTCUSDT", "1e400", "1e400"),
                best("BTCUSDT", "1e29", "1e29"),
                best("BTCUSDT", "-1", "1"),
                best("BTCUSDT", None, "1"),
                best("BTCUSDT", {"a": []}, "1"),
                best("BTCUSDT", "0.0001", "0.0001"),
            ]
            for lie in lies:
                before = feed.counters[0].rejected.total()
                await exchange.send(lie)
                await until(lambda before=before: feed.counters[0].rejected.total() > before)  # type: ignore[misc]
            for unread in ("{", "[" * 100_000, b"\xff\xfe", "[1]", '{"b":"1","a":"1","s":null,"u":1}'):
                await exchange.send(unread)
            await exchange.send("null", '"text"', {}, {"e": "x"}, {"result": None, "id": 9}, best("NOSUCH", "1", "1"))
            await exchange.send(best("BTCUSDT", "5", "6"))
            assert await ticks.next() == [("BTCUSDT", "5.00", "6.00")]
            assert ticks.downs == 0
    rejected = feed.counters[0].rejected
    assert rejected["crossed"] == 1
    assert rejected["price"] == len(lies) - 1
    assert rejected["format"] >= 3


@needs_ccxt
async def test_a_book_is_followed_from_its_snapshot(options_file: OptionsFile) -> None:
    async with fake_exchange() as exchange:
        feed = await opened(options_file, exchange, "?symbols=BTC/USDT&prices=book")
        async with supervised(feed) as ticks:
            assert await exchange.subscribed() == ["btcusdt@depth@100ms"]
            now_ms = int(asyncio.get_running_loop().time()) + 1_767_225_600_000
            await exchange.send(deltas(5, 11, [["100.00", "0"], ["99.50", "3"]], [], now_ms))
            while (await ticks.next())[0] != ("BTCUSDT", "99.50", "101.00"):
                """The snapshot itself may have been first."""
            await exchange.send(deltas(12, 13, [["102.00", "1"]], [], now_ms + 1))
            await until(lambda: feed.counters[0].rejected["crossed"] == 1)
            await exchange.send(deltas(14, 14, [["102.00", "0"]], [["101.00", "0"], ["100.50", "1"]], now_ms + 2))
            (tick,) = await ticks.take_all(1)
            assert (str(tick.bid), str(tick.ask), tick.epoch_ms) == ("99.50", "100.50", now_ms + 2)
            # What is missing makes the book wrong: it is begun anew.
            exchange.depth = {"lastUpdateId": 40, "bids": [["200.00", "1"]], "asks": [["201.00", "1"]]}
            await exchange.send(deltas(30, 31, [], [], now_ms + 3))
            await ticks.down()
            await exchange.subscribed()
            await exchange.send(deltas(41, 41, [["200.50", "1"]], [], now_ms + 4))
            while (await ticks.next())[0] != ("BTCUSDT", "200.50", "201.00"):
                """As above."""
    assert feed.counters[0].gaps == 1


@needs_ccxt
async def test_a_ticker_has_its_own_time(options_file: OptionsFile) -> None:
    async with fake_exchange() as exchange:
        # By default ccxt has Binance send short ones, without bid and ask.
        exchange.settings = exchange.settings.replace("options = {", "options = { watchTickers = { name = 'ticker' },")
        feed = await opened(options_file, exchange, "?symbols=BTC/USDT&prices=ticker")
        async with supervised(feed) as ticks:
            assert await exchange.subscribed() == ["btcusdt@ticker"]
            await exchange.send(ticker("1", "2", 1_767_225_600_000))
            (tick,) = await ticks.take_all(1)
            assert (tick.instrument_id, tick.epoch_ms) == ("BTCUSDT", 1_767_225_600_000)
            for reason, epoch_ms in (("time", 1_767_225_600), ("time", 10**17), ("future", 99_999_999_999_999), ("old", 1_767_225_599_999)):
                await exchange.send(ticker("1", "2", epoch_ms))
                await until(lambda reason=reason, epoch_ms=epoch_ms: f"{epoch_ms}" in feed.counters[0].examples.get(reason, ("", ""))[1])  # type: ignore[misc]


@needs_ccxt
async def test_a_connection_that_is_cut_is_made_anew_and_leaves_nothing_behind(options_file: OptionsFile) -> None:
    async with fake_exchange() as exchange:
        feed = await opened(options_file, exchange)
        async with supervised(feed) as ticks:
            for number in range(1, 6):
                await exchange.subscribed()
                await exchange.send(best("BTCUSDT", f"{number}", f"{number}"))
                assert await ticks.next() == [("BTCUSDT", f"{number}.00", f"{number}.00")]
                connection = exchange.connections[-1]
                if number % 2:
                    # The head of a frame of 100 bytes, and then nothing.
                    connection.transport.write(b"\x81\x64half a fra")
                    connection.transport.abort()
                else:
                    await connection.close(1011, "going down")
                await ticks.down()
            await exchange.subscribed()
            await exchange.send(best("BTCUSDT", "9", "9"))
            await ticks.next()
        # Those of the connections that are there no more have ended.
        await until(lambda: not [task for task in asyncio.all_tasks() if "ccxt" in repr(task.get_coro())])
    assert (feed.counters[0].connections, feed.counters[0].gaps) == (6, 5)


@needs_ccxt
async def test_an_instrument_is_described_by_a_file(options_file: OptionsFile, caplog: pytest.LogCaptureFixture) -> None:
    more = """
[instruments.LIFE]
symbol = "币安人生/USDT"
pip_size = 4
display_name = "Life"
max_jump = 0.1
"""
    async with fake_exchange() as exchange:
        exchange.markets = [market("币安人生", "USDT", "0.00001000")]
        feed = await opened(options_file, exchange, "", more)
        (instrument,) = feed.instruments
        assert (instrument.id, instrument.display_name, instrument.pip_size) == ("LIFE", "Life", 4)
        async with supervised(feed) as ticks:
            await exchange.subscribed()
            await exchange.send(best("币安人生USDT", "0.10005", "0.10015"))
            assert await ticks.next() == [("LIFE", "0.1000", "0.1002")]
            await exchange.send(best("币安人生USDT", "0.2", "0.2"))
            await until(lambda: feed.counters[0].rejected["jump"] == 1)
            assert feed.is_holding("LIFE")


@needs_ccxt
@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("", "no market is named"),
        ("?symbols=", "no market is named"),
        ("?symbol=BTC/USDT", "no option 'symbol'; there are symbols and prices"),
        ("?symbols=BTC/USDT&prices=last", "no stream of this exchange for prices=last; there is best, book, ticker"),
        ("?symbols=BTC/EUR", "no market 'BTC/EUR'; it has BTC/USDT"),
        ("?symbols=XX/YY", "no market 'XX/YY'; it has BTC/USDT, ETH/USDT"),
        ("?symbols=BTC/USDT,BTC:USDT", "BTC:USDT has the id of another instrument"),
        ("?symbols=币/USDT", "'币/USDT' makes no id"),
        ("?symbols=BTC/USDT%0A", "makes no id"),
    ],
)
async def test_an_address_that_cannot_be_used(query: str, text: str, options_file: OptionsFile) -> None:
    async with fake_exchange() as exchange:
        with pytest.raises(FeedError, match=text):
            await opened(options_file, exchange, query)


@needs_ccxt
async def test_an_exchange_that_tells_no_markets_is_said(options_file: OptionsFile, caplog: pytest.LogCaptureFixture) -> None:
    key = 'apiKey = "s3cretkey"'
    with caplog.at_level(logging.DEBUG):
        async with fake_exchange() as exchange:
            exchange.settings += key
            for markets, status, text in (
                ([], 200, "tells no market"),
                ([{"status": "s3cretkey"}], 200, "does not tell its markets|has no market"),
                ([market("BTC", "USDT", "0.0000000000000001")], 200, "is not 0 to 12 decimals: set pip_size"),
                ([market("BTC", "USDT", "NaN")], 200, "is not 0 to 12 decimals: set pip_size"),
                ([], 503, "does not tell its markets: .*503"),
                ([], 418, "does not tell its markets: .*418"),
            ):
                exchange.markets, exchange.status = markets, status
                with pytest.raises(FeedError, match=text) as caught:
                    await opened(options_file, exchange, "?symbols=BTC/USDT")
                assert "s3cretkey" not in str(caught.value)
        # It is gone.
        with pytest.raises(FeedError, match="does not tell its markets"):
            await opened(options_file, exchange)
    assert "s3cretkey" not in caplog.text


@needs_ccxt
@pytest.mark.parametrize("setting", ["urls = 5", "headers = 'x'", "options = []", "timeout = 'soon'"])
async def test_settings_that_ccxt_cannot_use_are_said(setting: str, options_file: OptionsFile) -> None:
    async with fake_exchange() as exchange:
        exchange.settings = setting
        with pytest.raises(FeedError, match="feed ccxt:binance"):
            await opened(options_file, exchange)


@needs_ccxt
def test_an_exchange_that_there_is_not_is_said() -> None:
    for name in ("binanze", "", "../binance", "test"):
        with pytest.raises(FeedError, match="ccxt has no exchange"):
            open_address(f"ccxt:{name}?symbols=BTC/USDT")
    with pytest.raises(FeedError, match="binance"):
        open_address("ccxt:binanze?symbols=BTC/USDT")


def test_without_ccxt_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ccxt", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'pricewire\[ccxt\]'"):
        open_address("ccxt:binance?symbols=BTC/USDT")


@pytest.mark.parametrize(
    ("precision", "mode", "decimals"),
    [(0.01, 4, 2), (1e-8, 4, 8), (0.25, 4, 2), (5.0, 4, 0), (100, 4, 0), (2, 2, 2), (2.5, 2, None), (5, 3, None), (None, 4, None)],
)
def test_decimals_of_a_precision(precision: object, mode: int, decimals: int | None) -> None:
    assert decimals_of(precision, mode) == decimals


@pytest.mark.parametrize(
    ("symbol", "expected"), [("BTC/USDT", "BTCUSDT"), ("BTC/USD:BTC-261225", "BTCUSDBTC-261225"), ("1000.X/EUR", "1000.XEUR")]
)
def test_the_id_of_a_symbol(symbol: str, expected: str) -> None:
    assert id_of(symbol, "ccxt:x") == expected
