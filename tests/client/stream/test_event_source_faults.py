"""Bad servers and bad networks: each named failure of today's clients, and what happens instead."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl

import httpx2
import pytest
import trustme

from pricewire.client.stream import request
from pricewire.client.stream.event_source import EventSource
from pricewire.client.stream.reconnect import ConnectionState, ReconnectPolicy, State
from pricewire.errors import (
    ClientError,
    ConnectError,
    EventTooLargeError,
    HTTPStatusError,
    ReconnectExhausted,
    StreamError,
)
from pricewire.protocol.decoder import ServerSentEvent
from support.raw_server import CHUNKED_HEAD, PATIENCE, STREAM_HEAD, RawConnection, RawServer, answer, endless, hold, status, stream
from support.sources import FOREVER, NO_CONTENT, QUICK, drain, quiet, read

NEVER = ReconnectPolicy(attempts=0)


async def test_an_error_body_without_end_is_cut() -> None:
    with pytest.raises(HTTPStatusError) as raised:
        await read(endless(b"HTTP/1.1 400 Bad\r\nContent-Type: text/plain\r\n\r\n"))
    assert len(raised.value.body) == 65536


async def test_a_drop_resumes_after_the_last_whole_event() -> None:
    first = stream(b"id: 1\ndata: a\n\nid: 2\n\nid: 3\ndata: lost\n")
    heard = await read(first, stream(b"id: 3\ndata: b\n\n"), NO_CONTENT)
    assert heard.data == ["a", "b"]
    assert [request.headers.get(b"last-event-id") for request in heard.requests] == [None, b"2", b"3"]


async def test_an_id_that_no_header_can_carry_does_not_stop_the_client() -> None:
    heard = await read(stream(b"id: a\fb\ndata: a\n\n"), NO_CONTENT)
    assert b"last-event-id" not in heard.requests[1].headers


async def test_a_break_in_mid_event_is_no_event() -> None:
    heard = await read(answer(CHUNKED_HEAD + b"10\r\nid: 1\ndata: a\n\nid\r\nFF\r\n: 2\ndata: half"), NO_CONTENT)
    assert heard.data == ["a"]
    assert isinstance(heard.errors[0], ConnectError)
    assert heard.requests[1].headers[b"last-event-id"] == b"1"


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
    # The last one is what the iteration raises.
    assert errors == list(raised.value.causes[:3])
    assert source.state.reason is raised.value
    # Once raised, it has ended.
    assert await drain(source) == []


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
    assert len(errors) == 4
    assert all(isinstance(cause, StreamError) and cause.code == "SERVER_DRAINING" for cause in raised.value.causes)


async def test_nothing_listens() -> None:
    async with RawServer(NO_CONTENT) as server:
        url = server.url
    with pytest.raises(ReconnectExhausted) as raised:
        await drain(EventSource(url, reconnect=QUICK, on_error=quiet))
    assert all(isinstance(cause, ConnectError) and cause.url == url + "/" for cause in raised.value.causes)


async def test_redirects_without_end_fail_for_good() -> None:
    async with RawServer(status("302 Found", b"Location: /\r\n")) as server:
        with pytest.raises(ConnectError, match="redirects"):
            await drain(EventSource(server.url, reconnect=FOREVER, on_error=quiet))
    assert len(server.connections) == 21


async def test_a_redirect_body_without_end_is_not_read() -> None:
    heard = await read(endless(b"HTTP/1.1 302 Found\r\nLocation: /there\r\n\r\n"), NO_CONTENT)
    assert heard.errors == []


async def test_a_redirect_to_no_web_address_fails_for_good() -> None:
    with pytest.raises(ConnectError):
        await read(status("302 Found", b"Location: ftp://127.0.0.1/\r\n"), reconnect=FOREVER)


async def test_silence_makes_stale_then_dead() -> None:
    heard = await read(hold(b"data: a\n\n", pricewire_heartbeat="0.01"), NO_CONTENT, idle_timeout=None)
    assert [(str(state.state), state.is_stale) for state in heard.states] == [
        ("connecting", False),
        ("open", False),
        ("open", True),
        ("waiting", False),
        ("connecting", False),
        ("closed", False),
    ]
    assert "silent" in str(heard.states[3].reason)


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
    heard = await read(hold(b"data: a\n\n"), NO_CONTENT, idle_timeout=0.3)
    assert "silent for 0.3 s" in str(heard.errors[0])


async def test_a_response_that_never_begins() -> None:
    async def silence(connection: RawConnection) -> None:
        await connection.closed()

    heard = await read(silence, NO_CONTENT, idle_timeout=0.3)
    assert "no response within 0.3 s" in str(heard.errors[0])


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
    errors: list[ClientError] = []
    async with RawServer(endless(STREAM_HEAD + b"\r\n")) as server:
        with pytest.raises(EventTooLargeError):
            await drain(EventSource(server.url, reconnect=FOREVER, max_event_size=1_000_000, on_error=errors.append))
    # The next connection would bring the same again.
    assert len(server.connections) == 1
    assert errors == []


async def test_the_events_before_one_that_is_too_large_are_given_out() -> None:
    events: list[str] = []
    async with RawServer(hold(b"id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\ndata: " + b"c" * 100)) as server:
        source = EventSource(server.url, reconnect=FOREVER, max_event_size=50, on_message=lambda event: events.append(event.data))
        with pytest.raises(EventTooLargeError):
            await source.run()
    assert events == ["a", "b"]
    assert source.last_event_id == "2"
    assert len(server.connections) == 1


async def test_comments_of_any_number_and_length_are_no_event() -> None:
    async def comment(connection: RawConnection) -> None:
        await connection.open_stream()
        for _ in range(40):
            await connection.send((b":" + b"x" * 1024 + b"\n") * 64)
        await connection.send(b":" * 1_000_000 + b"\ndata: a\n\n")

    assert (await read(comment, NO_CONTENT, max_event_size=2000)).data == ["a"]


async def test_no_http_at_all() -> None:
    heard = await read(answer(b"SSH-2.0-OpenSSH\r\n"), NO_CONTENT)
    assert isinstance(heard.errors[0], ConnectError)


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


async def test_a_header_of_the_users_client_that_cannot_be_sent_is_not_repeated() -> None:
    async with RawServer(NO_CONTENT) as server, httpx2.AsyncClient(headers={"Authorization": "Bearer secret\n"}) as client:
        with pytest.raises(ConnectError, match="header") as raised:
            await drain(EventSource(server.url, http_client=client, reconnect=FOREVER, on_error=quiet))
    assert "secret" not in repr(raised.value) + repr(raised.value.__cause__)


async def test_a_server_that_drops_after_a_503_is_not_asked_in_a_busy_loop() -> None:
    waits: list[float] = []

    def hear(state: ConnectionState) -> None:
        if state.wait is not None:
            waits.append(state.wait)

    policy = ReconnectPolicy(attempts=5, interval=0.001, ceiling=0.01, floor=0.003)
    async with RawServer(status("503 Busy"), stream(b"retry: 0\n\n")) as server:
        with pytest.raises(ReconnectExhausted):
            await drain(EventSource(server.url, reconnect=policy, retry_statuses=True, on_error=quiet, on_state=hear))
    assert len(server.connections) == 6
    assert all(0.003 <= wait <= 0.01 for wait in waits)


async def test_half_an_event_is_not_glued_to_the_next_connections_first() -> None:
    (event,) = (await read(stream(b"id: 1\ndata: half"), stream(b"data: b\n\n"), NO_CONTENT)).events
    assert (event.data, event.last_event_id) == ("b", "")


async def test_half_a_character_and_half_a_line_end_are_left_behind() -> None:
    heard = await read(stream(b"data: a\r\n\r\n\xe2\x82"), stream(b"\n\xac\n\ndata: b\r\r"), NO_CONTENT)
    assert heard.data == ["a", "b"]


async def test_each_connection_may_begin_with_a_byte_order_mark() -> None:
    assert len((await read(*[stream(b"\xef\xbb\xbfdata: a\n\n")] * 2, NO_CONTENT)).events) == 2


async def test_a_handler_that_raises_leaves_one_connection() -> None:
    def fail(event: ServerSentEvent) -> None:
        raise ValueError(event.data)

    async with (
        RawServer(hold(b"data: a\n\ndata: b\n\n" * 10)) as server,
        EventSource(server.url, on_message=fail, on_error=quiet) as source,
    ):
        for _ in range(20):
            await anext(source)
        assert (len(server.connections), server.live) == (1, 1)


async def test_a_quiet_stream_outlives_the_read_timeout_of_the_users_client() -> None:
    async def speak_late(connection: RawConnection) -> None:
        await connection.open_stream()
        passed = asyncio.get_running_loop().create_future()
        # Many times what the client would put up with by itself.
        asyncio.get_running_loop().call_later(0.2, passed.set_result, None)
        await passed
        await connection.send(b"data: a\n\n")
        await connection.closed()

    async with (
        asyncio.timeout(PATIENCE),
        RawServer(speak_late) as server,
        httpx2.AsyncClient(timeout=0.01) as client,
        EventSource(server.url, http_client=client, reconnect=NEVER) as source,
    ):
        assert (await anext(source)).data == "a"


async def test_a_certificate_that_nobody_vouches_for_ends_the_attempt() -> None:
    def hear(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """The server's side of the handshake fails as well."""

    asyncio.get_running_loop().set_exception_handler(hear)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    asked: list[asyncio.StreamReader] = []
    server = await asyncio.start_server(lambda reader, _: asked.append(reader), "127.0.0.1", 0, ssl=context)
    async with server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        with pytest.raises(ReconnectExhausted, match="certificate"):
            await drain(EventSource(url, token="secret", reconnect=NEVER, on_error=quiet))
    assert asked == []


