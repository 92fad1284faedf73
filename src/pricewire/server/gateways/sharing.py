"""
Several processes with trading share the accounts: each has some of them, and of what is nobody's, the one that leads has all.

    who leads ──Announcement──> all       in its frames: who has which share in this term
              ──Listen────────> another   which topics of its accounts have streams; it says by its answer that it is there
              ──Call──────────> another   a request for one of its accounts
              <──Join────────── another   it is there, and has no share
              <──its name────── another   it ends
    each      ──[Told]────────> all       which purchases it has refused lately: who gets an account goes on to refuse them

Who begins or ends changes the shares of all: a new term begins. Before it does, the one that leads has the database refuse what is
written in the term before, and the bus what is published. So an account has one owner at a time, which has read all that those before have
written of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, cast

import msgspec
import nats.errors
from litestar.utils.path import normalize_path
from nats.aio.client import Client
from nats.aio.msg import Msg

from pricewire.bus.nats import PLACES, Announcement, NatsBus, is_of_trading
from pricewire.bus.nats_writer import FrameWriter
from pricewire.bus.tasks import running
from pricewire.errors import AccountError, DatabaseError, FencedError, PricewireError, UnknownContractError
from pricewire.protocol.topics import AccountTopic, BalanceTopic, ContractsTopic, parse_topic
from pricewire.server.gateways.background import end_process
from pricewire.server.gateways.messages import Call, Join, Listen, Listening
from pricewire.server.gateways.parts import in_parts
from pricewire.server.gateways.remote_desks import PASSED_ON, RemoteDesk, claimed_account, content_of, is_there
from pricewire.server.gateways.remote_streams import HubOfGateways
from pricewire.server.gateways.subjects import desk_topics, joins, leaves, refusals
from pricewire.server.gateways.trading_publisher import TradingPublisher
from pricewire.server.http_errors import TOO_LARGE, send_problem
from pricewire.server.services import Services
from pricewire.server.transport.asgi_types import Receive, Scope, Send
from pricewire.trading.desk import Desk
from pricewire.trading.partitions import Share
from pricewire.trading.refusals import Told

logger = logging.getLogger(__name__)

JOIN_S = 1.0
"""How often a process without a share says that it is there, in seconds."""

AGAIN_S = 0.5
"""How long to wait before a new term is begun where one could not be, in seconds."""

STOP_S = 15.0
"""How long a process that ends waits until its share is given back in an orderly way, in seconds."""

RESTORED_S = 60.0
"""How long topics of the process before wait for their streams to be registered, in seconds."""

Answering = Callable[[Client], AbstractAsyncContextManager[None]]
"""Answers others within a block, by a connection."""


class Sharing:
    """
    Trades with the accounts that this process has, one term after the other.

    Attributes:
        share: what it has now; None between two terms, and where there is no place for it.

    Args:
        bus: the bus.
        stream: the stream of JetStream with its frames.
        services: open.
        publisher: of the topics.
        hub: the hub.
        leading: what is to be opened while this process leads: it answers gateways.
        following: the same while it does not: it answers the one that leads.
        largest: how many bytes the body of a request may have.
    """

    def __init__(
        self,
        bus: NatsBus,
        stream: str,
        services: Services,
        publisher: TradingPublisher,
        hub: HubOfGateways,
        *,
        leading: Sequence[Answering],
        following: Sequence[Answering],
        largest: int,
    ) -> None:
        self.share: Share | None = None
        self._bus = bus
        self._stream = stream
        self._services = services
        self._publisher = publisher
        self._hub = hub
        self._leading = leading
        self._following = following
        self._largest = largest
        self._leads = False
        self._stops = False
        self._listener: Listener | None = None
        self._hearing: set[asyncio.Task[None]] = set()
        # The newest term that this process had a share in.
        self._term = 0
        # The other processes, while this one leads, in the order of their places.
        self._names: list[str] = []
        self._desks: dict[int, RemoteDesk] = {}
        self._changed = asyncio.Event()
        bus.on_announced = self._changed.set

    @property
    def leads(self) -> bool:
        """Whether this process has the share of the one that leads."""
        return self.share is not None and self.share.place == 0

    @contextlib.asynccontextmanager
    async def open(self, client: Client) -> AsyncIterator[None]:
        """Trade within the block."""
        subscriptions = [
            await client.subscribe(desk_topics(self._stream, self._bus.name), cb=self._on_listen),
            await client.subscribe(refusals(self._stream), cb=self._on_refusals),
        ]
        self._services.refusals.tell = lambda refusal: self._tell_refusals(client, [refusal])
        async with running(self._seek(client), "trading lease") as seeking:
            seeking.add_done_callback(ended)
            task = asyncio.create_task(self._run(client), name="shares of trading")
            task.add_done_callback(ended)
            try:
                yield
            finally:
                self._stops = True
                self._changed.set()
                await asyncio.wait([task], timeout=STOP_S)
                with contextlib.suppress(nats.errors.Error, OSError):
                    # So that the others need not wait for it.
                    await client.publish(leaves(self._stream), self._bus.name.encode())
                while not task.done():
                    task.cancel()
                    await asyncio.wait([task], timeout=AGAIN_S)
                for subscription in subscriptions:
                    await unsubscribed(subscription)

    async def passes_on(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Have another process answer a request, if that has the account that it is for; return whether it was so."""
        share = self.share
        if share is None or not self._desks or scope["method"] not in ("GET", "POST"):
            return False
        # As the router reads it: it passes over slashes at the end, and others that are doubled.
        if normalize_path(scope["path"]) not in PASSED_ON:
            return False
        headers = [(bytes(name), bytes(value)) for name, value in scope["headers"]]
        account = claimed_account(dict(headers).get(b"authorization", b""))
        desk = None if account is None else self._desks.get(share.place_of(account))
        if desk is None:
            return False
        body = b""
        while True:
            event = await receive()
            if event["type"] != "http.request":
                return True
            body += event.get("body", b"")
            if len(body) > self._largest:
                message = TOO_LARGE.format(limit=self._largest)
                await send_problem(cast("Any", send), 413, "REQUEST_TOO_LARGE", message, {"connection": "close"})
                return True
            if not event.get("more_body"):
                break
        client = scope.get("client")
        call = Call(
            self._bus.name,
            scope["method"],
            scope["path"],
            scope.get("raw_path") or scope["path"].encode(),
            scope["query_string"],
            headers,
            body,
            None if client is None else (client[0], client[1]),
            scope.get("scheme", "http"),
        )
        answer = await desk.ask(call)
        if answer is None:
            message = "the process that has this account does not answer; a purchase may be repeated with its idempotency key"
            await send_problem(cast("Any", send), 503, "UNAVAILABLE", message, {"retry-after": "1"})
            return True
        scope["path_template"] = answer.route
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await send({"type": "http.response.body", "body": content_of(answer), "more_body": False})
        return True

    async def _seek(self, client: Client) -> None:
        """Lead as soon as no other process does."""
        await self._bus.lead()
        before = self._bus.announcement
        names = [] if before is None else [each for each in before.processes[1:] if each != self._bus.name]
        there = await asyncio.gather(*(is_there(client, self._stream, each) for each in names))
        self._names = [name for name, is_it in zip(names, there, strict=True) if is_it]
        self._leads = True
        self._changed.set()

    async def _on_listen(self, message: Msg) -> None:
        """Say that this process is there; where it was told something, when that is done."""
        listen, listener = msgspec.msgpack.decode(message.data, type=Listen), self._listener
        if listener is None or listener.term != listen.term:
            await respond(message, Listening(0, 0))
            return
        # The next message is heard meanwhile.
        task = asyncio.create_task(self._hear(message, listen, listener), name="topics of accounts")
        self._hearing.add(task)
        task.add_done_callback(self._hearing.discard)

    async def _hear(self, message: Msg, listen: Listen, listener: Listener) -> None:
        if await listener.hear(listen.changes):
            await respond(message, Listening(listen.term, self._bus.position))

    async def _on_refusals(self, message: Msg) -> None:
        for refusal in msgspec.msgpack.decode(message.data, type=list[Told]):
            self._services.refusals.learn(refusal)

    async def _tell_refusals(self, client: Client, told: Iterable[Told]) -> None:
        """Have the others know what was refused; where the bus is away, nobody gets an answer either."""
        with contextlib.suppress(nats.errors.Error, OSError):
            for part in in_parts(told, client):
                await client.publish(refusals(self._stream), msgspec.msgpack.encode(part))

    async def _run(self, client: Client) -> None:
        while not self._stops:
            try:
                if (announcement := await self._next(client)) is not None:
                    await self._serve(client, announcement)
            except (FencedError, DatabaseError) as error:
                if self._bus.is_fenced:
                    # This process ends.
                    return
                logger.warning("the accounts are shared anew: %s", error)
                await asyncio.sleep(AGAIN_S)

    async def _next(self, client: Client) -> Announcement | None:
        """Return what this process has to do next: it begins a term where it leads, and waits for one where it does not."""
        while not self._leads:
            if self._stops:
                return None
            self._changed.clear()
            announcement = self._bus.announcement
            if announcement is not None and self._bus.name in announcement.processes and announcement.term > self._term:
                return announcement
            with contextlib.suppress(nats.errors.Error, OSError):
                await client.publish(joins(self._stream), msgspec.msgpack.encode(Join(self._bus.name, self._term)))
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._changed.wait(), JOIN_S)
        # One that was stopped for a while may not lead any more.
        await self._bus.still_leads()
        names = self._names[: PLACES - 1]
        return await self._bus.announce(await self._services.begin_term(), names)

    async def _serve(self, client: Client, announcement: Announcement) -> None:
        """Have a share until the next term."""
        share = Share(announcement.term, announcement.processes.index(self._bus.name), announcement.processes)
        self._term = share.term
        # One that has begun just now may get accounts of this one.
        await self._tell_refusals(client, self._services.refusals.kept())
        over = asyncio.Event()
        for feed in self._publisher.feeds:
            feed.pause()
        async with contextlib.AsyncExitStack() as stack:
            # What is published by the desk is published by these frames, as long as they may.
            own = partial(owns, share) if len(share.processes) > 1 else is_of_trading
            frames = await stack.enter_async_context(self._bus.sharing(announcement, own, over.set))
            stack.callback(self._publisher.end_trading)
            try:
                desk = await stack.enter_async_context(
                    self._services.trading(share, publish=frames.publish, flush=frames.flush, on_fenced=over.set)
                )
            finally:
                for feed in self._publisher.feeds:
                    feed.go_on()
            if share.place:
                self._listener = Listener(desk, share, frames)
            else:
                await self._lead(client, stack, share, over)
            for answering in self._following if share.place else self._leading:
                await stack.enter_async_context(answering(client))
            self.share = share
            logger.info("of %d processes with trading this one is number %d, in term %d", len(share.processes), share.place + 1, share.term)
            try:
                await self._until(over, share)
            finally:
                self.share = self._listener = None
                for each in self._desks.values():
                    each.end()
                self._desks = {}

    async def _lead(self, client: Client, stack: contextlib.AsyncExitStack, share: Share, over: asyncio.Event) -> None:
        """Have streams of all accounts, and know which processes are there."""

        async def on_join(message: Msg) -> None:
            join = msgspec.msgpack.decode(message.data, type=Join)
            if join.process not in self._names:
                self._names.append(join.process)
                over.set()
            elif join.process in share.processes and join.term >= share.term:
                # It has lost what it was to have.
                over.set()

        def on_silent(name: str) -> None:
            logger.warning("another process with trading is no longer there")
            drop(name)

        async def on_leave(message: Msg) -> None:
            if (name := message.data.decode()) in self._names:
                drop(name)

        def drop(name: str) -> None:
            self._names = [each for each in self._names if each != name]
            over.set()

        desks = {
            place: RemoteDesk(client, self._stream, name, share.term, partial(on_silent, name))
            for place, name in enumerate(share.processes)
            if place
        }
        if not self._publisher.has_led:
            self._publisher.has_led = True
            self._hub.restored(RESTORED_S)
        await self._publisher.share(share, desks)
        for each in desks.values():
            await stack.enter_async_context(each.telling())
        for subject, heard in ((joins(self._stream), on_join), (leaves(self._stream), on_leave)):
            stack.push_async_callback(unsubscribed, await client.subscribe(subject, cb=heard))
        self._desks = desks

    async def _until(self, over: asyncio.Event, share: Share) -> None:
        """Wait for the next term."""
        while not over.is_set() and not self._stops:
            self._changed.clear()
            announcement = self._bus.announcement
            if share.place and (self._leads or announcement is None or announcement.term != share.term):
                return
            waiting = [asyncio.create_task(each.wait()) for each in (over, self._changed)]
            try:
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for each in waiting:
                    each.cancel()


