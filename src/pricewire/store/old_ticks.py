"""Moves the ticks that earlier versions kept in the database to the journal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sqlalchemy import Connection, delete, select

from pricewire.market.feed import LATEST_MS, PastTicks
from pricewire.market.journal import Journal
from pricewire.market.pips import Floats, Integers
from pricewire.protocol.messages import Instrument
from pricewire.store.database import Database
from pricewire.store.tables import ticks


async def take_over(database: Database, journal: Journal, instruments: Sequence[Instrument]) -> None:
    """
    Write the ticks of a database to a journal, then delete them from the database; does nothing if there are none.

    Args:
        database: an open one.
        journal: an instrument that it has ticks of was moved before.
        instruments: those of the journal; ticks of others are only deleted.

    Raises:
        DatabaseError: the database does not answer.
        JournalError: the journal cannot be written.
    """
    kept = {instrument_id for (instrument_id,) in await database.rows(select(ticks.c.instrument_id).distinct())}
    if not kept:
        return
    # Not all of it: an archive may have years.
    kept = {each for each in kept if not await journal.between(each, 0, LATEST_MS, newest=1)}
    statement = select(ticks.c.epoch_ms, ticks.c.price, ticks.c.ask, ticks.c.bid).order_by(ticks.c.epoch_ms, ticks.c.number)
    for instrument in instruments:
        if instrument.id in kept:
            rows = await database.rows(statement.where(ticks.c.instrument_id == instrument.id))
            epoch_ms, *prices = zip(*rows, strict=True)
            columns = (in_pips(column, instrument.pip_size) for column in prices)
            journal.extend(PastTicks(instrument.id, np.array(epoch_ms, np.int64), *columns))
    await journal.sync()

    def work(connection: Connection) -> None:
        connection.execute(delete(ticks))

    await database.write(work)


def in_pips(prices: Sequence[str], pip_size: int) -> Integers:
    """Return prices as pips."""
    # Without decimals, which take a second for a day of ticks: doubles are as exact up to fifteen digits.
    pips: Floats = np.array(prices, np.float64) * 10**pip_size
    return np.rint(pips).astype(np.int64)
