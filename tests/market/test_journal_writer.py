"""What writes to the journal: ticks are written once and in order, however long they have to wait."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from pricewire.market import journal_writer
from pricewire.market.journal import Journal
from pricewire.market.journal_writer import JournalWriter
from pricewire.protocol.messages import Tick
from support.feeds import GOLD
from support.full_disk import full_disk


def prices(ticks: list[Tick]) -> list[int]:
    return [int(each.price) for each in ticks]


def write(writer: JournalWriter, *given: int) -> list[int]:
    """Write ticks with these prices; return those that have been written."""
    written = []
    for price in given:
        one = Decimal(price)
        written += writer.write(Tick("GOLD", 1_700_000_000_000, one, one, one), (price * 100, price * 100, price * 100))
    return prices(written)


def test_ticks_that_waited_are_written_some_at_a_time_before_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_writer, "AT_ONCE", 3)
    journal = Journal(tmp_path, [GOLD])
    writer = JournalWriter(journal, "they wait")
    assert write(writer, 1, 2) == [1, 2]
    assert writer.failure == ""
    with full_disk():
        assert write(writer, 3, 4, 5, 6) == []
        assert writer.write_waiting() == []
        assert "File too large" in writer.failure
        assert (writer.is_waiting, writer.waiting_of("GOLD"), writer.waiting_of("SILVER")) == (True, 4, 0)
    assert write(writer, 7) == [3, 4, 5]
    assert writer.failure, "some still wait"
    assert prices(writer.write_waiting()) == [6, 7]
    assert (writer.failure, writer.is_waiting) == ("", False)
    assert write(writer, 8) == [8]
    assert journal.read()["GOLD"].price.tolist() == [each * 100 for each in range(1, 9)]
    journal.close()


@pytest.mark.parametrize("is_full", [False, True])
def test_what_waits_is_written_at_the_end_or_said_to_be_lost(tmp_path: Path, caplog: pytest.LogCaptureFixture, *, is_full: bool) -> None:
    journal = Journal(tmp_path, [GOLD])
    writer = JournalWriter(journal, "they wait")
    with full_disk():
        write(writer, 1, 2)
        if is_full:
            writer.finish()
    writer.finish()
    # The limit holds for the process: servers of other tests may run in it.
    logged = [record.message for record in caplog.records]
    assert f"the journal {tmp_path} cannot be written: File too large; they wait" in logged
    assert ("the journal never gets 2 ticks that have come, and contracts are settled without them" in logged) == is_full
    assert journal.read()["GOLD"].price.tolist() == [100, 200]
    journal.close()


def test_no_more_wait_than_memory_has_room_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(journal_writer, "MOST_WAITING", 3)
    journal = Journal(tmp_path, [GOLD])
    writer = JournalWriter(journal, "they wait")
    with full_disk():
        write(writer, 1, 2, 3, 4, 5)
    assert prices(writer.write_waiting()) == [3, 4, 5]
    logged = [record.message for record in caplog.records]
    assert "the journal is written again, but lacks 2 ticks that were too many to wait for it" in logged
    journal.close()
