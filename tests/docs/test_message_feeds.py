"""The files of feeds in the documentation are read, and find the prices in the messages that stand before them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pricewire.market.clock import SystemClock
from pricewire.market.feeds.ccxt import ExchangeOptions
from pricewire.market.feeds.nats import NatsOptions
from pricewire.market.feeds.options import FeedOptions, read_options
from pricewire.market.feeds.reader import Message, MessageReader
from pricewire.market.feeds.redis import RedisOptions
from pricewire.market.feeds.websocket import WebSocketOptions
from support.doc_blocks import BLOCKS, ROOT

PAGE = ROOT / "docs" / "message-feeds.md"
TEXT = {block.title or block.language: block for block in BLOCKS if block.page == PAGE and block.language == "toml"}
MESSAGES = [block for block in BLOCKS if block.page == PAGE and block.language == "json"]
KINDS: dict[str, type[FeedOptions]] = {
    "prices.toml": FeedOptions,
    "other.toml": FeedOptions,
    "nats.toml": NatsOptions,
    "socket.toml": WebSocketOptions,
    "redis.toml": RedisOptions,
}


@pytest.mark.parametrize(("title", "message"), [("prices.toml", 0), ("other.toml", 1), ("socket.toml", 2), ("redis.toml", 0)])
def test_the_message_of_the_page_is_read_by_the_file_of_the_page(title: str, message: int, tmp_path: Path) -> None:
    file = tmp_path / title
    file.write_text(TEXT[title].code)
    clock = SystemClock()
    reader = MessageReader(read_options(file, KINDS[title])[0], file, "docs", clock)
    (tick,) = reader.read(Message(MESSAGES[message].code, "prices.EURUSD", clock.now_ns() // 1_000_000))
    assert (tick.instrument_id, str(tick.bid), str(tick.ask)) == ("EURUSD", "1.10000", "1.10010")
    assert tick.epoch_ms // 1000 == 1_767_225_600


def test_the_file_of_an_exchange_can_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROXY", "http://proxy:3128")
    (block,) = (block for block in BLOCKS if block.page == PAGE.with_name("ccxt-feed.md") and block.language == "toml")
    file = tmp_path / "binance.toml"
    file.write_text(block.code)
    options, _ = read_options(file, ExchangeOptions)
    assert options.instruments["BITCOIN"].symbol == "BTC/USDT"
    assert options.ccxt["httpsProxy"] == "http://proxy:3128"


def test_every_file_of_the_page_can_be_used(tmp_path: Path) -> None:
    assert set(TEXT) == {*KINDS, "mix.toml"}
    for title, kind in KINDS.items():
        file = tmp_path / title
        file.write_text(TEXT[title].code)
        read_options(file, kind)
