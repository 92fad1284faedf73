"""The feed of NATS against a real server: live, from JetStream, and through its faults."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import AsyncIterator
from decimal import Decimal

import msgspec
import nats
import pytest
from bench.servers.nats import NatsServer, free_ports, nats_server
from nats.aio.client import Client
from nats.js.api import StreamConfig

from pricewire.errors import FeedError
from pricewire.market.feed import FeedWithBackfill, FeedWithCounters
from pricewire.market.feeds.find import open_address
from pricewire.protocol.messages import Tick
from support.fake_market import START_MS
from support.message_feeds import OptionsFile, supervised, until
from support.raw_server import PATIENCE

EUR = "[instruments.EURUSD]\npip_size = 5\n"
MAPPED = EUR + 'symbol = "EUR/USD"\n[message]\nformat = "msgpack"\nsymbol = "s"\nbid = "q[0]"\nask = "q[1]"\n'
numbers = itertools.count()


@contextlib.asynccontextmanager
async def client_of(server: NatsServer) -> AsyncIterator[Client]:
    client = await nats.connect(server.url)
    try:
        yield client
    finally:
        await client.close()


def own(bid: str, ask: str, epoch_ms: int = START_MS) -> bytes:
    return msgspec.json.encode({"instrument_id": "EURUSD", "bid": bid, "ask": ask, "price": ask, "epoch_ms": str(epoch_ms)})


async def connected(feed: FeedWithCounters, count: int = 1) -> None:
    await until(lambda: feed.counters[0].connections >= count)


async def test_our_own_ticks_of_a_subject(nats: NatsServer, options_file: OptionsFile) -> None:
    feed = open_address(f"{nats.url}/ticks.*#{options_file(EUR)}")
    async with client_of(nats) as client, supervised(feed) as ticks:
        await connected(feed)
        await client.publish("ticks.EURUSD", own("1.1", "1.2"))
        await client.publish("ticks.EURUSD", b"garbage")
        await client.publish("ticks.EURUSD", own("1.3", "1.4"))
        assert await ticks.next(2) == [("EURUSD", "1.10000", "1.20000"), ("EURUSD", "1.30000", "1.40000")]
    assert feed.counters[0].rejected == {"format": 1}
    assert feed.name == f"{nats.url}/ticks.*#feed.toml"


async def test_messagepack_by_a_mapping(nats: NatsServer, options_file: OptionsFile) -> None:
    feed = open_address(f"{nats.url}/packed#{options_file(MAPPED)}")
    async with client_of(nats) as client, supervised(feed) as ticks:
        await connected(feed)
        await client.publish("packed", msgspec.msgpack.encode({"s": "EUR/USD", "q": [1.1, 1.2]}))
        assert await ticks.next() == [("EURUSD", "1.10000", "1.20000")]


def rows(feed: FeedWithBackfill, newest: Tick) -> list[tuple[int, int, int]]:
    past = list(feed.backfill([newest]))
    assert all(each.instrument_id == "EURUSD" for each in past)
    return [row for each in past for row in zip(each.epoch_ms.tolist(), each.bid.tolist(), each.ask.tolist(), strict=True)]


def stream_file(name: str) -> str:
    return f"stream = '{name}'\n{EUR}"


async def test_jetstream_fills_up_what_was_missed_and_goes_on(nats: NatsServer, options_file: OptionsFile) -> None:
    name = f"PRICES{next(numbers)}"
    feed = open_address(f"{nats.url}/{name}.>#{options_file(stream_file(name))}")
    assert isinstance(feed, FeedWithBackfill)
    async with client_of(nats) as client:
        await client.jetstream().add_stream(StreamConfig(name=name, subjects=[f"{name}.>"]))
        # Two ticks in each millisecond. The last one is acknowledged when the stream has it, and so all before it.
        *others, last = (own(f"1.{10000 + number}", "2", START_MS + number // 2) for number in range(1200))
        for each in others:
            await client.publish(f"{name}.X", each)
        await client.jetstream().publish(f"{name}.X", last)
        newest = Tick("EURUSD", START_MS + 499, Decimal("1.5"), Decimal("2.00000"), Decimal("1.10998"))
        found = await asyncio.to_thread(rows, feed, newest)
        assert found == [(START_MS + number // 2, 110000 + number, 200000) for number in range(999, 1200)]
        await client.publish(f"{name}.X", own("1.5", "2", START_MS + 1000))
        async with supervised(feed) as ticks:
            assert await ticks.next() == [("EURUSD", "1.50000", "2.00000")]
            await client.publish(f"{name}.X", own("1.6", "2", START_MS + 1001))
            assert await ticks.next() == [("EURUSD", "1.60000", "2.00000")]
    assert feed.counters[0].gaps == 0


async def test_a_server_that_was_away_costs_no_tick_of_jetstream(options_file: OptionsFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pricewire.market.feeds.nats.HEARTBEAT_S", 0.2)
    monkeypatch.setattr("pricewire.market.feeds.nats.SILENCE_S", 2.0)
    with nats_server() as server:
        live = open_address(f"{server.url}/PRICES#{options_file(EUR)}")
        feed = open_address(f"{server.url}/PRICES#{options_file(stream_file('PRICES'))}")
        async with client_of(server) as client:
            await client.jetstream().add_stream(StreamConfig(name="PRICES", subjects=["PRICES"]))
        async with supervised(feed) as ticks, supervised(live):
            await connected(feed)
            async with client_of(server) as client:
                await client.jetstream().publish("PRICES", own("1.1", "2"))
            assert await ticks.next() == [("EURUSD", "1.10000", "2.00000")]
            server.kill()
            await ticks.down()
            server.start()
            server.wait()
            async with client_of(server) as client:
                await client.jetstream().publish("PRICES", own("1.2", "2"))
            assert await ticks.next() == [("EURUSD", "1.20000", "2.00000")]
            await connected(live, 2)
            assert feed.counters[0].gaps == 0
            assert live.counters[0].gaps == 1
            # A stream that is made anew has lost what the old one had.
            async with client_of(server) as client:
                await client.jetstream().delete_stream("PRICES")
                await ticks.down()
                await client.jetstream().add_stream(StreamConfig(name="PRICES", subjects=["PRICES"]))
                await client.jetstream().publish("PRICES", own("1.3", "2"))
            assert await ticks.next() == [("EURUSD", "1.30000", "2.00000")]
            assert feed.counters[0].gaps == 1


async def test_of_several_servers_the_next_one_takes_over(options_file: OptionsFile, caplog: pytest.LogCaptureFixture) -> None:
    with nats_server() as first, nats_server() as second:
        hosts = f"127.0.0.1:{first.port},127.0.0.1:{second.port}"
        feed = open_address(f"nats://{hosts}/PRICES#{options_file(EUR)}")
        async with supervised(feed) as ticks:
            await connected(feed)
            async with client_of(first) as client:
                await client.publish("PRICES", own("1.1", "2"))
            assert await ticks.next() == [("EURUSD", "1.10000", "2.00000")]
            first.kill()
            await ticks.down()
            await connected(feed, 2)
            async with client_of(second) as client:
                await client.publish("PRICES", own("1.2", "2"))
            assert await ticks.next() == [("EURUSD", "1.20000", "2.00000")]
            # The first one again, where the second has gone.
            first.start()
            first.wait()
            second.kill()
            await ticks.down()
            await connected(feed, 3)
            async with client_of(first) as client:
                await client.publish("PRICES", own("1.3", "2"))
            assert await ticks.next() == [("EURUSD", "1.30000", "2.00000")]
            first.kill()
            await ticks.down()
            await until(lambda: caplog.text.count("cannot be used") >= 2)
    assert feed.counters[0].gaps == 2
    assert f"{first.url} cannot be used, trying the next" in caplog.text


async def test_a_password_is_never_logged(options_file: OptionsFile, caplog: pytest.LogCaptureFixture) -> None:
    with nats_server("--user", "me", "--pass", "s3cret") as server:
        address = server.url.removeprefix("nats://")
        right = open_address(f"nats://me:s3cret@{address}/X#{options_file(EUR)}")
        wrong = open_address(f"nats://me:s3cret-not@{address}/X#{options_file(EUR)}")
        with caplog.at_level(logging.DEBUG):
            async with supervised(right), supervised(wrong) as refused:
                await connected(right)
                await refused.down()
    assert "Authorization Violation" in caplog.text
    assert "s3cret" not in caplog.text


async def test_what_cannot_be_reached_is_said(nats: NatsServer, options_file: OptionsFile, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = open_address(f"{nats.url}/X#{options_file(stream_file('MISSING'))}")
    plain = open_address(f"tls://127.0.0.1:{nats.port}/X#{options_file(EUR)}")
    gone = open_address(f"nats://127.0.0.1:{free_ports(1)[0]}/X#{options_file(EUR)}")
    monkeypatch.setattr("pricewire.market.feeds.nats.ANSWER_S", 1)
    left = asyncio.Event()

    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await reader.read()
            writer.close()
            await writer.wait_closed()
        left.set()

    async with await asyncio.start_server(silence, "127.0.0.1", 0) as server:
        hanging = open_address(f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}/X#{options_file(EUR)}")
        for feed, text in (
            (missing, "there is no stream 'MISSING'"),
            (plain, "the server offers no TLS"),
            (gone, "refused|Connect call failed|no servers"),
            (hanging, "no servers|imeout|ended"),
        ):
            with pytest.raises(FeedError, match=text):
                async with asyncio.timeout(PATIENCE):
                    await anext(aiter(feed))
        async with asyncio.timeout(PATIENCE):
            await left.wait()


@pytest.mark.parametrize(
    ("address", "more", "text"),
    [
        ("nats://h", "", "the subject is missing"),
        ("kafka://h/x", "", "there is no feed with addresses that begin with kafka://; there are nats://"),
        ("nats://h/x", "[tls]\nca = 'none.pem'", "none.pem: No such file"),
        ("nats://h/x", "[tls]\nkey = 'none.pem'", "go together"),
    ],
)
def test_options_that_cannot_be_used(address: str, more: str, text: str, options_file: OptionsFile) -> None:
    with pytest.raises(FeedError, match=text):
        open_address(f"{address}#{options_file(EUR + more)}")
