from __future__ import annotations

import asyncio

import pytest

from pricewire.client.report import Reporter
from pricewire.client.stream.options import StreamOptions
from pricewire.client.stream.reader import StreamReader
from pricewire.client.stream.reconnect import ConnectionState, ReconnectPolicy, State
from pricewire.errors import ClientError, ReconnectExhausted
from support.raw_server import PATIENCE, RawServer, hold, stream

ONCE = ReconnectPolicy(attempts=1, interval=0.001, ceiling=0.01, floor=0.001)


def reader_of(url: str, reporter: Reporter) -> StreamReader:
    return StreamReader(url, StreamOptions(reconnect=ONCE), reporter)


async def test_a_stream_from_its_first_connection_to_the_last_attempt() -> None:
    states: list[ConnectionState] = []
    errors: list[ClientError] = []
    async with RawServer(stream(b"id: 1\ndata: a\n\n"), stream(b"")) as server, asyncio.timeout(PATIENCE):
        reader = reader_of(server.url, Reporter(on_error=errors.append, on_state=states.append))
        assert [event.data for event in await reader.next_events()] == ["a"]
        assert [str(state.state) for state in states] == ["connecting", "open"]
        assert reader.last_event_id == "1"
        with pytest.raises(ReconnectExhausted):
            await reader.next_events()
        assert reader.is_closed
        # Why it ended is said once.
        with pytest.raises(StopAsyncIteration):
            await reader.next_events()
    assert [str(state.state) for state in states] == ["connecting", "open", "waiting", "connecting", "open", "closed"]
    assert states[2].reason is errors[0]


async def test_events_that_came_at_once_are_given_out_at_once_but_for_errors() -> None:
    errors: list[ClientError] = []
    failed = b'event: error\ndata: {"error":{"code":"OH","message":"no"}}\n\n'
    events = b"id: 1\ndata: a\n\nid: 2\ndata: b\n\n" + failed + b"id: 3\ndata: c\n\nid: 4\n\n"
    reporter = Reporter(on_error=errors.append)
    async with RawServer(hold(events)) as server, asyncio.timeout(PATIENCE), reader_of(server.url, reporter) as reader:
        assert [event.data for event in await reader.next_events()] == ["a", "b"]
        assert (reader.last_event_id, errors) == ("2", [])
        assert [event.type for event in await reader.next_events()] == ["error", "message"]
        assert (reader.last_event_id, [str(error) for error in errors]) == ("4", ["the server ends the stream, OH: no"])


async def test_a_wait_goes_on_where_it_was_cancelled() -> None:
    waits = asyncio.Event()

    def on_state(state: ConnectionState) -> None:
        if state.state is State.WAITING:
            waits.set()

    async with RawServer(stream(b"retry: 3600000\n\n")) as server, asyncio.timeout(PATIENCE):
        reader = reader_of(server.url, Reporter(on_error=lambda _: None, on_state=on_state))
        reading = asyncio.create_task(reader.next_events())
        await waits.wait()
        state, due = reader.state, reader._due
        for _ in range(3):
            await asyncio.sleep(0)
            reading.cancel()
            await asyncio.wait([reading])
            assert (reader.state, reader._due) == (state, due)
            reading = asyncio.create_task(reader.next_events())
        await reader.aclose()
        await asyncio.wait([reading])


async def test_closing_twice_and_from_two_tasks() -> None:
    async with RawServer(hold(b"data: a\n\n")) as server, asyncio.timeout(PATIENCE):
        reader = reader_of(server.url, Reporter(on_error=None))
        await reader.next_events()
        reading = asyncio.create_task(reader.next_events())
        await asyncio.sleep(0)
        reader.close()
        await asyncio.gather(reader.aclose(), reader.aclose())
        await asyncio.wait([reading])
        assert isinstance(reading.exception(), StopAsyncIteration)
