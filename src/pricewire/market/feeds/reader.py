"""Makes ticks of the messages of a feed: decodes them, finds the prices in them, and holds back what cannot be right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from pricewire.errors import FeedError, TickRejectedError
from pricewire.market.clock import Clock
from pricewire.market.counters import FeedCounters
from pricewire.market.feeds.guard import Guard
from pricewire.market.feeds.mapping import MessageMapping, Quote, shown
from pricewire.market.feeds.options import FeedOptions, instruments_of
from pricewire.market.feeds.paths import clipped
from pricewire.protocol.messages import Tick

MAX_BYTES = 1024 * 1024
"""The longest message, in bytes."""

EXAMPLE = 500
"""How much of a message is shown as an example, in characters."""


@dataclass(frozen=True, slots=True)
class Message:
    """
    A message as it came.

    Attributes:
        data: its bytes, its text, or the fields of an entry.
        channel: where it came by: a subject, a channel, a stream.
        received_ms: when it came to the source, or here, in milliseconds since 1970.
    """

    data: bytes | str | Mapping[str, str]
    channel: str
    received_ms: int


class MessageReader:
    """
    Makes ticks of messages.

    Attributes:
        instruments: that it makes ticks of.
        counters: what has come of it.
    """

    def __init__(self, options: FeedOptions, where: Path, name: str, clock: Clock) -> None:
        """
        Read the options.

        Args:
            options: of the feed.
            where: their file, for errors.
            name: what operators know the feed by.
            clock: the time.

        Raises:
            FeedError: an option cannot be used.
        """
        self.counters = FeedCounters(name)
        self.instruments = instruments_of(options.instruments, where)
        self._clock = clock
        message = options.message
        self._format = "json" if message is None or message.format is None else message.format
        self._of_symbol: dict[str, str] = {}
        try:
            self._mapping = MessageMapping(message)
            for each, instrument in options.instruments.items():
                if self._of_symbol.setdefault(instrument.symbol or each, each) != each:
                    raise FeedError(f"instruments.{each}: another instrument has the symbol {instrument.symbol or each!r}, too")
            self._guards = {each.id: Guard(each, options.instruments[each.id].max_jump) for each in self.instruments}
        except FeedError as error:
            raise FeedError(f"{where}: {error}") from None
        if not self._mapping.names_symbols and len(self.instruments) > 1:
            raise FeedError(f"{where}: there are {len(self.instruments)} instruments: say by message.symbol whose a tick is")
        self._sequences: dict[str, int] = {}
        self._is_new = set[str]()

    def is_holding(self, instrument_id: str) -> bool:
        """Return whether the newest price of an instrument is held back."""
        return self._guards[instrument_id].is_holding

    def connected(self, *, may_have_missed: bool) -> None:
        """
        Know that the source is connected.

        Args:
            may_have_missed: whether what came while it was not is gone.
        """
        self.counters.connections += 1
        # The numbers of a source that was restarted begin anew.
        self._is_new = set(self._sequences)
        if may_have_missed and self.counters.connections > 1:
            self.counters.miss("the connection was lost, and what came meanwhile is not known")

    def read(self, message: Message) -> Iterator[Tick]:
        """Yield the ticks of a message; what cannot be used is counted, logged and left out."""
        counters = self.counters
        counters.messages += 1
        counters.newest_ns = self._clock.monotonic_ns()
        try:
            document = self._decoded(message)
            if not self._mapping.concerns(document):
                counters.pass_over()
                return
            for quote in self._mapping.quotes(document, message.channel):
                try:
                    if isinstance(quote, TickRejectedError):
                        raise quote
                    tick = self._tick(quote, message.received_ms)
                except TickRejectedError as error:
                    counters.reject(error, example(message, document))
                    continue
                if tick is not None:
                    counters.ticks += 1
                    yield tick
        except TickRejectedError as error:
            counters.reject(error, example(message, None))

    def _decoded(self, message: Message) -> object:
        data = message.data
        size = len(data) if not isinstance(data, Mapping) else sum(map(len, data.values()))
        if size > MAX_BYTES:
            raise TickRejectedError("size", f"a message of {size} bytes; {MAX_BYTES} are the most")
        if isinstance(data, Mapping):
            return data
        if self._format == "fields":
            raise TickRejectedError("format", "message.format is fields, and the source sends no fields: give json or msgpack")
        try:
            if self._format == "msgpack":
                return msgspec.msgpack.decode(data if isinstance(data, bytes) else data.encode())
            return msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeError, RecursionError, ValueError) as error:
            name = "MessagePack" if self._format == "msgpack" else "JSON"
            raise TickRejectedError("format", f"the message is no {name}: {error}") from None

    def _tick(self, quote: Quote, received_ms: int) -> Tick | None:
        if quote.symbol is None:
            instrument_id: str | None = self.instruments[0].id
        else:
            instrument_id = self._of_symbol.get(quote.symbol)
        if instrument_id is None:
            self.counters.pass_over(clipped(quote.symbol or "", 64))
            return None
        if quote.sequence is not None:
            self._follow(instrument_id, quote.sequence)
        epoch_ms = received_ms if quote.epoch_ms is None else quote.epoch_ms
        return self._guards[instrument_id].check(quote.bid, quote.ask, epoch_ms, received_ms)

    def _follow(self, instrument_id: str, sequence: int) -> None:
        before = self._sequences.get(instrument_id)
        begins = instrument_id in self._is_new
        if before is not None:
            if sequence <= before and not begins:
                raise TickRejectedError("duplicate", f"sequence {sequence} of {instrument_id} is not after {before}")
            if sequence > before + 1:
                self.counters.miss(f"after sequence {before} of {instrument_id} came {sequence}")
        self._is_new.discard(instrument_id)
        self._sequences[instrument_id] = sequence


def example(message: Message, document: object) -> str:
    """Return the beginning of a message, as people can read it."""
    if document is not None:
        return clipped(shown(document), EXAMPLE) if not isinstance(message.data, str) else clipped(message.data, EXAMPLE)
    data = message.data
    head = {key: value[:EXAMPLE] for key, value in data.items()} if isinstance(data, Mapping) else data[: EXAMPLE + 1]
    return clipped(head if isinstance(head, str) else repr(head), EXAMPLE)


def received(moment: datetime | None, clock: Clock) -> int:
    """Return a time in milliseconds since 1970; now where there is none."""
    return clock.now_ns() // 1_000_000 if moment is None else int(moment.timestamp() * 1000)
