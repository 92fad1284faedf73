"""A real server on a real socket, in a thread of its own, and a client that reads raw bytes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

import uvicorn

from pricewire.server.app import Application
from pricewire.server.limits import Limits
from pricewire.server.transport.handover import HandoverProtocol
from pricewire.server.transport.serve import Server

Result = TypeVar("Result")

PATIENCE = 60.0
"""How long a server or an answer may take on a busy machine, in seconds; what is awaited comes at once on an idle one."""


class Serving:
    """
    Serves an ASGI application until its block is left, by default on a free port, and with the hand-over where it is `Server`.

    Attributes:
        url: where clients reach it.
        own_url: where this process is: another address where gateways are in front of it.
        gateways: those in front of it.
    """

    def __init__(
        self,
        app: Any,
        *,
        server_class: type[uvicorn.Server] = Server,
        host: str = "127.0.0.1",
        port: int = 0,
        drain_seconds: float = 0.1,
        limits: Limits | None = None,
        reuse_port: bool = False,
        **options: Any,
    ) -> None:
        is_ours = issubclass(server_class, Server)
        self._config = uvicorn.Config(app, port=port, log_level="warning", **{"http": HandoverProtocol if is_ours else "auto", **options})
        own = {"drain_seconds": drain_seconds, "limits": limits} if is_ours else {}
        self._server = server_class(self._config, **own)
        if is_ours and isinstance(app, Application):
            app.metrics.requests_too_large = lambda: self._server.server_state.requests_too_large  # type: ignore[attr-defined]
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._listener.bind((host, port))
        self._listener.listen(1024)
        self.port: int = self._listener.getsockname()[1]
        self.url = self.own_url = f"{'https' if self._config.is_ssl else 'http'}://{host}:{self.port}"
        self._loop: asyncio.AbstractEventLoop | None = None
        self._started = threading.Event()
        self.gateways: list[Serving] = []
        self._thread = threading.Thread(target=self._run, name=f"server {self.port}", daemon=True)

    def __enter__(self) -> Serving:
        self._thread.start()
        if not self._started.wait(PATIENCE):
            raise TimeoutError("the server did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def call(self, function: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
        """Call a function on the server's loop and return its result."""

        async def run() -> Result:
            return function(*args, **kwargs)

        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(PATIENCE)

    def begin_to_stop(self) -> None:
        """Have the server stop in an orderly way, or the gateways that its address leads to."""
        for each in self.gateways or [self]:
            each._server.should_exit = True

    def stop(self) -> None:
        """Stop the server in an orderly way and wait for its end."""
        self._server.should_exit = True
        self._thread.join(PATIENCE)
        if self._thread.is_alive():
            raise TimeoutError("the server did not stop")

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=self._config.get_loop_factory()) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        original = self._server.startup

        async def startup(sockets: list[socket.socket] | None = None) -> None:
            await original(sockets)
            self._started.set()

        self._server.startup = startup  # type: ignore[method-assign]
        await self._server.serve([self._listener])


class Raw:
    """
    A connection on which anything can be sent, and what comes back, byte for byte.

    Args:
        url: `http://host:port` or `https://…`.
        data: what is sent first.
        buffer: the size of the socket's receive buffer, in bytes; small for a slow reader.
        context: for TLS.
    """

    def __init__(self, url: str, data: bytes = b"", *, buffer: int | None = None, context: ssl.SSLContext | None = None) -> None:
        host, port = url.partition("://")[2].split(":")
        self.socket = socket.socket()
        self.received = b""
        try:
            if buffer is not None:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            self.socket.settimeout(PATIENCE)
            self.socket.connect((host, int(port)))
            if context is not None:
                self.socket = context.wrap_socket(self.socket, server_hostname=host)
            self.socket.sendall(data)
        except BaseException:
            self.socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.socket.close()

    def read_until(self, end: bytes) -> bytes:
        """Read until some bytes have come, and return all up to and with them."""
        while end not in self.received:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError(f"the connection ended before {end!r}; there was {self.received!r}")
            self.received += data
        place = self.received.index(end) + len(end)
        result, self.received = self.received[:place], self.received[place:]
        return result

    def read_head(self) -> tuple[int, dict[str, str]]:
        """Read the response's head; return its status and headers."""
        status, *lines = self.read_until(b"\r\n\r\n").decode().strip().split("\r\n")
        return int(status.split()[1]), {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}

    def read_to_end(self) -> bytes:
        """Read until the connection ends."""
        deadline = time.monotonic() + PATIENCE
        while data := self.socket.recv(65536):
            self.received += data
            # Comments keep coming, so the socket's own limit would never be reached.
            if time.monotonic() > deadline:
                raise TimeoutError(f"the connection did not end within {PATIENCE:g} s")
        result, self.received = self.received, b""
        return result

    def wait_for_end(self) -> None:
        """Read until the connection ends, or is reset."""
        with contextlib.suppress(ConnectionResetError):
            self.read_to_end()


class Reader(Raw):
    """
    One HTTP request, and what comes back.

    Args:
        url: `http://host:port` or `https://…`.
        path: the path and query.
        headers: more header lines.
        method: the method.
        version: of HTTP.
        options: of `Raw`.
    """

    def __init__(
        self,
        url: str,
        path: str = "/",
        *,
        headers: dict[str, str] | None = None,
        method: str = "GET",
        version: str = "1.1",
        **options: Any,
    ) -> None:
        host = url.partition("://")[2].split(":")[0]
        lines = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        super().__init__(url, f"{method} {path} HTTP/{version}\r\nHost: {host}\r\n{lines}\r\n".encode(), **options)


class EventReader(Reader):
    """A stream, read event by event; `head` are the response's headers, with names in lower case."""

    def __init__(self, url: str, path: str, **options: Any) -> None:
        super().__init__(url, path, **options)
        try:
            self.status, self.head = self.read_head()
        except BaseException:
            self.socket.close()
            raise
        self.last_id = ""

    def __enter__(self) -> Self:
        return self

    def next(self) -> tuple[str, Any]:
        """Return the next event's type and data."""
        fields: dict[str, str] = {}
        deadline = time.monotonic() + PATIENCE
        # Comments keep coming, so the socket's own limit would never be reached.
        while time.monotonic() < deadline:
            line = self.read_until(b"\n").decode().removesuffix("\n").removesuffix("\r")
            if not line and "data" in fields:
                self.last_id = fields.get("id", self.last_id)
                return fields.get("event", "message"), json.loads(fields["data"])
            name, _, value = line.partition(": ")
            fields[name] = value
        raise TimeoutError("no event within a minute")


def unchunk(data: bytes) -> tuple[bytes, bool]:
    """Return what whole chunks hold, and whether the last chunk is among them. Source: RFC 9112, section 7.1."""
    body = b""
    while data:
        size, line, rest = data.partition(b"\r\n")
        length = int(size, 16)
        if not line or len(rest) < length + 2:
            return body, False
        assert rest[length : length + 2] == b"\r\n", "a chunk ends in CRLF"
        if length == 0:
            assert rest == b"\r\n", "nothing follows the last chunk"
            return body, True
        body += rest[:length]
        data = rest[length + 2 :]
    return body, False
