from __future__ import annotations

import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from pricewire.errors import FeedError
from pricewire.market.feed import FeedWithHistory, load_feed, make_tick
from pricewire.market.feeds.replay.feed import ReplayFeed
from pricewire.market.feeds.simulated.feed import SimulatedFeed
from pricewire.market.market import Market
from pricewire.protocol.messages import Instrument, Tick

EXAMPLES = Path(__file__).parents[2] / "examples"
EURUSD = Instrument(id="EURUSD", display_name="EUR/USD", categories=[], pip_size=5)

FEED = """
from pricewire.protocol.messages import Instrument

class Good:
    instruments = [Instrument(id="X", display_name="X", categories=[], pip_size=2)]

    async def __aiter__(self):
        yield None

good = Good()

class NoIteration:
    instruments = Good.instruments

class NoInstruments(Good):
    instruments = None

class Empty(Good):
    instruments = []

class Broken(Good):
    def __init__(self):
        raise RuntimeError("no key")
"""


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Be in a folder with modules, and forget them and the search path afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    known = set(sys.modules)
    (tmp_path / "some_feeds.py").write_text(FEED)
    (tmp_path / "needs_more.py").write_text("import not_to_be_found")
    (tmp_path / "fails.py").write_text("1 / 0")
    yield tmp_path
    for name in set(sys.modules) - known:
        del sys.modules[name]


def test_a_tick_is_made_of_numbers_of_any_kind() -> None:
    tick = make_tick(EURUSD, bid=1.1213, ask="1.121721", epoch_ms=1_700_000_000_000)
    assert tick == Tick("EURUSD", 1_700_000_000_000, Decimal("1.12151"), Decimal("1.12172"), Decimal("1.12130"))
    assert (str(tick.bid), str(tick.ask), str(tick.price)) == ("1.12130", "1.12172", "1.12151")


def test_the_middle_is_rounded_up() -> None:
    assert str(make_tick(EURUSD, bid="1.00000", ask="1.00001", epoch_ms=1).price) == "1.00001"
    assert str(make_tick(EURUSD, bid="1.00001", ask="1.00002", epoch_ms=1).price) == "1.00002"


def test_a_tick_needs_numbers() -> None:
    with pytest.raises(FeedError, match="'cheap' cannot be read as a price"):
        make_tick(EURUSD, bid="cheap", ask=1, epoch_ms=1)


@pytest.mark.usefixtures("modules")
@pytest.mark.parametrize("name", ["some_feeds:Good", "some_feeds:good"])
def test_a_feed_is_found_in_the_working_directory(name: str) -> None:
    assert [instrument.id for instrument in load_feed(name).instruments] == ["X"]


@pytest.mark.usefixtures("modules")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("some_feeds", "not of the form 'module:Class'"),
        (":Good", "not of the form"),
        ("some_feeds:", "not of the form"),
        ("missing_feeds:Good", "no module 'missing_feeds'"),
        ("missing.feeds:Good", "no module 'missing'"),
        ("needs_more:Good", "needs 'not_to_be_found', which is not installed"),
        ("fails:Good", "importing 'fails' failed: ZeroDivisionError"),
        ("some_feeds:Absent", "has no 'Absent'"),
        ("some_feeds:NoIteration", "not an asynchronous iterable"),
        ("some_feeds:NoInstruments", "needs an attribute 'instruments'"),
        ("some_feeds:Empty", "has no instrument"),
        ("some_feeds:Broken", r"Broken\(\) failed: RuntimeError\('no key'\)"),
    ],
)
def test_what_is_not_a_feed_is_named(name: str, message: str) -> None:
    with pytest.raises(FeedError, match=message):
        load_feed(name)


def test_which_feeds_have_a_history(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("time,price\n1700000000,1\n")
    assert isinstance(SimulatedFeed(1), FeedWithHistory)
    assert not isinstance(ReplayFeed(path), FeedWithHistory)


async def test_the_example_is_a_feed(modules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXAMPLES)
    feed = load_feed("own_feed:CoinFeed")
    Market([feed], lambda topic, message, event: None)
    ticks = aiter(feed)
    tick = await anext(ticks)
    assert tick.instrument_id == "COIN"
    assert tick.ask - tick.bid == Decimal("0.02")
    assert 99 < tick.bid < 101
    lines = (EXAMPLES / "own_feed.py").read_text().splitlines()
    assert len(lines) <= 30
