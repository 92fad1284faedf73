"""The feed of Redis against a real server: streams with their past, channels, and faults."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from pricewire.errors import FeedError
from pricewire.market.feed import FeedWithBackfill
from pricewire.market.feeds.find import open_address
from pricewire.protocol.messages import Tick
from support.fake_market import START_MS
from support.message_feeds import OptionsFile, supervised, until
from support.redis_server import RedisServer, redis_server

EUR = "[instruments.EURUSD]\npip_size = 5\n"
PACKED = EUR + '[message]\nformat = "msgpack"\nprice = "p"\n'


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
async def client(server: RedisServer) -> AsyncIterator[Redis]:
    async with Redis(port=server.port) as client:
        yield client


def own(bid: str, epoch_ms: int = START_MS) -> Any:
    return {"instrument_id": "EURUSD", "bid": bid, "ask": "2", "epoch_ms": str(epoch_ms)}


async def test_entries_of_a_stream_are_ticks_and_json_in_a_field_is_too(
    server: RedisServer, client: Redis, options_file: OptionsFile
) -> None:
    fields = open_address(f"{server.url}/plain#{options_file(EUR)}")
    packed = open_address(f"{server.url}/packed#{options_file(PACKED)}")
    async with supervised(fields) as plain_ticks, supervised(packed) as packed_ticks:
        await until(lambda: bool(fields.counters[0].connections and packed.counters[0].connections))
        await client.xadd("plain", own("1.1"))
        await client.xadd("plain", {"x": b"\xff"})
        await client.xadd("plain", own("1.2"))
        assert await plain_ticks.next(2) == [("EURUSD", "1.10000", "2.00000"), ("EURUSD", "1.20000", "2.00000")]
        await client.xadd("packed", {"other": "1"})
        await client.xadd("packed", {"data": msgspec.msgpack.encode({"p": 1.5})})
        assert await packed_ticks.next() == [("EURUSD", "1.50000", "1.50000")]
    assert fields.counters[0].rejected == packed.counters[0].rejected == {"path": 1}


@pytest.mark.parametrize("name", ["ticks.eur", "ticks.*"])
async def test_a_channel(server: RedisServer, client: Redis, name: str, options_file: OptionsFile) -> None:
    feed = open_address(f"{server.url}/{name}#{options_file('channel = true' + chr(10) + EUR)}")
    async with supervised(feed) as ticks:
        await until(lambda: feed.counters[0].connections == 1)
        for message in (json.dumps(own("1.1")), "garbage", json.dumps(own("1.2"))):
            await client.publish("ticks.eur", message)
        assert await ticks.next(2) == [("EURUSD", "1.10000", "2.00000"), ("EURUSD", "1.20000", "2.00000")]
        # A connection that the server ends is made anew, and what came meanwhile is gone.
        await client.client_kill_filter(_type="pubsub")
        await until(lambda: feed.counters[0].connections == 2)
    assert feed.counters[0].gaps == 1


async def test_the_past_is_filled_up_and_the_stream_goes_on(server: RedisServer, client: Redis, options_file: OptionsFile) -> None:
    feed = open_address(f"{server.url}/past#{options_file(EUR)}")
    assert isinstance(feed, FeedWithBackfill)
    async with client.pipeline() as several:
        for number in range(600):
            several.xadd("past", own(f"1.{10000 + number}", START_MS + number), id=f"{START_MS + number}-0")
        await several.execute()
    newest = Tick("EURUSD", START_MS + 99, Decimal("1.5"), Decimal("2.00000"), Decimal("1.10099"))
    found = await asyncio.to_thread(list, feed.backfill([newest]))
    assert [row for each in found for row in each.epoch_ms.tolist()] == list(range(START_MS + 100, START_MS + 600))
    await client.xadd("past", own("1.3", START_MS + 1000), id=f"{START_MS + 1000}-0")
    async with supervised(feed) as ticks:
        assert await ticks.next() == [("EURUSD", "1.30000", "2.00000")]
    assert feed.counters[0].gaps == 0


async def test_a_server_that_was_away_costs_no_tick_of_a_stream_unless_it_was_trimmed(options_file: OptionsFile) -> None:
    with redis_server() as server:
        feed = open_address(f"{server.url}/s#{options_file(EUR)}")
        async with supervised(feed) as ticks:
            await until(lambda: feed.counters[0].connections == 1)
            async with Redis(port=server.port) as client:
                await client.xadd("s", own("1.1"))
            assert await ticks.next() == [("EURUSD", "1.10000", "2.00000")]
            server.kill()
            await ticks.down()
            server.start()
            async with Redis(port=server.port) as client:
                await client.xadd("s", own("1.2"))
                assert await ticks.next() == [("EURUSD", "1.20000", "2.00000")]
                assert feed.counters[0].gaps == 0
        for number in range(5):
            async with Redis(port=server.port) as client:
                await client.xadd("s", own(f"1.{number + 3}"), maxlen=2, approximate=False)
        async with supervised(feed) as ticks:
            assert await ticks.next(2) == [("EURUSD", "1.60000", "2.00000"), ("EURUSD", "1.70000", "2.00000")]
        assert feed.counters[0].gaps == 1


async def test_a_stream_that_is_made_anew_is_read_from_its_beginning(server: RedisServer, client: Redis, options_file: OptionsFile) -> None:
    feed = open_address(f"{server.url}/anew#{options_file(EUR)}")
    async with supervised(feed) as ticks:
        await until(lambda: feed.counters[0].connections == 1)
        await client.xadd("anew", own("1.1"), id="9-1")
        assert await ticks.next() == [("EURUSD", "1.10000", "2.00000")]
        await client.delete("anew")
        await client.xadd("anew", own("1.2"), id="2-1")
        await client.client_kill_filter(_type="normal", skipme=True)
        assert await ticks.next() == [("EURUSD", "1.20000", "2.00000")]
    assert feed.counters[0].gaps == 1


async def test_a_password_is_never_logged(options_file: OptionsFile, caplog: pytest.LogCaptureFixture) -> None:
    with redis_server("--requirepass", "s3cret") as server:
        right = open_address(f"redis://:s3cret@127.0.0.1:{server.port}/s#{options_file(EUR)}")
        wrong = open_address(f"redis://:s3cret-not@127.0.0.1:{server.port}/s#{options_file(EUR)}")
        with caplog.at_level(logging.DEBUG):
            async with supervised(right), supervised(wrong) as refused:
                await until(lambda: right.counters[0].connections == 1)
                await refused.down()
    assert "AuthenticationError" in caplog.text
    assert "s3cret" not in caplog.text


async def test_what_cannot_be_read_is_said(
    server: RedisServer, client: Redis, options_file: OptionsFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    await client.set("text", "no stream")
    with pytest.raises(FeedError, match="WRONGTYPE"):
        await anext(aiter(open_address(f"{server.url}/text#{options_file(EUR)}")))
    with pytest.raises(FeedError, match="the name is missing"):
        open_address(f"{server.url}#{options_file(EUR)}")
    monkeypatch.setattr("pricewire.market.feeds.redis.ANSWER_S", 1.0)
    with pytest.raises(FeedError, match=r"SSL|Timeout"):
        await anext(aiter(open_address(f"rediss://127.0.0.1:{server.port}/s#{options_file(EUR)}")))
