"""A server on a bare socket, which can answer with any bytes at any time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

PATIENCE = 60.0
"""How long a test waits for what must come, in seconds, before it fails."""

STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED_HEAD = STREAM_HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


class RawConnection:
    """One request and the socket to answer it on."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        self._reader = reader
        self._writer = writer
        lines = head.split(b"\r\n")
        self.method, self.target, _ = lines[0].decode("latin-1").split(" ")
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines[1:] if line)}

    async def body(self) -> bytes:
        """Return the request's body."""
        return await self._reader.readexactly(int(self.headers.get(b"content-length", b"0")))

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def open_stream(self, body: bytes = b"", **headers: str) -> None:
        """Begin an event stream without a length, which ends with the connection."""
        fields = b"".join(b"%b: %b\r\n" % (name.replace("_", "-").encode(), value.encode()) for name, value in headers.items())
        await self.send(STREAM_HEAD + fields + b"\r\n" + body)

    async def closed(self) -> None:
        """Return when the client has closed its side."""
        try:
            while await self._reader.read(65536):
                pass
        except ConnectionError:
            pass

    def end(self) -> None:
        """Say that nothing more will be sent."""
        self._writer.write_eof()

    def abort(self) -> None:
        """Break the connection with a reset."""
        self._writer.transport.abort()


Script = Callable[[RawConnection], Awaitable[None]]


def answer(data: bytes) -> Script:
    """Send bytes and close."""

    async def script(connection: RawConnection) -> None:
        await connection.send(data)

    return script


def status(line: str, headers: bytes = b"", body: bytes = b"") -> Script:
    """Send a whole response and close."""
    return answer(b"HTTP/1.1 %b\r\nContent-Length: %d\r\n%b\r\n%b" % (line.encode(), len(body), headers, body))


def stream(body: bytes, **headers: str) -> Script:
    """Send an event stream and close."""

    async def script(connection: RawConnection) -> None:
        await connection.open_stream(body, **headers)

    return script


def hold(body: bytes = b"", **headers: str) -> Script:
    """Send an event stream and say nothing more until the client goes."""

    async def script(connection: RawConnection) -> None:
        await connection.open_stream(body, **headers)
        await connection.closed()

    return script


def endless(head: bytes, rest: bytes = b"x" * 65536) -> Script:
    """Send the beginning of a response, and then the same bytes for ever."""

    async def script(connection: RawConnection) -> None:
        await connection.send(head)
        while True:
            await connection.send(rest)

    return script


class RawServer:
    """Answers the first request with the first script, and so on; the last one serves all that follow."""

    def __init__(self, *scripts: Script) -> None:
        self.url = ""
        self._scripts = scripts
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections: list[RawConnection] = []
        self.live = 0
        self.most_live = 0
        self._arrival = asyncio.Condition()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Wait until every client has closed: one that does not has left a socket."""
        assert self._server is not None
        self._server.close()
        try:
            if error is None:
                await self.left()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._server.wait_closed()

    async def requests(self, count: int) -> None:
        """Return when so many requests have come."""
        async with asyncio.timeout(PATIENCE), self._arrival:
            await self._arrival.wait_for(lambda: len(self.connections) >= count)

    async def left(self) -> None:
        """Return when all clients that have come are gone."""
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*self._tasks)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.live += 1
        self.most_live = max(self.most_live, self.live)
        try:
            connection = RawConnection(reader, writer, await reader.readuntil(b"\r\n\r\n"))
            script = self._scripts[min(len(self.connections), len(self._scripts) - 1)]
            self.connections.append(connection)
            async with self._arrival:
                self._arrival.notify_all()
            await script(connection)
            writer.write_eof()
            await connection.closed()
        except (ConnectionError, asyncio.IncompleteReadError, OSError):
            # The client went first.
            pass
        finally:
            self.live -= 1
            writer.close()
