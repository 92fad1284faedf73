"""
The application of a gateway: it holds streams, which the bus feeds, and passes every request on to the process with trading.

The server decides; a gateway has no database and no keys. While no server answers, open streams stay, and requests get 503.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

import msgspec
import nats.errors
from litestar.utils.path import normalize_path
from nats.aio.client import Client
from nats.aio.msg import Msg
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from pricewire.bus.nats import SILENCE_S, NatsBus, NatsPlan
from pricewire.bus.nats_connection import NatsAddress
from pricewire.bus.tasks import running
from pricewire.errors import InvalidTopicError
from pricewire.hub.flush_pace import FLUSH_POLICY, FlushPolicy
from pricewire.hub.hub import Hub
from pricewire.protocol.stream_end import StreamEnd
from pricewire.protocol.topics import MarketTopic, QuoteTopic, parse_topic
from pricewire.server.admin_address import is_at
from pricewire.server.auth.token_watch import TokenWatch
from pricewire.server.client_address import Network
from pricewire.server.gateways.background import Background, end_process
from pricewire.server.gateways.forms import from_message, selector_from_message
from pricewire.server.gateways.gateway_metrics import GatewayMetrics
from pricewire.server.gateways.in_order import InOrder
from pricewire.server.gateways.messages import (
    PACKED,
    Answer,
    Call,
    Changed,
    Closed,
    Command,
    Ended,
    Refused,
    Register,
    Renewed,
    StreamPlan,
    Sync,
    Unknown,
    refusal,
)
from pricewire.server.gateways.parts import in_parts
from pricewire.server.gateways.subjects import CALL_S, SYNC_S, calls, commands, reports
from pricewire.server.http_errors import TOO_LARGE, send_problem
from pricewire.server.limits import Admission, Limits
from pricewire.server.publish_limits import MAX_BODY, PUBLISH_PATH
from pricewire.server.telemetry.signals import Telemetry
from pricewire.server.topic_rules import TopicRules
from pricewire.server.transport.asgi_types import Receive, Scope, Send
from pricewire.server.transport.event_stream import EventStream
from pricewire.server.transport.throttled_log import ThrottledLogger
from pricewire.server.updates_topic import router_of

logger = logging.getLogger(__name__)
throttled = ThrottledLogger(logger)

POSITION_S = 5.0
"""How long a stream waits for its first values to come over the bus, in seconds."""

REGISTER_AT_ONCE = 500
"""How many streams are registered with one message at most."""

LOOK_S = 0.5
"""How often it is looked whether the bus has fallen silent, in seconds."""

OWN = frozenset({b"content-type", b"content-length"})
"""The headers of a stream's response that the response itself makes."""


