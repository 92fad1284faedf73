"""`pricewire feed test`: what a feed brings, as a table, and what is wrong with its messages."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from pricewire.cli.options import check_span
from pricewire.cli.watch import FRAME, Quote, table
from pricewire.market.clock import SystemClock
from pricewire.market.counters import FeedCounters
from pricewire.market.feed import Feed, FeedOfSources, FeedWithCounters, load_feed
from pricewire.market.feeds.find import MIX, is_address, open_address, open_mix
from pricewire.market.feeds.replay.feed import ReplayFeed
from pricewire.market.feeds.simulated.feed import SimulatedFeed
from pricewire.market.supervisor import Supervisor
from pricewire.protocol.messages import Tick

feeds = App(name="feed", help="Try a feed without a server: see its prices, and what is wrong with its messages.")

SYMBOLS = 10
"""How many symbols without an instrument are shown."""


@feeds.command(name="test")
def try_feed(feed: str, *, seconds: Annotated[float, Parameter(validator=check_span)] = 10.0) -> None:
    """
    Connect a feed, show what comes, and then what is wrong with it.

    `pricewire feed test 'nats://127.0.0.1/prices.>#prices.toml'` shows its prices for ten seconds, or until Ctrl-C; then how many messages
    were used, and for each reason why some were not the path and an example. The exit status is 1 where no tick came, or something was
    held back.

    Args:
        feed: as for `pricewire serve --feed`.
        seconds: for how long.
    """
    sys.exit(asyncio.run(run(find(feed), seconds, Console())))


def find(name: str) -> Feed:
    """
    Return the feed of a name.

    Raises:
        FeedError: it cannot be used.
    """
    if name.startswith(MIX):
        return open_mix(Path(name.removeprefix(MIX)), find)
    if is_address(name):
        return open_address(name)
    if name.startswith("replay:"):
        return ReplayFeed(Path(name.removeprefix("replay:")))
    # Of a number, as a test is to make no file.
    return SimulatedFeed(0) if name == "simulated" else load_feed(name)


class Newest(logging.Handler):
    """Keeps the newest record that a feed has logged."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record's text."""
        self.text = record.getMessage()


async def run(feed: Feed, seconds: float, console: Console) -> int:
    """
    Show what a feed brings; return the command's exit code.

    Args:
        feed: which.
        seconds: for how long.
        console: where it goes: a table where it is a terminal, else a line for each tick.
    """
    quotes: dict[str, Quote] = {}
    logged = Newest()

    def take(tick: Tick) -> None:
        now = time.monotonic()
        if tick.instrument_id in quotes:
            quotes[tick.instrument_id].take(tick, now)
        else:
            quotes[tick.instrument_id] = Quote(tick, now)
        if not console.is_terminal:
            source = feed.sources().get(tick.instrument_id, "") if isinstance(feed, FeedOfSources) else ""
            console.out(f"{tick.instrument_id} bid {tick.bid} ask {tick.ask} at {tick.epoch_ms} {source}".rstrip(), highlight=False)

    async def paint() -> None:
        with Live(console=console, auto_refresh=False) as live:
            while True:
                names = [instrument.id for instrument in feed.instruments]
                rows = table(names, quotes, frozenset(), now=time.monotonic(), epoch=time.time())
                live.update(Group(rows, Text(logged.text, style="yellow")), refresh=True)
                await asyncio.sleep(FRAME)

    log = logging.getLogger("pricewire")
    log.addHandler(logged)
    supervisor = Supervisor(feed, on_tick=take, on_down=lambda: None, clock=SystemClock())
    tasks = [asyncio.create_task(supervisor.run())]
    if console.is_terminal:
        tasks.append(asyncio.create_task(paint()))
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        # By Ctrl-C, after which the report is wanted all the same.
        pass
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        log.removeHandler(logged)
    counted = list(feed.counters) if isinstance(feed, FeedWithCounters) else []
    for line in (line for each in counted for line in report(each)):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if not quotes:
        console.print(f"no tick came{f': {logged.text}' if logged.text else ''}", markup=False, highlight=False, soft_wrap=True)
    return int(not quotes or any(each.rejected for each in counted))


def report(counters: FeedCounters) -> Iterator[str]:
    """Yield what there is to say of a source."""
    yield (
        f"{counters.name}: {counters.messages} messages, {counters.ticks} ticks, {counters.passed_over} passed over, "
        f"{counters.gaps} gaps, {counters.connections} connections"
    )
    for symbol, count in counters.symbols.most_common(SYMBOLS):
        yield f"  no instrument has the symbol {symbol!r}, of which {count} ticks came"
    for reason, count in counters.rejected.most_common():
        text, example = counters.examples[reason]
        yield f"  {count} held back ({reason}): {text}"
        yield f"    in {example}"
