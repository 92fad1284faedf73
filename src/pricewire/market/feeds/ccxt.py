"""The feed of an exchange, by ccxt's streams: the best bid and ask of its markets."""

from __future__ import annotations

import asyncio
import functools
import logging
import re
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import msgspec

from pricewire.errors import FeedError, PricewireError, TickRejectedError
from pricewire.market.clock import Clock, SystemClock
from pricewire.market.counters import FeedCounters
from pricewire.market.feed import EARLIEST_MS, LATEST_MS
from pricewire.market.feeds.address import HIDDEN, SHORTEST, expand
from pricewire.market.feeds.ccxt_exchange import exchange_class
from pricewire.market.feeds.guard import Guard
from pricewire.market.feeds.mapping import number_of, shown
from pricewire.market.feeds.message_feed import described
from pricewire.market.feeds.options import Table, read_options
from pricewire.market.feeds.paths import clipped
from pricewire.market.feeds.reader import EXAMPLE
from pricewire.market.markets import Market, market_of_pair
from pricewire.market.pips import MAX_PIP_SIZE
from pricewire.protocol.messages import Instrument, Tick
from pricewire.protocol.topics import INSTRUMENT_ID

MARKETS_S = 60.0
"""How long the exchange may take to tell its markets, in seconds."""

DECIMAL_PLACES, TICK_SIZE = 2, 4
"""The ways in which an exchange of ccxt tells precision that tell decimals. Source: ccxt's manual, "Precision Mode"."""

# It would log the headers of each request, with the keys in them.
logging.getLogger("ccxt").setLevel(logging.INFO)


WAITING = 4096
"""How many ticks wait to be taken; what comes beyond is missed."""


class Way(NamedTuple):
    """
    A way of ccxt to bring quotes.

    Attributes:
        prices: the option that chooses it.
        known: the attribute of an exchange that has the newest ones, by symbol.
        has: what an exchange that has it says to have.
        method: which is called for news.
        is_all: whether that is of several markets, and not of one.
    """

    prices: str
    known: str
    has: str
    method: str
    is_all: bool


WAYS = (
    Way("best", "bidsasks", "watchBidsAsks", "watch_bids_asks", True),
    Way("book", "orderbooks", "watchOrderBookForSymbols", "watch_order_book_for_symbols", True),
    Way("book", "orderbooks", "watchOrderBook", "watch_order_book", False),
    Way("ticker", "tickers", "watchTickers", "watch_tickers", True),
    Way("ticker", "tickers", "watchTicker", "watch_ticker", False),
)
"""The best one first."""


class ExchangeInstrument(Table, frozen=True, kw_only=True):
    """
    An instrument that an exchange brings.

    Attributes:
        symbol: the market, as ccxt calls it: `BTC/USDT`, or `BTC/USDT:USDT` for the perpetual swap.
        pip_size: the decimals of its prices; as the exchange says by default.
        display_name: the name for people; its symbol by default.
        market: by default what its symbol says, and `Cryptocurrency` where that is none of the known pairs.
        max_jump: a price that is further from the one before than this part of it is held back until it has proved true; 0.05 is 5 %.
    """

    symbol: str
    pip_size: int | None = None
    display_name: str | None = None
    market: Market | None = None
    max_jump: float | None = None


class ExchangeOptions(Table, frozen=True, kw_only=True):
    """
    The file of an exchange.

    Attributes:
        instruments: by their ids.
        ccxt: settings that ccxt takes for the exchange, as they are.
    """

    instruments: dict[str, ExchangeInstrument] = msgspec.field(default_factory=dict)
    ccxt: dict[str, Any] = msgspec.field(default_factory=dict)


@dataclass(slots=True)
class Watched:
    """
    An instrument of the feed.

    Attributes:
        instrument: as it is announced.
        guard: judges its ticks.
        newest: what the exchange said last, with its prices then: books are changed in place.
    """

    instrument: Instrument
    guard: Guard
    newest: tuple[object, ...] = ()


