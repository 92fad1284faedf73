from __future__ import annotations

import asyncio
import gc
import logging
import types
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from typing import Any

import httpx2
import pytest

from pricewire.client.event_source import EventSource
from pricewire.client.reconnect import ConnectionState, ReadyState, ReconnectPolicy, State
from pricewire.errors import (
    CallbackError,
    ClientError,
    ConnectError,
    ContentTypeError,
    EventTooLargeError,
    HTTPStatusError,
    ReconnectExhausted,
    StreamError,
)
from pricewire.protocol.decoder import ServerSentEvent

from .raw_server import PATIENCE, RawConnection, RawServer, answer, hold, status, stream

QUICK = ReconnectPolicy(attempts=3, interval=0.001, ceiling=0.01, floor=0.001)
FOREVER = ReconnectPolicy(attempts=None, interval=0.001, ceiling=0.01, floor=0.001)
NEVER = ReconnectPolicy(attempts=0)

NO_CONTENT = answer(b"HTTP/1.1 204 No Content\r\n\r\n")


def quiet(error: ClientError) -> None:
    """Hear an error and do nothing."""


async def drain(source: EventSource) -> list[ServerSentEvent]:
    async with asyncio.timeout(PATIENCE), source:
        return [event async for event in source]


async def test_events_until_204() -> None:
    async with RawServer(stream(b"id: 1\ndata: a\n\nevent: x\ndata: b\ndata: c\n\n"), NO_CONTENT) as server:
        source = EventSource(server.url + "/stream?topic=a", reconnect=QUICK, on_error=quiet)
        ready_states = [source.ready_state]
        events = await drain(source)
    assert events == [
        ServerSentEvent("message", "a", "1", server.url),
        ServerSentEvent("x", "b\nc", "1", server.url),
    ]
    assert [*ready_states, source.ready_state] == [ReadyState.CONNECTING, ReadyState.CLOSED]
    assert source.last_event_id == "1"
    assert source.url == server.url + "/stream?topic=a"
    assert server.connections[0].target == "/stream?topic=a"


async def test_the_request_is_that_of_the_standard() -> None:
    async with RawServer(NO_CONTENT) as server:
        await drain(EventSource(server.url, headers={"X-Mine": "yes"}, last_event_id="früh ☕"))
    headers = server.connections[0].headers
    assert server.connections[0].method == "GET"
    assert headers[b"accept"] == b"text/event-stream"
    assert headers[b"cache-control"] == b"no-cache"
    assert headers[b"last-event-id"] == "früh ☕".encode()
    assert headers[b"x-mine"] == b"yes"


async def test_without_an_id_there_is_no_last_event_id() -> None:
    async with RawServer(NO_CONTENT) as server:
        await drain(EventSource(server.url))
    assert b"last-event-id" not in server.connections[0].headers


@pytest.mark.parametrize("content_type", ["text/event-stream", "text/event-stream;charset=utf-8", " TEXT/Event-Stream ; x=y"])
async def test_content_types_of_a_stream(content_type: str) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n\r\n".encode()
    async with RawServer(answer(head + b"data: a\n\n"), NO_CONTENT) as server:
        assert [event.data for event in await drain(EventSource(server.url, reconnect=QUICK, on_error=quiet))] == ["a"]


@pytest.mark.parametrize(
    ("headers", "content_type"),
    [(b"Content-Type: text/html\r\n", "text/html"), (b"", None), (b"Content-Type: text/event-streams\r\n", "text/event-streams")],
)
async def test_another_content_type_fails_for_good(headers: bytes, content_type: str | None) -> None:
    errors: list[ClientError] = []
    async with RawServer(status("200 OK", headers, b"data: a\n\n")) as server:
        source = EventSource(server.url, reconnect=FOREVER, retry_statuses=True, on_error=errors.append)
        with pytest.raises(ContentTypeError) as raised:
            await drain(source)
    assert raised.value.content_type == content_type
    assert errors == [raised.value]
    assert len(server.connections) == 1
    assert source.state == ConnectionState(state=State.CLOSED, reason=raised.value)


