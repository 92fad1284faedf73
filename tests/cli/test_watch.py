from __future__ import annotations

import asyncio
import io
import re
from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest
from rich.console import Console

from pricewire.cli.advice import explain
from pricewire.cli.watch import Quote, age, describe, line, table, watch
from pricewire.client import ConnectionState, State
from pricewire.errors import ConnectError, HTTPStatusError
from pricewire.protocol.messages import Tick
from support.feeds import HandFeed
from support.serving import Serving

START = 1_796_000_000_000


def tick(price: str, moment: int = 0, instrument_id: str = "R_100") -> Tick:
    middle = Decimal(price)
    return Tick(instrument_id, START + moment, middle, middle + Decimal("0.1"), middle - Decimal("0.1"))


def render(*instruments: str, quotes: dict[str, Quote], stale: frozenset[str] = frozenset(), now: float = 0.0) -> list[list[str]]:
    console = Console(file=io.StringIO(), width=120, color_system=None)
    console.print(table(instruments, quotes, stale, now=now, epoch=START / 1000 + 1))
    assert isinstance(console.file, io.StringIO)
    rows = [re.split(r"(?<! s)\s{2,}", row.strip()) for row in console.file.getvalue().splitlines()]
    return [row for row in rows if len(row) == 8]


def test_the_table_shows_what_is_known() -> None:
    quote = Quote(tick("100.00"), 0.0)
    for second in range(1, 21):
        quote.take(tick("101.50", second * 10), float(second))
    rows = render("R_100", "EUR", quotes={"R_100": quote}, now=20.0)
    assert rows == [
        ["Instrument", "Bid", "Ask", "Price", "Change", "%", "Ticks/s", "Age"],
        ["R_100", "101.40", "101.60", "101.50", "+1.50", "+1.500", "1.0", "0.8 s"],
        ["EUR", *["–"] * 7],
    ]


def test_an_instrument_named_twice_has_one_row() -> None:
    assert len(render("A", "B", "A", quotes={})) == 3


def test_the_rate_is_that_of_the_last_seconds() -> None:
    quote = Quote(tick("1"), 0.0)
    assert quote.rate(0.0) == 0.0
    for _ in range(10):
        quote.take(tick("1"), 2.0)
    assert quote.rate(2.0) == 5.0
    assert quote.rate(10.0) == 1.0
    assert quote.rate(100.0) == 0.0


def test_moves_and_staleness_are_coloured() -> None:
    quote = Quote(tick("2"), 0.0)
    quote.take(tick("1"), 1.0)
    quote.take(tick("1"), 2.0)
    assert quote.move == -1
    console = Console(file=io.StringIO(), width=120, force_terminal=True, color_system="standard")
    console.print(table(["R_100"], {"R_100": quote}, frozenset(), now=2.0, epoch=START / 1000))
    assert isinstance(console.file, io.StringIO)
    assert "\x1b[31m" in console.file.getvalue()
    console.print(table(["R_100"], {"R_100": quote}, frozenset({"ticks:R_100"}), now=2.0, epoch=START / 1000))
    assert "\x1b[2;33m" in console.file.getvalue()


def test_the_state_of_the_connection_is_told() -> None:
    url = "http://example.com"
    reason = ConnectError(url, "refused")
    told = [
        describe(state, url, waited=1.0).plain
        for state in (
            ConnectionState(state=State.CONNECTING),
            ConnectionState(state=State.CONNECTING, attempt=2),
            ConnectionState(state=State.OPEN),
            ConnectionState(state=State.OPEN, is_stale=True),
            ConnectionState(state=State.WAITING, attempt=3, wait=5.2, reason=reason),
            ConnectionState(state=State.CLOSED),
            ConnectionState(state=State.CLOSED, reason=reason),
        )
    ]
    assert told == [
        "○ connecting to http://example.com",
        "○ connecting to http://example.com, attempt 2",
        "● http://example.com",
        "● http://example.com is silent, prices may be old",
        "○ reconnecting in 4 s, attempt 3: connection to http://example.com: refused",
        "○ closed",
        "○ closed: connection to http://example.com: refused",
    ]


def test_errors_are_told_in_the_servers_words() -> None:
    assert explain(HTTPStatusError("http://x/", 404, code="NOT_FOUND", message="no such thing")) == "no such thing"
    assert explain(HTTPStatusError("http://x/", 502)) == "http://x/ answered with status 502"


def test_lines() -> None:
    assert line(tick("1234.50", 7)) == "2026-11-30T00:53:20.007Z R_100 bid 1234.40 ask 1234.60 price 1234.50"


@pytest.mark.parametrize(
    ("seconds", "told"), [(-5, "0.0 s"), (1.26, "1.3 s"), (12.3, "12 s"), (130, "2 min"), (7300, "2 h"), (1e6, "12 d")]
)
def test_ages(seconds: float, told: str) -> None:
    assert age(seconds) == told


class Screen(io.StringIO):
    """What a console writes; says when a text has come."""

    def __init__(self, *awaited: str) -> None:
        super().__init__()
        self._awaited = awaited
        self.come = asyncio.Event()

    def write(self, text: str) -> int:
        count = super().write(text)
        if all(awaited in self.getvalue() for awaited in self._awaited):
            self.come.set()
        return count


async def until_cancelled(work: Callable[[], Awaitable[int]], screen: Screen) -> None:
    """Run it until what is awaited is on the screen, then end it as Ctrl-C does."""
    task = asyncio.ensure_future(work())
    async with asyncio.timeout(60):
        await screen.come.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_table_is_live_and_ctrl_c_leaves_the_terminal_clean(server: Serving, feed: HandFeed) -> None:
    server.call(feed.give, 1.0, 1.2, START)
    screen = Screen("GOLD", "1HZ100V", "● http")
    console = Console(file=screen, force_terminal=True, width=120)
    await until_cancelled(lambda: watch(server.url, ["GOLD", "1HZ100V"], console), screen)
    shown = screen.getvalue()
    assert shown.rfind("\x1b[?25h") > shown.rfind("\x1b[?25l")
    assert shown.endswith(("\n", "\x1b[?25h"))


async def test_elsewhere_than_on_a_terminal_each_tick_is_a_line(server: Serving, feed: HandFeed) -> None:
    server.call(feed.give, 1.0, 1.2, START)
    screen = Screen("2026-11-30T00:53:20.000Z GOLD bid 1.0")
    await until_cancelled(lambda: watch(server.url, ["GOLD"], Console(file=screen)), screen)
    assert "\x1b" not in screen.getvalue()


@pytest.mark.parametrize("on_terminal", [True, False])
async def test_an_unknown_instrument(server: Serving, on_terminal: bool, capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(file=io.StringIO(), force_terminal=on_terminal, width=120)
    assert await watch(server.url, ["NOPE"], console) == 1
    told = capsys.readouterr().err
    assert told.startswith("pricewire: ")
    assert "NOPE" in told
    assert len(told.splitlines()) == 1


@pytest.mark.parametrize(("url", "instrument"), [("http://127.0.0.1:1", "R 100"), ("127.0.0.1", "R_100")])
async def test_mistakes_are_told(url: str, instrument: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert await watch(url, [instrument], Console(file=io.StringIO())) == 1
    assert "pricewire: " in capsys.readouterr().err
