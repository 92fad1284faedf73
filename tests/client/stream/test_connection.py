from __future__ import annotations

import httpx2
import pytest

from pricewire.client.stream.connection import Connection, connect
from pricewire.client.stream.options import StreamOptions
from pricewire.client.stream.reconnect import ReconnectPolicy
from pricewire.errors import ConnectError, ContentTypeError, HTTPStatusError
from support.raw_server import RawConnection, RawServer, answer, hold, status, stream


async def open_connection(client: httpx2.AsyncClient, url: str) -> Connection | None:
    options = StreamOptions(reconnect=ReconnectPolicy(), max_event_size=1000)
    return await connect(client, url, options, last_event_id="7", on_stale=lambda: None, on_dead=lambda: None)


async def test_a_connection_from_its_request_to_its_end() -> None:
    async with RawServer(stream(b"retry: 5\ndata: a\n\nda")) as server, httpx2.AsyncClient() as client:
        connection = await open_connection(client, server.url)
        assert connection is not None
        events = await connection.read()
        assert events is not None
        assert [(event.data, event.last_event_id, event.origin) for event in events] == [("a", "7", server.url)]
        assert connection.decoder.retry == 5
        assert await connection.read() is None
        await connection.aclose()
    assert server.connections[0].headers[b"last-event-id"] == b"7"


async def test_closing_before_the_first_read_frees_the_socket() -> None:
    async with RawServer(hold()) as server, httpx2.AsyncClient() as client:
        connection = await open_connection(client, server.url)
        assert connection is not None
        await connection.aclose()
        await connection.aclose()


async def test_what_is_no_stream_frees_the_socket() -> None:
    scripts = [
        answer(b"HTTP/1.1 204 No Content\r\n\r\n"),
        status("200 OK", b"Content-Type: text/html\r\n"),
        status("503 Busy", body=b"later"),
    ]
    async with RawServer(*scripts) as server, httpx2.AsyncClient() as client:
        assert await open_connection(client, server.url) is None
        with pytest.raises(ContentTypeError):
            await open_connection(client, server.url)
        with pytest.raises(HTTPStatusError) as raised:
            await open_connection(client, server.url)
    assert raised.value.body == b"later"


async def test_an_error_whose_body_breaks_off_is_that_error() -> None:
    async def cut(connection: RawConnection) -> None:
        await connection.send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 100\r\n\r\nhalf")

    async with RawServer(cut) as server, httpx2.AsyncClient() as client:
        with pytest.raises(HTTPStatusError) as raised:
            await open_connection(client, server.url)
    assert (raised.value.status, raised.value.body) == (404, b"")


async def test_a_client_that_speaks_http2_is_told_what_to_do() -> None:
    def answer_by_http2(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, extensions={"http_version": b"HTTP/2"})

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer_by_http2)) as client:
        with pytest.raises(ConnectError, match="make it without http2=True"):
            await open_connection(client, "https://a/sse")