@pytest.mark.parametrize("line", ["500 Internal Server Error", "404 Not Found", "201 Created", "304 Not Modified", "429 Too Many Requests"])
async def test_by_default_another_status_fails_for_good(line: str) -> None:
    async with RawServer(status(line, body=b'{"error":{"code":"A","message":"b"}}' if line[:3] != "304" else b"")) as server:
        with pytest.raises(HTTPStatusError) as raised:
            await drain(EventSource(server.url, reconnect=FOREVER, on_error=quiet))
    assert raised.value.status == int(line[:3])
    assert raised.value.code == ("A" if line[:3] != "304" else None)
    assert len(server.connections) == 1


async def test_500_then_200_with_retry_statuses() -> None:
    states: list[ConnectionState] = []
    async with RawServer(status("500 Oops"), status("429 Slow"), status("408 Late"), stream(b"data: a\n\n"), NO_CONTENT) as server:
        source = EventSource(server.url, reconnect=QUICK, retry_statuses=True, on_error=quiet, on_state=states.append)
        assert [event.data for event in await drain(source)] == ["a"]
    assert [str(state.state) for state in states] == (
        ["connecting", "waiting"] * 3 + ["connecting", "open", "waiting", "connecting", "closed"]
    )
    assert [state.attempt for state in states if state.state is State.WAITING] == [1, 2, 3, 1]
    assert all(state.wait is not None and state.reason is not None for state in states if state.state is State.WAITING)


async def test_a_clients_error_is_final_with_retry_statuses_too() -> None:
    body = b'{"error":{"code":"NOT_FOUND","message":"no such instrument"}}'
    async with RawServer(status("404 Not Found", b"X-A: b\r\n", body)) as server:
        with pytest.raises(HTTPStatusError, match=r"status 404, NOT_FOUND: no such instrument") as raised:
            await drain(EventSource(server.url, reconnect=FOREVER, retry_statuses=True, on_error=quiet))
    assert (raised.value.code, raised.value.message) == ("NOT_FOUND", "no such instrument")
    assert raised.value.headers["x-a"] == "b"
    assert raised.value.body == body


async def test_an_error_body_without_end_is_cut() -> None:
    async def endless(connection: RawConnection) -> None:
        await connection.send(b"HTTP/1.1 400 Bad\r\nContent-Type: text/plain\r\n\r\n")
        while True:
            await connection.send(b"x" * 65536)

    async with RawServer(endless) as server:
        with pytest.raises(HTTPStatusError) as raised:
            await drain(EventSource(server.url, on_error=quiet))
    assert len(raised.value.body) == 65536


async def test_retry_after_is_honoured() -> None:
    waits: list[float | None] = []

    def hear(state: ConnectionState) -> None:
        if state.state is State.WAITING:
            waits.append(state.wait)
            source.close()

    async with RawServer(status("503 Busy", b"Retry-After: 3600\r\n")) as server:
        source = EventSource(server.url, reconnect=QUICK, retry_statuses=True, on_error=quiet, on_state=hear)
        assert await drain(source) == []
    assert waits == [3600.0]


async def test_a_drop_resumes_after_the_last_whole_event() -> None:
    first = stream(b"id: 1\ndata: a\n\nid: 2\n\nid: 3\ndata: lost\n")
    async with RawServer(first, stream(b"id: 3\ndata: b\n\n"), NO_CONTENT) as server:
        source = EventSource(server.url, reconnect=QUICK, on_error=quiet)
        assert [event.data for event in await drain(source)] == ["a", "b"]
    ids = [connection.headers.get(b"last-event-id") for connection in server.connections]
    assert ids == [None, b"2", b"3"]


async def test_an_empty_id_resets_the_cursor() -> None:
    async with RawServer(stream(b"id: 1\ndata: a\n\nid\ndata: b\n\n"), NO_CONTENT) as server:
        source = EventSource(server.url, reconnect=QUICK, on_error=quiet)
        await drain(source)
    assert b"last-event-id" not in server.connections[1].headers


async def test_an_id_that_no_header_can_carry_does_not_stop_the_client() -> None:
    async with RawServer(stream(b"id: a\fb\ndata: a\n\n"), NO_CONTENT) as server:
        await drain(EventSource(server.url, reconnect=QUICK, on_error=quiet))
    assert b"last-event-id" not in server.connections[1].headers


