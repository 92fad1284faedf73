"""The stream over HTTP/2: through a real proxy, from servers that get it wrong, and where h2 is not installed."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived
from h2.settings import SettingCodes

from pricewire.verify import Facts, Options, Report, Verdict, over_http2, verify
from pricewire.verify.checks.transport import http2
from pricewire.verify.exchange import Exchange
from pricewire.verify.facts import Handshake
from support.serving import PATIENCE, Serving
from support.tls import Certificate
from support.verified_servers import make_app, nginx

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"

STREAM = [(":status", "200"), ("content-type", "text/event-stream")]


class Http2Server:
    """Streams well over HTTP/1.1, and over HTTP/2 in its own way."""

    def __init__(self, way: str) -> None:
        self._way = way

    @contextlib.asynccontextmanager
    async def serving(self, certificate: Certificate) -> AsyncIterator[str]:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate.options["ssl_certfile"], certificate.options["ssl_keyfile"])
        context.set_alpn_protocols(["h2", "http/1.1"])
        tasks = set[asyncio.Task[None]]()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            is_http2 = writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await (self._http2(reader, writer) if is_http2 else self._http1(reader, writer))
            writer.transport.abort()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        try:
            yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        finally:
            server.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _http1(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD)
        while True:
            writer.write(b"data: 1\n\n")
            await writer.drain()
            await asyncio.sleep(0.1)

    async def _http2(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._way == "garbage":
            # Settings, and then data of the connection itself, which has none.
            writer.write(bytes.fromhex("000000040000000000") + bytes.fromhex("000001000000000000") + b"x")
            await reader.read()
            return
        protocol = H2Connection(H2Configuration(client_side=False))
        protocol.initiate_connection()
        if self._way == "few":
            protocol.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: 2})
        writer.write(protocol.data_to_send())
        asked = False
        while not asked:
            if not (data := await reader.read(65_536)):
                return
            asked = any(isinstance(event, RequestReceived) for event in protocol.receive_data(data))
        if self._way == "resets":
            protocol.reset_stream(1, 2)
        elif self._way == "not found":
            protocol.send_headers(1, [(":status", "404")], end_stream=True)
        elif self._way != "no answer":
            protocol.send_headers(1, STREAM)
        writer.write(protocol.data_to_send())
        while self._way in ("few", "good"):
            protocol.send_data(1, b"data: 1\n\n")
            writer.write(protocol.data_to_send())
            await writer.drain()
            await asyncio.sleep(0.1)
        await reader.read()


async def report_on(way: str, folder: Path, until: float) -> Report:
    certificate = Certificate(folder)
    async with Http2Server(way).serving(certificate) as url:
        return await verify(url, Options(until=until, context=certificate.context))


async def test_what_servers_get_wrong_over_http2_is_found(tmp_path: Path) -> None:
    expected = {
        "good": (Verdict.PASSED, "events came over HTTP/2; the server allows"),
        "few": (Verdict.WARNED, "the server allows 2 streams"),
        "not found": (Verdict.FAILED, "over HTTP/2 the status is 404"),
        "resets": (Verdict.UNKNOWN, "reset by the server without an answer by the error code"),
        "garbage": (Verdict.FAILED, "what came is no HTTP/2"),
        "no answer": (Verdict.FAILED, "no answer comes over HTTP/2"),
        "silent": (Verdict.FAILED, "and none of them over HTTP/2"),
    }
    folders = [tmp_path / str(number) for number in range(len(expected))]
    for folder in folders:
        folder.mkdir()
    reports = await asyncio.gather(*(report_on(way, folder, 8.0) for way, folder in zip(expected, folders, strict=True)))
    for (way, (verdict, detail)), report in zip(expected.items(), reports, strict=True):
        found = report["http2"]
        assert report["tls"].verdict is Verdict.PASSED, report.text()
        # A machine that is busy may not know, but it says nothing else.
        assert found.verdict in (verdict, Verdict.UNKNOWN), f"{way}: {found}"
        assert detail in found.detail or "too few events" in found.detail, f"{way}: {found}"


async def test_a_stream_through_a_proxy_comes_over_http2(tmp_path: Path) -> None:
    certificate = Certificate(tmp_path)
    files = certificate.options
    kind = nginx("over-http2", "", tls=f" ssl http2; ssl_certificate {files['ssl_certfile']}; ssl_certificate_key {files['ssl_keyfile']}")
    if kind.missing:
        pytest.skip(kind.missing)
    with Serving(make_app()) as server, kind.start(tmp_path, server.port) as subject:
        url, until = f"https://127.0.0.1:{subject.port}{subject.path}", 7.0
        report = await verify(url, Options(until=until, context=certificate.context))
        while report["http2"].verdict is Verdict.UNKNOWN and until < PATIENCE:
            until *= 2
            report = await verify(url, Options(until=until, context=certificate.context))
    assert "events came over HTTP/2; the server allows 128 streams" in report["http2"].detail
    assert not report.failures, report.text()


async def test_without_h2_it_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(over_http2, "is_possible", False)
    found = (await report_on("good", tmp_path, 1.0))["http2"]
    assert found.verdict is Verdict.UNKNOWN
    assert "pip install 'pricewire[http2]'" in found.detail


def test_a_stream_that_breaks_over_http2_before_anything_is_there_is_not_judged() -> None:
    facts = Facts(Exchange("watch"), is_tls=True, tls=Handshake(protocol="h2"), http2=Exchange("http2"))
    assert http2.judge(facts).verdict is Verdict.FAILED, "it was waited for"
    assert http2.judge(Facts(Exchange("watch"), is_tls=True, tls=Handshake(protocol="http/1.1"))).verdict is Verdict.WARNED