class ExchangeFeed:
    """
    The quotes of some markets of an exchange.

    Attributes:
        name: what operators know it by.
        instruments: that it has prices of.
    """

    def __init__(self, spec: str, folder: Path | None = None, clock: Clock | None = None) -> None:
        """
        Read the options, and ask the exchange for its markets.

        Args:
            spec: `ccxt:EXCHANGE?symbols=BTC/USDT,ETH/USDT&prices=book#FILE`; all after the exchange may be missing.
            folder: what the file's path is relative to; by default the working directory.
            clock: the time; by default the system's.

        Raises:
            FeedError: an option cannot be used, the exchange does not answer, or it lacks a market.
            ImportError: ccxt is not installed.
        """
        text, used = expand(spec, "the address of a feed")
        address, _, file = text.partition("#")
        exchange, _, query = address.removeprefix("ccxt:").partition("?")
        self.name = f"{address}{'#' if file else ''}{Path(file).name}"
        self._clock = clock or SystemClock()
        self._counters = FeedCounters(self.name)
        # Whether the next message is the first one of a connection.
        self._begins = True
        given = dict(parse_qsl(query, keep_blank_values=True))
        if unknown := given.keys() - {"symbols", "prices"}:
            raise FeedError(f"feed {self.name}: there is no option {min(unknown)!r}; there are symbols and prices")
        options = ExchangeOptions()
        if file:
            path = (folder or Path()) / file
            options, more = read_options(path, ExchangeOptions)
            used += more
        self._settings = options.ccxt
        # Keys, and proxies with a password: these are texts of their own, and not in tables such as `options` and `urls`.
        headers = options.ccxt.get("headers")
        own = [*options.ccxt.values(), *(headers.values() if isinstance(headers, dict) else ())]
        known = [*used, *(each for each in own if isinstance(each, str))]
        self._secrets = sorted({each for each in known if len(each) >= SHORTEST}, key=len, reverse=True)
        wanted = dict(options.instruments)
        for symbol in filter(None, given.get("symbols", "").split(",")):
            each = ExchangeInstrument(symbol=symbol)
            if wanted.setdefault(id_of(symbol, self.name), each) != each:
                raise FeedError(f"feed {self.name}: {symbol} has the id of another instrument: name its own by [instruments.ID] in a file")
        if not wanted:
            raise FeedError(f"feed {self.name}: no market is named; give ccxt:{exchange}?symbols=BTC/USDT,ETH/USDT")
        self._class = exchange_class(exchange)
        # Feeds are made where a loop runs, too; a thread may have one of its own.
        with ThreadPoolExecutor(1) as thread:
            self._known = thread.submit(asyncio.run, self._asked()).result()
        self._way = self._chosen(given.get("prices"))
        self._watched: dict[str, Watched] = {}
        self._guards: dict[str, Guard] = {}
        for instrument_id, each in wanted.items():
            instrument = self._announced(instrument_id, each)
            if each.symbol in self._watched:
                raise FeedError(f"feed {self.name}: two instruments have the symbol {each.symbol}; name it once")
            guard = self._guards[instrument_id] = Guard(instrument, each.max_jump)
            self._watched[each.symbol] = Watched(instrument, guard)
        self.instruments = [watched.instrument for watched in self._watched.values()]

    @property
    def counters(self) -> Sequence[FeedCounters]:
        """What it has brought."""
        return [self._counters]

    def is_holding(self, instrument_id: str) -> bool:
        """Return whether the newest price of an instrument is held back."""
        return self._guards[instrument_id].is_holding

    async def __aiter__(self) -> AsyncIterator[Tick]:
        """
        Connect, and yield the ticks.

        Raises:
            FeedError: the connection cannot be made, or has ended; the text holds no secret of the options.
        """
        exchange = self._opened()
        exchange.set_markets_from_exchange(self._known)
        for watched in self._watched.values():
            watched.newest = ()
        ticks = deque[Tick]()
        has_news = asyncio.Event()
        self._begins = True

        def take(quotes: Mapping[str, Any]) -> None:
            for symbol in self._watched.keys() & quotes.keys():
                tick = self._tick(symbol, quotes[symbol])
                if tick is not None and len(ticks) < WAITING:
                    ticks.append(tick)
                elif tick is not None:
                    self._counters.miss("prices came faster than they were read")
            if ticks:
                has_news.set()

        self._listen(exchange, lambda: take(getattr(exchange, self._way.known)))
        tasks = [asyncio.create_task(self._watch(call, take)) for call in self._calls(exchange)]
        for task in tasks:
            task.add_done_callback(lambda _: has_news.set())
        try:
            while True:
                await has_news.wait()
                has_news.clear()
                while ticks:
                    yield ticks.popleft()
                for task in tasks:
                    if task.done():
                        task.result()
        except PricewireError:
            raise
        except Exception as error:
            raise FeedError(f"{self.name}: {self._hide(described(error))}") from None
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await exchange.close()

    def _calls(self, exchange: Any) -> list[Callable[[], Awaitable[Any]]]:
        """Return what to call for news, again and again."""
        method, symbols = getattr(exchange, self._way.method), list(self._watched)
        return [lambda: method(symbols)] if self._way.is_all else [functools.partial(method, symbol) for symbol in symbols]

    async def _watch(self, call: Callable[[], Awaitable[Any]], take: Callable[[Mapping[str, Any]], None]) -> None:
        """Call for news until that fails."""
        while True:
            found = await call()
            # What comes at the same moment as this is told of by nobody but the message itself, which is listened to.
            take({found["symbol"]: found} if "symbol" in found else found)

    def _listen(self, exchange: Any, on_message: Callable[[], None]) -> None:
        """Have messages counted, and one that ccxt cannot read held back: it would end the reading, and nobody would be told."""
        connected = exchange.client

        def client(url: str) -> Any:
            made = connected(url)
            if "handle_message" not in vars(made):
                made.handle_message = functools.partial(self._read, made.handle_message, on_message)
            return made

        exchange.client = client

    def _read(self, handle: Callable[[Any], None], on_message: Callable[[], None], message: Any) -> None:
        counters = self._counters
        # The others are pings, and the end.
        if is_data := message.type.name in ("TEXT", "BINARY"):
            counters.messages += 1
            counters.newest_ns = self._clock.monotonic_ns()
            if self._begins:
                self._begins = False
                counters.connections += 1
                if counters.connections > 1:
                    counters.miss("the connection was lost, and what came meanwhile is not known")
        try:
            handle(message)
        except Exception as error:
            text, example = self._hide(described(error)), clipped(shown(message.data), EXAMPLE)
            counters.reject(TickRejectedError("format", f"ccxt cannot read it: {text}"), example)
        if is_data:
            on_message()

    def _opened(self) -> Any:
        try:
            return self._class({**self._settings, "newUpdates": False})
        except Exception as error:
            raise FeedError(f"feed {self.name}: ccxt cannot use the table [ccxt]: {self._hide(described(error))}") from None

    async def _asked(self) -> Any:
        """Return the exchange with its markets, closed again."""
        exchange = self._opened()
        try:
            async with asyncio.timeout(MARKETS_S):
                await exchange.load_markets()
        except Exception as error:
            raise FeedError(f"feed {self.name}: the exchange does not tell its markets: {self._hide(described(error))}") from None
        finally:
            await exchange.close()
        if not exchange.markets:
            raise FeedError(f"feed {self.name}: the exchange tells no market")
        return exchange

    def _chosen(self, prices: str | None) -> Way:
        """
        Return the way of quotes.

        Raises:
            FeedError: the exchange has none, or not the one that is asked for.
        """
        names = list(dict.fromkeys(way.prices for way in WAYS if self._known.has.get(way.has)))
        for way in WAYS:
            if self._known.has.get(way.has) and prices in (None, way.prices):
                return way
        asked = "" if prices is None else f" for prices={prices}"
        raise FeedError(f"feed {self.name}: ccxt has no stream of this exchange{asked}; there is {', '.join(names) or 'none of prices'}")

    def _announced(self, instrument_id: str, of: ExchangeInstrument) -> Instrument:
        """
        Return an instrument as the exchange describes its market.

        Raises:
            FeedError: there is no such market, or nothing says how many decimals its prices have.
        """
        found = self._known.markets.get(of.symbol)
        if found is None:
            base = of.symbol.partition("/")[0]
            near = [symbol for symbol in self._known.symbols if symbol.startswith(f"{base}/")] or list(self._known.symbols)
            raise FeedError(f"feed {self.name}: the exchange has no market {of.symbol!r}; it has {clipped(', '.join(near))}")
        precision = (found.get("precision") or {}).get("price")
        pip_size = of.pip_size if of.pip_size is not None else decimals_of(precision, self._known.precisionMode)
        if pip_size is None or pip_size > MAX_PIP_SIZE:
            raise FeedError(
                f"feed {self.name}: the exchange gives {precision!r} as the precision of {of.symbol}, which is not 0 to {MAX_PIP_SIZE} "
                f"decimals: set pip_size in a table [instruments.{instrument_id}] of a file"
            )
        market = of.market or market_of_pair(of.symbol) or "Cryptocurrency"
        return Instrument(instrument_id, of.display_name or of.symbol, [market, str(self._known.name)], pip_size)

    def _tick(self, symbol: str, quote: Mapping[str, Any]) -> Tick | None:
        """Return the tick of what the exchange knows of a market; None where that is nothing new, or is held back."""
        watched = self._watched[symbol]
        bid, ask = best_of(quote) if "bids" in quote else (quote.get("bid"), quote.get("ask"))
        is_empty_book = "bids" in quote and bid is None and ask is None
        said = (quote, bid, ask, quote.get("timestamp"), quote.get("nonce"))
        if is_empty_book or is_same(said, watched.newest):
            return None
        watched.newest = said
        try:
            tick = self._checked(watched.guard, bid, ask, quote.get("timestamp"))
        except TickRejectedError as error:
            self._counters.reject(error, f"{symbol} bid {shown(bid)} ask {shown(ask)} at {shown(quote.get('timestamp'))}")
            return None
        self._counters.ticks += 1
        return tick

    def _checked(self, guard: Guard, bid: object, ask: object, timestamp: object) -> Tick:
        lowest, highest = price_of("bid", bid), price_of("ask", ask)
        received_ms = self._clock.now_ns() // 1_000_000
        if timestamp is None:
            return guard.check(lowest, highest, received_ms, received_ms)
        if not isinstance(timestamp, int) or not EARLIEST_MS <= timestamp < LATEST_MS:
            raise TickRejectedError("time", f"time {shown(timestamp)} is not one in milliseconds since 1970, after 1973")
        return guard.check(lowest, highest, timestamp, received_ms)

    def _hide(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return clipped(text, EXAMPLE)


def price_of(name: str, value: object) -> Decimal:
    """
    Return a price.

    Raises:
        TickRejectedError: it is none.
    """
    price = number_of(value)
    if price is None or price <= 0:
        raise TickRejectedError("price", f"{name} {shown(value)} is not a positive number")
    return price


def best_of(book: Mapping[str, Any]) -> tuple[object, object]:
    """Return the best bid and the best ask of an order book; None for a side that is empty."""
    bids, asks = book["bids"], book["asks"]
    return bids[0][0] if bids else None, asks[0][0] if asks else None


def is_same(said: tuple[object, ...], before: tuple[object, ...]) -> bool:
    """Return whether an exchange has said nothing new: a ticker is another object each time, and a book the same one."""
    return bool(before) and said[0] is before[0] and said[1:] == before[1:]


def id_of(symbol: str, name: str) -> str:
    """
    Return an instrument's id: `BTCUSDT` of the symbol `BTC/USDT`.

    Args:
        symbol: the market's.
        name: of the feed, for the error.

    Raises:
        FeedError: the symbol has other characters than an id may have.
    """
    instrument_id = re.sub("[/:]", "", symbol)
    if INSTRUMENT_ID.fullmatch(instrument_id) is None:
        raise FeedError(
            f"feed {name}: {symbol!r} makes no id of 1 to 64 letters, digits, '_', '.' and '-': name one by [instruments.ID] in a file"
        )
    return instrument_id


def decimals_of(precision: object, mode: int) -> int | None:
    """
    Return how many decimals prices have; None where that is not said.

    Args:
        precision: as ccxt has it for a market: the smallest step, or the number of decimals.
        mode: which of these it is.
    """
    number = number_of(precision)
    if number is None or number < 0:
        return None
    if mode == DECIMAL_PLACES:
        return int(number) if number == int(number) else None
    exponent = number.normalize().as_tuple().exponent
    return max(0, -exponent) if mode == TICK_SIZE and number > 0 and isinstance(exponent, int) else None