async def test_the_cursor_is_that_of_what_was_given_out() -> None:
    async with RawServer(hold(b"id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\n\n")) as server, EventSource(server.url) as source:
        await anext(source)
        assert source.last_event_id == "1"
        await anext(source)
        assert source.last_event_id == "3"


async def test_a_break_in_mid_event_is_no_event() -> None:
    async def cut(connection: RawConnection) -> None:
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        await connection.send(b"10\r\nid: 1\ndata: a\n\nid\r\n")
        await connection.send(b"FF\r\n: 2\ndata: half")

    errors: list[ClientError] = []
    async with RawServer(cut, NO_CONTENT) as server:
        assert [event.data for event in await drain(EventSource(server.url, reconnect=QUICK, on_error=errors.append))] == ["a"]
    assert isinstance(errors[0], ConnectError)
    assert server.connections[1].headers[b"last-event-id"] == b"1"


async def test_a_reset_connection_is_reconnected() -> None:
    async def reset(connection: RawConnection) -> None:
        await connection.open_stream(b"data: a\n\n")
        await taken.wait()
        connection.abort()

    taken = asyncio.Event()
    async with RawServer(reset, NO_CONTENT) as server:
        source = EventSource(server.url, reconnect=QUICK, on_error=quiet, on_message=lambda _: taken.set())
        assert len(await drain(source)) == 1


async def test_a_server_that_accepts_and_drops_uses_up_the_attempts() -> None:
    errors: list[ClientError] = []
    async with RawServer(stream(b"retry: 0\n\n: nothing\n")) as server:
        source = EventSource(server.url, reconnect=QUICK, on_error=errors.append)
        with pytest.raises(ReconnectExhausted) as raised:
            await drain(source)
    assert len(server.connections) == 4
    assert len(raised.value.causes) == 4
    assert errors == [*raised.value.causes, raised.value]
    assert source.state.reason is raised.value
    # Once raised, it has ended.
    assert await drain(source) == []


async def test_an_event_starts_the_attempts_again() -> None:
    opens: list[None] = []
    async with RawServer(*[stream(b"data: a\n\n")] * 10, NO_CONTENT) as server:
        source = EventSource(server.url, reconnect=QUICK, on_error=quiet, on_open=lambda: opens.append(None))
        assert len(await drain(source)) == 10
    assert len(opens) == 10
    assert server.most_live <= 2


async def test_an_error_in_band_is_reported_and_does_not_start_the_attempts_again() -> None:
    async def read(source: EventSource) -> None:
        async with source:
            async for event in source:
                events.append(event.type)  # noqa: PERF401 - kept also where it raises

    events: list[str] = []
    errors: list[ClientError] = []
    async with RawServer(stream(b'event: error\ndata: {"error":{"code":"SERVER_DRAINING","message":"bye"}}\n\n')) as server:
        source = EventSource(server.url, reconnect=QUICK, on_error=errors.append)
        with pytest.raises(ReconnectExhausted) as raised:
            await read(source)
    assert events == ["error"] * 4
    assert len(errors) == 5
    assert all(isinstance(cause, StreamError) and cause.code == "SERVER_DRAINING" for cause in raised.value.causes)


async def test_the_retry_of_the_stream_sets_the_wait() -> None:
    waits: list[float] = []

    def hear(state: ConnectionState) -> None:
        if state.wait is not None:
            waits.append(state.wait)
            if state.wait > 1:
                source.close()

    async with RawServer(stream(b"retry: 0\ndata: a\n\n"), stream(b"retry: 7000\n\n")) as server:
        policy = ReconnectPolicy(interval=0.001, ceiling=0.01, floor=0.005)
        source = EventSource(server.url, reconnect=policy, on_error=quiet, on_state=hear)
        await drain(source)
    assert waits == [0.005, 7.0]


async def test_nothing_listens() -> None:
    async with RawServer(NO_CONTENT) as server:
        url = server.url
    with pytest.raises(ReconnectExhausted) as raised:
        await drain(EventSource(url, reconnect=QUICK, on_error=quiet))
    assert all(isinstance(cause, ConnectError) and cause.url == url + "/" for cause in raised.value.causes)


