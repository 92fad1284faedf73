"""Ticks of messages: what is held back, and what is counted."""

from __future__ import annotations

import logging
import struct
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pricewire.errors import FeedError
from pricewire.market.feeds.options import FeedOptions, read_options
from pricewire.market.feeds.reader import MAX_BYTES, Message, MessageReader
from support.fake_market import START_MS, FakeClock

FILE = Path("feed.toml")


def reader(**options: Any) -> MessageReader:
    made = msgspec.convert({"instruments": {"X": {"pip_size": 2}}, **options}, FeedOptions)
    return MessageReader(made, FILE, "test", FakeClock())


def read(of: MessageReader, *rows: tuple[object, ...] | bytes | str) -> list[tuple[str, int, str]]:
    """Read rows of bid, ask, time after the start in milliseconds and perhaps a sequence; return what became of them."""
    found = []
    for row in rows:
        names = ("b", "a", "t", "n")
        data = msgspec.json.encode(dict(zip(names, row, strict=False))) if isinstance(row, tuple) else row
        found += [(tick.instrument_id, tick.epoch_ms, f"{tick.bid} {tick.ask}") for tick in of.read(Message(data, "c", START_MS))]
    return found


PATHS = {"bid": "b", "ask": "a", "time": "t"}


def test_bad_ticks_are_held_back_and_counted_by_why(caplog: pytest.LogCaptureFixture) -> None:
    of = reader(message=PATHS)
    with caplog.at_level(logging.WARNING):
        good = read(
            of,
            (1, 2, START_MS),
            (2, 1, START_MS),
            (1, 2, START_MS - 1),
            (1, 2, START_MS + 61_000),
            (1, 2, START_MS + 59_000),
            (1, 2, START_MS),
            (0.001, 0.002, START_MS + 59_001),
            (1e29, 1e29, START_MS + 59_001),
            b"\xff\x00garbage",
            b"[" * 100_000,
            b'{"b": 1e400, "a": 1, "t": 1}',
            b'{"b": NaN}',
            "{}",
            b" " * (MAX_BYTES + 1),
        )
    assert good == [("X", START_MS, "1.00 2.00"), ("X", START_MS + 59_000, "1.00 2.00")]
    assert of.counters.rejected == {"crossed": 1, "old": 2, "future": 1, "price": 2, "format": 4, "path": 1, "size": 1}
    assert of.counters.messages == 14
    assert of.counters.ticks == 2
    assert 'tick held back (crossed, 1 so far): bid 2 is above ask 1; in {"b":2' in caplog.text
    assert len(max(caplog.messages, key=len)) < 1000


def test_what_a_source_sends_moves_no_cursor_and_forges_no_line(caplog: pytest.LogCaptureFixture) -> None:
    of = reader(message=PATHS)
    read(of, '{"\\u001b[2J\\nWARNING x": "\\u009b"}', "\x1b[2J\n", b"\x1b[2J\n")
    assert of.counters.rejected == {"path": 1, "format": 2}
    assert all(line.isprintable() for line in [*caplog.messages, *of.counters.examples["path"], *of.counters.examples["format"]])


def test_a_flood_of_garbage_is_logged_less_and_less(caplog: pytest.LogCaptureFixture) -> None:
    of = reader(message=PATHS)
    read(of, *[b"x"] * 1000)
    assert of.counters.rejected["format"] == 1000
    assert len(caplog.messages) == 3 + 3  # the first ones, the 10th, 100th and 1000th


def test_a_jump_is_held_back_until_it_has_proved_true() -> None:
    of = reader(instruments={"X": {"pip_size": 2, "max_jump": 0.05}}, message={"price": "b"})
    assert [text for *_, text in read(of, (100,), (106,), (100,), (200,), (104,), (107,))] == [
        "100.00 100.00",
        "100.00 100.00",
        "104.00 104.00",
        "107.00 107.00",
    ]
    assert of.counters.rejected == {"jump": 2}
    # Which of two prices is right others may know: until it is clear, nothing is sold at the old one.
    for price, is_holding in ((200, True), (201, True), (199, False), (100, True), (198, False)):
        read(of, (price,))
        assert of.is_holding("X") == is_holding


