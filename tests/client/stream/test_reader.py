from __future__ import annotations

import asyncio

from pricewire.client.report import Reporter
from pricewire.client.stream.reader import Link
from pricewire.client.stream.reconnect import ConnectionState, ReconnectPolicy, State
from pricewire.client.stream.request import Target, build_headers
from pricewire.errors import ClientError, ReconnectExhausted
from support.raw_server import PATIENCE, RawServer, hold, stream

QUICK = ReconnectPolicy(attempts=1, interval=0.001, ceiling=0.01, floor=0.001)


def link_to(url: str, reporter: Reporter) -> Link:
    target = Target(url=url, headers=build_headers(None), reconnect=QUICK, idle_timeout=None, retry_statuses=False, max_event_size=1000)
    return Link(target, cursor="", client=None, reporter=reporter, on_open=None)


async def test_each_step_is_a_state() -> None:
    states: list[ConnectionState] = []
    errors: list[ClientError] = []
    async with RawServer(stream(b"id: 1\ndata: a\n\n"), stream(b"")) as server, asyncio.timeout(PATIENCE):
        link = link_to(server.url, Reporter(on_error=errors.append, on_state=states.append))
        assert await link.advance() == []
        assert [str(state.state) for state in states] == ["connecting", "open"]
        assert [event.data for event in await link.advance()] == ["a"]
        assert link.decoded_id == "1"
        assert await link.advance() == []
        assert link.state.state is State.WAITING
        assert link.state.reason is errors[0]
        while not link.is_closed:
            await link.advance()
        assert isinstance(link.failure, ReconnectExhausted)
        await link.aclose()
    assert [str(state.state) for state in states] == ["connecting", "open", "waiting", "connecting", "open", "closed"]


async def test_a_wait_goes_on_where_it_was_cancelled() -> None:
    async with RawServer(stream(b"retry: 3600000\n\n")) as server:
        link = link_to(server.url, Reporter(on_error=lambda _: None))
        while link.state.state is not State.WAITING:
            await link.advance()
        due = link._due
        for _ in range(2):
            step = asyncio.create_task(link.advance())
            await asyncio.sleep(0)
            step.cancel()
            await asyncio.wait([step])
            assert (link.state.state, link._due) == (State.WAITING, due)
        await link.aclose()


async def test_closing_twice_and_from_two_tasks() -> None:
    async with RawServer(hold()) as server, asyncio.timeout(PATIENCE):
        link = link_to(server.url, Reporter(on_error=None))
        await link.advance()
        reading = asyncio.create_task(link.advance())
        await asyncio.sleep(0)
        link.close()
        await asyncio.gather(link.aclose(), link.aclose())
        assert await reading == []
        assert link.failure is None
