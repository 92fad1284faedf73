"""One connection for all subscriptions of a wire. It carries out what a `TopicSet` decides."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from urllib.parse import quote, urlencode

import httpx2
import msgspec

from pricewire.client.api.http import Api
from pricewire.client.http_client import new_client
from pricewire.client.parsing import FAILURES, decode_error, read_stale_topic, read_stream_state
from pricewire.client.report import OnError, OnState, Reporter
from pricewire.client.stream.options import StreamOptions
from pricewire.client.stream.reader import StreamReader
from pricewire.client.stream.reconnect import ConnectionState, State
from pricewire.client.stream.request import retry_after
from pricewire.client.tasks import finish
from pricewire.client.topics.conflation import ENDINGS, SINGLE, Arrival, Lane, Lanes, read_head, slot_of
from pricewire.client.topics.message_queue import MessageQueue, Start
from pricewire.client.topics.patterns import covers, is_pattern, overlap
from pricewire.client.topics.topic_set import (
    Action,
    Change,
    Connect,
    Disconnect,
    Drop,
    Listing,
    Refuse,
    Rename,
    Serve,
    TopicSet,
    Wait,
)
from pricewire.client.urls import public_url
from pricewire.errors import ClientError, ConnectError, HTTPStatusError
from pricewire.protocol.decoder import ServerSentEvent
from pricewire.protocol.messages import MAX_INTERVAL_MS, Data, StreamChange, StreamState

STARTS: Mapping[str | None, Start] = {"resumed": "resumed", "snapshot": "snapshot", "reset": "reset"}

CLOSED = "this wire is closed"


class Route:
    """
    A topic's way to its subscriptions; or a pattern's, which has no values of its own: those are of the topics that it stands for.

    Attributes:
        queues: of those that want it, by its name or by a pattern; replaced whole, so that it can be walked while some leave.
        values: its current values, by contract where it has several: kept for as long as the stream carries it, so that whoever subscribes
            begins with them.
        is_stale: its feed has fallen silent.
        is_held: its values are not given yet: it is not confirmed, or who wants it came while it was being removed.
    """

    def __init__(self) -> None:
        self.queues: tuple[MessageQueue, ...] = ()
        self.values: dict[str, Arrival] = {}
        self.is_stale = False
        self.is_held = False

    @property
    def readers(self) -> tuple[MessageQueue, ...]:
        """The queues that get new messages."""
        return () if self.is_held else self.queues

    def note(self, arrival: Arrival) -> None:
        """Update the current values with a message."""
        self.is_stale = False
        if arrival.event in SINGLE:
            self.values[""] = arrival
        elif arrival.event in ENDINGS:
            self.values.pop(slot_of(arrival), None)
        else:
            self.values[slot_of(arrival)] = arrival

    def show(self, queue: MessageQueue) -> None:
        """Put the current values into a queue."""
        for arrival in self.values.values():
            queue.put(msgspec.structs.replace(arrival, merged=0))

    def is_named(self, topic: str) -> bool:
        """Return whether a queue wants the topic of this route by its name."""
        return any(topic in queue.topics for queue in self.queues)


class Multiplexer:
    """
    Reads one stream for all subscriptions, passes its messages on, and has it carry what they want.

    There is a connection while there are subscriptions. What changes in one turn of the event loop is changed in one request.

    Attributes:
        reporter: gets the errors that end nothing.
        state: where the connection stands.

    Args:
        stream_url: where streams are.
        api: changes open streams.
        options: how the stream is asked for and kept; without an HTTP client the multiplexer makes one of its own.
        on_error: called with every error.
        on_state: called with every change of the connection's state.
    """

    def __init__(
        self,
        stream_url: str,
        api: Api,
        options: StreamOptions,
        *,
        on_error: OnError | None,
        on_state: OnState | None,
    ) -> None:
        self.reporter = Reporter(on_error=on_error, on_state=on_state)
        self.state = ConnectionState(state=State.CONNECTING)
        self._stream_url = stream_url
        self._api = api
        self._options = options
        self._client = options.http_client
        self._own_client: httpx2.AsyncClient | None = None
        self._is_closed = False
        # The event loop that uses it while it has subscriptions or a connection; no other loop can share them.
        self._loop: asyncio.AbstractEventLoop | None = None
        # Who wants what; the oldest first.
        self._queues: dict[MessageQueue, None] = {}
        # Those of them that want patterns.
        self._followers: dict[MessageQueue, None] = {}
        self._routes: dict[str, Route] = {}
        self._lanes = Lanes()
        self._topics: TopicSet[HTTPStatusError] = TopicSet()
        self._will_settle = False
        # The connection: none without a reader, which ends when no stream is wanted.
        self._reader: asyncio.Task[None] | None = None
        self._is_wanted = False
        self._source: StreamReader | None = None
        self._scope: asyncio.Timeout | None = None
        # Of the newest request: what it asked for, the id to resume after where the source has none, and whether it leaves a gap.
        self._listing = Listing((), False, 0)
        self._cursor = ""
        self._has_gap = False
        # How the open stream began, and the server's name for it, if it gave one.
        self._start: Start | None = None
        self._stream_id: str | None = None
        # Changing it.
        self._changes: set[asyncio.Task[None]] = set()
        self._failure: ClientError | None = None
        self._timer: asyncio.TimerHandle | None = None
        # Queues that have no room for another message: reading goes on when they were given a chance.
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
            RuntimeError: the multiplexer is closed, or in use in another event loop.
            ConnectError: there can be none.
        """
        self._check_open()
        client = self._client
        if client is None:
            # Other requests are few and keep no connection: with the last subscription all connections are closed.
            made = await new_client(self._stream_url, keep_alive=False)
            client = self._client
            if client is None and not self._is_closed:
                client = self._client = self._own_client = made
            else:
                # Another task was quicker, or the wire is closed by now.
                await made.aclose()
        if client is None:
            raise RuntimeError(CLOSED)
        return client

    def join(self, queue: MessageQueue) -> None:
        """
        Pass messages on to a queue, beginning with what is known of its topics already.

        Raises:
            RuntimeError: the multiplexer is closed, or in use in another event loop, or none is running.
        """
        self._check_open()
        for name in queue.topics:
            queue.rename(name, self._topics.topic_of(name))
        routes = [self._lead(topic, queue) for topic in self._wanted_by(queue)]
        self._queues[queue] = None
        if any(map(is_pattern, queue.topics)):
            self._followers[queue] = None
        shown = [route for route in routes if not route.is_held]
        if shown == routes and self._topics.confirmed.issuperset(queue.topics):
            queue.start = "snapshot" if any(route.values for route in routes) else self._start
        for route in shown:
            route.show(queue)
        for topic in queue.topics:
            if topic in self._topics.refused:
                # It was refused a moment ago, and the subscribers of then have not left yet.
                self._fail(topic, self._topics.refused[topic])
        self._settle_soon()

    def leave(self, queue: MessageQueue) -> None:
        """End a queue at once; harmless for one that has ended."""
        queue.close()
        self._take_out(queue)

    async def rest(self) -> None:
        """Return when the connection is closed, if nobody wants it any more."""
        if not self._queues:
            self._settle()
            await finish([*([self._reader] if self._reader is not None else []), *self._changes])

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

    def _check_open(self) -> None:
        """Check that this can be used now and in this event loop, which it belongs to from then on."""
        if self._is_closed:
            has_ended = self._loop is not None and self._loop.is_closed()
            raise RuntimeError(f"{CLOSED}, as its event loop has ended; make another one" if has_ended else CLOSED)
        loop = asyncio.get_running_loop()
        if self._loop not in (None, loop) and (self._queues or self._reader is not None):
            # A task that waits in one loop would be woken from the other one's thread, late or never.
            raise RuntimeError("this wire is in use in another event loop; make one in each, or use pricewire.sync from any thread")
        self._loop = loop

    # Who wants what.

    def _wanted_by(self, queue: MessageQueue) -> list[str]:
        """Return the topics and patterns that a queue wants, with those that are known of its patterns."""
        wanted = dict.fromkeys(queue.topics)
        if any(map(is_pattern, wanted)):
            wanted |= dict.fromkeys(topic for topic in self._routes if covers(queue.topics, topic))
        return list(wanted)

    def _lead(self, topic: str, queue: MessageQueue) -> Route:
        """Have a topic's route lead to a queue; return the route."""
        route = self._routes.get(topic) or self._new_route(topic)
        if not route.queues and self._topics.is_leaving(topic):
            route.is_held = True
        if queue not in route.queues:
            route.queues += (queue,)
        return route

    def _new_route(self, topic: str) -> Route:
        """Make the route of a topic; it leads to those that want a pattern of it."""
        route = self._routes[topic] = Route()
        route.queues = tuple(queue for queue in self._followers if covers(queue.topics, topic))
        change = self._topics.requested
        # It stays where a pattern of it comes in the same change: what is held back is not all given.
        stays = change is not None and covers(change.add, topic)
        route.is_held = bool(route.queues) and self._topics.is_leaving(topic) and not stays
        return route

    def _take_out(self, queue: MessageQueue) -> None:
        if queue not in self._queues:
            return
        for topic in self._wanted_by(queue):
            route = self._routes[topic]
            # The route stays until its topic is dropped: who subscribes again before that gets no other value.
            route.queues = tuple(other for other in route.queues if other is not queue)
            if not (route.queues or route.values or route.is_stale):
                # Nothing may tell of its end: it was asked for and left in one turn.
                del self._routes[topic]
        del self._queues[queue]
        self._followers.pop(queue, None)
        self._settle_soon()

    def _fail(self, topic: str, error: ClientError | None) -> None:
        """End the subscriptions of a topic that the server does not give; others go on."""
        if error is None:
            detail = f"the server agreed to send topic {topic!r}, but not under this name, and not under one that can be told from others"
            error = ConnectError(public_url(self._stream_url), detail)
        route = self._routes.get(topic)
        for queue in route.queues if route is not None else ():
            # Not those that want a pattern of it.
            if topic in queue.topics:
                queue.fail(error)
                self._take_out(queue)

    def _fail_all(self, failure: Exception | None) -> None:
        for queue in list(self._queues):
            queue.fail(failure)
            self._take_out(queue)

    @property
    def _informed(self) -> TopicSet[HTTPStatusError]:
        """The topic set, which knows who has come and gone, for telling it what has happened."""
        if self._will_settle:
            self._settle()
        return self._topics

    def _settle_soon(self) -> None:
        if not self._will_settle:
            self._will_settle = True
            asyncio.get_running_loop().call_soon(self._settle)

    def _settle(self) -> None:
        """Tell the topic set what is wanted now."""
        self._will_settle = False
        # The fastest pace that a subscription wants; 0 where one wants every update.
        pace = min(min((round(queue.interval * 1000) for queue in self._queues), default=0), MAX_INTERVAL_MS)
        self._act(self._topics.want(dict.fromkeys(topic for queue in self._queues for topic in queue.topics), pace))

    # Carrying out what the topic set decides.

    def _act(self, actions: Sequence[Action[HTTPStatusError]]) -> None:
        for action in actions:
            match action:
                case Connect():
                    self._connect()
                case Disconnect():
                    self._disconnect()
                case Change():
                    self._send(action)
                case Wait(failures):
                    after = None if self._failure is None else retry_after(self._failure)
                    wait = self._options.reconnect.wait(failures, random.random(), retry_after=after)  # noqa: S311 - spreads load, no secret
                    self._timer = asyncio.get_running_loop().call_later(wait, lambda: self._act(self._informed.waited()))
                case Refuse(name, reason):
                    self._fail(name, reason)
                case Rename(name, topic):
                    self._rename(name, topic)
                case Serve(topic):
                    route = self._routes.get(topic)
                    if route is not None and route.is_held:
                        route.is_held = False
                        for queue in route.queues:
                            route.show(queue)
                case Drop(topic):
                    route = self._routes.get(topic)
                    if route is not None:
                        route.values.clear()
                        route.is_held = route.is_stale = False
                        if not route.is_named(topic):
                            del self._routes[topic]
                            for queue in route.queues:
                                queue.forget(topic)

    def _rename(self, name: str, topic: str) -> None:
        """Have the subscriptions of a name want the server's name for it."""
        old = self._routes.pop(name, Route())
        for queue in old.queues:
            if name not in queue.topics:
                # It wants a pattern of the name, which nothing comes under.
                continue
            queue.rename(name, topic)
            known = self._routes.get(topic)
            if known is None or queue not in known.queues:
                route = self._lead(topic, queue)
                if not route.is_held:
                    route.show(queue)
        self._settle_soon()

    def _connect(self) -> None:
        self._is_wanted = True
        self._stop_changing()
        if self._reader is None:
            self._reader = asyncio.get_running_loop().create_task(self._run(), name=f"pricewire: read {public_url(self._stream_url)}")
        elif self._scope is not None and not self._scope.expired():
            self._scope.reschedule(asyncio.get_running_loop().time())

    def _disconnect(self) -> None:
        self._is_wanted = False
        self._stop_changing()
        source, self._source = self._source, None
        if source is not None:
            source.close()

    def _stop_changing(self) -> None:
        """End what belongs to a stream that is no more."""
        if self._timer is not None:
            self._timer.cancel()
        for task in self._changes:
            task.cancel()

    def _send(self, change: Change) -> None:
        for queue in self._queues:
            if queue.start is None and not set(queue.topics).isdisjoint(change.add):
                queue.start = "snapshot"

        def done(task: asyncio.Task[None]) -> None:
            self._changes.discard(task)
            # However it ended: what was settled before is settled. It may have been cancelled before its first step.
            self._act(self._informed.change_failed(change.number))

        task = asyncio.get_running_loop().create_task(self._change(change), name=f"pricewire: change {public_url(self._stream_url)}")
        self._changes.add(task)
        task.add_done_callback(done)

    async def _change(self, change: Change) -> None:
        path = f"/v1/streams/{quote(self._stream_id or '', safe='')}"
        body = StreamChange(add=list(change.add), remove=list(change.remove), interval_ms=change.interval)
        try:
            answer = await self._api.send(await self.client(), "PATCH", path, Data[StreamState], body=body)
        except ClientError as error:
            if isinstance(error, HTTPStatusError) and is_refusal(error):
                self._act(self._informed.change_refused(change.number, error))
                return
            self._failure = error
            self.reporter.error(error)
            is_undone = isinstance(error, HTTPStatusError) and error.status == 429
            self._act(self._informed.change_failed(change.number, is_undone=is_undone))
        except Exception as error:  # of a token provider, for instance: the readers have to hear of it
            self._fail_all(error)
        else:
            self._act(self._informed.answered(change.number, answer.data.topics, answer.data.names))
            self._take_pace()

    def _take_pace(self) -> None:
        for queue in self._queues:
            queue.take_pace(self._topics.interval)

    # Reading.

    async def _run(self) -> None:
        """Read until nobody wants the stream any more, or it has failed for good."""
        failure: Exception | None = None
        try:
            while self._is_wanted and await self._read_stream():
                pass
        except Exception as error:  # whatever it is, the readers have to hear of it
            failure = error
        except asyncio.CancelledError:
            # The event loop is about to end.
            self.close()
            raise
        finally:
            self._reader = self._source = None
            self._cursor, self._start = "", None
            self._full.clear()
            self._events.clear()
            self._stop_changing()
        if self._is_wanted:
            self._is_wanted = False
            self._fail_all(failure)
            self._act(self._topics.ended())
        self._set_state(ConnectionState(state=State.CLOSED, reason=failure if isinstance(failure, ClientError) else None))

    async def _read_stream(self) -> bool:
        """Read a stream to its end; return whether to go on with another one, where one is wanted."""
        client = await self.client()
        if not self._is_wanted:
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
                scope = asyncio.timeout(None)
                try:
                    async with scope:
                        self._scope = scope
                        try:
                            await self._read_events(source)
                        finally:
                            self._scope = None
                except StopAsyncIteration:
                    # Closed here, it may have been wanted again since.
                    return self._source is not source
                except TimeoutError:
                    # `_connect` made it expire, to connect again with other topics.
                    if not scope.expired():
                        raise
                    # It may have waited for room, and not for the stream.
                    await source.reconnect()
                except HTTPStatusError as error:
                    if not is_of_topics(error):
                        raise
                    self._is_wanted = False
                    self._act(self._informed.connection_refused(error))
                    return True

    async def _read_events(self, source: StreamReader) -> None:
        while True:
            # What was read is kept and passed on later, if the wait for room is cut short.
            while self._events:
                self._take(self._events.popleft())
                if self._full:
                    await self._wait_for_room()
            events = await source.next_events()
            if all(queue.overflow == "latest" for queue in self._queues):
                self._take_all(events)
            else:
                self._events.extend(events)

    def _take_all(self, events: list[ServerSentEvent]) -> None:
        """Take events for queues that never have to be waited for: runs of them together, unparsed."""
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
        # In the order in which they came, like any message: who subscribed first hears first.
        queues: dict[MessageQueue, set[str]] = {}
        newest = dict(run)
        for lane, text in newest.items():
            route = self._route(lane.topic)
            if route is not None:
                route.note(Arrival(lane.event, lane.topic, text, 0, at))
                for queue in route.readers:
                    queues.setdefault(queue, set()).add(lane.topic)
        topics = {lane.topic for lane in newest}
        for queue, wanted in queues.items():
            queue.put_run(run if wanted == topics else [each for each in run if each[0].topic in wanted], at)
            if queue.is_ended:
                self._take_out(queue)

    def _take(self, event: ServerSentEvent) -> None:
        match event.type:
            case "message":
                self._pass_on(event.data)
            case "changed":
                state = read_stream_state(event.data)
                if state is not None:
                    self._act(self._informed.changed(state.topics, state.names))
            case "stale":
                route = self._routes.get(read_stale_topic(event.data) or "")
                if route is not None:
                    route.is_stale = True
            case "reset":
                self._mark_start("reset", self._topics.confirmed)

    def _pass_on(self, text: str) -> None:
        try:
            head = read_head(text)
        except FAILURES as error:
            self.reporter.error(decode_error(text, str(error)))
            return
        route = self._route(head.topic)
        if route is None:
            return
        arrival = Arrival(head.event, head.topic, text, head.merged, time.monotonic())
        route.note(arrival)
        for queue in route.readers:
            queue.put(arrival)
            if queue.is_ended:
                self._take_out(queue)
            elif queue.overflow != "latest" and queue.is_full:
                self._full.append(queue)

    def _route(self, topic: str) -> Route | None:
        """Return where a topic's events go; None if nothing of it is kept."""
        topics = self._topics
        if topic in topics.confirmed:
            return self._routes.get(topic) or self._new_route(topic)
        if not topics.heard(topic):
            return None
        route = self._routes.get(topic) or self._new_route(topic)
        if topic in topics.followed:
            self._act(topics.trim())
        else:
            route.is_held = True
        return route

    async def _wait_for_room(self) -> None:
        self._full.clear()
        # A reader that keeps up needs one turn of the loop to make room.
        await asyncio.sleep(0)

    # The connection.

    def _follow(self, state: ConnectionState) -> None:
        """Follow the source's state; what it asks for is decided at the last moment."""
        if state.state in (State.CONNECTING, State.WAITING):
            self._act(self._informed.cut())
        if state.state is State.CONNECTING:
            self._aim()
        if state.state is not State.CLOSED:
            # Another source may follow: `_run` says when it is over.
            self._set_state(state)

    def _aim(self) -> None:
        """Set the address and the cursor of the next connection."""
        source = self._source
        if source is None:
            # Everybody has just left, and it is about to be closed.
            return
        self._cursor = source.last_event_id or self._cursor
        self._listing = listing = self._topics.listen(has_cursor=bool(self._cursor))
        self._has_gap = bool(self._cursor) and not listing.resumes
        pace = [("interval_ms", str(listing.interval))] if listing.interval else []
        parameters = [*(("topic", topic) for topic in listing.topics), *pace]
        source.retarget(f"{self._stream_url}?{urlencode(parameters, safe=':')}", last_event_id=self._cursor if listing.resumes else "")

    def _opened(self) -> None:
        topics, source, before = self._informed, self._source, set(self._topics.confirmed)
        if source is None:
            # Everybody has just left.
            return
        self._stream_id = source.headers.get("pricewire-stream")
        start = STARTS.get(source.headers.get("pricewire-start"))
        self._mark_start(start, self._listing.topics)
        if self._has_gap:
            # The server could not know that something went before.
            self._mark_start("reset", before)
            self._cursor = ""
        is_new = not self._listing.resumes or start in ("snapshot", "reset")
        self._act(topics.opened(can_change=self._stream_id is not None, is_new=is_new))
        self._take_pace()

    def _mark_start(self, start: Start | None, topics: Collection[str]) -> None:
        self._start = start
        for queue in self._queues:
            # Also who wants a pattern that is still to be added, and has had topics of it by their names.
            if any(topic in topics or any(overlap(topic, each) for each in topics) for topic in queue.topics):
                queue.start = start

    def _hear(self, error: ClientError) -> None:
        """Report an error of the source, unless the reason for it is still to be found out."""
        if not (isinstance(error, HTTPStatusError) and is_of_topics(error) and len(self._listing.topics) > 1):
            self.reporter.error(error)

    def _set_state(self, state: ConnectionState) -> None:
        self.state = state
        if self.reporter.on_state is not None:
            self.reporter.call("on_state", self.reporter.on_state, state)


def is_refusal(error: HTTPStatusError) -> bool:
    """Whether asking again for the same would not help: a client's error but 408 and 429, or what the server does not know at all."""
    return (400 <= error.status < 500 and error.status not in (408, 429)) or error.status == 501


def is_of_topics(error: HTTPStatusError) -> bool:
    """Whether a refusal may be because of one topic, so that without it the others are taken."""
    return is_refusal(error) and error.status != 401
