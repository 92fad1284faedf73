"""Tokens of an event source: who gets them, and what follows when they are no longer taken."""

from __future__ import annotations

import asyncio
import logging
import traceback

import httpx2
import pytest

from pricewire.client.api.tokens import Credentials
from pricewire.client.callbacks import create_sse_connection
from pricewire.client.stream.event_source import EventSource
from pricewire.client.stream.reconnect import ConnectionState, ReconnectPolicy, State
from pricewire.client.wire import connect
from pricewire.errors import ClientError, ConnectError, HTTPStatusError, ReconnectExhausted, StreamError, TokenError
from support.client_messages import tick_event
from support.raw_server import PATIENCE, RawConnection, RawServer, hold, status, stream
from support.sources import FOREVER, NO_CONTENT, QUICK, drain, quiet, read
from support.tokens import provider_of

HOURS = ReconnectPolicy(attempts=3, interval=7200.0, ceiling=7200.0, floor=3600.0)
UNAUTHORIZED = status("401 Unauthorized", b"WWW-Authenticate: Bearer\r\n", b'{"error":{"code":"UNAUTHORIZED","message":"no"}}')
EXPIRED = b'event: error\ndata: {"error":{"code":"TOKEN_EXPIRED","message":"log in again"}}\n\n'


def tokens_of(requests: list[RawConnection]) -> list[str | None]:
    values = [request.headers.get(b"authorization") for request in requests]
    return [None if value is None else value.decode() for value in values]


async def test_a_token_is_sent_and_a_fixed_one_is_not_replaced() -> None:
    async with RawServer(UNAUTHORIZED) as server:
        with pytest.raises(HTTPStatusError) as raised:
            await drain(EventSource(server.url, token="a", reconnect=QUICK, retry_statuses=True, on_error=quiet))
    assert tokens_of(server.connections) == ["Bearer a"]
    assert (raised.value.status, raised.value.code) == (401, "UNAUTHORIZED")


async def test_401_asks_the_provider_once_and_at_once() -> None:
    body = stream(b"id: 7\ndata: a\n\n")
    heard = await read(UNAUTHORIZED, body, NO_CONTENT, token=provider_of("a", "b"), last_event_id="6")
    assert heard.data == ["a"]
    assert tokens_of(heard.requests) == ["Bearer a", "Bearer b", "Bearer b"]
    assert [request.headers[b"last-event-id"] for request in heard.requests] == [b"6", b"6", b"7"]
    assert [state.state for state in heard.states[:2]] == ["connecting", "open"]


async def test_a_second_401_is_final() -> None:
    async with RawServer(UNAUTHORIZED) as server:
        with pytest.raises(HTTPStatusError):
            await drain(EventSource(server.url, token=provider_of("a", "b", "c"), reconnect=QUICK, retry_statuses=True, on_error=quiet))
    assert tokens_of(server.connections) == ["Bearer a", "Bearer b"]


async def test_a_later_401_refreshes_again() -> None:
    scripts = [UNAUTHORIZED, stream(b"data: a\n\n"), UNAUTHORIZED, stream(b"data: b\n\n"), NO_CONTENT]
    heard = await read(*scripts, token=provider_of("a", "b", "c"))
    assert heard.data == ["a", "b"]
    assert tokens_of(heard.requests) == ["Bearer a", "Bearer b", "Bearer b", "Bearer c", "Bearer c"]


async def test_token_expired_resumes_with_a_new_one_without_a_wait() -> None:
    errors: list[ClientError] = []
    states: list[ConnectionState] = []
    async with RawServer(stream(b"id: 7\ndata: a\n\n" + EXPIRED), stream(b"id: 8\ndata: b\n\n"), NO_CONTENT) as server:
        source = EventSource(server.url, token=provider_of("a", "b"), reconnect=HOURS, on_error=errors.append, on_state=states.append)
        async with asyncio.timeout(PATIENCE), source:
            assert [(await anext(source)).type for _ in range(3)] == ["message", "error", "message"]
    assert tokens_of(server.connections) == ["Bearer a", "Bearer b"]
    assert server.connections[1].headers[b"last-event-id"] == b"7"
    assert isinstance(errors[0], StreamError)
    (waiting,) = [state for state in states if state.state is State.WAITING]
    assert (waiting.wait, waiting.reason) == (0.0, errors[0])


async def test_a_server_that_takes_no_token_is_not_asked_in_a_busy_loop() -> None:
    waits: list[float] = []

    def hear(state: ConnectionState) -> None:
        if state.wait is not None:
            waits.append(state.wait)

    policy = ReconnectPolicy(attempts=3, interval=0.001, ceiling=0.01, floor=0.002)
    async with RawServer(stream(EXPIRED)) as server:
        with pytest.raises(ReconnectExhausted):
            await drain(EventSource(server.url, token=provider_of("a", "b", "c", "d"), reconnect=policy, on_error=quiet, on_state=hear))
    assert waits[0] == 0.0
    assert all(wait >= 0.002 for wait in waits[1:])
    assert len(server.connections) == 4


async def test_a_fixed_token_that_expired_waits_like_any_failure() -> None:
    heard = await read(stream(b"data: a\n\n" + EXPIRED), NO_CONTENT, token="a")
    assert [state.wait for state in heard.waiting] == [pytest.approx(0.001)]


async def test_a_provider_that_fails_is_asked_again() -> None:
    async def provider() -> str:
        asked.append(None)
        if len(asked) < 3:
            raise OSError("down")
        return "a"

    asked: list[None] = []
    heard = await read(NO_CONTENT, token=provider)
    assert [type(error) for error in heard.errors] == [TokenError, TokenError]
    assert tokens_of(heard.requests) == ["Bearer a"]