async def test_no_attempts_at_all() -> None:
    async with RawServer(stream(b"data: a\n\n")) as server:
        with pytest.raises(ReconnectExhausted):
            await drain(EventSource(server.url, reconnect_attempts=0, on_error=quiet))
    assert len(server.connections) == 1


async def test_redirects_are_followed_and_the_first_address_is_asked_again() -> None:
    async with RawServer(stream(b"data: a\n\n"), NO_CONTENT) as end:
        there = b"Location: " + end.url.encode() + b"/there?x=1\r\n"
        scripts = [status(f"{code} Moved", there) for code in (301, 302)]
        async with RawServer(status("307 Moved", b"Location: /again\r\n"), scripts[0], scripts[1]) as start:
            (event,) = await drain(EventSource(start.url + "/here", reconnect=QUICK, on_error=quiet))
    assert [connection.target for connection in start.connections] == ["/here", "/again", "/here"]
    assert [connection.target for connection in end.connections] == ["/there?x=1", "/there?x=1"]
    assert event.origin == end.url


@pytest.mark.parametrize("own_auth", [True, False])
async def test_a_token_stays_with_its_origin(own_auth: bool) -> None:
    async with RawServer(NO_CONTENT) as end:
        away = status("302 Found", b"Location: " + end.url.encode() + b"/\r\n")
        async with RawServer(status("302 Found", b"Location: /again\r\n"), away) as start:
            headers = None if own_auth else {"Authorization": "Bearer secret"}
            async with httpx2.AsyncClient(auth=("user", "secret") if own_auth else None) as client:
                await drain(EventSource(start.url, headers=headers, http_client=client))
    assert all(b"authorization" in connection.headers for connection in start.connections)
    assert b"authorization" not in end.connections[0].headers


async def test_redirects_without_end_fail_for_good() -> None:
    async with RawServer(status("302 Found", b"Location: /\r\n")) as server:
        with pytest.raises(ConnectError, match="redirects"):
            await drain(EventSource(server.url, reconnect=FOREVER, on_error=quiet))
    assert len(server.connections) == 21


async def test_a_redirect_body_without_end_is_not_read() -> None:
    async def endless(connection: RawConnection) -> None:
        await connection.send(b"HTTP/1.1 302 Found\r\nLocation: /there\r\n\r\n")
        while True:
            await connection.send(b"x" * 65536)

    async with RawServer(endless, NO_CONTENT) as server:
        await drain(EventSource(server.url))


async def test_a_redirect_to_no_web_address_fails_for_good() -> None:
    async with RawServer(status("302 Found", b"Location: ftp://127.0.0.1/\r\n")) as server:
        with pytest.raises(ConnectError):
            await drain(EventSource(server.url, reconnect=FOREVER, on_error=quiet))


async def test_silence_makes_stale_then_dead() -> None:
    states: list[ConnectionState] = []
    async with RawServer(hold(b"data: a\n\n", pricewire_heartbeat="0.01"), NO_CONTENT) as server:
        source = EventSource(server.url, reconnect=QUICK, idle_timeout=None, on_error=quiet, on_state=states.append)
        await drain(source)
    told = [(str(state.state), state.is_stale) for state in states]
    assert told == [
        ("connecting", False),
        ("open", False),
        ("open", True),
        ("waiting", False),
        ("connecting", False),
        ("closed", False),
    ]
    assert "silent" in str(states[3].reason)


async def test_any_byte_is_life() -> None:
    def hear(state: ConnectionState) -> None:
        told.append((str(state.state), state.is_stale))
        if state.is_stale:
            stale.set()
        elif stale.is_set():
            source.close()

    async def speak_late(connection: RawConnection) -> None:
        await connection.open_stream(pricewire_heartbeat="0.6")
        await stale.wait()
        await connection.send(b":")
        await connection.closed()

    stale = asyncio.Event()
    told: list[tuple[str, bool]] = []
    async with RawServer(speak_late) as server:
        source = EventSource(server.url, on_state=hear)
        assert await drain(source) == []
    assert told == [("connecting", False), ("open", False), ("open", True), ("open", False), ("closed", False)]