async def test_a_handshake_without_end_meets_the_connect_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request, "TIMEOUTS", httpx2.Timeout(None, connect=0.05))
    # The kernel takes the connection, and nobody says anything.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises(ReconnectExhausted) as raised:
            await drain(EventSource(url, reconnect=NEVER, idle_timeout=None, on_error=quiet))
    assert isinstance(raised.value.causes[0].__cause__, httpx2.ConnectTimeout)


async def test_a_body_that_breaks_its_own_framing_is_a_lost_connection() -> None:
    heard = await read(answer(CHUNKED_HEAD + b"9\r\ndata: a\n\n\r\nnonsense\r\n"), NO_CONTENT)
    assert heard.data == ["a"]
    assert isinstance(heard.errors[0], ConnectError)


async def test_no_request_follows_on_the_connection_of_a_stream_that_ended() -> None:
    async def end(connection: RawConnection) -> None:
        await connection.send(CHUNKED_HEAD + b"9\r\ndata: a\n\n\r\n0\r\n\r\n")
        # A server that is about to close, as it did not say.
        await connection.closed()

    heard = await read(end, NO_CONTENT)
    assert heard.data == ["a"]
    assert [str(error).rpartition(": ")[2] for error in heard.errors] == ["the server ended the stream"]


async def test_headers_without_end_are_bounded() -> None:
    heard = await read(endless(b"HTTP/1.1 200 OK\r\n", b"X-A: " + b"x" * 65536), NO_CONTENT)
    assert isinstance(heard.errors[0], ConnectError)


async def test_one_large_event_in_small_pieces() -> None:
    async def pieces(connection: RawConnection) -> None:
        await connection.open_stream(b"data: ")
        for _ in range(100):
            await connection.send(b"x" * 20_000)
        await connection.send(b"\n\n")

    assert (await read(pieces, NO_CONTENT)).data == ["x" * 2_000_000]


async def test_every_wait_is_logged_with_its_reason(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "pricewire.client")
    heard = await read(status("503 Busy"), stream(b""), NO_CONTENT, path="/a?b=c", retry_statuses=True)
    assert len(heard.errors) == 2
    waits = [record for record in caplog.records if getattr(record, "state", None) == "waiting"]
    assert [(vars(record)["attempt"], vars(record)["reason"]) for record in waits] == [(1, "HTTPStatusError"), (2, "ConnectError")]
    assert all(vars(record)["url"].endswith("/a") for record in waits)
    assert all(0.001 <= vars(record)["wait"] <= 0.01 for record in waits)
    assert "before attempt 2: connection to" in waits[1].getMessage()
