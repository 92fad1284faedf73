"""The journal of a server that stands by: what comes over the bus is in it once, also after a start, and when the disk was full."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from soak.kill.outcomes import read_journal

from pricewire.bus.frames import Forgotten, Published, Record
from pricewire.market.journal import Journal
from pricewire.market.pips import quantum_of
from pricewire.protocol.messages import Tick, TickBody
from pricewire.server.gateways.standby_journal import StandbyJournal
from support.feeds import GOLD
from support.full_disk import full_disk

START_MS = 1_800_000_000_000


def published(moment: int, pips: int, instrument: str = "GOLD") -> Record:
    one = quantum_of(2)
    tick = Tick(instrument, START_MS + moment, pips * one, (pips + 1) * one, (pips - 1) * one)
    return Published(f"ticks:{instrument}", 1, f"ticks:{instrument}", "tick", None, msgspec.json.encode(TickBody.of(tick)))


def kept(folder: Path) -> list[tuple[int, int]]:
    return [(tick.epoch_ms - START_MS, tick.price) for tick in read_journal(folder)["GOLD"].ticks]


TICKS = [(0, 100), (1000, 101), (1000, 102), (2000, 103), (2000, 103), (3000, 104)]


@pytest.mark.parametrize("first", range(len(TICKS) + 1))
async def test_what_was_published_is_there_once(tmp_path: Path, first: int) -> None:
    """It comes again when the server stands by again; several ticks may have the same time, and the same price."""
    for count in (first, len(TICKS)):
        standby = StandbyJournal(Journal(tmp_path / "journal", [GOLD]), [GOLD])
        async with standby.open():
            standby.take([published(*tick) for tick in TICKS[:count]])
            standby.take([published(0, 1, "SILVER"), Forgotten("ticks:GOLD")])
    assert kept(tmp_path / "journal") == TICKS


async def test_a_full_disk_ends_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    standby = StandbyJournal(Journal(tmp_path / "journal", [GOLD]), [GOLD])
    async with standby.open():
        standby.take([published(0, 100)])
        with full_disk():
            standby.take([published(1000, 101), published(2000, 102)])
        standby.take([published(3000, 103)])
    assert kept(tmp_path / "journal") == [(0, 100), (1000, 101), (2000, 102), (3000, 103)], "a hole would settle contracts by other ticks"
    assert [record.levelname for record in caplog.records] == ["ERROR"]