async def test_the_idle_timeout_decides_without_a_heartbeat() -> None:
    errors: list[ClientError] = []
    async with RawServer(hold(b"data: a\n\n"), NO_CONTENT) as server:
        await drain(EventSource(server.url, reconnect=QUICK, idle_timeout=0.3, on_error=errors.append))
    assert "silent for 0.3 s" in str(errors[0])


async def test_a_response_that_never_begins() -> None:
    async def silence(connection: RawConnection) -> None:
        await connection.closed()

    errors: list[ClientError] = []
    async with RawServer(silence, NO_CONTENT) as server:
        await drain(EventSource(server.url, reconnect=QUICK, idle_timeout=0.02, on_error=errors.append))
    assert "no response within 0.02 s" in str(errors[0])


async def test_a_slow_reader_is_not_the_servers_silence() -> None:
    async with RawServer(hold(b"data: a\n\n", pricewire_heartbeat="0.01")) as server, EventSource(server.url, on_error=quiet) as source:
        await anext(source)
        loop = asyncio.get_running_loop()
        passed = loop.create_future()
        # Longer than the connection would live if it were read.
        loop.call_later(0.1, passed.set_result, None)
        await passed
        assert source.state == ConnectionState(state=State.OPEN)


async def test_endless_garbage_costs_bounded_memory() -> None:
    async def garbage(connection: RawConnection) -> None:
        await connection.open_stream()
        while True:
            await connection.send(b"x" * 65536)

    errors: list[ClientError] = []
    async with RawServer(garbage, NO_CONTENT) as server:
        await drain(EventSource(server.url, reconnect=QUICK, max_event_size=1_000_000, on_error=errors.append))
    assert isinstance(errors[0].__cause__, EventTooLargeError)


async def test_no_http_at_all() -> None:
    async with RawServer(answer(b"SSH-2.0-OpenSSH\r\n"), NO_CONTENT) as server:
        errors: list[ClientError] = []
        await drain(EventSource(server.url, reconnect=QUICK, on_error=errors.append))
    assert isinstance(errors[0], ConnectError)


async def test_a_compressed_stream() -> None:
    import gzip

    body = gzip.compress("id: ü\ndata: ☕\n\n".encode())
    async with RawServer(stream(body, content_encoding="gzip"), NO_CONTENT) as server:
        (event,) = await drain(EventSource(server.url, reconnect=QUICK, on_error=quiet))
    assert (event.last_event_id, event.data) == ("ü", "☕")


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
    async with RawServer(status("404 Not Found")) as server:
        failing = EventSource(server.url, on_error=lambda _: failing.close())
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


async def test_errors_of_callbacks_are_reported_and_stop_nothing() -> None:
    errors: list[ClientError] = []

    def fail(*_: object) -> None:
        raise ValueError("mine")

    async with RawServer(stream(b"data: a\n\ndata: b\n\n"), NO_CONTENT) as server:
        source = EventSource(server.url, reconnect=QUICK, on_open=fail, on_message=fail, on_state=fail, on_error=errors.append)
        assert len(await drain(source)) == 2
    assert len(server.connections) == 2
    failures = [error for error in errors if isinstance(error, CallbackError)]
    assert [failure.callback for failure in failures].count("on_message") == 2
    assert {failure.callback for failure in failures} == {"on_open", "on_message", "on_state"}
    assert all(isinstance(failure.__cause__, ValueError) for failure in failures)


async def test_an_on_error_that_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def fail(error: ClientError) -> None:
        raise ValueError("mine")

    async with RawServer(stream(b"data: a\n\n"), NO_CONTENT) as server:
        assert len(await drain(EventSource(server.url, reconnect=QUICK, on_error=fail))) == 1
    assert "on_error raised" in caplog.text


def test_coroutine_functions_are_refused_as_callbacks() -> None:
    async def hear(*_: object) -> None:
        """Nobody would await this."""

    for name in ("on_open", "on_message", "on_error", "on_state"):
        with pytest.raises(TypeError, match=name):
            EventSource("http://127.0.0.1/", **{name: hear})  # type: ignore[arg-type] # a callback, whichever it is


