"""A recording that goes through NATS, Redis, a WebSocket and FIX has the same ticks as the file."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

import msgspec
import nats as nats_client
import pytest
from bench.servers.nats import NatsServer
from redis.asyncio import Redis
from websockets.asyncio.server import ServerConnection, serve

from pricewire.market.feeds.find import open_address
from pricewire.market.feeds.replay.feed import ReplayFeed
from pricewire.protocol.messages import Tick, TickBody
from support.fix_venue import VenueSession, stamp, venue
from support.message_feeds import OptionsFile, supervised, until
from support.recorded import REAL
from support.redis_server import redis_server

RECORDING = REAL.folder / "eurusd-quotes.csv"
COUNT = 1000

pytestmark = pytest.mark.skipif(not RECORDING.exists(), reason="there is no recording beside the project")


@pytest.fixture
async def recorded(tmp_path: Path) -> list[Tick]:
    """The ticks of a part of the recording."""
    part = tmp_path / "eurusd.csv"
    with RECORDING.open() as file:
        part.write_text("".join(line for line, _ in zip(file, range(COUNT), strict=False)))
    return [tick async for tick in ReplayFeed(part, speed=1e9, keep_times=True)]


@pytest.mark.parametrize("way", ["nats", "redis", "websocket"])
async def test_the_ticks_are_those_of_the_file(way: str, recorded: list[Tick], nats: NatsServer, options_file: OptionsFile) -> None:
    bodies = [TickBody.of(tick) for tick in recorded]
    file = options_file(f"[instruments.EURUSD]\npip_size = {-int(recorded[0].bid.as_tuple().exponent)}\n")

    async def send(connection: ServerConnection) -> None:
        for body in bodies:
            await connection.send(msgspec.json.encode(body))
        await connection.wait_closed()

    async with contextlib.AsyncExitStack() as stack:
        if way == "nats":
            url = f"{nats.url}/recording"
        elif way == "redis":
            server = stack.enter_context(redis_server())
            url = f"{server.url}/recording"
        else:
            socket = await stack.enter_async_context(serve(send, "127.0.0.1", 0))
            url = f"ws://127.0.0.1:{next(iter(socket.sockets)).getsockname()[1]}"
        feed = open_address(f"{url}#{file}")
        ticks = await stack.enter_async_context(supervised(feed))
        await until(lambda: feed.counters[0].connections == 1)
        if way == "nats":
            client = await nats_client.connect(nats.url)
            stack.push_async_callback(client.close)
            for body in bodies:
                await client.publish("recording", msgspec.json.encode(body))
        elif way == "redis":
            async with Redis.from_url(url.removesuffix("/recording")) as redis, redis.pipeline(transaction=False) as several:
                for body in bodies:
                    several.xadd("recording", msgspec.to_builtins(body))
                await several.execute()
        assert await ticks.take_all(len(recorded)) == recorded
    assert len(recorded) == COUNT
    assert not feed.counters[0].rejected


@pytest.mark.skipif(find_spec("quickfix") is None, reason="quickfix is not installed: pip install 'pricewire[fix]'")
async def test_the_ticks_by_fix_are_those_of_the_file(recorded: list[Tick], tmp_path: Path) -> None:
    def entries(tick: Tick, action: str) -> str:
        date, _, time = stamp(datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=tick.epoch_ms)).partition("-")
        moment = f"272={date}|273={time}"
        return f"268=2|{action}269=0|{{}}270={tick.bid}|{moment}|{action}269=1|{{}}270={tick.ask}|{moment}"

    async def script(session: VenueSession) -> None:
        await session.accept()
        await session.send("W", f"55=EUR/USD|{entries(recorded[0], '').replace('{}', '')}")
        for tick in recorded[1:]:
            await session.send("X", entries(tick, "279=1|").replace("{}", "55=EUR/USD|"))

    pip_size = -int(recorded[0].bid.as_tuple().exponent)
    async with venue(script) as served:
        file = tmp_path / "quotes.cfg"
        file.write_text(served.file(instruments=f"[EURUSD]\npip_size={pip_size}\nsymbol=EUR/USD\n"))
        feed = open_address(f"fix:{file}")
        async with supervised(feed) as ticks:
            assert await ticks.take_all(len(recorded)) == recorded
    assert not feed.counters[0].rejected
