from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest

from pricewire.client.stream.event_source import EventSource
from pricewire.client.stream.reconnect import ConnectionState, ReadyState, ReconnectPolicy, State
from pricewire.errors import (
    CallbackError,
    ClientError,
    ConnectError,
    ContentTypeError,
    HTTPStatusError,
    ReconnectExhausted,
)
from pricewire.protocol.decoder import ServerSentEvent
from support.raw_server import RawServer, answer, hold, status, stream
from support.sources import FOREVER, NO_CONTENT, QUICK, drain, quiet, read


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
    (request,) = (await read(NO_CONTENT, headers={"X-Mine": "yes"}, last_event_id="früh ☕")).requests
    headers = request.headers
    assert request.method == "GET"
    assert headers[b"accept"] == b"text/event-stream"
    assert headers[b"cache-control"] == b"no-cache"
    assert headers[b"last-event-id"] == "früh ☕".encode()
    assert headers[b"x-mine"] == b"yes"


async def test_without_an_id_there_is_no_last_event_id() -> None:
    assert b"last-event-id" not in (await read(NO_CONTENT)).requests[0].headers


@pytest.mark.parametrize("content_type", ["text/event-stream", "text/event-stream;charset=utf-8", " TEXT/Event-Stream ; x=y"])
async def test_content_types_of_a_stream(content_type: str) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n\r\n".encode()
    assert (await read(answer(head + b"data: a\n\n"), NO_CONTENT)).data == ["a"]


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
    # What the iteration raises is not reported as well.
    assert errors == []
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
    refusals = [status(line) for line in ("500 Oops", "429 Slow", "408 Late")]
    heard = await read(*refusals, stream(b"data: a\n\n"), NO_CONTENT, retry_statuses=True)
    assert heard.data == ["a"]
    assert [str(state.state) for state in heard.states] == (
        ["connecting", "waiting"] * 3 + ["connecting", "open", "waiting", "connecting", "closed"]
    )
    assert [state.attempt for state in heard.waiting] == [1, 2, 3, 1]
    assert all(state.wait is not None and state.reason is not None for state in heard.waiting)


async def test_a_clients_error_is_final_with_retry_statuses_too() -> None:
    body = b'{"error":{"code":"NOT_FOUND","message":"no such instrument"}}'
    with pytest.raises(HTTPStatusError, match=r"status 404, NOT_FOUND: no such instrument") as raised:
        await read(status("404 Not Found", b"X-A: b\r\n", body), reconnect=FOREVER, retry_statuses=True)
    assert (raised.value.code, raised.value.message) == ("NOT_FOUND", "no such instrument")
    assert raised.value.headers["x-a"] == "b"
    assert raised.value.body == body


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


async def test_an_empty_id_resets_the_cursor() -> None:
    heard = await read(stream(b"id: 1\ndata: a\n\nid\ndata: b\n\n"), NO_CONTENT)
    assert b"last-event-id" not in heard.requests[1].headers


async def test_the_cursor_is_that_of_what_was_given_out() -> None:
    async with RawServer(hold(b"id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\n\n")) as server, EventSource(server.url) as source:
        await anext(source)
        assert source.last_event_id == "1"
        await anext(source)
        assert source.last_event_id == "3"


async def test_an_event_starts_the_attempts_again() -> None:
    opens: list[None] = []
    async with RawServer(*[stream(b"data: a\n\n")] * 10, NO_CONTENT) as server:
        source = EventSource(server.url, reconnect=QUICK, on_error=quiet, on_open=lambda: opens.append(None))
        assert len(await drain(source)) == 10
    assert len(opens) == 10
    assert server.most_live <= 2


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


async def test_a_compressed_stream() -> None:
    import gzip

    body = gzip.compress("id: ü\ndata: ☕\n\n".encode())
    (event,) = (await read(stream(body, content_encoding="gzip"), NO_CONTENT)).events
    assert (event.last_event_id, event.data) == ("ü", "☕")


async def test_errors_of_callbacks_are_reported_and_stop_nothing() -> None:
    def fail(*_: object) -> None:
        raise ValueError("mine")

    heard = await read(stream(b"data: a\n\ndata: b\n\n"), NO_CONTENT, on_open=fail, on_message=fail, on_state=fail)
    assert (heard.data, len(heard.requests)) == (["a", "b"], 2)
    failures = [error for error in heard.errors if isinstance(error, CallbackError)]
    assert [failure.callback for failure in failures].count("on_message") == 2
    assert {failure.callback for failure in failures} == {"on_open", "on_message", "on_state"}
    assert all(isinstance(failure.__cause__, ValueError) for failure in failures)


