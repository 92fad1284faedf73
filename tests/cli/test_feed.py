"""`pricewire feed test`: what it shows of a feed, and what is wrong with its messages."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

from rich.console import Console
from websockets.asyncio.server import ServerConnection, serve

from pricewire.cli.feed import find, run
from pricewire.market.feed import FeedWithCounters
from support.message_feeds import until
from support.raw_server import PATIENCE

FILE = """
[instruments.GOLD]
pip_size = 2
[message]
symbol = "s"
price = "p"
"""


async def test_it_says_what_came_and_what_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "feed.toml"
    file.write_text(FILE)

    async def send(connection: ServerConnection) -> None:
        for message in ('{"s": "GOLD", "p": 5}', '{"s": "GOLD", "q": 6}', '{"s": "SILVER", "p": 7}', "garbage"):
            await connection.send(message)
        await connection.wait_closed()

    async with serve(send, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/"
        for is_terminal in (False, True):
            output = io.StringIO()
            console = Console(file=output, force_terminal=is_terminal, width=400)
            feed = find(f"{url}#{file}")
            assert isinstance(feed, FeedWithCounters)
            command = asyncio.create_task(run(feed, PATIENCE, console))
            await until(lambda feed=feed: feed.counters[0].messages == 4)  # type: ignore[misc]
            # As Ctrl-C does.
            command.cancel()
            assert await command == 1
            text = output.getvalue()
            assert f"{url}#feed.toml: 4 messages, 1 ticks, 1 passed over, 0 gaps, 1 connections" in text
            assert "no instrument has the symbol 'SILVER', of which 1 ticks came" in text
            assert "1 held back (path): price: path 'p' found nothing: the message has s, q" in text
            assert 'in {"s": "GOLD", "q": 6}' in text
            assert "1 held back (format): the message is no JSON" in text
            assert ("GOLD bid 5.00 ask 5.00 at " in text) is not is_terminal


async def test_a_feed_that_brings_nothing_fails(tmp_path: Path) -> None:
    file = tmp_path / "feed.toml"
    file.write_text(FILE)
    output = io.StringIO()
    assert await run(find(f"ws://127.0.0.1:1/#{file}"), 0.3, Console(file=output, width=400)) == 1
    assert "no tick came" in output.getvalue()


async def test_a_good_feed_passes(tmp_path: Path) -> None:
    file = tmp_path / "gold.csv"
    file.write_text("timestamp,price\n2026-01-05T09:30:00Z,5\n2026-01-05T09:30:00.1Z,6\n")
    output = io.StringIO()
    # It ends with the recording.
    assert await run(find(f"replay:{file}"), PATIENCE, Console(file=output, width=400)) == 0
    assert output.getvalue().count("GOLD bid ") == 2
