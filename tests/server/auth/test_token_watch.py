"""Streams end with their tokens."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from pricewire.hub.hub import Hub
from pricewire.server.auth.token_watch import SLACK, Lives
from pricewire.server.auth.tokens import Token
from support.recorder import Recorder, numbers


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def token(name: str, expires_at: float, account: str = "a") -> Token:
    return Token(account, frozenset({"read"}), name, expires_at)


class House:
    """A hub, the lives of its streams, and the time."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.hub = Hub()
        self.lives = Lives(self.hub, clock=self.clock)

    def stream(self, by: Token) -> Recorder:
        stream = Recorder(self.hub, "topic")
        stream.on_close = lambda: self.lives.forget(stream.id)
        self.lives.begin(stream.id, by)
        return stream

    def at(self, now: float) -> None:
        self.clock.now = now
        self.lives.end_expired()


@pytest.fixture
async def house() -> House:
    return House()


async def test_a_stream_gets_what_is_pending_and_the_reason_when_its_token_expires(house: House) -> None:
    short, long = house.stream(token("one", 1010)), house.stream(token("two", 1020))
    house.at(1009.9)
    assert not short.ended
    house.hub.publish("topic", 1)
    house.at(1010)
    assert [event.type for event in short.events] == ["message", "error"]
    assert "TOKEN_EXPIRED" in short.events[-1].data
    assert not long.ended
    assert house.hub.streams == len(house.lives) == 1
    house.at(2000)
    assert "TOKEN_EXPIRED" in long.events[-1].data
    assert len(house.lives) == 0


async def test_a_stream_is_prolonged_by_a_token_that_lasts_longer(house: House) -> None:
    stream = house.stream(token("one", 1010))
    assert house.lives.prolong(stream.id, token("two", 1005)).id == "one"
    assert house.lives.prolong(stream.id, token("three", 1030)).id == "three"
    house.at(1010)
    assert not stream.ended
    house.lives.revoke("one")
    assert not stream.ended, "it no longer lives by that token"
    house.at(1030)
    assert stream.ended


async def test_revoking_a_token_ends_its_streams_and_no_others(house: House) -> None:
    streams = [house.stream(token("one", 1010)) for _ in range(3)]
    other = house.stream(token("two", 1010))
    house.lives.revoke("one")
    house.lives.revoke("unknown")
    assert all(stream.ended and "TOKEN_REVOKED" in stream.events[-1].data for stream in streams)
    assert not other.ended


async def test_a_stream_whose_head_is_on_the_way_is_ended_once_it_is_there(house: House) -> None:
    house.lives.begin("0000", token("one", 1010))
    house.lives.revoke("one")
    house.at(1010)
    assert len(house.lives) == 1
    late = Recorder(house.hub, "topic")
    house.lives.begin(late.id, token("one", 1010))
    house.at(1020)
    assert late.ended
    house.lives.forget("0000")
    house.at(1030)
    assert len(house.lives) == 0


async def test_streams_that_have_gone_are_not_kept(house: House) -> None:
    stays = house.stream(token("stays", 5000))
    for number in range(3 * SLACK):
        house.hub.leave(house.stream(token("goes", 4000 + number)))
    assert len(house.lives) == 1
    assert len(house.lives._ends) <= SLACK + 10
    house.at(5000)
    assert stays.ended


async def test_streams_are_ended_by_themselves(house: House) -> None:
    stream = house.stream(token("one", 1010))
    task = asyncio.create_task(house.lives.run())
    house.clock.now = 1010
    async with asyncio.timeout(60):
        while not stream.ended:
            stream.wrote.clear()
            await stream.wrote.wait()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_a_stream_that_is_revoked_while_its_head_is_on_the_way_is_told_so_once_it_is_there(house: House) -> None:
    coming = str(next(numbers) + 1)
    house.lives.begin(coming, token("one", 5000))
    house.lives.revoke("one")
    house.at(1001)
    late = Recorder(house.hub, "topic")
    assert late.id == coming
    house.at(1002)
    assert late.ended
    assert "TOKEN_REVOKED" in late.events[-1].data
    assert len(house.lives) == 0


async def test_streams_end_where_their_tokens_have_ended(house: House) -> None:
    mine, other = house.stream(token("one", 5000, "a")), house.stream(token("two", 5000, "b"))
    house.lives.revoke_where(lambda each: each.account == "a")
    assert mine.ended
    assert "TOKEN_REVOKED" in mine.events[-1].data
    assert not other.ended


async def test_a_stream_goes_over_to_a_token_for_reading_though_that_ends_earlier(house: House) -> None:
    stream = house.stream(Token("a", frozenset({"trade"}), "one", 2000))
    assert house.lives.prolong(stream.id, Token("a", frozenset({"trade"}), "two", 1900)).id == "one"
    assert house.lives.prolong(stream.id, token("three", 1010)).id == "three"
    house.at(1010)
    assert stream.ended


def test_a_stream_that_has_gone_is_not_prolonged() -> None:
    house = House()
    stream = house.stream(token("first", 2000.0))
    house.lives.forget(stream.id)
    newer = token("second", 3000.0)
    assert house.lives.prolong(stream.id, newer) is newer
    assert len(house.lives) == 0
