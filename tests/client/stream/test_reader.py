from __future__ import annotations

import asyncio

from pricewire.client.report import Reporter
from pricewire.client.stream.reader import StreamReader
from pricewire.client.stream.reconnect import ConnectionState, ReconnectPolicy, State
from pricewire.client.stream.request import Target, build_headers
from pricewire.errors import ClientError, ReconnectExhausted
from support.raw_server import PATIENCE, RawServer, hold, stream

QUICK = ReconnectPolicy(attempts=1, interval=0.001, ceiling=0.01, floor=0.001)


def link_to(url: str, reporter: Reporter) -> StreamReader:
    target = Target(url=url, headers=build_headers(None), reconnect=QUICK, idle_timeout=None, retry_statuses=False, max_event_size=1000)
    return StreamReader(target, cursor="", client=None, reporter=reporter, on_open=None)


async def test_each_step_is_a_state() -> None:
    states: list[ConnectionState] = []
    errors: list[ClientError] = []
    async with RawServer(stream(b"id: 1\ndata: a\n\n"), stream(b"")) as server, asyncio.timeout(PATIENCE):
        reader = link_to(server.url, Reporter(on_error=errors.append, on_state=states.append))
        assert await reader.advance() == []
        assert [str(state.state) for state in states] == ["connecting", "open"]
        assert [event.data for event in await reader.advance()] == ["a"]
        assert reader.decoded_id == "1"
        assert await reader.advance() == []
        assert reader.state.state is State.WAITING
        assert reader.state.reason is errors[0]
        while not reader.is_closed:
            await reader.advance()
        assert isinstance(reader.failure, ReconnectExhausted)
        await reader.aclose()
    assert [str(state.state) for state in states] == ["connecting", "open", "waiting", "connecting", "open", "closed"]


async def test_a_wait_goes_on_where_it_was_cancelled() -> None:
    async with RawServer(stream(b"retry: 3600000\n\n")) as server:
        reader = link_to(server.url, Reporter(on_error=lambda _: None))
        while reader.state.state is not State.WAITING:
            await reader.advance()
        due = reader._due
        for _ in range(2):
            step = asyncio.create_task(reader.advance())
            await asyncio.sleep(0)
            step.cancel()
            await asyncio.wait([step])
            assert (reader.state.state, reader._due) == (State.WAITING, due)
        await reader.aclose()


async def test_closing_twice_and_from_two_tasks() -> None:
    async with RawServer(hold()) as server, asyncio.timeout(PATIENCE):
        reader = link_to(server.url, Reporter(on_error=None))
        await reader.advance()
        reading = asyncio.create_task(reader.advance())
        await asyncio.sleep(0)
        reader.close()
        await asyncio.gather(reader.aclose(), reader.aclose())
        assert await reading == []
        assert reader.failure is None
