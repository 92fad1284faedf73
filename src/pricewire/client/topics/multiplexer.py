"""One connection for all subscriptions of a wire."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from urllib.parse import urlencode

import httpx2
import msgspec

from pricewire.client.http_client import new_client
from pricewire.client.parsing import FAILURES, decode_error, read_changed_topics, read_stale_topic
from pricewire.client.report import OnError, OnState, Reporter
from pricewire.client.stream.options import StreamOptions
from pricewire.client.stream.reader import StreamReader
from pricewire.client.stream.reconnect import ConnectionState, State
from pricewire.client.tasks import finish
from pricewire.client.topics.adjuster import Adjuster
from pricewire.client.topics.changes import Changer, is_refusal
from pricewire.client.topics.conflation import Arrival, Lane, read_head
from pricewire.client.topics.lanes import Lanes
from pricewire.client.topics.message_queue import MessageQueue, Start
from pricewire.client.topics.routes import Route, pace_of
from pricewire.client.topics.topic_set import TopicSet
from pricewire.client.urls import public_url
from pricewire.errors import ClientError, HTTPStatusError
from pricewire.protocol.decoder import ServerSentEvent

STARTS: Mapping[str | None, Start] = {"resumed": "resumed", "snapshot": "snapshot", "reset": "reset"}


class Multiplexer:
    """
    Reads one stream for all subscriptions, passes its messages on, and has it carry what they want.

    There is a connection while there are subscriptions, and two tasks: one reads, the other changes the stream while there is something to
    change. What changes in one turn of the event loop is changed in one request.

    Attributes:
        reporter: told of errors that end nothing.
        state: where the connection stands.

    Args:
        stream_url: where streams are.
        changer: changes open streams.
        options: how the stream is asked for and kept; without an HTTP client the multiplexer makes one of its own.
        on_error: told of every error.
        on_state: told of every change of the connection's state.
    """

    def __init__(
        self,
        stream_url: str,
        changer: Changer,
        options: StreamOptions,
        *,
        on_error: OnError | None,
        on_state: OnState | None,
    ) -> None:
        self.reporter = Reporter(on_error=on_error, on_state=on_state)
        self.state = ConnectionState(state=State.CONNECTING)
        self._stream_url = stream_url
        self._options = options
        self._client = options.http_client
        self._own_client: httpx2.AsyncClient | None = None
        self._is_closed = False
        # Who wants what.
        self._queues: set[MessageQueue] = set()
        self._routes: dict[str, Route] = {}
        self._lanes = Lanes()
        self._topic_set = TopicSet()
        self._adjuster = Adjuster(
            changer,
            self._topic_set,
            reconnect=options.reconnect,
            reporter=self.reporter,
            wanted_pace=lambda: pace_of(self._queues),
            on_agreed=self._agreed,
            on_refused=self._fail_topic,
            on_rigid=self._connect_anew,
        )
        # The id to resume after, where the source has none.
        self._cursor = ""
        # The connection: none without a reader. A reader that is idle is about to end.
        self._reader: asyncio.Task[None] | None = None
        self._is_idle = False
        self._source: StreamReader | None = None
        self._scope: asyncio.Timeout | None = None
        # How the open stream began; and of the newest request, whether it leaves out what came since the last event, and its pace.
        self._start: Start | None = None
        self._has_gap = False
        self._pace = 0
        self._adjusting: asyncio.Task[None] | None = None
        self._will_settle = False
        # Inboxes that have no room for another message: reading goes on when they were given a chance.
        self._full: list[MessageQueue] = []
        self._events: deque[ServerSentEvent] = deque()

    @property
    def subscriptions(self) -> int:
        """How many subscriptions there are."""
        return len(self._queues)

    @property
    def stale_topics(self) -> frozenset[str]:
        """The topics whose feed has fallen silent, as the server says."""
        # Of a copy, since a blocking client looks from another thread.
        return frozenset(topic for topic, route in list(self._routes.items()) if route.is_stale)

    async def client(self) -> httpx2.AsyncClient:
        """
        Return what sends the requests.

        Raises:
            RuntimeError: the multiplexer is closed.
            ConnectError: there can be none.
        """
        if self._is_closed:
            raise RuntimeError("this wire is closed")
        return await self._get_client()

    def join(self, queue: MessageQueue) -> None:
        """
        Pass messages on to a queue, beginning with what is known of its topics already.

        Raises:
            RuntimeError: the multiplexer is closed, or no event loop is running.
        """
        if self._is_closed:
            raise RuntimeError("this wire is closed")
        asyncio.get_running_loop()
        self._queues.add(queue)
        known: list[Arrival] = []
        for topic in queue.topics:
            route = self._routes.setdefault(topic, Route())
            route.queues += (queue,)
            known += route.values.values()
            self._topic_set.wanted.setdefault(topic)
        if self._topic_set.carried.issuperset(queue.topics):
            queue.start = "snapshot" if known else self._start
        for arrival in known:
            queue.put(msgspec.structs.replace(arrival, merged=0))
        self._settle_soon()

    def leave(self, queue: MessageQueue) -> None:
        """End a queue at once; harmless for one that has ended."""
        queue.close()
        self._take_out(queue)

    async def rest(self) -> None:
        """Return when the connection is freed, where nobody wants it any more."""
        if not self._queues:
            self._settle()
            await finish([task for task in (self._reader, self._adjusting) if task is not None])

    def close(self) -> None:
        """End all queues at once, and the connection soon after."""
        self._is_closed = True
        for queue in list(self._queues):
            self.leave(queue)

    async def aclose(self) -> None:
        """End all queues at once, and return when everything is freed."""
        self.close()
        try:
            await self.rest()
        finally:
            if self._own_client is not None:
                await self._own_client.aclose()

    def _take_out(self, queue: MessageQueue) -> None:
        if queue not in self._queues:
            return
        self._queues.remove(queue)
        for topic in queue.topics:
            route = self._routes[topic]
            route.queues = tuple(other for other in route.queues if other is not queue)
            if not route.queues:
                del self._routes[topic]
                del self._topic_set.wanted[topic]
        self._settle_soon()

    async def _get_client(self) -> httpx2.AsyncClient:
        client = self._client
        if client is None:
            # Beside the stream there is little, which does not keep its connection: with the last subscription all are gone.
            made = await new_client(self._stream_url, keep_alive=False)
            client = self._client
            if client is None and not self._is_closed:
                client = self._client = self._own_client = made
            else:
                # Another task was quicker, or the wire is closed by now.
                await made.aclose()
        if client is None:
            raise RuntimeError("this wire is closed")
        return client

    def _settle_soon(self) -> None:
        if not self._will_settle:
            self._will_settle = True
            asyncio.get_running_loop().call_soon(self._settle)

    def _settle(self) -> None:
        """Bring the connection in line with what is wanted."""
        self._will_settle = False
        loop = asyncio.get_running_loop()
        if self._reader is None:
            if self._queues:
                self._is_idle = False
                self._reader = loop.create_task(self._run(), name=f"pricewire: read {public_url(self._stream_url)}")
        elif not self._queues:
            self._is_idle = True
            if self._adjusting is not None:
                self._adjusting.cancel()
            if self._source is not None:
                self._source.close()
        elif self._adjusting is None and self._client is not None and self._adjuster.is_needed():
            self._adjusting = loop.create_task(self._adjust(self._client), name=f"pricewire: change {public_url(self._stream_url)}")

    async def _run(self) -> None:
        """Read until nobody wants it any more, or there is no way on."""
        failure: Exception | None = None
        try:
            while not self._is_idle and await self._read_stream():
                pass
        except Exception as error:  # whatever it is, the readers have to hear of it
            failure = error
        except asyncio.CancelledError:
            # The event loop is about to end.
            self.close()
            raise
        finally:
            self._reader = self._source = self._scope = None
            self._cursor, self._start = "", None
            self._topic_set.ended()
            self._adjuster.lost()
            self._full.clear()
            self._events.clear()
            if self._adjusting is not None:
                self._adjusting.cancel()
        if not self._is_idle:
            for queue in list(self._queues):
                queue.fail(failure)
                self._take_out(queue)
        self._set_state(ConnectionState(state=State.CLOSED, reason=failure if isinstance(failure, ClientError) else None))
        if self._queues:
            self._settle_soon()

    async def _read_stream(self) -> bool:
        """Read a stream to its end; return whether to go on with another one."""
        client = await self._get_client()
        if self._is_idle:
            return False
        source = StreamReader(
            self._stream_url,
            msgspec.structs.replace(self._options, http_client=client),
            Reporter(on_open=self._opened, on_error=self._hear, on_state=self._follow),
            last_event_id=self._cursor,
        )
        self._source = source
        async with source:
            while True:
                self._scope = scope = asyncio.timeout(None)
                try:
                    async with scope:
                        while True:
                            # What was read stays to be passed on, should the wait for room be cut short.
                            while self._events:
                                self._take(self._events.popleft())
                                if self._full:
                                    await self._wait_for_room()
                            events = await source.next_events()
                            if all(queue.overflow == "latest" for queue in self._queues):
                                self._take_all(events)
                            else:
                                self._events.extend(events)
                except StopAsyncIteration:
                    return False
                except TimeoutError:
                    # It was made to expire, to connect anew with other topics.
                    if not scope.expired():
                        raise
                except HTTPStatusError as error:
                    if not is_of_topics(error):
                        raise
                    culprit = self._topic_set.refused()
                    if culprit is not None:
                        self._fail_topic(culprit, error)
                    return bool(self._queues)

    def _take_all(self, events: Sequence[ServerSentEvent]) -> None:
        """Take events that nobody has to have room for: those of one kind together, unread."""
        place = 0
        while place < len(events):
            run = self._lanes.run(events, place)
            place += len(run)
            if run:
                self._pass_run(run)
            elif self._queues:
                self._take(events[place])
                place += 1
            else:
                return

    def _pass_run(self, run: Sequence[tuple[Lane, str]]) -> None:
        at = time.monotonic()
        newest = dict(run)
        # In the order in which they came, like any message: who subscribed first hears first.
        queues: dict[MessageQueue, None] = {}
        for lane, text in newest.items():
            route = self._routes.get(lane.topic)
            if route is not None:
                route.note(Arrival(lane.event, lane.topic, text, 0, at))
                queues.update(dict.fromkeys(route.queues))
        topics = {lane.topic for lane in newest}
        for queue in queues:
            wanted = topics.intersection(queue.topics)
            queue.put_run(run if wanted == topics else [each for each in run if each[0].topic in wanted], at)
            if queue.is_ended:
                self._take_out(queue)

    def _take(self, event: ServerSentEvent) -> None:
        if event.type == "message":
            self._pass_on(event.data)
            return
        match event.type:
            case "changed":
                topics = read_changed_topics(event.data)
                if topics is not None:
                    self._topic_set.changed(topics)
            case "stale":
                route = self._routes.get(read_stale_topic(event.data) or "")
                if route is not None:
                    route.is_stale = True
            case "reset":
                self._mark_start("reset", self._topic_set.carried)

    def _pass_on(self, text: str) -> None:
        try:
            head = read_head(text)
        except FAILURES as error:
            self.reporter.error(decode_error(text, str(error)))
            return
        route = self._routes.get(head.topic)
        if route is None:
            # Nobody wants it any more, and the stream has not been changed yet.
            return
        route.take(Arrival(head.event, head.topic, text, head.merged, time.monotonic()))
        for queue in route.queues:
            if queue.is_ended:
                self._take_out(queue)
            elif queue.overflow != "latest" and queue.is_full:
                self._full.append(queue)

    async def _wait_for_room(self) -> None:
        self._full.clear()
        # A reader that keeps up gets the turn in which it can show that.
        await asyncio.sleep(0)

    def _follow(self, state: ConnectionState) -> None:
        """Follow the source's state; what it asks for is decided at the last moment."""
        if state.state is State.CONNECTING:
            self._aim()
        if state.state is not State.OPEN:
            self._adjuster.lost()
        if state.state is not State.CLOSED:
            # Another source may follow: `_run` says when it is over.
            self._set_state(state)

    def _aim(self) -> None:
        """Say where the next connection goes."""
        source = self._source
        if source is None or not self._topic_set.wanted:
            # Everybody has just left, and it is about to be closed.
            return
        self._cursor = source.last_event_id or self._cursor
        topics, resumes = self._topic_set.next_request(has_cursor=bool(self._cursor))
        self._has_gap = bool(self._cursor) and not resumes
        self._pace = pace_of(self._queues)
        parameters = [*(("topic", topic) for topic in topics), *([("interval_ms", str(self._pace))] if self._pace else [])]
        source.retarget(f"{self._stream_url}?{urlencode(parameters, safe=':')}", last_event_id=self._cursor if resumes else "")

    def _opened(self) -> None:
        source, before = self._source, self._topic_set.carried
        if source is None:
            return
        self._topic_set.opened()
        self._adjuster.opened(source.headers.get("pricewire-stream"), self._pace)
        self._mark_start(STARTS.get(source.headers.get("pricewire-start")), self._topic_set.carried)
        if self._has_gap:
            # The server could not know that something went before.
            self._mark_start("reset", before)
            self._cursor = ""
        self._agreed([])
        self._settle_soon()

    def _mark_start(self, start: Start | None, topics: Collection[str]) -> None:
        self._start = start
        for queue in self._queues:
            if not set(queue.topics).isdisjoint(topics):
                queue.start = start

    def _agreed(self, added: Sequence[str]) -> None:
        """Note what the open stream is to bring: which of it is new, and how much of the pacing the server does."""
        for queue in self._queues:
            if queue.start is None and not set(queue.topics).isdisjoint(added):
                queue.start = "snapshot"
            queue.take_pace(self._adjuster.pace)

    def _connect_anew(self) -> None:
        """Ask for everything by a new connection: the open stream cannot be changed."""
        self._topic_set.is_rigid = True
        if self._scope is not None and not self._scope.expired():
            self._scope.reschedule(asyncio.get_running_loop().time())

    async def _adjust(self, client: httpx2.AsyncClient) -> None:
        try:
            await self._adjuster.run(client)
        except Exception as error:  # of a token provider, for instance: the readers have to hear of it
            for queue in list(self._queues):
                queue.fail(error)
                self._take_out(queue)
        finally:
            self._adjusting = None
            self._settle_soon()

    def _fail_topic(self, topic: str, error: HTTPStatusError) -> None:
        """End the subscriptions of a topic that the server refuses; others go on."""
        route = self._routes.get(topic)
        for queue in route.queues if route is not None else ():
            queue.fail(error)
            self._take_out(queue)

    def _hear(self, error: ClientError) -> None:
        """Report an error of the source, unless the reason for it is still to be found out."""
        if not (isinstance(error, HTTPStatusError) and is_of_topics(error) and len(self._topic_set.listed) > 1):
            self.reporter.error(error)

    def _set_state(self, state: ConnectionState) -> None:
        self.state = state
        if self.reporter.on_state is not None:
            self.reporter.call("on_state", self.reporter.on_state, state)


def is_of_topics(error: HTTPStatusError) -> bool:
    """Whether a refusal may be because of one topic, so that without it the others are taken."""
    return is_refusal(error) and error.status != 401
