"""`pricewire watch`: live prices in the terminal, as a table, or as lines where the output goes elsewhere."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

from cyclopts import Parameter
from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from pricewire.cli.advice import ADDRESS, advise, explain, remedy
from pricewire.client import ConnectionState, ReconnectPolicy, State, Subscription, Token, connect
from pricewire.errors import ClientError, InvalidTopicError, PricewireError, ReconnectExhausted
from pricewire.protocol.messages import Tick

FRAME = 0.1
"""How often the table is drawn, in seconds."""

RATE_WINDOW = 10.0
"""Over how long ticks per second are counted, in seconds."""


class Quote:
    """
    What the table knows of an instrument.

    Attributes:
        first: the first tick of this watch.
        last: the newest tick.
        move: how the price moved at its last change.
        arrivals: when the ticks of the last `RATE_WINDOW` came, in seconds on the monotonic clock.
        started: when the first tick came, likewise.
    """

    def __init__(self, tick: Tick, now: float) -> None:
        self.first = tick
        self.last = tick
        self.move = Decimal(0)
        # The first tick is the current value, not one that came now.
        self.arrivals: deque[float] = deque()
        self.started = now

    def take(self, tick: Tick, now: float) -> None:
        """Take the next tick, which came at `now`, in seconds on the monotonic clock."""
        self.move = tick.price - self.last.price or self.move
        self.last = tick
        self.arrivals.append(now)
        self._forget(now)

    def rate(self, now: float) -> float:
        """Return the ticks per second up to `now`, in seconds on the monotonic clock."""
        self._forget(now)
        return len(self.arrivals) / min(RATE_WINDOW, max(1.0, now - self.started))

    def _forget(self, now: float) -> None:
        while self.arrivals and self.arrivals[0] <= now - RATE_WINDOW:
            self.arrivals.popleft()


def command(
    *instruments: str,
    url: str = ADDRESS,
    token: str | None = None,
    once: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """
    Watch prices in the terminal.

    `pricewire watch R_100 EURUSD` shows price, change, ticks per second, age, and the state of the connection; Ctrl-C ends it.

    Args:
        instruments: whose prices, `R_100` for instance.
        url: the server.
        token: a bearer token, if the server wants one; better set as `PRICEWIRE_TOKEN`, which other users of the machine cannot see.
        once: print the newest price of each instrument, a line for each, and end.
    """
    if not instruments:
        raise PricewireError("name the instruments to watch: pricewire watch R_100 EURUSD")
    work = print_once if once else watch
    sys.exit(asyncio.run(work(url, list(instruments), Console(), token=token)))


async def watch(
    url: str, instruments: Sequence[str], console: Console, errors: Console | None = None, *, token: Token | None = None
) -> int:
    """
    Show the prices of instruments until the server ends the stream or the task is cancelled; return the command's exit code.

    Args:
        url: the server's address.
        instruments: whose prices.
        console: where they go: a table where it is a terminal, else one line per tick.
        errors: where messages go; by default standard error.
        token: a bearer token, or an async function that returns one.
    """
    errors = errors or Console(stderr=True)
    on_terminal = console.is_terminal

    def hear(error: ClientError) -> None:
        # The table shows the state of the connection, and a line between would break it.
        if not on_terminal:
            errors.print(f"pricewire: {error}{remedy(error, url)}", markup=False, highlight=False, soft_wrap=True)

    try:
        async with connect(url, token=token, on_error=hear) as wire, wire.ticks(*instruments) as ticks:
            if on_terminal:
                await show_table(url, ticks, instruments, console)
            else:
                async for tick in ticks:
                    console.out(line(tick), highlight=False)
    except (ClientError, InvalidTopicError, ValueError) as error:
        errors.print(f"pricewire: {advise(error, url)}", markup=False, highlight=False, soft_wrap=True)
        return 1
    return 0


async def print_once(
    url: str, instruments: Sequence[str], console: Console, errors: Console | None = None, *, token: Token | None = None
) -> int:
    """
    Print the newest tick of each instrument as a line; return the command's exit code. A server that does not answer is not asked again.

    Args:
        url: the server's address.
        instruments: whose prices.
        console: where they go.
        errors: where messages go; by default standard error.
        token: a bearer token, or an async function that returns one.
    """
    missing = set(instruments)
    try:
        async with connect(url, token=token, reconnect=ReconnectPolicy(attempts=0)) as wire, wire.ticks(*instruments) as ticks:
            async for tick in ticks:
                if tick.instrument_id in missing:
                    console.out(line(tick), highlight=False)
                missing.discard(tick.instrument_id)
                if not missing:
                    break
    except (ClientError, InvalidTopicError, ValueError) as error:
        cause = error.causes[-1] if isinstance(error, ReconnectExhausted) and error.causes else error
        (errors or Console(stderr=True)).print(f"pricewire: {advise(cause, url)}", markup=False, highlight=False, soft_wrap=True)
        return 1
    return 0


async def show_table(url: str, ticks: Subscription[Tick], instruments: Sequence[str], console: Console) -> None:
    """
    Draw a live table until the ticks end.

    Raises:
        ClientError: they cannot go on.
    """
    quotes: dict[str, Quote] = {}
    failures: list[ClientError] = []

    async def paint(live: Live) -> None:
        state, since = ticks.state, time.monotonic()
        while True:
            now = time.monotonic()
            if ticks.state is not state:
                state, since = ticks.state, now
            live.update(
                Group(
                    table(instruments, quotes, ticks.stale_topics, now=now, epoch=time.time()),
                    describe(state, url, waited=now - since),
                ),
                refresh=True,
            )
            await asyncio.sleep(FRAME)

    async def read(painter: asyncio.Task[None]) -> None:
        try:
            async for tick in ticks:
                now = time.monotonic()
                if tick.instrument_id in quotes:
                    quotes[tick.instrument_id].take(tick, now)
                else:
                    quotes[tick.instrument_id] = Quote(tick, now)
        except ClientError as error:
            failures.append(error)
        finally:
            painter.cancel()

    # Leaving this block, by Ctrl-C too, gives the cursor back.
    with Live(console=console, auto_refresh=False) as live:
        async with asyncio.TaskGroup() as group:
            painter = group.create_task(paint(live))
            await read(painter)
        # A table that has no prices to keep makes room for the message.
        live.transient = bool(failures) and not quotes
    if failures:
        raise failures[0]


def table(instruments: Sequence[str], quotes: Mapping[str, Quote], stale_topics: frozenset[str], *, now: float, epoch: float) -> Table:
    """
    Return the table of some instruments, in their order.

    Args:
        instruments: whose rows.
        quotes: what is known of them; those without a quote have an empty row.
        stale_topics: the topics whose feed has fallen silent.
        now: the time on the monotonic clock, in seconds.
        epoch: the time, in seconds since 1970.
    """
    result = Table("Instrument", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("Bid", "Ask", "Price", "Change", "%", "Ticks/s", "Age"):
        # Room for a digit more: a table whose columns jump cannot be read.
        result.add_column(name, justify="right", no_wrap=True, min_width=8)
    for instrument_id in dict.fromkeys(instruments):
        quote = quotes.get(instrument_id)
        if quote is None:
            result.add_row(escape(instrument_id), *["–"] * 7, style="dim")
            continue
        is_stale = f"ticks:{instrument_id}" in stale_topics
        tick = quote.last
        change = tick.price - quote.first.price
        percent = float(change / quote.first.price * 100) if quote.first.price else 0.0
        result.add_row(
            escape(instrument_id),
            f"{tick.bid:f}",
            f"{tick.ask:f}",
            Text(f"{tick.price:f}", style="" if is_stale else colour(quote.move)),
            Text(f"{change:+f}" if change else "0", style=colour(change)),
            Text(f"{percent:+.3f}", style=colour(change)),
            f"{quote.rate(now):.1f}",
            Text(age(epoch - tick.epoch_ms / 1000), style="yellow" if is_stale else ""),
            style="dim" if is_stale else "",
        )
    return result


def describe(state: ConnectionState, url: str, *, waited: float) -> Text:
    """Return the line below the table: how the connection to a server stands, after so many seconds in this state."""
    reason = f": {explain(state.reason)}" if state.reason is not None else ""
    match state.state:
        case State.OPEN if state.is_stale:
            return Text(f"● {url} is silent, prices may be old", style="yellow")
        case State.OPEN:
            return Text(f"● {url}", style="green")
        case State.CONNECTING:
            attempt = f", attempt {state.attempt}" if state.attempt else ""
            return Text(f"○ connecting to {url}{attempt}", style="yellow")
        case State.WAITING:
            left = max(0.0, (state.wait or 0.0) - waited)
            return Text(f"○ reconnecting in {left:.0f} s, attempt {state.attempt}{reason}", style="yellow")
        case State.CLOSED:
            return Text(f"○ closed{reason}", style="red" if reason else "dim")


def line(tick: Tick) -> str:
    """Return a tick as one line: its time in the form of ISO 8601, and its prices."""
    moment = datetime.fromtimestamp(tick.epoch_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return f"{moment} {tick.instrument_id} bid {tick.bid:f} ask {tick.ask:f} price {tick.price:f}"


def age(seconds: float) -> str:
    """Return an age for people."""
    seconds = max(0.0, seconds)
    for unit, size, limit in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172_800)):
        if seconds < limit:
            return f"{seconds:.1f} s" if seconds < 10 else f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86400:.0f} d"


def colour(change: Decimal) -> str:
    """Return the style of a change."""
    return "green" if change > 0 else "red" if change < 0 else ""
