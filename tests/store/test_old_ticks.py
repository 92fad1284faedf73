"""Ticks that an earlier version kept in the database come into the journal, once."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select

from pricewire.market.journal import Journal
from pricewire.protocol.messages import Instrument
from pricewire.store.database import Database
from pricewire.store.old_ticks import take_over
from pricewire.store.tables import ticks
from support.contract_maker import BUY_TIME, tick, write

INSTRUMENTS = [Instrument("GOLD", "Gold", [], 2), Instrument("SILVER", "Silver", [], 2)]


async def keep(database: Database, *rows: tuple[str, int, int, str]) -> None:
    """Keep ticks as the earlier version did."""
    columns = [
        {"instrument_id": instrument_id, "epoch_ms": BUY_TIME + offset, "number": number, "price": price, "ask": "2.00", "bid": "0.50"}
        for instrument_id, offset, number, price in rows
    ]

    def work(connection: Connection) -> None:
        connection.execute(insert(ticks), columns)

    await database.write(work)


async def test_they_come_in_their_order_and_are_gone_from_the_database(database: Database, journal: Journal) -> None:
    await keep(
        database, ("GOLD", 9, 1, "1.20"), ("SILVER", 5, 0, "1.99"), ("GOLD", 9, 0, "1.10"), ("GOLD", 3, 0, "1.00"), ("TIN", 3, 0, "1.00")
    )
    await take_over(database, journal, INSTRUMENTS)
    found = await journal.between("GOLD", 0, BUY_TIME + 10)
    assert [(each.epoch_ms - BUY_TIME, str(each.price)) for each in found] == [(3, "1.00"), (9, "1.10"), (9, "1.20")]
    assert (str(found[0].ask), str(found[0].bid)) == ("2.00", "0.50")
    assert [str(each.price) for each in await journal.between("SILVER", 0, BUY_TIME + 10)] == ["1.99"]
    assert await database.rows(select(ticks)) == []


async def test_a_process_that_died_before_it_removed_them_takes_them_over_once(database: Database, journal: Journal) -> None:
    await keep(database, ("GOLD", 0, 0, "100.00"))
    write(journal, tick(0))
    await take_over(database, journal, INSTRUMENTS)
    assert await journal.between("GOLD", 0, BUY_TIME + 10) == [tick(0)]
    assert await database.rows(select(ticks)) == []
