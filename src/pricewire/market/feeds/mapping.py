"""Makes quotes of messages, by the paths that the options name. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation

import msgspec

from pricewire.errors import FeedError, TickRejectedError
from pricewire.market.feed import EARLIEST_MS, LATEST_MS
from pricewire.market.feeds.options import OWN, MessageOptions
from pricewire.market.feeds.paths import Path, clipped, parse_path
from pricewire.market.feeds.replay.recording_times import epoch_ms_of_datetime, parse_time, parse_zone

NUMBER = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?")
"""A number as text; `Decimal` alone would also take `NaN`, `1_000`, the digits of other scripts, and a thousand of them."""

PER_MS = {"s": Decimal("0.001"), "ms": Decimal(1), "us": Decimal(1000), "ns": Decimal(1_000_000)}
"""How many units are a millisecond."""

CHANNEL = "@channel"
KEY = "@key"


@dataclass(frozen=True, slots=True)
class Quote:
    """
    One price update as the source has it.

    Attributes:
        symbol: what the source calls the instrument; None where it names none.
        bid: what one gets for selling.
        ask: what one pays to buy.
        epoch_ms: its time, in milliseconds since 1970; None where it has none.
        sequence: its number; None where it has none.
    """

    symbol: str | None
    bid: Decimal
    ask: Decimal
    epoch_ms: int | None
    sequence: int | None


class MessageMapping:
    """The way from a message to quotes."""

    def __init__(self, options: MessageOptions | None) -> None:
        """
        Read the paths.

        Args:
            options: where what is; None for ticks as Pricewire sends them.

        Raises:
            FeedError: a path cannot be read, or they name no price.
        """
        given = OWN if options is None else options
        if (given.bid is None) != (given.ask is None) or (given.bid is None) == (given.price is None):
            raise FeedError("message: name the paths of bid and ask, or that of price where there is only one")
        if not (math.isfinite(given.factor) and given.factor > 0):
            raise FeedError(f"message.factor {given.factor} is not a positive number")
        if given.symbol == KEY and given.ticks is None:
            raise FeedError(f"message.symbol {KEY} is the key of a tick in an object of several: name the path of that object by ticks")
        self._symbol = given.symbol if given.symbol in (CHANNEL, KEY) else path_of("symbol", given.symbol)
        self._ticks = path_of("ticks", given.ticks)
        self._bid_name, self._ask_name = ("bid", "ask") if given.price is None else ("price", "price")
        self._bid = path_of(self._bid_name, given.bid if given.price is None else given.price)
        self._ask = path_of(self._ask_name, given.ask if given.price is None else given.price)
        self._time = path_of("time", given.time)
        self._sequence = path_of("sequence", given.sequence)
        self._where = [(needed_path("where", path), value) for path, value in given.where.items()]
        self._time_format = given.time_format
        self._zone = parse_zone(given.timezone)
        self._factor = None if given.factor == 1 else Decimal(repr(given.factor))

    @property
    def names_symbols(self) -> bool:
        """Whether quotes say whose they are."""
        return self._symbol is not None

    def concerns(self, message: object) -> bool:
        """Return whether a message is one of ticks, by `where`."""
        for path, wanted in self._where:
            try:
                found = path.find(message)
            except FeedError:
                return False
            if found != wanted or isinstance(found, bool) != isinstance(wanted, bool):
                return False
        return True

    def quotes(self, message: object, channel: str) -> Iterator[Quote | TickRejectedError]:
        """
        Yield the quotes of a message, and an error for each that cannot be read.

        Args:
            message: decoded.
            channel: where it came by: a subject, a channel, a stream.
        """
        try:
            ticks = self._several(message)
        except TickRejectedError as error:
            yield error
            return
        for key, tick in ticks:
            try:
                yield self._quote(tick, key, channel)
            except TickRejectedError as error:
                yield error

    def _several(self, message: object) -> Iterator[tuple[str, object]]:
        if self._ticks is None:
            return iter([("", message)])
        found = looked_up("ticks", self._ticks, message)
        if isinstance(found, Mapping):
            return ((str(key), tick) for key, tick in found.items())
        if isinstance(found, list):
            return (("", tick) for tick in found)
        raise TickRejectedError("path", f"ticks: path {self._ticks.text!r} found {shown(found)}, which is neither a list nor an object")

    def _quote(self, tick: object, key: str, channel: str) -> Quote:
        symbol: str | None = None
        if isinstance(self._symbol, Path):
            found = looked_up("symbol", self._symbol, tick)
            if not isinstance(found, str | int) or isinstance(found, bool):
                raise TickRejectedError("path", f"symbol: path {self._symbol.text!r} found {shown(found)}, which is no name")
            symbol = str(found)
        elif self._symbol is not None:
            symbol = channel if self._symbol == CHANNEL else key
        bid, ask = self._price(self._bid_name, self._bid, tick), self._price(self._ask_name, self._ask, tick)
        sequence = None if self._sequence is None else whole("sequence", self._sequence, looked_up("sequence", self._sequence, tick))
        return Quote(symbol, bid, ask, None if self._time is None else self._epoch_ms(self._time, tick), sequence)

    def _price(self, name: str, path: Path | None, tick: object) -> Decimal:
        assert path is not None, "it has been checked"  # noqa: S101
        found = looked_up(name, path, tick)
        price = number_of(found)
        if price is None or price <= 0:
            raise TickRejectedError("price", f"{name}: path {path.text!r} found {shown(found)}, which is not a positive number")
        return price if self._factor is None else price * self._factor

    def _epoch_ms(self, path: Path, tick: object) -> int:
        found = looked_up("time", path, tick)
        epoch_ms: int | None = None
        if isinstance(found, datetime):  # of MessagePack
            epoch_ms = epoch_ms_of_datetime(found, self._zone)
        elif self._time_format == "text":
            try:
                epoch_ms = parse_time(found, self._zone) if isinstance(found, str) and len(found) <= 64 else None
            except (ValueError, OverflowError):
                epoch_ms = None
        elif (number := number_of(found)) is not None:
            epoch_ms = int(number / PER_MS[self._time_format])
        if epoch_ms is None:
            form = "a time as text" if self._time_format == "text" else f"a number of {self._time_format} since 1970"
            raise TickRejectedError("time", f"time: path {path.text!r} found {shown(found)}, which is not {form}")
        if not EARLIEST_MS <= epoch_ms < LATEST_MS:
            raise TickRejectedError(
                "time", f"time: path {path.text!r} found {shown(found)}, before 1973 or after 5138 in {self._time_format}: see time_format"
            )
        return epoch_ms


def path_of(name: str, text: str | None) -> Path | None:
    """
    Return the path of an option; None where it is not set.

    Raises:
        FeedError: it cannot be read.
    """
    return None if text is None else needed_path(name, text)


def needed_path(name: str, text: str) -> Path:
    """
    Return the path of an option.

    Raises:
        FeedError: it cannot be read.
    """
    try:
        return parse_path(text)
    except FeedError as error:
        raise FeedError(f"message.{name}: {error}") from None


def looked_up(name: str, path: Path, tick: object) -> object:
    """
    Return what a path finds.

    Raises:
        TickRejectedError: it finds nothing.
    """
    try:
        return path.find(tick)
    except FeedError as error:
        raise TickRejectedError("path", f"{name}: {error}") from None


def number_of(value: object) -> Decimal | None:
    """Return a number of a message, None where it is none: not finite, too large, or something else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return Decimal(value) if abs(value) < 10**30 else None
    if isinstance(value, float):
        # The shortest decimal that reads as this float.
        return Decimal(repr(value)) if abs(value) < 1e30 else None
    if isinstance(value, str) and len(value) <= 64 and NUMBER.fullmatch(value):
        try:
            number = Decimal(value)
        except InvalidOperation:
            return None
        return number if abs(number) < 10**30 else None
    return None


def whole(name: str, path: Path, value: object) -> int:
    """
    Return a whole number of a message.

    Raises:
        TickRejectedError: it is none.
    """
    number = number_of(value)
    if number is None or number != int(number):
        raise TickRejectedError("path", f"{name}: path {path.text!r} found {shown(value)}, which is not a whole number")
    return int(number)


def shown(value: object) -> str:
    """Return a value as an error shows it."""
    try:
        return clipped(msgspec.json.encode(value).decode())
    except (msgspec.EncodeError, TypeError, ValueError, RecursionError):
        return clipped(repr(value))