async def test_an_on_error_that_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def fail(error: ClientError) -> None:
        raise ValueError("mine")

    assert (await read(stream(b"data: a\n\n"), NO_CONTENT, on_error=fail)).data == ["a"]
    assert "on_error raised" in caplog.text


def test_coroutine_functions_are_refused_as_callbacks() -> None:
    async def hear(*_: object) -> None:
        """Nobody would await this."""

    for name in ("on_open", "on_message", "on_error", "on_state"):
        with pytest.raises(TypeError, match=name):
            EventSource("http://127.0.0.1/", **{name: hear})  # type: ignore[arg-type] # a callback, whichever it is


def test_a_header_with_a_line_break_is_refused_without_repeating_it() -> None:
    with pytest.raises(ValueError, match="Authorization") as raised:
        EventSource("http://127.0.0.1/", headers={"Authorization": "Bearer sec\nret"})
    assert "sec" not in str(raised.value)


async def test_a_client_of_the_users_own_stays_open_and_what_it_raises_is_heard() -> None:
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(lambda _: httpx2.Response(204))) as client:
        await drain(EventSource("http://example.com/", http_client=client))
        assert not client.is_closed
    with pytest.raises(ConnectError, match="RuntimeError"):
        await drain(EventSource("http://example.com/", http_client=client, reconnect=FOREVER, on_error=quiet))


async def test_it_is_an_asynchronous_iterator() -> None:
    source: AsyncIterator[ServerSentEvent] = EventSource("http://127.0.0.1:1/")
    assert aiter(source) is source


async def test_events_by_type() -> None:
    heard: list[tuple[str, str]] = []

    def hear(event: ServerSentEvent) -> None:
        heard.append((event.type, event.data))

    body = b"event: x\ndata: a\n\ndata: b\n\nevent: y\ndata: c\n\nevent: error\ndata: d\n\nevent: x\ndata: e\n\n"
    async with RawServer(stream(body), NO_CONTENT) as server:
        source = EventSource(server.url, reconnect=QUICK, on_error=quiet)
        source.on("x", hear)
        source.on("x", hear)()
        source.on("message", hear)
        source.on("error", hear)
        assert len(await drain(source)) == 5
    assert heard == [("x", "a"), ("message", "b"), ("error", "d"), ("x", "e")]


async def test_callbacks_of_a_type_can_end_each_other_and_the_stream() -> None:
    def first(event: ServerSentEvent) -> None:
        heard.append("first")
        remove_second()
        if event.data == "b":
            source.close()

    heard: list[str] = []
    async with RawServer(hold(b"event: x\ndata: a\n\nevent: x\ndata: b\n\n")) as server:
        source = EventSource(server.url)
        source.on("x", first)
        remove_second = source.on("x", lambda _: heard.append("second"))
        source.on("x", lambda _: heard.append("third"))
        assert [event.data for event in await drain(source)] == ["a"]
    assert heard == ["first", "third", "first"]


async def test_what_a_callback_of_a_type_raises_is_reported() -> None:
    def fail(event: ServerSentEvent) -> None:
        raise ValueError("mine")

    async def hear(event: ServerSentEvent) -> None:
        """Nobody would await this."""

    errors: list[ClientError] = []
    async with RawServer(stream(b"event: x\ndata: a\n\n"), NO_CONTENT) as server:
        source = EventSource(server.url, reconnect=QUICK, on_error=errors.append)
        source.on("x", fail)
        with pytest.raises(TypeError, match="coroutine function"):
            source.on("x", hear)
        assert len(await drain(source)) == 1
    assert isinstance(errors[0], CallbackError)
    assert errors[0].callback == "on('x')"


async def test_through_a_proxy() -> None:
    async with RawServer(stream(b"data: a\n\n"), NO_CONTENT) as proxy, httpx2.AsyncClient(proxy=proxy.url) as client:
        (event,) = await drain(EventSource("http://prices.invalid/sse", http_client=client, reconnect=QUICK, on_error=quiet))
    assert [connection.target for connection in proxy.connections] == ["http://prices.invalid/sse"] * 2
    assert event.origin == "http://prices.invalid"