class Gateway:
    """
    The ASGI application of a gateway.

    Attributes:
        hub: the streams.
        bus: feeds the hub.
        admission: how often one address may ask for what the gateway answers itself.
        calls: how many requests were passed on, by how that went: `answered`, or `unavailable`.

    Args:
        address: where NATS is.
        plan: the stream of JetStream with the frames.
        heartbeat: after so many seconds of silence a stream gets a comment.
        limits: how many streams this process holds, and how large a request may be.
        flush: how long events may wait for others to be written with.
        admin_port: the port for operators alone; None where there is none.
        telemetry: exports traces and metrics; None where nothing is exported.
        topic_rules: what holds for free topics.
        trusted_proxies: the networks of the proxies that are trusted to say who their client is.
    """

    def __init__(
        self,
        address: NatsAddress,
        *,
        plan: NatsPlan | None = None,
        heartbeat: float = 15.0,
        limits: Limits | None = None,
        flush: FlushPolicy = FLUSH_POLICY,
        admin_port: int | None = None,
        telemetry: Telemetry | None = None,
        topic_rules: TopicRules | None = None,
        trusted_proxies: Sequence[Network] = (),
    ) -> None:
        self.hub = Hub(limits=(topic_rules or TopicRules()).log_limits, heartbeat=heartbeat, replicated=True, flush=flush)
        self.hub.route_by(router_of)
        self.calls = {"answered": 0, "unavailable": 0}
        self._plan = plan or NatsPlan()
        self.admission = Admission(limits, trusted_proxies)
        self._admin_port = admin_port
        self.bus = NatsBus(self.hub, address, writes=None, plan=self._plan, on_fenced=end_process, on_writer=self._succeeded)
        self._token_watch = TokenWatch(self.hub)
        self._plans: dict[str, StreamPlan] = {}
        # Of streams that are being opened, what they are to carry by now.
        self._early: dict[str, Changed] = {}
        self._changes = InOrder()
        self._changing: set[asyncio.Task[None]] = set()
        self._closed: list[str] = []
        self._client: Client | None = None
        self._sync = asyncio.Event()
        # Requests that are being answered.
        self._asking: set[asyncio.Task[Msg]] = set()
        self._encode = msgspec.msgpack.Encoder().encode
        self._metrics = GatewayMetrics(self)
        self._telemetry = telemetry
        self._entry = self._answer if telemetry is None else telemetry.traced(self._answer)
        self._answers = msgspec.msgpack.Decoder(Answer)
        self._commands = msgspec.msgpack.Decoder(Command)

    def change_limits(self, limits: Limits) -> None:
        """Hold more or fewer streams from now on; what is open stays."""
        self.admission.change(limits)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or begin and end with the process."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._entry(scope, receive, send)

    @property
    def endpoints(self) -> Mapping[str, int]:
        """How many streams of each endpoint there are."""
        return Counter(plan.endpoint for plan in self._plans.values())

    @property
    def failure(self) -> str:
        """Why it cannot do what it is for now; empty while it can."""
        return self.bus.failure

    @contextlib.asynccontextmanager
    async def fed(self) -> AsyncIterator[None]:
        """Be fed by the bus within the block."""
        async with self.bus.open():
            client = self._client = self.bus.client
            assert client is not None, "the bus is open"  # noqa: S101
            await client.subscribe(commands(self._plan.stream, self.bus.name), cb=self._on_command)
            async with (
                running(self._report(client), "stream report"),
                running(self._watch(), "bus watch"),
                running(self._token_watch.run(), "token expiry"),
            ):
                try:
                    yield
                finally:
                    for task in self._changing:
                        task.cancel()
                    self.hub.close()
            with contextlib.suppress(nats.errors.Error, OSError):
                await self._tell_closed(client)
                await client.flush(1)
            self._client = None

    async def _live(self, receive: Receive, send: Send) -> None:
        """Begin at once, whether the bus is there or not: `/readyz` says so."""
        await receive()
        background = Background(self.fed)
        background.start()
        self._metrics.loop_delay.start()
        async with contextlib.nullcontext() if self._telemetry is None else self._telemetry.exporting(self._metrics.registry):
            await send({"type": "lifespan.startup.complete"})
            await receive()
        self._metrics.loop_delay.stop()
        await background.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Another method is refused as everywhere. Slashes at the end, and others that are doubled, the router of a server passes over.
        path = normalize_path(scope["path"]) if scope["method"] == "GET" else ""
        if path == "/healthz":
            await send_text(send, 200, "ok\n")
        elif path == "/readyz":
            if self.hub.is_draining:
                await send_problem(cast("Any", send), 503, StreamEnd.SERVER_DRAINING.name, "the server is stopping", {})
            elif self.failure:
                await send_problem(cast("Any", send), 503, "NOT_READY", self.failure, {})
            else:
                await send_text(send, 200, "ok\n")
        elif path == "/metrics":
            await send_text(send, 200, self._metrics.text().decode(), CONTENT_TYPE_LATEST)
        else:
            await self._pass_on(scope, receive, send)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the server answer a request."""
        body, limit = b"", MAX_BODY if publishes(scope) else self.admission.limits.request_body
        while True:
            event = await receive()
            if event["type"] != "http.request":
                return
            body += event.get("body", b"")
            if len(body) > limit:
                await send_problem(cast("Any", send), 413, "REQUEST_TOO_LARGE", TOO_LARGE.format(limit=limit), {"connection": "close"})
                return
            if not event.get("more_body"):
                break
        client = scope.get("client")
        call = Call(
            self.bus.name,
            scope["method"],
            scope["path"],
            scope.get("raw_path") or scope["path"].encode(),
            scope["query_string"],
            [(bytes(name), bytes(value)) for name, value in scope["headers"]],
            zlib.compress(body, 1) if len(body) > PACKED else body,
            None if client is None else (client[0], client[1]),
            scope.get("scheme", "http"),
            self._admin_port is None or is_at(cast("Any", scope), self._admin_port),
            is_packed=len(body) > PACKED,
        )
        answer = await self._ask(call)
        if answer is None:
            self.calls["unavailable"] += 1
            await unavailable(
                send, "the server with market and trading does not answer; a purchase may be repeated with its idempotency key"
            )
            return
        self.calls["answered"] += 1
        if answer.route:
            scope["path_template"] = answer.route
        if answer.plan is not None:
            await self._open(answer, answer.plan, scope, receive, send)
            return
        content = zlib.decompress(answer.body) if answer.is_packed else answer.body
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await send({"type": "http.response.body", "body": content, "more_body": False})

    async def _ask(self, call: Call) -> Answer | None:
        """Return the server's answer; None where there is none in time."""
        client = self._client
        if client is None or not client.is_connected:
            # The library refuses it at once, too, but keeps what was to wait for its answer for ever.
            return None
        data = self._encode(call)
        if len(data) > client.max_payload:
            return refusal(f"the request takes {len(data)} bytes, more than the {client.max_payload} of a message of the bus")
        try:
            request = asyncio.create_task(client.request(calls(self._plan.stream), data, timeout=CALL_S))
            self._asking.add(request)
            request.add_done_callback(self._asking.discard)
            try:
                await asyncio.wait([request])
            except asyncio.CancelledError:
                request.cancel()
                raise
            return None if request.cancelled() else self._answers.decode(request.result().data)
        except (nats.errors.Error, OSError) as error:
            logger.debug("no answer: %r", error)
            return None

    async def _open(self, answer: Answer, plan: StreamPlan, scope: Scope, receive: Receive, send: Send) -> None:
        """Hold a stream."""
        if self.hub.streams >= self.admission.limits.streams:
            self._ended(plan.stream_id)
            await unavailable(send, f"this gateway has {self.admission.limits.streams} streams, its limit")
            return
        self._plans[plan.stream_id] = plan
        try:
            await asyncio.wait_for(self._reached(answer.position), POSITION_S)
        except BaseException as error:
            self._ended(plan.stream_id)
            if not isinstance(error, asyncio.TimeoutError):
                raise
            await unavailable(send, "the bus does not bring prices")
            return
        if plan.token is not None:
            self._token_watch.begin(plan.stream_id, plan.token)
        # It may have been changed meanwhile.
        plan = self._plans[plan.stream_id]
        response = EventStream(
            self.hub,
            plan.topics,
            form=from_message(plan.form),
            interval=plan.interval,
            control=plan.control,
            prelude=answer.prelude,
            follow=plan.follow,
            most=plan.most,
            stream_id=plan.stream_id,
            on_close=lambda: self._ended(plan.stream_id),
            selector=selector_from_message(plan.selector),
            last_event_id=plan.last_event_id,
        )
        response.raw_headers = [(name, value) for name, value in answer.headers if name not in OWN]
        await response(scope, receive, send)
        early = self._early.pop(plan.stream_id, None)
        if early is not None:
            self._change(early)

    async def _reached(self, position: int) -> None:
        """Wait until the hub has everything up to a position."""
        while self.hub.position < position:
            await self.bus.moved()

    def _ended(self, stream_id: str) -> None:
        """Have the server know that a stream has ended."""
        self._plans.pop(stream_id, None)
        self._early.pop(stream_id, None)
        self._token_watch.forget(stream_id)
        self._closed.append(stream_id)
        if len(self._closed) == 1:
            self._sync.set()

    def _succeeded(self) -> None:
        """Turn to another process, which has become the server. What the one before has not answered it never will."""
        for request in self._asking:
            request.cancel()
        self._sync.set()

    async def _on_command(self, message: Msg) -> None:
        command = self._commands.decode(message.data)
        plan = self._plans.get(command.stream_id)
        if plan is None:
            return
        match command:
            case Renewed():
                self._plans[plan.stream_id] = msgspec.structs.replace(plan, token=command.token)
                self._token_watch.renew(plan.stream_id, command.token)
            case Ended():
                self._end(plan.stream_id, command.reason)
            case Changed():
                # What is said of other streams meanwhile, and that this one ends, does not wait for it.
                task = self._changes.begin(plan.stream_id, partial(self._has, command.position), lambda _: self._change(command))
                self._changing.add(task)
                task.add_done_callback(self._changing.discard)

    async def _has(self, position: int) -> None:
        """Wait until the hub has everything up to a position; not for long."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._reached(position), POSITION_S)

    def _change(self, command: Changed) -> None:
        """Have a stream carry what it is to, as soon as it is open."""
        plan = self._plans.get(command.stream_id)
        if plan is None:
            return
        self._plans[plan.stream_id] = msgspec.structs.replace(
            plan, topics=command.topics, interval=command.interval, follow=command.follow, most=command.most
        )
        found = self.hub.find(plan.stream_id)
        if found is None:
            self._early[plan.stream_id] = command
            return
        stream, spec = found
        changed = replace(spec, topics=command.topics, interval=command.interval, follow=command.follow, most=command.most)
        self.hub.change(stream, changed, command.confirmation)

    def _end(self, stream_id: str, reason: str) -> None:
        """End a stream, also one that is only being opened."""
        found = self.hub.find(stream_id)
        if found is not None:
            self.hub.end(found[0], StreamEnd[reason])
        elif (plan := self._plans.get(stream_id)) is not None and plan.token is not None:
            self._token_watch.revoke(plan.token.id)

    async def _report(self, client: Client) -> None:
        """Tell the server which streams there are: regularly, when some have ended, and when another process has become the server."""
        synced_at, writer = float("-inf"), ""
        while True:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._sync.wait(), SYNC_S)
            self._sync.clear()
            try:
                await self._tell_closed(client)
                if writer != self.bus.writer or time.monotonic() - synced_at >= SYNC_S:
                    before = self.bus.writer
                    await self._synchronise(client)
                    synced_at, writer = time.monotonic(), before
                else:
                    # Many that end together are one message.
                    await asyncio.sleep(0.05)
            except (nats.errors.Error, OSError) as error:
                throttled.warning("the server does not hear of this gateway's streams: %r", error)
                await asyncio.sleep(0.2)
                self._sync.set()

    async def _tell_closed(self, client: Client) -> None:
        closed, self._closed = self._closed, []
        for part in in_parts(closed, client):
            await client.publish(reports(self._plan.stream), self._encode(Closed(self.bus.name, part)))

    async def _synchronise(self, client: Client) -> None:
        """Say which streams there are; register those that the server does not know, and end those that may not go on."""
        subject, after, unknown = reports(self._plan.stream), "", list[str]()
        # Without streams it says that it is there, too.
        parts = list(in_parts(sorted(self._plans), client)) or [[]]
        for named in parts:
            until = "" if named is parts[-1] else named[-1]
            answer = await client.request(subject, self._encode(Sync(self.bus.name, named, after, until)), timeout=CALL_S)
            unknown += msgspec.msgpack.decode(answer.data, type=Unknown).streams
            after = until
        registered = [plan for each in unknown if (plan := self._plans.get(each)) is not None]
        for part in in_parts(registered, client, REGISTER_AT_ONCE):
            # Some may have ended meanwhile.
            plans = [each for each in part if each.stream_id in self._plans]
            try:
                answer = await client.request(subject, self._encode(Register(self.bus.name, plans)), timeout=CALL_S)
            except nats.errors.MaxPayloadError:
                # The server never hears of it, so nobody would end it with its token. It came when its topics were changed.
                logger.warning("a stream of %d topics is too much for a message of the bus; it ends", len(plans[0].topics))
                self._end(plans[0].stream_id, StreamEnd.INTERNAL_ERROR.name)
                continue
            for stream_id, reason in msgspec.msgpack.decode(answer.data, type=Refused).streams.items():
                self._end(stream_id, reason)

    async def _watch(self) -> None:
        """Tell streams of prices when the bus has fallen silent."""
        told: set[str] = set()
        while True:
            await asyncio.sleep(LOOK_S)
            if self.bus.silent_s < SILENCE_S:
                told.clear()
                continue
            for topic in set(self.hub.topics) - told:
                silent = self._silence_of(topic)
                if silent >= SILENCE_S:
                    told.add(topic)
                    since = str(round((time.time() - silent) * 1000))
                    data = msgspec.json.encode({"topic": topic, "since_epoch_ms": since})
                    self.hub.take_notice(self.hub.position, topic, "stale", data)

    def _silence_of(self, name: str) -> float:
        """Return how long those are silent who publish a topic's prices, in seconds; 0 for what is no price, and does not grow old."""
        try:
            topic = parse_topic(name)
        except InvalidTopicError:
            # What others publish.
            return 0.0
        if isinstance(topic, MarketTopic):
            return self.bus.prices_silent_s
        # Quotes need both, the market and trading.
        return self.bus.silent_s if isinstance(topic, QuoteTopic) else 0.0


def publishes(scope: Scope) -> bool:
    """Return whether a request is for publishing, in JSON or, by the Mercure protocol, as a form: then its body may be longer."""
    kinds = [bytes(value).partition(b";")[0].strip().lower() for name, value in scope["headers"] if name == b"content-type"]
    return normalize_path(scope["path"]) == PUBLISH_PATH or kinds == [b"application/x-www-form-urlencoded"]


async def send_text(send: Send, status: int, text: str, media_type: str = "text/plain; charset=utf-8") -> None:
    """Send a response of plain text."""
    body = text.encode()
    headers = [(b"content-type", media_type.encode()), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def unavailable(send: Send, message: str) -> None:
    """Refuse a request for now."""
    # At a time of its own, so that those who are refused do not come back together.
    await send_problem(cast("Any", send), 503, "UNAVAILABLE", message, {"retry-after": str(random.randint(1, 3))})  # noqa: S311 - spreads load, no secret