def test_sequences_show_gaps_and_duplicates() -> None:
    of = reader(message={"price": "b", "time": "t", "sequence": "n"})
    of.connected(may_have_missed=True)
    rows = [(1, 0, START_MS, number) for number in (5, 6, 6, 5, 9)]
    assert len(read(of, *rows)) == 3
    assert (of.counters.gaps, of.counters.rejected) == (1, {"duplicate": 2})
    # A source that was restarted counts anew.
    of.connected(may_have_missed=False)
    assert len(read(of, (1, 0, START_MS, 1), (1, 0, START_MS, 2))) == 2
    assert (of.counters.gaps, of.counters.rejected) == (1, {"duplicate": 2})
    of.connected(may_have_missed=True)
    assert of.counters.gaps == 2


def test_other_instruments_and_messages_are_passed_over() -> None:
    options = {"symbol": "a", "price": "b", "where": {"n": "tick"}}
    of = reader(message=options, instruments={"X": {"pip_size": 0, "symbol": "x/y"}, "Z": {"pip_size": 0}})
    assert read(of, (1, "x/y", 0, "tick"), (1, "X", 0, "tick"), (1, "x/y", 0, "ack")) == [("X", START_MS, "1 1")]
    assert of.counters.passed_over == 2
    assert of.counters.symbols == {"X": 1}


def test_messagepack_and_fields() -> None:
    packed = msgspec.msgpack.encode({"b": 1.1, "a": 1.2, "t": START_MS})
    of = reader(message={**PATHS, "format": "msgpack"})
    nan = b"\x83\xa1b\xcb" + struct.pack(">d", float("nan")) + b"\xa1a\x02\xa1t\x01"
    assert read(of, packed, packed[:-1], nan, b"\x81\x81\x01\x02\x03") == [("X", START_MS, "1.10 1.20")]
    assert of.counters.rejected == {"format": 2, "price": 1}
    fields = reader(message=PATHS | {"format": "fields"})
    (tick,) = fields.read(Message({"b": "1.1", "a": "1.2", "t": str(START_MS)}, "c", START_MS))
    assert str(tick.bid) == "1.10"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "feed.toml: .*missing required field `instruments`"),
        ("[instruments]", "feed.toml: no instrument is named; add a table such as"),
        ("[instruments.X]\npip_size = '2'", "feed.toml: Expected `int`, got `str` - at `instruments"),
        ("[instruments.X]\npips = 2", "feed.toml: .* unknown field `pips` - at `instruments"),
        ("[instruments.X]\npip_size = 2\n[message]\nformat = 'xml'", "feed.toml: Invalid enum value 'xml' - at `message.format`"),
        ("[instruments.X]\npip_size = 2\nmarket = 'Moon'", "feed.toml: Invalid enum value 'Moon'"),
        ("[instruments.X]\npip_size = 2\nmax_jump = -1", "feed.toml: max_jump -1.0 of X is not a positive number"),
        (
            "[instruments.X]\npip_size = 2\n[instruments.Y]\npip_size = 2\n[message]\nprice = 'p'",
            "there are 2 instruments: say by message.symbol",
        ),
        (
            "[instruments.X]\npip_size=2\nsymbol='Y'\n[instruments.Y]\npip_size=2",
            "instruments.Y: another instrument has the symbol 'Y', too",
        ),
        (
            "[instruments.X]\npip_size = 2\ndisplay_name = '${PRICEWIRE_NOWHERE}'",
            r"names \$\{PRICEWIRE_NOWHERE\}, and there is no such variable",
        ),
        ("x = ", "feed.toml: Invalid value"),
    ],
)
def test_options_that_cannot_be_used(text: str, wrong: str, tmp_path: Path) -> None:
    file = tmp_path / "feed.toml"
    file.write_text(text)
    with pytest.raises(FeedError, match=wrong):
        MessageReader(read_options(file, FeedOptions)[0], file, "test", FakeClock())


def test_files_are_beside_the_file_that_names_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "feed.toml"
    file.write_text("instruments = {}\n[tls]\nca = '${PRICEWIRE_CA}.pem'")
    monkeypatch.setenv("PRICEWIRE_CA", "ours")
    options, used = read_options(file, FeedOptions)
    assert options.tls is not None
    assert options.tls.ca == tmp_path / "ours.pem"
    assert used == ["ours"]
