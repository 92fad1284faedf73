"""What all feeds of messages share: their options, their ticks, and how they fail."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from dataclasses import replace

from pricewire.errors import FeedError, PricewireError
from pricewire.market.clock import Clock, SystemClock
from pricewire.market.counters import FeedCounters
from pricewire.market.feed import PastTicks
from pricewire.market.feeds.address import FeedAddress
from pricewire.market.feeds.options import FeedOptions, TlsOptions
from pricewire.market.feeds.past import columns
from pricewire.market.feeds.reader import Message, MessageReader
from pricewire.protocol.messages import Instrument, Tick

TURN = 256
"""After how many messages the other tasks get a turn: of a flood without ticks the supervisor does not hear."""


class MessageFeed(ABC):
    """A feed whose source sends messages."""

    def __init__(self, address: FeedAddress, options: FeedOptions, secrets: Sequence[str] = (), clock: Clock | None = None) -> None:
        """
        Read the options; the connection is made by the iteration.

        Args:
            address: where the source is.
            options: of the feed.
            secrets: what else must not be in a log.
            clock: the time; by default the system's.

        Raises:
            FeedError: an option cannot be used.
        """
        known = sorted({*address.secrets, *(secret for secret in secrets if secret)}, key=len, reverse=True)
        self._address = replace(address, secrets=tuple(known))
        self._clock = clock or SystemClock()
        self._name = f"{address.shown}#{address.file.name}"
        self._reader = MessageReader(options, address.file, self._name, self._clock)
        if options.silence_s is not None and not 0 < options.silence_s <= 86_400:
            raise FeedError(f"{address.file}: silence_s {options.silence_s} is not a number of seconds up to a day")
        self._silence_s = options.silence_s

    @property
    def name(self) -> str:
        """What operators know the feed by: its address without secrets, and its file."""
        return self._name

    @property
    def instruments(self) -> Sequence[Instrument]:
        """The instruments that it has prices of."""
        return self._reader.instruments

    @property
    def counters(self) -> Sequence[FeedCounters]:
        """What it has brought."""
        return [self._reader.counters]

    def is_holding(self, instrument_id: str) -> bool:
        """Return whether the newest price of an instrument is held back."""
        return self._reader.is_holding(instrument_id)

    @abstractmethod
    def _messages(self) -> AsyncGenerator[Message, None]:
        """Connect, and yield the messages; called for each iteration."""

    async def __aiter__(self) -> AsyncIterator[Tick]:
        """
        Connect, and yield the ticks.

        Raises:
            FeedError: the connection cannot be made, or has ended; the text holds no secret of the address.
        """
        try:
            async with contextlib.aclosing(self._messages()) as messages:
                turn = 0
                while True:
                    silence = asyncio.timeout(self._silence_s)
                    try:
                        async with silence:
                            message = await anext(messages)
                    except TimeoutError:
                        if silence.expired():
                            raise FeedError(f"{self.name}: no message for {self._silence_s} s") from None
                        raise
                    turn += 1
                    if turn % TURN == 0:
                        await asyncio.sleep(0)
                    for tick in self._reader.read(message):
                        yield tick
        except StopAsyncIteration:
            raise FeedError(f"{self.name}: the source has ended the connection") from None
        except PricewireError:
            raise
        except Exception as error:
            # Of libraries: their texts, and those of their causes, may have the address with its password.
            raise FeedError(f"{self.name}: {self._address.hide(described(error))}") from None


class KeptMessageFeed(MessageFeed):
    """A feed whose source keeps messages, so that it can tell those of the time when the server was down."""

    _keeps: bool

    @abstractmethod
    def _past(self, newest: Sequence[Tick]) -> AsyncGenerator[list[Tick], None]:
        """Yield the ticks after the newest ones, some at a time, until there are no more; the iteration goes on from there."""

    def backfill(self, newest: Sequence[Tick]) -> Iterable[PastTicks]:
        """
        Yield the ticks after the newest ones in the journal, as far as the source has kept them.

        Raises:
            FeedError: it does not answer.
        """
        if not self._keeps or not newest:
            return
        with asyncio.Runner() as runner:
            batches = self._past(newest)
            try:
                while (ticks := runner.run(next_of(batches))) is not None:
                    yield from columns(ticks, self.instruments)
            except PricewireError:
                raise
            except Exception as error:
                raise FeedError(f"{self.name}: {self._address.hide(described(error))}") from None
            finally:
                runner.run(batches.aclose())


async def next_of(batches: AsyncGenerator[list[Tick], None]) -> list[Tick] | None:
    """Return the next batch; None after the last one."""
    return await anext(batches, None)


def described(error: BaseException) -> str:
    """Return what an error says, with its kind where that says more."""
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def tls_context(options: TlsOptions | None) -> ssl.SSLContext:
    """
    Return what certificates are checked with, and what is shown to the source.

    Raises:
        FeedError: a file cannot be used.
    """
    options = options or TlsOptions()
    if (options.certificate is None) != (options.key is None):
        raise FeedError("tls.certificate and tls.key go together: give both, or neither")
    try:
        context = ssl.create_default_context(cafile=None if options.ca is None else str(options.ca))
        if options.certificate is not None:
            # A password would be asked for on the terminal otherwise.
            context.load_cert_chain(options.certificate, options.key, password=lambda: "")
    except OSError as error:
        files = ", ".join(str(each) for each in (options.ca, options.certificate, options.key) if each is not None)
        raise FeedError(f"tls: {files}: {error.strerror or error}; give files in PEM, the key without a password") from None
    return context
