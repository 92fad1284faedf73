"""The accounts that other processes with trading have: their requests are passed on, and these processes told what has streams."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import time
import zlib
from collections.abc import AsyncIterator, Callable

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from pricewire.bus.lease import SPAN_S
from pricewire.bus.tasks import running
from pricewire.server.gateways.messages import Answer, Call, Listen, Listening
from pricewire.server.gateways.parts import in_parts
from pricewire.server.gateways.subjects import CALL_S, desk_calls, desk_topics

REPEAT_S = 1.0
"""How often another process is asked whether it is there, in seconds."""

ANSWER_S = 1.0
"""How long its answer may take before it is asked again, in seconds."""

HEARD_S = 0.5
"""How long another process may take to say that it is there, in seconds."""

PAUSE_S = 0.2
"""How long to wait before that, in seconds."""

PASSED_ON = frozenset({"/v1/trading/contracts/buy", "/v1/trading/contracts/sell", "/v1/accounting/balance"})
"""The paths of requests that the process answers which has the account; all others whichever process."""


class Claims(msgspec.Struct):
    """What is looked at of a token that nobody has checked yet: whose account it claims to be for."""

    account: str


CLAIMS = msgspec.json.Decoder(Claims)


class RemoteDesk:
    """
    Another process with trading, in one term, as the process sees it that leads.

    Args:
        client: the connection.
        stream: the stream of JetStream with the frames.
        name: the other process's name.
        term: the term.
        on_silent: called when the other process is no longer there.
    """

    def __init__(self, client: Client, stream: str, name: str, term: int, on_silent: Callable[[], None]) -> None:
        self._client = client
        self._stream = stream
        self._name = name
        self._term = term
        self._on_silent = on_silent
        self._pending: dict[str, bool] = {}
        self._changed = asyncio.Event()
        # How many changes there were; how many of these the other process knows, and the position that it has given then.
        self._version = self._known = 0
        self.position = 0
        self._told = asyncio.Event()
        self._asked: set[asyncio.Task[Msg]] = set()

    def want(self, topic: str, is_wanted: bool) -> None:
        """Have the other process publish a topic, or stop it."""
        # In the order of the changes.
        self._pending.pop(topic, None)
        self._pending[topic] = is_wanted
        self._version += 1
        self._changed.set()

    async def told(self) -> None:
        """Wait until the other process has published the first values of all topics that it was to until now; not for long."""
        version = self._version
        with contextlib.suppress(asyncio.TimeoutError):
            async with asyncio.timeout(SPAN_S):
                while self._known < version:
                    self._told.clear()
                    await self._told.wait()

    async def ask(self, call: Call) -> Answer | None:
        """Return the other process's answer; None where there is none in time."""
        data = msgspec.msgpack.encode(call)
        request = asyncio.create_task(self._client.request(desk_calls(self._stream, self._name), data, timeout=CALL_S))
        self._asked.add(request)
        request.add_done_callback(self._asked.discard)
        try:
            await asyncio.wait([request])
        except asyncio.CancelledError:
            request.cancel()
            raise
        if request.cancelled() or request.exception() is not None:
            return None
        return msgspec.msgpack.decode(request.result().data, type=Answer)

    def end(self) -> None:
        """Wait for no answer any more: the accounts have another owner."""
        for request in self._asked:
            request.cancel()

    @contextlib.asynccontextmanager
    async def telling(self) -> AsyncIterator[None]:
        """Tell the other process within the block."""
        async with running(self._tell(), "topics of other processes"):
            yield

    async def _tell(self) -> None:
        heard_at = time.monotonic()
        while True:
            self._changed.clear()
            version = self._version
            changes = next(in_parts(self._pending.items(), self._client), [])
            question = msgspec.msgpack.encode(Listen(self._term, changes))
            try:
                message = await self._client.request(desk_topics(self._stream, self._name), question, timeout=ANSWER_S)
            except (nats.errors.Error, OSError):
                # It may have much to do; and where the bus is away, nobody can be heard.
                if not self._client.is_connected or await is_there(self._client, self._stream, self._name):
                    heard_at = time.monotonic()
                elif time.monotonic() - heard_at > SPAN_S:
                    self._on_silent()
                    return
                await asyncio.sleep(PAUSE_S)
                continue
            heard_at = time.monotonic()
            answer = msgspec.msgpack.decode(message.data, type=Listening)
            if answer.term != self._term:
                # It has not begun yet.
                await asyncio.sleep(PAUSE_S)
                continue
            for topic, is_wanted in changes:
                if self._pending.get(topic) is is_wanted:
                    del self._pending[topic]
            self.position = max(self.position, answer.position)
            if self._pending:
                continue
            self._known = version
            self._told.set()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._changed.wait(), REPEAT_S)


async def is_there(client: Client, stream: str, process: str) -> bool:
    """Return whether a process with trading is there."""
    try:
        await client.request(desk_topics(stream, process), msgspec.msgpack.encode(Listen(-1, [])), timeout=HEARD_S)
    except (nats.errors.Error, OSError):
        return False
    return True


def claimed_account(authorization: bytes) -> str | None:
    """Return the account that the token of a header claims to be for, unchecked; None where it has no such token."""
    parts = authorization.partition(b" ")[2].strip().split(b".")
    if len(parts) != 3:
        return None
    try:
        return CLAIMS.decode(base64.urlsafe_b64decode(parts[1] + b"=" * (-len(parts[1]) % 4))).account
    except (binascii.Error, ValueError, msgspec.MsgspecError, RecursionError):
        return None


def content_of(answer: Answer) -> bytes:
    """Return an answer's body."""
    return zlib.decompress(answer.body) if answer.is_packed else answer.body
