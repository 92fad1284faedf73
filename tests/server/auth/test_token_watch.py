"""Streams end with their tokens."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

import pytest

from pricewire.hub.hub import Hub
from pricewire.server.auth.grants import grants_of
from pricewire.server.auth.token_watch import SLACK, TokenWatch
from pricewire.server.auth.tokens import Token
from support.clocks import HandClock
from support.recorder import Recorder, numbers


def token(name: str, expires_at: float, account: str = "a", scope: str = "read", topics: Sequence[str] = ()) -> Token:
    return Token(account, frozenset({scope}), name, expires_at, grants_of(account, {scope}, topics))


class Services:
    """A hub, the lives of its streams, and the time."""

    def __init__(self) -> None:
        self.clock = HandClock()
        # How much the clock of the wall has been set forward, in seconds.
        self.set_by = 0.0
        self.hub = Hub()
        self.token_watch = TokenWatch(self.hub, clock=lambda: self.clock() + self.set_by, steady=self.clock)

    def stream(self, by: Token) -> Recorder:
        stream = Recorder(self.hub, "topic", on_close=lambda: self.token_watch.forget(stream.id))
        self.token_watch.begin(stream.id, by)
        return stream

    def at(self, now: float) -> None:
        self.clock.now = now
        self.token_watch.end_expired()


@pytest.fixture
async def services() -> Services:
    return Services()


async def test_a_stream_gets_what_is_pending_and_the_reason_when_its_token_expires(services: Services) -> None:
    short, long = services.stream(token("one", 1010)), services.stream(token("two", 1020))
    services.at(1009.9)
    assert not short.ended
    services.hub.publish("topic", 1)
    services.at(1010)
    assert [event.type for event in short.events] == ["message", "error"]
    assert "TOKEN_EXPIRED" in short.events[-1].data
    assert not long.ended
    assert services.hub.streams == len(services.token_watch._watched) == 1
    services.at(2000)
    assert "TOKEN_EXPIRED" in long.events[-1].data
    assert len(services.token_watch._watched) == 0


async def test_a_stream_is_renewed_by_a_token_that_lasts_longer(services: Services) -> None:
    stream = services.stream(token("one", 1010))
    assert services.token_watch.renew(stream.id, token("two", 1005)).id == "one"
    assert services.token_watch.renew(stream.id, token("three", 1030)).id == "three"
    services.at(1010)
    assert not stream.ended
    services.token_watch.revoke("one")
    assert not stream.ended, "it no longer lives by that token"
    services.at(1030)
    assert stream.ended


async def test_a_clock_that_is_set_back_lets_no_stream_outlive_its_token(services: Services) -> None:
    stream = services.stream(token("one", 1010))
    services.set_by = -3600
    services.at(1009.9)
    assert not stream.ended
    services.at(1010)
    assert "TOKEN_EXPIRED" in stream.events[-1].data
    later = services.stream(token("two", 1020 - 3600))
    services.set_by = 0
    services.at(1010)
    assert later.ended, "by the clock as it is now it has expired"


async def test_a_clock_that_is_set_forward_ends_what_has_expired_and_nothing_else(services: Services) -> None:
    short, long = services.stream(token("one", 1010)), services.stream(token("two", 1010 + 7200))
    services.set_by = 3600
    services.at(1001)
    assert "TOKEN_EXPIRED" in short.events[-1].data
    services.set_by = 0
    services.at(1010 + 7199)
    assert not long.ended
    services.at(1010 + 7200)
    assert long.ended


async def test_revoking_a_token_ends_its_streams_and_no_others(services: Services) -> None:
    streams = [services.stream(token("one", 1010)) for _ in range(3)]
    other = services.stream(token("two", 1010))
    services.token_watch.revoke("one")
    services.token_watch.revoke("unknown")
    assert all(stream.ended and "TOKEN_REVOKED" in stream.events[-1].data for stream in streams)
    assert not other.ended


async def test_a_stream_whose_head_is_on_the_way_is_ended_once_it_is_there(services: Services) -> None:
    services.token_watch.begin("0000", token("one", 1010))
    services.token_watch.revoke("one")
    services.at(1010)
    assert len(services.token_watch._watched) == 1
    late = Recorder(services.hub, "topic")
    services.token_watch.begin(late.id, token("one", 1010))
    services.at(1020)
    assert late.ended
    services.token_watch.forget("0000")
    services.at(1030)
    assert len(services.token_watch._watched) == 0


async def test_streams_that_have_gone_are_not_kept(services: Services) -> None:
    stays = services.stream(token("stays", 5000))
    for number in range(3 * SLACK):
        services.hub.leave(services.stream(token("goes", 4000 + number)))
    assert len(services.token_watch._watched) == 1
    assert len(services.token_watch._ends) <= SLACK + 10
    services.at(5000)
    assert stays.ended


async def test_streams_are_ended_by_themselves(services: Services) -> None:
    stream = services.stream(token("one", 1010))
    task = asyncio.create_task(services.token_watch.run())
    services.clock.now = 1010
    async with asyncio.timeout(60):
        while not stream.ended:
            stream.wrote.clear()
            await stream.wrote.wait()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_a_stream_that_is_revoked_while_its_head_is_on_the_way_is_told_so_once_it_is_there(services: Services) -> None:
    coming = str(next(numbers) + 1)
    services.token_watch.begin(coming, token("one", 5000))
    services.token_watch.revoke("one")
    services.at(1001)
    late = Recorder(services.hub, "topic")
    assert late.id == coming
    services.at(1002)
    assert late.ended
    assert "TOKEN_REVOKED" in late.events[-1].data
    assert len(services.token_watch._watched) == 0


async def test_streams_end_where_their_tokens_have_ended(services: Services) -> None:
    mine, other = services.stream(token("one", 5000, "a")), services.stream(token("two", 5000, "b"))
    services.token_watch.revoke_where(lambda each: each.account == "a")
    assert mine.ended
    assert "TOKEN_REVOKED" in mine.events[-1].data
    assert not other.ended


async def test_a_stream_goes_over_to_a_token_for_reading_though_that_ends_earlier(services: Services) -> None:
    stream = services.stream(token("one", 2000, scope="trade"))
    assert services.token_watch.renew(stream.id, token("two", 1900, scope="trade")).id == "one"
    assert services.token_watch.renew(stream.id, token("three", 1010)).id == "three"
    services.at(1010)
    assert stream.ended


async def test_a_stream_goes_over_to_a_token_for_more_topics_though_that_ends_earlier(services: Services) -> None:
    stream = services.stream(token("one", 2000, topics=["news:*", "chat"]))
    assert services.token_watch.renew(stream.id, token("two", 1900, topics=["chat"])).id == "one"
    assert services.token_watch.renew(stream.id, token("three", 1010, topics=["more"])).id == "three"
    services.at(1010)
    assert stream.ended


def test_a_stream_that_has_gone_is_not_renewed() -> None:
    services = Services()
    stream = services.stream(token("first", 2000.0))
    services.token_watch.forget(stream.id)
    newer = token("second", 3000.0)
    assert services.token_watch.renew(stream.id, newer) is newer
    assert len(services.token_watch._watched) == 0
