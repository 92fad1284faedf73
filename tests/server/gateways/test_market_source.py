"""What trading says to the market, and hears of it, over a real NATS server whose messages are short."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from bench.servers.nats import nats_server
from nats.aio.client import Client
from nats.aio.msg import Msg

from pricewire.bus.nats_connection import NatsAddress, connected
from pricewire.protocol.messages import Instrument
from pricewire.server.gateways.market_messages import Describe, MarketDescription, Question, Wanted, packed, unpacked
from pricewire.server.gateways.market_source import Interest, ask
from pricewire.server.gateways.subjects import questions

MANY = 5000
"""How many topics or instruments there are: more than one message holds."""


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    configuration = tmp_path / "nats.conf"
    configuration.write_text("max_payload: 65536\n")
    with nats_server("-c", str(configuration)) as nats:
        async with connected(NatsAddress((nats.url,)), "trading") as client:
            yield client


async def test_a_market_hears_of_more_topics_than_a_message_holds(client: Client) -> None:
    heard: list[Question] = []

    async def answer(message: Msg) -> None:
        heard.append(msgspec.msgpack.decode(unpacked(message.data), type=Question))
        await message.respond(msgspec.msgpack.encode(Wanted(len(heard))))

    await client.subscribe(questions("place"), cb=answer)
    interest = Interest("trading", "place")
    topics = [f"candles:COIN{number:05}:60" for number in range(MANY)]
    for topic in topics:
        interest.add(topic)
    async with interest.telling(client):
        assert await interest.first_values() == 1
    assert getattr(heard[0], "topics", None) == topics


async def test_trading_hears_of_more_instruments_than_a_message_holds(client: Client) -> None:
    market = MarketDescription(
        [Instrument(f"COIN{number}", f"Coin {number}", ["Coins"], 2, True) for number in range(MANY)], {}, {}, [], {}
    )

    async def answer(message: Msg) -> None:
        await message.respond(packed(market, client.max_payload))

    await client.subscribe(questions("place"), cb=answer)
    assert await ask(client, "place", Describe(), MarketDescription) == market
