"""What a wire does besides streams and trades: instruments, histories of any length, page by page, and publishing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import httpx2
import msgspec

from pricewire.client.api.http import Api
from pricewire.errors import HTTPStatusError
from pricewire.protocol.encoder import encode_message
from pricewire.protocol.messages import (
    Candle,
    CandlesHistoryRequest,
    Data,
    Instrument,
    InstrumentsBody,
    Publication,
    Published,
    Tick,
    TicksHistoryRequest,
)

PAGE = 2500
"""How many rows are asked for at once: less than 1 MiB of candles with long prices, which is the most that an answer may have."""

LONGEST_WAIT = 60.0
"""How long a server may ask to wait before the next page, in seconds; it has limits of rows per second."""

OnProgress = Callable[[int, float | None], object]
"""Called after each page with how many rows there are, and the share of what was asked for, from 0 to 1; None where that is not known."""

Row = TypeVar("Row", Tick, Candle)


class TickRows(msgspec.Struct, frozen=True):
    """The answer to a request for ticks."""

    ticks: list[Tick]


class CandleRows(msgspec.Struct, frozen=True):
    """The answer to a request for candles."""

    candles: list[Candle]


class MarketReader:
    """
    Reads the instruments and their histories for a wire.

    Args:
        api: sends requests.
        client: returns what sends them; raises where the wire is closed.
    """

    def __init__(self, api: Api, client: Callable[[], Awaitable[httpx2.AsyncClient]]) -> None:
        self._api = api
        self._client = client

    async def instruments(self) -> list[Instrument]:
        """Return all, as `Wire.instruments` says."""
        found = await self._api.send(await self._client(), "GET", "/v1/market/instruments", Data[InstrumentsBody])
        return found.data.instruments

    async def publish(self, topic: str, data: object, key: str | None, event: str, ends: str | None) -> str:
        """Publish a message, as `Wire.publish` says."""
        body = Publication(topic=topic, data=msgspec.Raw(encode_message(data)), key=key, event=event, ends=ends)
        return (await self._api.send(await self._client(), "POST", "/v1/publish", Data[Published], body=body)).data.ids[0]

    async def ticks(self, instrument_id: str, span: Span, on_progress: OnProgress | None) -> list[Tick]:
        """Return ticks, as `Wire.history` says."""

        async def read(to_epoch_ms: int, count: int) -> list[Tick]:
            body = TicksHistoryRequest(instrument_id=instrument_id, from_epoch_ms=span.from_epoch_ms, to_epoch_ms=to_epoch_ms, count=count)
            client = await self._client()
            return (await self._api.send(client, "POST", "/v1/market/instruments/ticks/history", Data[TickRows], body=body)).data.ticks

        return await read_all(read, span, lambda tick: tick.epoch_ms, on_progress)

    async def candles(self, instrument_id: str, granularity: int, span: Span, on_progress: OnProgress | None) -> list[Candle]:
        """Return candles, as `Wire.history` says."""

        async def read(to_epoch_ms: int, count: int) -> list[Candle]:
            body = CandlesHistoryRequest(
                instrument_id=instrument_id,
                granularity=granularity,
                from_epoch_ms=span.from_epoch_ms,
                to_epoch_ms=to_epoch_ms,
                count=count,
            )
            client = await self._client()
            answer = await self._api.send(client, "POST", "/v1/market/instruments/candles/history", Data[CandleRows], body=body)
            return answer.data.candles

        return await read_all(read, span, lambda candle: candle.open_epoch_ms, on_progress)


class Span(msgspec.Struct, frozen=True):
    """
    Which part of a history is wanted.

    Attributes:
        from_epoch_ms: the first time of interest, in milliseconds since 1970; None: as far back as the server goes.
        to_epoch_ms: the last time of interest.
        count: at most so many rows, the newest; None: all.
    """

    from_epoch_ms: int | None
    to_epoch_ms: int
    count: int | None

    @classmethod
    def of(cls, from_epoch_ms: int | None, to_epoch_ms: int | None, count: int | None) -> Span:
        """
        Return a span that ends now where nothing else is said.

        Raises:
            ValueError: nothing would be in it.
        """
        until = time.time_ns() // 1_000_000 if to_epoch_ms is None else to_epoch_ms
        if count is not None and count < 1:
            raise ValueError(f"count is {count}; it is 1 or more")
        if from_epoch_ms is not None and not 0 <= from_epoch_ms <= until:
            raise ValueError(f"from_epoch_ms is {from_epoch_ms}; it is between 0 and to_epoch_ms, {until}, in milliseconds since 1970")
        return cls(from_epoch_ms, until, count)

    def share(self, rows: int, oldest: int) -> float | None:
        """Return how much of it so many rows are, from 0 to 1, the oldest of them of a time; None where that is not known."""
        shares = [] if self.count is None else [rows / self.count]
        if self.from_epoch_ms is not None:
            shares.append((self.to_epoch_ms - oldest) / max(self.to_epoch_ms - self.from_epoch_ms, 1))
        return min(max(shares), 1.0) if shares else None


async def read_all(
    read: Callable[[int, int], Awaitable[list[Row]]], span: Span, time_of: Callable[[Row], int], on_progress: OnProgress | None
) -> list[Row]:
    """
    Read a history from its newest page to its oldest, and return it oldest first.

    Args:
        read: returns the newest rows up to a time, at most so many, oldest first.
        span: which part of the history.
        time_of: returns a row's time, in milliseconds since 1970.
        on_progress: called after each page.
    """
    pages: list[list[Row]] = []
    rows, until, known = 0, span.to_epoch_ms, 0
    while span.count is None or rows < span.count:
        # Rows of one millisecond may be on both sides of a page's edge: that millisecond is asked for again, and what is known is left out.
        wanted = PAGE if span.count is None else min(PAGE, span.count - rows + known)
        answer = await patiently(read, until, wanted)
        page = answer[: len(answer) - known]
        if page:
            pages.append(page)
            rows += len(page)
        if on_progress is not None:
            over = len(answer) < wanted or rows == span.count
            on_progress(rows, 1.0 if over else span.share(rows, time_of(answer[0])))
        if len(answer) < wanted or not page:
            break
        oldest = time_of(page[0])
        first = next((number for number, row in enumerate(page) if time_of(row) != oldest), len(page))
        # More rows of one millisecond than a page has would never end.
        until, known = (oldest, first + (known if oldest == until else 0)) if first < PAGE // 2 else (oldest - 1, 0)
    return [row for page in reversed(pages) for row in page]


async def patiently(read: Callable[[int, int], Awaitable[list[Row]]], until: int, count: int) -> list[Row]:
    """Read a page, after the time that the server asks to wait for where its limits are reached."""
    while True:
        try:
            return await read(until, count)
        except HTTPStatusError as error:
            wait = error.headers.get("retry-after", "")
            if error.status not in (429, 503) or not wait.isdecimal() or int(wait) > LONGEST_WAIT:
                raise
            await asyncio.sleep(int(wait))