class Listener:
    """
    Publishes the topics of a share's accounts that have streams, as the process says that leads.

    Attributes:
        term: of the share.

    Args:
        desk: of the share.
        share: the share.
        frames: what the desk publishes by.
    """

    def __init__(self, desk: Desk, share: Share, frames: FrameWriter) -> None:
        self.term = share.term
        self._desk = desk
        self._share = share
        self._frames = frames
        self._wanted: set[str] = set()
        self._turn = asyncio.Lock()

    async def hear(self, changes: Sequence[tuple[str, bool]]) -> bool:
        """Publish topics from now on, or no longer; return whether the first values of all of them are safe."""
        try:
            async with self._turn:
                for name, is_wanted in changes:
                    await self._change(name, is_wanted)
                await self._frames.flush()
        except PricewireError as error:
            logger.warning("topics of accounts are not published: %s", error)
            return False
        return True

    async def _change(self, name: str, is_wanted: bool) -> None:
        topic = parse_topic(name)
        if not isinstance(topic, AccountTopic) or not self._share.owns(topic.account_uuid):
            return
        if is_wanted:
            try:
                await self._desk.prepare(topic)
            except (AccountError, UnknownContractError) as error:
                logger.warning("%s is not published: %s", name, error)
                return
            self._wanted.add(name)
            self._desk.first_stream(topic)
            return
        if name in self._wanted:
            self._wanted.discard(name)
            self._desk.last_stream(topic)
        if not isinstance(topic, ContractsTopic | BalanceTopic):
            # As `Publisher` does.
            self._frames.forget(name)


def owns(share: Share, name: str) -> bool:
    """Return whether the process with a share publishes a topic: what is no account's, the first one does."""
    if not is_of_trading(name):
        return False
    try:
        topic: Any = parse_topic(name)
    except PricewireError:
        return share.place == 0
    return share.owns(topic.account_uuid) if isinstance(topic, AccountTopic) else share.place == 0


async def respond(message: Msg, answer: Listening) -> None:
    """Answer, where the bus is there."""
    with contextlib.suppress(nats.errors.Error, OSError):
        await message.respond(msgspec.msgpack.encode(answer))


async def unsubscribed(subscription: Any) -> None:
    """End a subscription; harmless where the connection has ended."""
    with contextlib.suppress(nats.errors.Error, OSError):
        await subscription.unsubscribe()


def ended(task: asyncio.Task[None]) -> None:
    """End this process where it cannot go on to trade."""
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.critical("the server cannot go on: %s", error, exc_info=not isinstance(error, PricewireError))
        end_process()