@pytest.mark.parametrize(("answer", "message"), [(None, "returned None"), ("secret\n", "line break")])
async def test_a_provider_of_no_tokens_ends_the_stream_by_name(answer: str, message: str) -> None:
    async def provide() -> str:
        return answer

    with pytest.raises(TokenError, match=f"token provider .*{message}"):
        await drain(EventSource("http://127.0.0.1:1/", token=provide, reconnect=FOREVER, on_error=quiet))
    async with connect("http://127.0.0.1:1", token=provide, on_error=quiet) as wire:
        with pytest.raises(TokenError, match=f"token provider .*{message}"):
            await anext(wire.ticks("R_100"))
        with pytest.raises(TokenError, match=f"token provider .*{message}"):
            await wire.sell("c")
    ended: asyncio.Future[ClientError] = asyncio.get_running_loop().create_future()
    create_sse_connection({}, base_url="http://127.0.0.1:1", token=provide, on_message=print, on_error=ended.set_result)
    assert message in str(await asyncio.wait_for(ended, PATIENCE))


async def test_a_provider_that_raises_a_cancellation_ends_no_wire(caplog: pytest.LogCaptureFixture) -> None:
    async def provide() -> str:
        asked.append(None)
        if len(asked) < 3:
            raise asyncio.CancelledError
        return "a"

    asked: list[None] = []
    async with RawServer(hold(tick_event(1))) as server, connect(server.url, token=provide, reconnect=FOREVER) as wire:
        async with asyncio.timeout(PATIENCE):
            assert (await anext(wire.ticks("R_100"))).instrument_id == "R_100"
    # Nobody listens, so it is in the log, where it is seen.
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert warnings == ["the token provider brought no token: it raised CancelledError"] * 2


async def test_a_transport_that_raises_a_cancellation_is_a_failure_that_the_reader_hears_of() -> None:
    async def give_up(request: httpx2.Request) -> None:
        raise asyncio.CancelledError

    async with httpx2.AsyncClient(event_hooks={"request": [give_up]}) as client:
        with pytest.raises(ConnectError, match="CancelledError while connecting"):
            await drain(EventSource("http://127.0.0.1:1/", http_client=client, reconnect=FOREVER, on_error=quiet))
        async with connect("http://127.0.0.1:1", http_client=client, on_error=quiet) as wire, asyncio.timeout(PATIENCE):
            with pytest.raises(ConnectError, match="CancelledError while connecting"):
                await anext(wire.ticks("R_100"))


async def test_sources_share_credentials() -> None:
    credentials = Credentials(provider_of("a", "b"))
    async with RawServer(UNAUTHORIZED, UNAUTHORIZED, NO_CONTENT) as server:
        await asyncio.gather(*(drain(EventSource(server.url, token=credentials)) for _ in range(2)))
    assert sorted(map(str, tokens_of(server.connections))) == ["Bearer a", "Bearer a", "Bearer b", "Bearer b"]


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_no_credentials_go_to_another_origin(code: int) -> None:
    headers = {
        "Cookie": "session=secret",
        "Proxy-Authorization": "secret",
        "X-Api-Key": "secret",
        "X-Auth": "secret",
        "X-Session": "secret",
        "Accept-Language": "de",
    }
    async with RawServer(UNAUTHORIZED) as end:
        away = status(f"{code} Away", b"Location: " + end.url.encode() + b"/\r\n")
        async with RawServer(status(f"{code} Here", b"Location: /again\r\n"), away) as start:
            with pytest.raises(HTTPStatusError):
                await drain(EventSource(start.url, headers=headers, token=provider_of("secret", "other"), on_error=quiet))
    assert tokens_of(start.connections) == ["Bearer secret", "Bearer secret"]
    assert start.connections[1].headers[b"x-api-key"] == b"secret"
    # The other origin never saw the token: its 401 is no reason to ask for another one.
    (connection,) = end.connections
    assert connection.method == "GET"
    assert connection.headers[b"accept-language"] == b"de"
    assert connection.headers[b"accept"] == b"text/event-stream"
    assert b"secret" not in b"".join(connection.headers.values())


async def test_a_token_is_in_no_log_no_repr_and_no_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "pricewire")
    errors: list[ClientError] = []
    states: list[ConnectionState] = []
    async with RawServer(UNAUTHORIZED, stream(EXPIRED), UNAUTHORIZED) as server:
        source = EventSource(
            server.url + "?ticket=hushhush",
            token=provider_of("hushhush1", "hushhush2", "hushhush3", "hushhush4"),
            reconnect=QUICK,
            on_error=errors.append,
            on_state=states.append,
        )
        with pytest.raises(HTTPStatusError) as raised:
            await drain(source)
    shown = [repr(source), repr(states), repr(errors), caplog.text, "".join(traceback.format_exception(raised.value))]
    assert [type(error) for error in errors] == [StreamError]
    assert all("hushhush" not in text for text in shown)
    assert all("hushhush" not in repr(vars(record)) for record in caplog.records)


async def test_a_token_beside_a_header_or_one_that_cannot_be_sent_is_refused() -> None:
    with pytest.raises(ValueError, match="give one of them"):
        EventSource("http://a/", headers={"authorization": "x"}, token="secret")
    with pytest.raises(ValueError, match="character") as raised:
        EventSource("http://a/", token="secret\n")
    assert "secret" not in str(raised.value)
