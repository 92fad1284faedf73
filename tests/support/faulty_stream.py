"""An event stream on a bare connection that is sound, or has faults by name: what servers of event streams get wrong."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import ssl
import zlib
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from pricewire.verify.probe import Connect
from pricewire.verify.target import Target
from support.virtual_loop import connect

EVERY_S = 1.0
"""An event is made so often, in seconds."""

HEARTBEAT_S = 5.0

QUIET = (20.0, 50.0)
"""When a quiet server makes no events, in seconds from its start."""

TOKEN_S = 25.0
"""How long a token that ends soon is good, in seconds."""

ENDS_SOON_S = 11.0
"""How long a stream is open that ends soon, in seconds."""

ROOM = 20
"""How many streams there may be at once."""

BLOCK = 700
"""What a buffer on the way holds, in bytes: no event fits it exactly."""

SMALL, LARGE = 512, 65_536

RESUMES = frozenset({"resume", "resume-after-cut", "resume-later"})


@dataclass(frozen=True)
class Fault:
    """
    A fault.

    Attributes:
        found: the rules that have to find it.
        also: the rules that it breaks as well, depending on the moment.
        hides: whether it hides what comes later.
        is_quiet: whether it shows on a stream that is quiet for a while.
        has_short_tokens: whether it shows where tokens end soon.
    """

    found: frozenset[str]
    also: frozenset[str] = frozenset()
    hides: bool = False
    is_quiet: bool = False
    has_short_tokens: bool = False


def of(
    *found: str, also: AbstractSet[str] = frozenset(), hides: bool = False, is_quiet: bool = False, has_short_tokens: bool = False
) -> Fault:
    return Fault(frozenset(found), frozenset(also), hides, is_quiet, has_short_tokens)


FAULTS = {
    "status-202": of("status", hides=True),
    "redirects-to-a-page": of("status", "media-type", hides=True),
    "plain-text": of("media-type", hides=True),
    "no-media-type": of("media-type", hides=True),
    "latin-1": of("charset"),
    "cacheable": of("caching"),
    "no-cache-control": of("caching"),
    "has-length": of("framing", also={"shutdown"}),
    "bad-chunk": of("framing", hides=True),
    "late-head": of("first-byte"),
    "compresses-unasked": of("compression"),
    "compresses-without-flush": of("compressed"),
    "holds-what-it-compresses": of("compressed"),
    "buffers-blocks": of("buffering"),
    "events-late": of("buffering", also={"shutdown"}),
    "blank-line-late": of("dispatch"),
    "no-blank-lines": of("dispatch"),
    "no-heartbeat": of("heartbeat", is_quiet=True),
    "empty-heartbeats": of("empty-messages", is_quiet=True),
    "ends-soon": of("keeps-open", hides=True),
    "breaks-off": of("keeps-open", also={"shutdown"}, hides=True),
    "mixed-line-ends": of("line-ends"),
    "carriage-returns": of("line-ends"),
    "not-utf-8": of("encoding"),
    "byte-order-marks": of("byte-order-mark"),
    "capital-fields": of("fields"),
    "space-before-field": of("fields"),
    "bare-json": of("fields"),
    "line-break-in-data": of("fields"),
    "unknown-field": of("fields"),
    "id-with-nul": of("ids"),
    "same-id": of("ids"),
    "no-ids": of("ids"),
    "retry-with-unit": of("retry"),
    "retry-zero": of("retry"),
    "ignores-last-event-id": of(*RESUMES),
    "loses-one": of(*RESUMES),
    "doubles-one": of(*RESUMES),
    "starts-over": of(*RESUMES),
    "newest-first": of("resume", "resume-later", also=RESUMES),
    "forgets-soon": of("resume-later"),
    "loses-the-cut-one": of("resume-after-cut", also=RESUMES),
    "numbers-by-connection": of("same-ids", also=RESUMES),
    "refuses-unknown-id": of("unknown-id"),
    "nothing-for-unknown-id": of("unknown-id"),
    "head-with-body": of("head-request"),
    "head-hangs": of("head-request"),
    "head-makes-a-stream": of("head-request"),
    "demands-accept": of("accept"),
    "fails-at-accept": of("accept"),
    "no-preflight": of("cors-preflight"),
    "preflight-wants-token": of("cors-preflight"),
    "preflight-without-last-event-id": of("cors-preflight"),
    "stream-without-origin": of("cors"),
    "any-origin-with-cookies": of("cors"),
    "no-challenge": of("authorization"),
    "login-page": of("authorization"),
    "any-token": of("authorization"),
    "token-in-address": of("token-in-address"),
    "outlives-token": of("token-expiry", has_short_tokens=True),
    "refuses-without-retry-after": of("refusals", "reconnections"),
    "resets-when-full": of("reconnections"),
    "slow-one-stops-all": of("slow-reader"),
    "cuts-at-shutdown": of("shutdown"),
    "never-stops": of("shutdown"),
}
"""The faults, by name."""


@dataclass(eq=False)
class Reader:
    """One open stream: when it was, what it is still to be sent, and the number of the last event that it was sent."""

    writer: asyncio.StreamWriter
    opened: float
    events: list[int] = field(default_factory=list)
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    sent: int = 0
    deflate: zlib._Compress | None = None
    buffer: bytes = b""
    begun: bool = False


class FaultyStream:
    """
    A server of one stream, with or without faults.

    Args:
        faults: their names.
        is_quiet: whether it makes no events for a while.
        has_short_tokens: whether its tokens end soon.
    """

    def __init__(self, *faults: str, is_quiet: bool = False, has_short_tokens: bool = False) -> None:
        assert set(faults) <= set(FAULTS), faults
        self.faults = set(faults)
        self.is_quiet = is_quiet or any(FAULTS[name].is_quiet for name in faults)
        self.has_short_tokens = has_short_tokens or any(FAULTS[name].has_short_tokens for name in faults)
        self.tasks: set[asyncio.Task[None]] = set()
        self.most_readers = 0
        self.requests: list[str] = []
        self._log: list[int] = []
        self._readers: set[Reader] = set()
        self._gone: set[int] = set()
        self._is_stopping = False
        self._started = 0.0

    def has(self, *names: str) -> bool:
        return bool(self.faults & set(names))

    async def __aenter__(self) -> FaultyStream:
        self._started = asyncio.get_running_loop().time()
        self._making = asyncio.create_task(self._make())
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in [self._making, *self.tasks]:
            task.cancel()
        await asyncio.gather(self._making, *self.tasks, return_exceptions=True)

    def connector(self) -> Callable[[Target, ssl.SSLContext | None], Connect]:
        """Return what opens connections to it in memory, for a test of it."""

        async def open_connection(is_slow: bool) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            if self._is_stopping:
                raise ConnectionRefusedError("refused")
            return connect(self.serve, self.tasks, limit=SMALL if is_slow else LARGE)

        return lambda target, context: open_connection

    async def token(self) -> str:
        ends = asyncio.get_running_loop().time() + (TOKEN_S if self.has_short_tokens else 3600)
        claims = base64.urlsafe_b64encode(json.dumps({"exp": ends}).encode()).rstrip(b"=").decode()
        return f"e30.{claims}.good"

    async def publish(self) -> None:
        await self._add()

    async def stop(self) -> None:
        """Stop, as on SIGTERM."""
        self._is_stopping = True
        for reader in self._readers:
            reader.woken.set()

    async def _make(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            since = asyncio.get_running_loop().time() - self._started
            if not (self.is_quiet and QUIET[0] < since < QUIET[1]):
                await self._add()

    async def _add(self) -> None:
        number = len(self._log) + 1
        self._log.append(number)
        for reader in list(self._readers):
            if reader.begun:
                reader.events.append(number)
                reader.woken.set()
                if self.has("slow-one-stops-all"):
                    with contextlib.suppress(ConnectionError):
                        await reader.writer.drain()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection."""
        try:
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                if not await self._answer(request.decode(), reader, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            # The client went first.
            pass
        finally:
            writer.close()

    async def _answer(self, request: str, connection: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer a request; return whether another one may follow."""
        first, *lines = request.strip().split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        self.requests.append(first)
        if method == "OPTIONS":
            return await self._preflight(headers, writer)
        if target == "/login":
            return await self._plain(writer, "200 OK", {"Content-Type": "text/html"}, b"<html>")
        if self.has("redirects-to-a-page"):
            return await self._plain(writer, "302 Found", {"Location": "/login"})
        if (refusal := self._check_token(headers, target)) is not None:
            return await self._plain(writer, *refusal)
        if method == "HEAD":
            return await self._head(writer)
        accept = headers.get("accept", "*/*")
        if self.has("demands-accept") and "text/event-stream" not in accept:
            return await self._plain(writer, "406 Not Acceptable", {})
        if self.has("fails-at-accept") and accept == "application/json":
            return await self._plain(writer, "500 Internal Server Error", {})
        after = headers.get("last-event-id", "")
        if after and self._place(after) is None:
            if self.has("refuses-unknown-id"):
                return await self._plain(writer, "400 Bad Request", {})
            if self.has("nothing-for-unknown-id"):
                return await self._plain(writer, "204 No Content", {})
        if len(self._readers) >= ROOM:
            if self.has("resets-when-full"):
                writer.transport.abort()
                return False
            hint = {} if self.has("refuses-without-retry-after") else {"Retry-After": "5"}
            return await self._plain(writer, "503 Service Unavailable", hint)
        stream = Reader(writer, asyncio.get_running_loop().time())
        self._readers.add(stream)
        self.most_readers = max(self.most_readers, len(self._readers))
        streaming = asyncio.create_task(self._stream(headers, after, stream))
        leaving = asyncio.create_task(connection.read())

        def on_left(task: asyncio.Task[bytes]) -> None:
            self._readers.discard(stream)
            if not task.cancelled() and task.exception() is not None:
                # Whoever vanishes is held to have what was sent.
                self._gone.add(stream.sent)

        leaving.add_done_callback(on_left)
        try:
            await asyncio.wait([streaming, leaving], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._readers.discard(stream)
            for task in (streaming, leaving):
                task.cancel()
            await asyncio.gather(streaming, leaving, return_exceptions=True)
        return False

    def _check_token(self, headers: dict[str, str], target: str) -> tuple[str, dict[str, str]] | None:
        token = headers.get("authorization", "").removeprefix("Bearer ")
        if self.has("token-in-address") and "access_token=" in target:
            token = target.partition("access_token=")[2].partition("&")[0]
        if token.endswith(".good") or (token and self.has("any-token")):
            return None
        if self.has("login-page"):
            return "302 Found", {"Location": "/login"}
        return "401 Unauthorized", {} if self.has("no-challenge") else {"WWW-Authenticate": "Bearer"}

    async def _plain(self, writer: asyncio.StreamWriter, status: str, headers: dict[str, str], body: bytes = b"") -> bool:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"HTTP/1.1 {status}\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        return True

    async def _preflight(self, headers: dict[str, str], writer: asyncio.StreamWriter) -> bool:
        if self.has("no-preflight"):
            return await self._plain(writer, "405 Method Not Allowed", {})
        if self.has("preflight-wants-token") and "authorization" not in headers:
            return await self._plain(writer, "401 Unauthorized", {"WWW-Authenticate": "Bearer"})
        allowed = "Authorization, Cache-Control" + ("" if self.has("preflight-without-last-event-id") else ", Last-Event-ID")
        answer = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "GET", "Access-Control-Allow-Headers": allowed}
        return await self._plain(writer, "204 No Content", answer)

    async def _head(self, writer: asyncio.StreamWriter) -> bool:
        if not self.has("head-hangs"):
            writer.write(self._head_bytes({}) + (b"data: 1\n\n" if self.has("head-with-body") else b""))
        if self.has("head-hangs", "head-makes-a-stream"):
            await asyncio.sleep(1000)
        return True

    def _head_bytes(self, headers: dict[str, str]) -> bytes:
        """Return the head of the stream."""
        media = "text/plain" if self.has("plain-text") else "text/event-stream"
        lines = ["HTTP/1.1 202 Accepted" if self.has("status-202") else "HTTP/1.1 200 OK"]
        if not self.has("no-media-type"):
            lines.append(f"Content-Type: {media}{'; charset=iso-8859-1' if self.has('latin-1') else ''}")
        if not self.has("no-cache-control"):
            lines.append(f"Cache-Control: {'max-age=60' if self.has('cacheable') else 'no-store'}")
        lines.append("Content-Length: 100000000" if self.has("has-length") else "Transfer-Encoding: chunked")
        if self._is_compressed(headers):
            lines.append("Content-Encoding: gzip")
        if "origin" in headers and not self.has("stream-without-origin"):
            with_cookies = self.has("any-origin-with-cookies")
            lines.append(f"Access-Control-Allow-Origin: {headers['origin'] if with_cookies else '*'}")
            lines += ["Access-Control-Allow-Credentials: true"] if with_cookies else []
        return "\r\n".join(lines).encode() + b"\r\n\r\n"

    def _is_compressed(self, headers: dict[str, str]) -> bool:
        allowed = "gzip" in headers.get("accept-encoding", "")
        return allowed or self.has("compresses-unasked")

    def _place(self, event_id: str) -> int | None:
        """Return the number of the event with an id."""
        number = event_id.removeprefix("e")
        return int(number) if number.isdigit() and int(number) <= len(self._log) else None

    def _begin(self, after: str) -> list[int]:
        """Return the events that a stream begins with."""
        newest = self._log[-1:]
        place = self._place(after) if after else None
        if place is None or self.has("ignores-last-event-id"):
            return newest if not after else []
        missed = self._log[place:]
        if self.has("loses-one"):
            missed = missed[1:]
        if self.has("doubles-one"):
            missed = self._log[max(0, place - 1) :]
        if self.has("starts-over"):
            missed = list(self._log)
        if self.has("newest-first"):
            missed = missed[::-1]
        if self.has("forgets-soon"):
            missed = missed[-8:]
        if self.has("loses-the-cut-one"):
            missed = [number for number in missed if number not in self._gone]
        return missed

    async def _stream(self, headers: dict[str, str], after: str, reader: Reader) -> None:
        """Send a stream's head, and its events until it ends."""
        loop, writer = asyncio.get_running_loop(), reader.writer
        token = headers.get("authorization", "").removeprefix("Bearer ").split(".")
        is_ours = len(token) == 3 and not self.has("outlives-token")
        ends = json.loads(base64.urlsafe_b64decode(token[1] + "=="))["exp"] if is_ours else float("inf")
        if self._is_compressed(headers):
            reader.deflate = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
        if self.has("late-head"):
            await asyncio.sleep(8)
        if self.has("holds-what-it-compresses") and "gzip" in headers.get("accept-encoding", ""):
            await asyncio.sleep(1000)
        writer.write(self._head_bytes(headers))
        reader.events = self._begin(after)
        reader.begun = True
        if self.has("retry-with-unit", "retry-zero"):
            self._send(reader, b"retry: 3s\n\n" if self.has("retry-with-unit") else b"retry: 0\n\n")
        while loop.time() < ends and not self._is_stopping and not self._has_enough(reader):
            events, reader.events = reader.events, []
            for number in events:
                await self._send_event(reader, number)
            reader.woken.clear()
            if not self.has("slow-one-stops-all"):
                await writer.drain()
            try:
                async with asyncio.timeout(max(0.0, min(HEARTBEAT_S, ends - loop.time()))):
                    if not reader.events:
                        await reader.woken.wait()
            except TimeoutError:
                if not self.has("no-heartbeat"):
                    self._send(reader, b"data:\n\n" if self.has("empty-heartbeats") else b":\n")
        if self.has("never-stops") and self._is_stopping:
            await asyncio.sleep(1000)
        if (self.has("cuts-at-shutdown") and self._is_stopping) or (self.has("breaks-off") and self._has_enough(reader)):
            writer.transport.abort()
            return
        if reader.deflate is not None:
            self._chunk(reader, reader.deflate.flush())
        if not self.has("has-length"):
            writer.write(b"0\r\n\r\n")
        await writer.drain()

    def _has_enough(self, reader: Reader) -> bool:
        """Return whether a stream that ends soon has had its time."""
        return self.has("ends-soon", "breaks-off") and asyncio.get_running_loop().time() - reader.opened > ENDS_SOON_S

    async def _send_event(self, reader: Reader, number: int) -> None:
        shown = reader.sent + 1 if self.has("numbers-by-connection") else number
        reader.sent = shown
        if self.has("events-late"):
            await asyncio.sleep(8)
        data = self._event(shown, number)
        if self.has("bad-chunk") and number > 3:
            reader.writer.write(b"zz\r\n")
        elif self.has("blank-line-late"):
            self._send(reader, (b"\n" if reader.buffer else b"") + data[:-1])
            reader.buffer = b"held"
        elif self.has("buffers-blocks"):
            reader.buffer += data
            while len(reader.buffer) >= BLOCK:
                self._send(reader, reader.buffer[:BLOCK])
                reader.buffer = reader.buffer[BLOCK:]
        else:
            self._send(reader, data)

    def _event(self, shown: int, number: int) -> bytes:
        """Return an event's bytes."""
        text = json.dumps({"n": number, "city": "Zürich", "more": "x" * 300}, ensure_ascii=False).encode()
        if self.has("not-utf-8"):
            text = text.decode().encode("latin-1")
        event_id = b"e%d" % shown
        if self.has("same-id"):
            event_id = b"e1"
        if self.has("id-with-nul"):
            event_id += b"\0"
        name, space = b"Data" if self.has("capital-fields") else b"data", b" " if self.has("space-before-field") else b""
        lines = [] if self.has("no-ids") else [b"id: " + event_id]
        if self.has("byte-order-marks"):
            lines.append(b"\xef\xbb\xbf: mark")
        if self.has("unknown-field"):
            lines.append(b"time: 12")
        lines.append(text if self.has("bare-json") else space + name + b": " + text)
        if self.has("line-break-in-data"):
            lines.append(b'"rest": 2}')
        end = b"\r" if self.has("carriage-returns") else b"\n"
        if self.has("mixed-line-ends"):
            return b"\r\n".join(lines) + b"\n\n"
        return end.join(lines) + (end if self.has("no-blank-lines") else end + end)

    def _send(self, reader: Reader, data: bytes) -> None:
        """Send a part of the body."""
        if reader.deflate is not None:
            data = reader.deflate.compress(data) + (
                b"" if self.has("compresses-without-flush") else reader.deflate.flush(zlib.Z_SYNC_FLUSH)
            )
        self._chunk(reader, data)

    def _chunk(self, reader: Reader, data: bytes) -> None:
        if data:
            reader.writer.write(data if self.has("has-length") else b"%x\r\n%b\r\n" % (len(data), data))