@pytest.mark.parametrize("url", ["", "stream", "/stream", "ftp://example.com/", "http://", "http://exa mple:x/?ticket=secret"])
def test_what_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="address") as raised:
        EventSource(url)
    assert "secret" not in str(raised.value)


async def test_secrets_are_in_no_log_error_or_repr(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    errors: list[ClientError] = []
    scripts = [status("500 Oops"), stream(b"data: a\n\n"), answer(b"nonsense"), status("404 Gone")]
    async with RawServer(*scripts) as server:
        source = EventSource(
            server.url, headers={"Authorization": "Bearer secret"}, reconnect=QUICK, retry_statuses=True, on_error=errors.append
        )
        with pytest.raises(HTTPStatusError):
            await drain(source)
    assert server.connections[0].headers[b"authorization"] == b"Bearer secret"
    assert errors
    texts = [caplog.text, repr(source), *map(repr, errors), *map(str, errors)]
    assert not [text for text in texts if "secret" in text]


def test_a_header_with_a_line_break_is_refused_without_repeating_it() -> None:
    with pytest.raises(ValueError, match="Authorization") as raised:
        EventSource("http://127.0.0.1/", headers={"Authorization": "Bearer sec\nret"})
    assert "sec" not in str(raised.value)


async def test_a_header_of_the_users_client_that_cannot_be_sent_is_not_repeated() -> None:
    async with RawServer(NO_CONTENT) as server, httpx2.AsyncClient(headers={"Authorization": "Bearer secret\n"}) as client:
        with pytest.raises(ConnectError, match="header") as raised:
            await drain(EventSource(server.url, http_client=client, reconnect=FOREVER, on_error=quiet))
    assert "secret" not in repr(raised.value) + repr(raised.value.__cause__)


async def test_a_client_of_the_users_own_stays_open_and_what_it_raises_is_heard() -> None:
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(lambda _: httpx2.Response(204))) as client:
        await drain(EventSource("http://example.com/", http_client=client))
        assert not client.is_closed
    with pytest.raises(ConnectError, match="RuntimeError"):
        await drain(EventSource("http://example.com/", http_client=client, reconnect=FOREVER, on_error=quiet))


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


@types.coroutine
def cancelling(coroutine: Coroutine[Any, Any, None], count: int) -> Generator[Any, Any, bool]:
    """Run a coroutine and cancel its task when it is suspended for the count-th time; return whether it came so far."""
    task = asyncio.current_task()
    assert task is not None
    step: Callable[[Any], Any] = coroutine.send
    argument: Any = None
    suspensions = 0
    while True:
        try:
            awaited = step(argument)
        except StopIteration:
            return suspensions >= count
        suspensions += 1
        if suspensions == count:
            asyncio.get_running_loop().call_soon(task.cancel)
        try:
            argument = yield awaited
            step = coroutine.send
        except BaseException as error:
            step, argument = coroutine.throw, error


async def test_cancelling_at_any_await_leaves_nothing() -> None:
    async def scenario(url: str) -> None:
        async with EventSource(url, reconnect=QUICK, retry_statuses=True, on_error=quiet) as source:
            async for _ in source:
                pass

    async def run(url: str, count: int) -> bool:
        return await cancelling(scenario(url), count)

    for count in range(1, 1000):
        scripts = [
            status("500 Oops"),
            stream(b"data: a\n\n"),
            status("302 Found", b"Location: /x\r\n"),
            hold(b"", pricewire_heartbeat="0.01"),
            NO_CONTENT,
        ]
        async with RawServer(*scripts) as server:
            task = asyncio.create_task(run(server.url, count))
            await asyncio.wait([task], timeout=PATIENCE)
        gc.collect()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        if not task.cancelled() and not task.result():
            assert count > 20
            return
    pytest.fail("the scenario has no end")


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


async def test_it_is_an_asynchronous_iterator() -> None:
    source: AsyncIterator[ServerSentEvent] = EventSource("http://127.0.0.1:1/")
    assert aiter(source) is source
