"""Recorded ticks: written in batches away from the path of prices, kept for a day, and asked for by their times."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Delete, Row, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from pricewire.errors import DatabaseError
from pricewire.market.feed import PastTicks
from pricewire.market.pips import Floats, Integers
from pricewire.protocol.messages import Instrument, Tick
from pricewire.store.database import Database
from pricewire.store.tables import ticks

logger = logging.getLogger(__name__)

KEEP_S = 86_400.0
"""How long ticks are kept by default, in seconds: a day."""

FLUSH_S = 1.0
"""How often what has come is written, in seconds."""

PRUNE_S = 3600.0
"""How often old ticks are removed, in seconds."""

MOST_WAITING = 100_000
"""How many ticks wait at most while the database does not answer; then the oldest are dropped."""


class RecordedTicks:
    """
    The recorded ticks in a database.

    The ticks that an entry or a settlement is based on are recorded before it: the ledger calls `flush` first. So two contracts of the same
    end get the same exit, even if the process dies between them. Questions are answered from what is recorded: the newest second may be
    missing.
    """

    def __init__(self, database: Database, *, keep_s: float = KEEP_S) -> None:
        """Use an open database; ticks are kept for `keep_s` seconds."""
        self._database = database
        self._keep_ms = round(keep_s * 1000)
        self._waiting: list[dict[str, Any]] = []
        self._newest: dict[str, tuple[int, int]] = {}
        self._writing = asyncio.Lock()

    def record(self, tick: Tick) -> None:
        """Have a tick recorded with the next flush."""
        epoch_ms, number = self._newest.get(tick.instrument_id, (0, 0))
        number = number + 1 if epoch_ms == tick.epoch_ms else 0
        self._newest[tick.instrument_id] = (tick.epoch_ms, number)
        self._waiting.append(
            {
                "instrument_id": tick.instrument_id,
                "epoch_ms": tick.epoch_ms,
                "number": number,
                "price": format(tick.price, "f"),
                "bid": format(tick.bid, "f"),
                "ask": format(tick.ask, "f"),
            }
        )

    async def flush(self) -> None:
        """
        Write what has come so far; it is durable on return.

        Raises:
            DatabaseError: the database does not answer. The ticks stay waiting.
        """
        async with self._writing:
            rows, self._waiting = self._waiting, []
            if not rows:
                return

            async def work(connection: AsyncConnection) -> None:
                insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
                # Another process may have recorded the same feed.
                await connection.execute(insert(ticks).on_conflict_do_nothing(), rows)

            try:
                await self._database.write(work)
            except DatabaseError:
                self._waiting = (rows + self._waiting)[-MOST_WAITING:]
                raise

    async def prune(self, before_ms: int) -> None:
        """
        Remove old ticks.

        Args:
            before_ms: of before this time, in milliseconds since 1970.
        """
        for (instrument_id,) in await self._database.rows(select(ticks.c.instrument_id).distinct()):
            statement = delete(ticks).where(ticks.c.instrument_id == instrument_id, ticks.c.epoch_ms < before_ms)

            async def work(connection: AsyncConnection, statement: Delete = statement) -> None:
                await connection.execute(statement)

            await self._database.write(work)

    async def run(self) -> None:
        """Flush each second and prune each hour, until it is cancelled; then flush once more."""
        next_prune = time.monotonic()
        is_away = False
        try:
            while True:
                await asyncio.sleep(FLUSH_S)
                try:
                    await self.flush()
                    if time.monotonic() >= next_prune:
                        await self.prune(time.time_ns() // 1_000_000 - self._keep_ms)
                        next_prune += PRUNE_S
                except DatabaseError as error:
                    # Once, not every second.
                    if not is_away:
                        logger.warning("ticks wait to be recorded: %s", error)
                    is_away = True
                else:
                    if is_away:
                        logger.info("ticks are recorded again")
                    is_away = False
        finally:
            await self.flush()

    async def between(self, instrument_id: str, from_ms: int, to_ms: int, newest: int | None = None) -> list[Tick]:
        """
        Return the ticks of a span of time, oldest first.

        Args:
            instrument_id: whose ticks.
            from_ms: the first time of interest, in milliseconds since 1970.
            to_ms: the last time of interest.
            newest: so many at most, the newest; by default all of them.
        """
        rows = await self._rows(instrument_id, ticks.c.epoch_ms.between(from_ms, to_ms), newest)
        return [Tick(instrument_id, epoch_ms, Decimal(price), Decimal(ask), Decimal(bid)) for epoch_ms, price, ask, bid in rows]

    async def since(self, instrument: Instrument, from_ms: int, newest: int) -> PastTicks:
        """
        Return the ticks of an instrument from a time on as columns, as the market begins with.

        Args:
            instrument: whose ticks; they get its decimals.
            from_ms: the first time of interest, in milliseconds since 1970.
            newest: so many at most, the newest.
        """
        rows = await self._rows(instrument.id, ticks.c.epoch_ms >= from_ms, newest)
        # Not by way of decimals, which take a second for a day of ticks: doubles are as exact up to fifteen digits.
        times, price, ask, bid = zip(*rows, strict=True) if rows else ((), (), (), ())

        def pips(prices: Sequence[str]) -> Integers:
            pips: Floats = np.array(prices, np.float64) * 10**instrument.pip_size
            return np.rint(pips).astype(np.int64)

        return PastTicks(instrument.id, np.array(times, np.int64), pips(price), pips(ask), pips(bid))

    async def _rows(self, instrument_id: str, condition: ColumnElement[bool], newest: int | None) -> Sequence[Row[int, str, str, str]]:
        """Return time, price, ask and bid of ticks, oldest first."""
        statement = select(ticks.c.epoch_ms, ticks.c.price, ticks.c.ask, ticks.c.bid)
        statement = statement.where(ticks.c.instrument_id == instrument_id, condition)
        statement = statement.order_by(ticks.c.epoch_ms.desc(), ticks.c.number.desc()).limit(newest)
        return (await self._database.rows(statement))[::-1]
