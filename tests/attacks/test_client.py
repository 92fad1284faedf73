"""Attacks on the client: what it logs, where it sends secrets, what a server or a mistake of the user's can make it do."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import ssl
import threading
import traceback
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx2
import pytest
import trustme

import pricewire
import pricewire.sync
from pricewire.client.redaction import redacted
from pricewire.client.stream.reconnect import ReconnectPolicy
from pricewire.errors import ClientError, ConnectError, HTTPStatusError, ReconnectExhausted
from support.raw_server import PATIENCE, RawConnection, RawServer, answer, hold, status, stream
from support.sources import FOREVER, NO_CONTENT, QUICK, drain, quiet

SECRETS = ("hushuser", "hushpass", "hushticket", "hushtoken", "hushcookie", "hushfragment")


def address(server: RawServer, path: str = "/sse") -> str:
    return server.url.replace("http://", "http://hushuser:hushpass@") + path + "?ticket=hushticket#hushfragment"


async def test_no_secret_of_an_address_or_header_is_in_any_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    away = status("302 Found", b"Location: /again?ticket=hushticket\r\nSet-Cookie: a=hushcookie\r\n")
    async with RawServer(away, stream(b"data: a\n\n"), status("404 Gone")) as server:
        source = pricewire.EventSource(address(server), token="hushtoken", reconnect=QUICK)
        with pytest.raises(HTTPStatusError) as raised:
            await source.run()
        async with pricewire.connect(address(server), headers={"Authorization": "hushtoken"}) as wire:
            asked = asyncio.ensure_future(anext(wire.ticks("R_100")))
            # From Python 3.12 on, records of the log name their task.
            names: list[str] = []
            while not asked.done():
                names += [task.get_name() for task in asyncio.all_tasks()]
                await asyncio.sleep(0)
            assert isinstance(asked.exception(), HTTPStatusError)
            shown = repr(wire)
        with pytest.raises(HTTPStatusError):
            await pricewire.log_in(address(server), "a", "hushpass")
    assert any("pricewire: read" in name for name in names)
    shown += "".join(names) + caplog.text + repr(source) + "".join(traceback.format_exception(raised.value))
    shown += "".join(repr(vars(record)) for record in caplog.records)
    assert "HTTP Request: GET http://127.0.0.1" in caplog.text
    assert "receive_response_body" in caplog.text
    assert [secret for secret in SECRETS if secret in shown] == []


@pytest.mark.parametrize("name", ["hpack.hpack", "hpack.table", "httpcore2.http2"])
def test_what_the_library_logs_of_headers_by_http2_is_left_out(name: str, caplog: pytest.LogCaptureFixture) -> None:
    # As for `buy` or `log_in`, by a client of the user's own.
    caplog.set_level(logging.DEBUG)
    with redacted():
        logging.getLogger(name).debug("send_request_headers.started headers=%r", {"authorization": "hushtoken"})
    assert caplog.text == ""
    logging.getLogger(name).debug("send_request_headers.started of others")
    assert "of others" in caplog.text


async def test_the_log_of_an_application_that_uses_the_library_itself_is_as_before(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with (
        RawServer(hold(b"data: a\n\n"), status("204 No Content", b"X-Mine: shown\r\n")) as server,
        contextlib.AsyncExitStack() as stack,
    ):
        client = await stack.enter_async_context(httpx2.AsyncClient())
        source = await stack.enter_async_context(pricewire.EventSource(server.url, http_client=client))
        await anext(source)
        caplog.clear()
        await client.get(server.url + "/mine?page=2")
    assert "/mine?page=2" in caplog.text
    assert "X-Mine" in caplog.text


async def test_a_header_left_out_does_not_come_back_with_the_redirect_to_the_first_origin() -> None:
    async with RawServer(status("307 Away", b"Location: /x\r\n")) as other, RawServer(NO_CONTENT) as home:
        back = status("307 Back", b"Location: " + home.url.encode() + b"/end\r\n")
        async with RawServer(status("307 Here", b"Location: " + home.url.encode() + b"/\r\n"), back) as first:
            await drain(pricewire.EventSource(first.url, headers={"X-Auth": "secret", "User-Agent": "mine"}, last_event_id="7"))
        del other
    (request,) = home.connections
    assert b"x-auth" not in request.headers
    assert request.headers[b"user-agent"] == b"mine"
    assert request.headers[b"last-event-id"] == b"7"


async def test_requests_beside_streams_follow_no_redirect() -> None:
    async with RawServer(NO_CONTENT) as other:
        async with RawServer(status("307 Away", b"Location: " + other.url.encode() + b"/login\r\n")) as server:
            with pytest.raises(HTTPStatusError) as raised:
                await pricewire.log_in(server.url, "demo", "secret")
        assert raised.value.status == 307
    assert other.connections == []


async def test_streams_are_not_limited_to_the_size_of_a_pool() -> None:
    async with RawServer(hold(b"data: a\n\n")) as server, contextlib.AsyncExitStack() as stack:
        sources = [await stack.enter_async_context(pricewire.EventSource(server.url)) for _ in range(130)]
        async with asyncio.timeout(3 * PATIENCE):
            assert len(await asyncio.gather(*map(anext, sources))) == 130
        assert server.live == 130


async def test_a_pool_of_the_users_that_is_exhausted_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pricewire.client.stream.request.TIMEOUTS", httpx2.Timeout(None, connect=PATIENCE, pool=0.05))
    client = httpx2.AsyncClient(limits=httpx2.Limits(max_connections=1))
    async with RawServer(hold(b"data: a\n\n")) as server, client, pricewire.EventSource(server.url, http_client=client) as first:
        await anext(first)
        with pytest.raises(ReconnectExhausted, match="max_connections=None"):
            await drain(pricewire.EventSource(server.url, http_client=client, reconnect=ReconnectPolicy(attempts=0)))


async def test_the_certificates_are_loaded_once_and_in_another_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def load() -> Any:
        threads.append(threading.current_thread())
        return original()

    threads: list[threading.Thread] = []
    original = httpx2.create_ssl_context
    monkeypatch.setattr(httpx2, "create_ssl_context", load)
    monkeypatch.setattr("pricewire.client.http_client.certificates", {})
    async with RawServer(hold(b"data: a\n\n")) as server, contextlib.AsyncExitStack() as stack:
        sources = [await stack.enter_async_context(pricewire.EventSource(server.url)) for _ in range(20)]
        await asyncio.gather(*map(anext, sources))
        wire = await stack.enter_async_context(pricewire.connect(server.url))
        assert wire.state.state == "connecting"
    assert len(threads) == 1
    assert threads[0] is not threading.current_thread()


@pytest.mark.parametrize(
    "url",
    [
        "http://this is invalid/",
        "http://this%20is%20invalid/",
        "http://exa<mple/",
        "http://ex..ample/",
        "http://ho%zz/",
        "http://" + "a" * 64 + ".example/",
        "http://h:0/",
        "http://h:99999/",
        "http://[zz]/",
        "http://exa mple:x/?ticket=secret",
        "http://",
        "ftp://h/",
        "/stream",
        "h",
        "",
    ],
)
async def test_an_address_that_cannot_be_is_refused_at_once(url: str) -> None:
    attempts: list[Callable[[], object]] = [
        lambda: pricewire.EventSource(url),
        lambda: pricewire.connect(url),
        lambda: pricewire.create_sse_connection({}, base_url=url, on_message=print),
        lambda: pricewire.sync.EventSource(url),
        lambda: pricewire.sync.connect(url),
    ]
    for attempt in attempts:
        with pytest.raises(ValueError, match="address") as raised:
            attempt()
        assert "secret" not in str(raised.value)
    with pytest.raises(ValueError, match="address"):
        await pricewire.log_in(url, "a", "b")


@pytest.mark.parametrize(("proxy", "what"), [("socks5://hushpass@127.0.0.1:1", r"httpx2\[socks\]"), ("ftp://hushpass@h", "_PROXY")])
async def test_a_proxy_that_cannot_be_used_fails_at_once(proxy: str, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ALL_PROXY", proxy)
    monkeypatch.setitem(__import__("sys").modules, "socksio", None)
    with pytest.raises(ConnectError, match=what) as raised:
        await drain(pricewire.EventSource("http://127.0.0.1:1/", reconnect=FOREVER))
    shown = "".join(traceback.format_exception(raised.value))
    async with pricewire.connect("http://127.0.0.1:1") as wire:
        with pytest.raises(ConnectError, match=what):
            await anext(wire.ticks("R_100"))
        with pytest.raises(ConnectError, match=what):
            await wire.sell("1")
    with pytest.raises(ConnectError, match=what):
        await pricewire.log_in("http://127.0.0.1:1", "a", "b")
    assert "hushpass" not in shown


async def test_a_proxy_with_tls_is_trusted_by_the_certificates_that_were_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: a\n\n")
        await reader.read()
        writer.close()

    def load(context: ssl.SSLContext, *args: Any, **options: Any) -> None:
        threads.append(threading.current_thread())
        original(context, *args, **options)

    def load_default(context: ssl.SSLContext, *args: Any) -> None:
        threads.append(threading.current_thread())
        original_default(context, *args)

    threads: list[threading.Thread] = []
    original, original_default = ssl.SSLContext.load_verify_locations, ssl.SSLContext.load_default_certs
    requests: list[bytes] = []
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    monkeypatch.setenv("http_proxy", f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", load)
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", load_default)
    async with server, pricewire.EventSource("http://pricewire.example/", reconnect=ReconnectPolicy(attempts=0)) as source:
        assert (await anext(source)).data == "a"
    assert requests[0].startswith(b"GET http://pricewire.example/ HTTP/1.1")
    assert threads
    assert threading.current_thread() not in threads


@pytest.mark.parametrize("host", ["a b", "%20x", "ex..ample", "x:99999", "x:0", "a" * 64 + ".example"])
async def test_a_redirect_to_an_address_that_cannot_be_is_not_followed_again_and_again(host: str) -> None:
    async with RawServer(status("302 Away", f"Location: http://{host}/?ticket=hush\r\n".encode())) as server:
        with pytest.raises(ConnectError, match="redirected") as raised:
            await drain(pricewire.EventSource(server.url, reconnect=FOREVER))
    assert len(server.connections) == 1
    assert "hush" not in str(raised.value)


async def test_certificates_that_cannot_be_loaded_fail_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/certificates.pem")
    with pytest.raises(ConnectError, match="SSL_CERT_FILE"):
        await drain(pricewire.EventSource("http://127.0.0.1:1/", reconnect=FOREVER))


WRONG: list[tuple[str, object]] = [
    ("headers", ["a"]),
    ("headers", {"a": 1}),
    ("headers", {b"a": "b"}),
    ("token", 7),
    ("reconnect", 3),
    ("reconnect_attempts", "3"),
    ("reconnect_attempts", True),
    ("reconnect_interval", "1"),
    ("last_event_id", 7),
    ("last_event_id", b"7"),
    ("idle_timeout", "5"),
    ("retry_statuses", 1),
    ("max_event_size", "1"),
    ("max_event_size", 1.5),
    ("http_client", httpx2.Client),
    ("on_open", 1),
    ("on_message", "print"),
    ("on_error", {}),
    ("on_state", 1),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
async def test_a_wrong_type_is_named(name: str, value: object) -> None:
    options: dict[str, Any] = {name: value}
    with pytest.raises(TypeError, match=name):
        pricewire.EventSource("http://h/", **options)
    with pytest.raises(TypeError, match=name):
        pricewire.sync.EventSource("http://h/", **options)
    if name in ("headers", "token", "reconnect", "idle_timeout", "http_client", "on_error", "on_state"):
        with pytest.raises(TypeError, match=name):
            pricewire.connect("http://h", **options)
        with pytest.raises(TypeError, match=name):
            pricewire.sync.connect("http://h", **options)
    if name in ("headers", "token", "reconnect_attempts", "reconnect_interval", "on_open", "on_message", "on_error", "on_state"):
        options = {"on_message": print} | options
        with pytest.raises(TypeError, match=name):
            pricewire.create_sse_connection({}, **options)
        with pytest.raises(TypeError, match=name):
            pricewire.sync.create_sse_connection({}, **options)


async def test_other_wrong_types_are_named() -> None:
    url: Any = b"http://h/"
    number: Any = "1"
    with pytest.raises(TypeError, match="url"):
        pricewire.EventSource(url)
    with pytest.raises(TypeError, match="attempts"):
        ReconnectPolicy(attempts=number)
    with pytest.raises(TypeError, match="ceiling"):
        ReconnectPolicy(ceiling=number)
    with pytest.raises(TypeError, match="params"):
        pricewire.create_sse_connection(number, on_message=print)
    async with pricewire.connect("http://h") as wire:
        with pytest.raises(TypeError, match="buffer"):
            wire.ticks("R_100", buffer=number)
        with pytest.raises(TypeError, match="interval"):
            wire.ticks("R_100", interval=number)


@pytest.mark.parametrize("last_event_id", ["a\0", "a\nb", "a\r"])
async def test_an_id_that_no_event_can_have_is_refused(last_event_id: str) -> None:
    with pytest.raises(ValueError, match="last_event_id"):
        pricewire.EventSource("http://h/", last_event_id=last_event_id)


async def test_the_final_error_is_heard_of_once(caplog: pytest.LogCaptureFixture) -> None:
    errors: list[ClientError] = []
    async with RawServer(status("404 Gone")) as server:
        with pytest.raises(HTTPStatusError):
            await drain(pricewire.EventSource(server.url, on_error=errors.append))
        assert errors == []
        await pricewire.create_sse_connection({}, base_url=server.url, on_message=print, on_error=errors.append).wait_closed()
        assert [type(error) for error in errors] == [HTTPStatusError]
        async with pricewire.connect(server.url, on_error=errors.append) as wire:
            with pytest.raises(HTTPStatusError):
                await anext(wire.ticks("R_100"))
        assert len(errors) == 1
        caplog.clear()
        await pricewire.create_sse_connection({}, base_url=server.url, on_message=print).wait_closed()
    assert [record.name for record in caplog.records if record.levelno >= logging.WARNING] == ["pricewire.client"]


async def test_ordinary_reconnections_are_no_warnings(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    drained = b'event: error\ndata: {"error":{"code":"SERVER_DRAINING","message":"bye"}}\n\n'
    async with RawServer(stream(b"data: a\n\n"), status("503 Busy"), answer(b"nonsense"), stream(drained), NO_CONTENT) as server:
        await drain(pricewire.EventSource(server.url, reconnect=FOREVER, retry_statuses=True))
    assert len(server.connections) == 5
    assert [record.getMessage() for record in caplog.records if record.levelno > logging.INFO] == []


async def break_out(url: str) -> None:
    async for event in pricewire.EventSource(url):
        assert event.data == "a"
        break


async def break_out_of_a_wire(url: str) -> None:
    wire = pricewire.connect(url)
    async for tick in wire.topic("t", type=dict):
        assert tick == {"n": 1}
        break


Script = Callable[[str], Coroutine[Any, Any, None]]

BREAKS: list[tuple[Script, bytes]] = [
    (break_out, b"data: a\n\n"),
    (break_out_of_a_wire, b'data: {"event":"x","subscription_id":"t","seq":1,"data":{"n":1}}\n\n'),
]


@pytest.mark.parametrize(("script", "body"), BREAKS)
async def test_a_break_without_a_block_leaves_no_socket_and_no_task(script: Script, body: bytes) -> None:
    async with RawServer(hold(body)) as server:
        await script(server.url)
        gc.collect()
        # The server's end waits as well until the client has closed.
        await server.left()
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("pricewire")]


@pytest.mark.parametrize(("script", "body"), BREAKS)
async def test_a_loop_that_ends_right_after_a_break_leaves_nothing(script: Script, body: bytes) -> None:
    async with RawServer(hold(body)) as server:
        # Warnings of what was left open are errors here.
        await asyncio.to_thread(lambda: asyncio.run(script(server.url)))
        gc.collect()
        await server.left()


async def test_a_source_that_another_thread_lets_go_of_leaves_no_socket() -> None:
    async with RawServer(hold(b"data: a\n\n")) as server:
        held = [pricewire.EventSource(server.url)]
        await anext(held[0])
        await asyncio.to_thread(held.clear)
        await server.left()


async def test_a_client_of_the_users_stays_open_when_a_source_is_abandoned() -> None:
    async with RawServer(hold(b"data: a\n\n"), status("204 No Content")) as server, httpx2.AsyncClient() as client:
        await anext(pricewire.EventSource(server.url, http_client=client))
        await server.requests(1)
        assert (await client.get(server.url)).status_code == 204


async def test_a_loop_that_ends_with_an_open_source_leaves_nothing() -> None:
    async def read(url: str) -> pricewire.EventSource:
        source = pricewire.EventSource(url)
        await anext(source)
        return source

    async with RawServer(hold(b"data: a\n\n")) as server:
        source = await asyncio.to_thread(lambda: asyncio.run(read(server.url)))
        del source
        gc.collect()
        await server.left()


async def test_a_break_of_the_blocking_client_leaves_no_socket_and_no_thread() -> None:
    def read(url: str) -> None:
        for event in pricewire.sync.EventSource(url):
            assert event.data == "a"
            break

    before = {thread for thread in threading.enumerate() if thread.name == "pricewire"}
    async with RawServer(hold(b"data: a\n\n")) as server:
        await asyncio.to_thread(read, server.url)
        gc.collect()
        await server.left()
    assert {thread for thread in threading.enumerate() if thread.name == "pricewire"} <= before


async def test_a_reader_cancelled_at_any_await_leaves_nothing_and_goes_on() -> None:
    async def slowly(connection: RawConnection) -> None:
        for piece in (b"HTTP/1.1 200 OK\r\n", b"Content-Type: text/event-stream\r\n\r\n", b"id: 1\n", b"data: a\n", b"\n"):
            await connection.send(piece)
            await asyncio.sleep(0)
        await connection.closed()

    for turns in range(40):
        async with RawServer(slowly) as server, pricewire.EventSource(server.url, on_error=quiet) as source:
            reader = asyncio.ensure_future(anext(source))
            for _ in range(turns):
                await asyncio.sleep(0)
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                assert (await reader).data == "a"
                continue
            assert (await asyncio.wait_for(anext(source), PATIENCE)).data == "a"
