"""Closing and cancelling at every moment: no task, socket or warning is left."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from pricewire.client.api import tokens
from pricewire.client.stream.event_source import EventSource
from pricewire.client.stream.reconnect import ConnectionState, ReadyState, State
from pricewire.protocol.decoder import ServerSentEvent
from support.cancelling import cancel_everywhere
from support.raw_server import PATIENCE, RawConnection, RawServer, Script, hold, status, stream
from support.sources import NO_CONTENT, QUICK, drain, quiet


async def test_close_in_a_callback_with_more_events_already_there() -> None:
    heard: list[str] = []

    def hear(event: ServerSentEvent) -> None:
        heard.append(event.data)
        if event.data == "b":
            source.close()

    async with RawServer(hold(b"data: a\n\ndata: b\n\ndata: c\n\n")) as server:
        source = EventSource(server.url, on_message=hear)
        given = [event.data for event in await drain(source)]
    assert heard == ["a", "b"]
    assert given == ["a"]


@pytest.mark.parametrize("moment", list(State)[:3])
async def test_close_in_on_state(moment: State) -> None:
    states: list[State] = []

    def hear(state: ConnectionState) -> None:
        states.append(state.state)
        if state.state is moment:
            source.close()

    async with RawServer(stream(b"data: a\n\n")) as server:
        source = EventSource(server.url, reconnect=QUICK, on_error=quiet, on_state=hear)
        await drain(source)
    assert states[-2:] == [moment, State.CLOSED]


async def test_close_in_on_open_and_in_on_error() -> None:
    async with RawServer(stream(b"data: a\n\n")) as server:
        source = EventSource(server.url, on_open=lambda: source.close())
        assert await drain(source) == []
    async with RawServer(status("500 Oops")) as server:
        failing = EventSource(server.url, retry_statuses=True, on_error=lambda _: failing.close())
        assert await drain(failing) == []


async def test_closing_wakes_a_reader_in_another_task() -> None:
    async with RawServer(hold(b"data: a\n\n")) as server:
        source = EventSource(server.url)
        taken = asyncio.Event()

        async def read() -> list[ServerSentEvent]:
            events = []
            async for event in source:
                events.append(event)
                taken.set()
            return events

        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
            reader = group.create_task(read())
            await taken.wait()
            await source.aclose()
    assert len(reader.result()) == 1


async def test_two_readers_are_refused() -> None:
    async with RawServer(hold()) as server, EventSource(server.url) as source:
        reader = asyncio.ensure_future(anext(source, None))
        await server.requests(1)
        with pytest.raises(RuntimeError, match="one reader"):
            await anext(source)
        await source.aclose()
        assert await reader is None


async def test_a_cancelled_read_resumes() -> None:
    scripts = [hold(b"id: 1\ndata: a\n\n"), hold(b"id: 2\ndata: b\n\n")]
    async with RawServer(*scripts) as server, EventSource(server.url, on_error=quiet) as source:
        assert (await anext(source)).data == "a"
        waiting = asyncio.ensure_future(anext(source))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert (await anext(source)).data == "b"
    assert server.connections[1].headers[b"last-event-id"] == b"1"
    assert server.most_live == 1


@pytest.mark.usefixtures("young_garbage")
async def test_cancelling_at_any_await_leaves_nothing() -> None:
    async def scenario(url: str) -> None:
        async with EventSource(url, reconnect=QUICK, retry_statuses=True, on_error=quiet) as source:
            async for _ in source:
                pass

    scripts = [
        status("500 Oops"),
        stream(b"data: a\n\n"),
        status("302 Found", b"Location: /x\r\n"),
        hold(b"", pricewire_heartbeat="0.01"),
        NO_CONTENT,
    ]
    await cancel_everywhere(scenario, lambda: RawServer(*scripts), least=20)


@pytest.mark.usefixtures("young_garbage")
async def test_cancelling_at_any_await_of_tokens_and_renewal_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "renew_after", lambda *_: 0.0)

    async def provider() -> str:
        await asyncio.sleep(0)
        return "secret"

    async def scenario(url: str) -> None:
        async with EventSource(url, token=provider, reconnect=QUICK, on_error=quiet) as source:
            async for _ in source:
                pass

    def server_of_tokens() -> RawServer:
        streams: list[RawConnection] = []

        async def expiring(connection: RawConnection) -> None:
            streams.append(connection)
            await connection.open_stream(b"data: a\n\n", pricewire_stream="s1")
            await connection.closed()

        gets: Iterator[Script] = iter([status("401 Unauthorized"), expiring, NO_CONTENT])

        async def answer_by_method(connection: RawConnection) -> None:
            if connection.method == "PATCH":
                await connection.body()
                await status("404 Not Found")(connection)
                await streams[0].send(b'event: error\ndata: {"error":{"code":"TOKEN_EXPIRED","message":"b"}}\n\n')
                streams[0].end()
            else:
                await next(gets)(connection)

        return RawServer(answer_by_method)

    await cancel_everywhere(scenario, server_of_tokens, least=20)


async def test_closing_at_any_turn_leaves_nothing() -> None:
    async def read(source: EventSource) -> None:
        async for _ in source:
            pass

    for turns in range(0, 60, 3):
        async with RawServer(stream(b"data: a\n\n"), hold(b"data: b\n\n")) as server:
            source = EventSource(server.url, reconnect=QUICK, on_error=quiet)
            reader = asyncio.create_task(read(source))
            for _ in range(turns):
                await asyncio.sleep(0)
            await source.aclose()
            async with asyncio.timeout(PATIENCE):
                await reader
        assert source.ready_state is ReadyState.CLOSED


async def test_an_iteration_that_is_never_begun_leaves_nothing() -> None:
    async with EventSource("http://127.0.0.1:1/"):
        pass
    await EventSource("http://127.0.0.1:1/").aclose()
