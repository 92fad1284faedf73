"""Answers gateways: their requests go through this server's application, and their streams are kept in its books."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import msgspec
import nats.errors
from litestar.exceptions import HTTPException
from nats.aio.client import Client
from nats.aio.msg import Msg

from pricewire.bus.nats import NatsBus
from pricewire.bus.tasks import running
from pricewire.errors import FencedError
from pricewire.hub.streams import StreamSpec
from pricewire.protocol.free_topics import UPDATES, read_topic
from pricewire.protocol.stream_end import StreamEnd
from pricewire.server.auth.service import AuthService
from pricewire.server.client_address import parse_address
from pricewire.server.gateways.forms import from_message, selector_from_message
from pricewire.server.gateways.in_order import InOrder
from pricewire.server.gateways.messages import (
    PACKED,
    Answer,
    Call,
    Changed,
    Closed,
    Command,
    Refused,
    Register,
    Report,
    StreamPlan,
    Sync,
    Unknown,
    refusal,
)
from pricewire.server.gateways.remote_streams import HubOfGateways, Offer, RemoteStream
from pricewire.server.gateways.subjects import CALL_S, SYNC_S, commands, reports
from pricewire.server.limits import Admission
from pricewire.server.routes.large_answers import LARGE, make
from pricewire.server.stream_opener import StreamOpener, bind
from pricewire.server.transport.asgi_types import Message, Scope
from pricewire.server.transport.remote import REMOTE

logger = logging.getLogger(__name__)

MOST_CALLS = 1000
"""How many calls are answered at once; for more, a gateway says that the server is busy."""

CONFIRM_S = CALL_S / 2
"""How long a call waits for it to be certain that this server is to answer, in seconds: not so long that the gateway has given it up."""


class Calls:
    """
    Answers gateways.

    Args:
        application: the ASGI application.
        bus: the bus, which this process writes.
        stream: the stream of JetStream that has its frames.
        subjects: those on which it is called.
        hub: knows the streams of gateways.
        admission: counts them.
        opener: checks their topics; None where gateways ask for no streams.
        auth: returns what checks tokens; None without trading.
        first_values: returns a position up to which a gateway has to have everything, too, before it opens a stream; None for none.
    """

    def __init__(
        self,
        application: Any,
        bus: NatsBus,
        stream: str,
        subjects: Sequence[str],
        *,
        hub: HubOfGateways,
        admission: Admission,
        opener: Callable[[], StreamOpener] | None,
        auth: Callable[[], AuthService | None],
        first_values: Callable[[], Awaitable[int]] | None = None,
    ) -> None:
        self._application = application
        self._bus = bus
        self._stream = stream
        self._subjects = subjects
        self._first_values = first_values
        self._hub = hub
        self._admission = admission
        self._opener = opener
        self._auth = auth
        self._tasks: set[asyncio.Task[None]] = set()
        self._changes = InOrder()
        self._commands: asyncio.Queue[tuple[str, Command]] = asyncio.Queue()
        self._call_decoder = msgspec.msgpack.Decoder(Call)
        self._report_decoder = msgspec.msgpack.Decoder(Report)
        self._encode = msgspec.msgpack.Encoder().encode

    @contextlib.asynccontextmanager
    async def answering(self, client: Client) -> AsyncIterator[None]:
        """Answer gateways within the block; whoever leaves it has answered those who have asked."""
        self._hub.on_command = self._tell
        subscriptions = [await client.subscribe(subject, cb=self._on_call) for subject in self._subjects]
        if self._opener is not None:
            subscriptions.append(await client.subscribe(reports(self._stream), cb=self._on_report))
        async with running(self._command(client), "gateway commands"), running(self._look_for_silence(), "gateway watch"):
            try:
                yield
            finally:
                for subscription in subscriptions:
                    with contextlib.suppress(nats.errors.Error, OSError):
                        await subscription.unsubscribe()
                if self._tasks:
                    await asyncio.wait(self._tasks, timeout=CALL_S)

    async def _on_call(self, message: Msg) -> None:
        if len(self._tasks) < MOST_CALLS:
            self._begin(self._answer_call(message))

    async def _on_report(self, message: Msg) -> None:
        self._begin(self._answer_report(message))

    def _begin(self, work: Any) -> None:
        self._track(asyncio.create_task(work))

    def _track(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if isinstance(error, FencedError):
            # Another process will answer.
            logger.info("a gateway was not answered: %s", error)
        else:
            logger.error("a gateway was not answered", exc_info=error)

    async def _answer_call(self, message: Msg) -> None:
        # One that was stopped past its lease says nothing: another one answers.
        if not await self._bus.confirm(CONFIRM_S):
            return
        call = self._call_decoder.decode(message.data)
        # A gateway that opens streams is there, though it has not said so yet.
        self._hub.gateways.setdefault(call.gateway, time.monotonic())
        answer = await self.answer(call)
        size, largest = len(self._encode(answer)), message._client.max_payload
        if size > largest:
            if answer.plan is not None:
                self._hub.close_remote([answer.plan.stream_id])
            text = f"the answer takes {size} bytes, more than the {largest} of a message of the bus; ask for less at once"
            answer = refusal(text, answer.route)
        await self._respond(message, answer)

    async def answer(self, call: Call) -> Answer:
        """Return what the application answers to a call."""
        offer = Offer(self._hub, call.gateway, for_operators=call.for_operators)
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": call.method,
            "scheme": call.scheme,
            "path": call.path,
            "raw_path": call.raw_path,
            "query_string": call.query,
            "root_path": "",
            "headers": call.headers,
            "client": call.client,
            "server": None,
            "state": {},
            "extensions": {REMOTE: offer},
        }
        requests = [{"type": "http.request", "body": zlib.decompress(call.body) if call.is_packed else call.body, "more_body": False}]
        gone: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        status, headers, body = 500, list[tuple[bytes, bytes]](), list[bytes]()

        async def receive() -> Message:
            return requests.pop() if requests else await gone

        async def send(event: Message) -> None:
            nonlocal status, headers
            if event["type"] == "http.response.start":
                status, headers = event["status"], [(bytes(name), bytes(value)) for name, value in event["headers"]]
            elif event["type"] == "http.response.body":
                body.append(event.get("body", b""))

        try:
            await self._application(scope, receive, send)
        finally:
            gone.cancel()
        route = scope.get("path_template", "")
        if offer.plan is not None:
            return Answer(status, headers, plan=offer.plan, prelude=offer.prelude, position=await self._position(), route=route)
        whole = b"".join(body)
        is_packed = len(whole) > PACKED and not any(name == b"content-encoding" for name, _ in headers)
        if is_packed:
            # A megabyte takes 20 ms, for which everybody's ticks would wait.
            whole = await make(partial(zlib.compress, whole, 1), LARGE)
        return Answer(status, headers, whole, is_packed, route=route)

    async def _answer_report(self, message: Msg) -> None:
        if not await self._bus.confirm(CONFIRM_S):
            return
        report = self._report_decoder.decode(message.data)
        match report:
            case Sync():
                await self._respond(message, Unknown(self._hub.sync(report.gateway, report.streams, report.after, report.until)))
            case Closed():
                self._hub.close_remote(report.streams)
            case Register():
                refused = {plan.stream_id: reason for plan in report.plans if (reason := await self._register(report.gateway, plan))}
                await self._respond(message, Refused(refused))

    async def _register(self, gateway: str, plan: StreamPlan) -> str:
        """Know a stream that was opened when another process was here; return why it has to end, if it has."""
        auth, token = self._auth(), plan.token
        client = None if plan.client is None else parse_address(plan.client)
        try:
            assert self._opener is not None, "gateways have streams"  # noqa: S101
            await self._opener().check([read_topic(topic) for topic in plan.topics if topic != UPDATES], token)
        except HTTPException:
            # The token is not for these topics any more.
            return StreamEnd.TOKEN_REVOKED.name
        except Exception:
            logger.exception("a stream of the gateway %s cannot go on", gateway)
            return StreamEnd.INTERNAL_ERROR.name
        if self._hub.find(plan.stream_id) is not None:
            return ""
        try:
            with self._admission.readmit(plan.endpoint, client, None if token is None else token.account) as permit:
                permit.carry(plan.topics)
                permit.name(plan.stream_id)
                on_close = permit.give_back if token is None or auth is None else bind(plan.stream_id, token, auth, permit)
                spec = StreamSpec(
                    plan.topics,
                    from_message(plan.form),
                    plan.interval,
                    control=plan.control,
                    follow=plan.follow,
                    most=plan.most,
                    selector=selector_from_message(plan.selector),
                )
                self._hub.open_remote(RemoteStream(plan.stream_id, gateway, plan.endpoint, spec, on_close))
        except HTTPException:
            return StreamEnd.TOKEN_REVOKED.name
        except Exception:
            logger.exception("a stream of the gateway %s cannot go on", gateway)
            return StreamEnd.INTERNAL_ERROR.name
        return ""

    async def _respond(self, message: Msg, answer: Any) -> None:
        if message.reply:
            with contextlib.suppress(nats.errors.Error, OSError):
                await message.respond(self._encode(answer))

    async def _position(self) -> int:
        """Return a position up to which a hub has what publishers have published until now: of a new topic, its first value."""
        await self._bus.flush()
        return max(self._bus.position, 0 if self._first_values is None else await self._first_values())

    def _tell(self, gateway: str, command: Command) -> None:
        """
        Have a gateway know what is to become of a stream.

        First values may take seconds, while the market is away. So what ends or prolongs streams does not wait for changes, also not for
        those of the same stream: it holds whatever they carry.
        """
        if not isinstance(command, Changed):
            self._commands.put_nowait((gateway, command))
            return

        def tell(position: int) -> None:
            self._commands.put_nowait((gateway, msgspec.structs.replace(command, position=position)))

        self._track(self._changes.begin(command.stream_id, self._position, tell))

    async def _command(self, client: Client) -> None:
        """Send what gateways are to know, in order."""
        while True:
            gateway, command = await self._commands.get()
            data = self._encode(command)
            if len(data) > client.max_payload and (found := self._hub.find(command.stream_id)) is not None:
                logger.warning("a change of a stream takes %d bytes, more than a message of the bus holds; the stream ends", len(data))
                self._hub.end(found[0], StreamEnd.INTERNAL_ERROR)
                continue
            # One that is not heard is made up for at the gateway's next report.
            with contextlib.suppress(nats.errors.Error, OSError):
                await client.publish(commands(self._stream, gateway), data)

    async def _look_for_silence(self) -> None:
        while True:
            await asyncio.sleep(SYNC_S)
            self._hub.end_silent()
