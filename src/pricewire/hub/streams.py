"""Streams, and the groups of them that share one joined buffer and one compression."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pricewire._native import core
from pricewire.hub.compression import PLAIN_GROUP, PLAIN_STREAM, GzipGroup, GzipStream, PlainGroup, PlainStream
from pricewire.hub.counters import Counters
from pricewire.hub.event import Event, Format, Notice, envelope
from pricewire.hub.log import TopicLog

logger = logging.getLogger(__name__)

Frame = Callable[[bytes], bytes]
"""Wraps what is written at once, as the transport below wants it: as a chunk of HTTP/1.1, for instance."""

Write = Callable[[bytes], object]
"""Takes framed bytes and never blocks."""

Follow = Callable[[str], bool]
"""
Says by its name whether a stream carries a topic that it was not opened with. Hashable: streams whose rules are equal share their work.
"""

Fail = Callable[["Stream"], None]
"""Ends one stream at once, whose exception is being handled; never raises."""


class Selector(Protocol):
    """Says which events of its topics a stream gets, where it does not get them all. Equal ones have their streams share bytes."""

    def selects(self, event: Event) -> bool:
        """Return whether the stream gets an event."""

    def resume(self, last_event_id: str, topics: Sequence[Topic], place: Callable[[str], int | None]) -> Resumption:
        """
        Decide where a stream goes on.

        Args:
            last_event_id: what its reader sent.
            topics: those of its topics that there are.
            place: returns where the event of one of the hub's own ids is; None for what is no such id.
        """


@dataclass(frozen=True, slots=True)
class Resumption:
    """
    Where a stream with a `Selector` goes on.

    Attributes:
        position: after which event; None where that is not known, and the stream begins as a new one.
        headers: what its response says about that.
    """

    position: int | None
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Router(Protocol):
    """Decides which groups of a topic get an event, where not all of them do: it knows what their selectors select."""

    def add(self, group: Group) -> None:
        """Know of a group."""

    def remove(self, group: Group) -> None:
        """Forget a group."""

    def route(self, event: Event, floor: int) -> Collection[Group]:
        """
        Return the groups that get an event.

        Args:
            event: the newest one.
            floor: the position up to which the topic's log holds nothing any more.
        """


SendAll = Callable[[list["Write | int"], bytes], list[tuple[int, int]] | None]
"""
Sends bytes to the members of a group that are sockets, by their numbers. It returns the places of the other members, and of those sockets
that took less, each with how much that was; None where there are none.
"""

send_all: SendAll | None = getattr(core, "send_all", None)
"""Sends the same bytes to many sockets, where that is compiled, which it is on Linux only."""


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """
    What a stream is to carry.

    Attributes:
        topics: the names of its topics, sorted, each once: a set would take ten times the memory.
        form: the format of its events.
        interval: at most one update per topic in so many seconds, the newest; 0 for every update.
        compress: whether what it carries is compressed, as one gzip stream.
        control: whether it carries named events beside the data (`reset`, `stale`, `changed`, `error`); readers that know nothing of them
            take every event for data.
        follow: which topics it carries besides: of those that have events, and of those that come. It loses them when they end, and does
            not keep them going: their publishers are not told of it. None for none.
        most: how many topics it has at most, where it follows some.
        selector: which events of the topics it gets; None for all.
    """

    topics: tuple[str, ...]
    form: Format = envelope
    interval: float = 0.0
    compress: bool = False
    control: bool = True
    follow: Follow | None = None
    most: int = 250
    selector: Selector | None = None


class Topic:
    """
    A topic and who listens to it.

    Attributes:
        name: what it is subscribed to by.
        log: its recent events.
        groups: the groups of streams that have it and get each of its events.
        paced: the groups that have it and get the newest at their pace.
        resting: those of the paced ones that wait for nothing but its next event; also some that did and have gone on.
        streams: how many streams have it by its name; those that follow it are not among them.
        notice: what is to be known about its state beside its newest message; None where there is nothing.
        router: decides which of the groups get an event; None where all do.
    """

    __slots__ = ("groups", "log", "name", "notice", "paced", "resting", "router", "streams")

    def __init__(self, name: str, log: TopicLog) -> None:
        self.name = name
        self.log = log
        # As dicts, which take two thirds of the memory of sets, and are faster to go through.
        self.groups: dict[Group, None] = {}
        self.paced: dict[Group, None] = {}
        self.resting: set[Group] = set()
        self.streams = 0
        self.notice: Notice | None = None
        self.router: Router | None = None

    def wake(self, position: int) -> None:
        """Have the groups that rest learn of an event after a position."""
        for group in self.resting:
            group.wake(position)
        self.resting.clear()


class Stream:
    """
    One open response.

    A transport's adapter implements `write`, `end` and `abort`, and `unsent` where it can tell. It tells the hub by `Hub.pause` and
    `Hub.resume` how its reader is doing.

    Attributes:
        write: takes framed bytes and never blocks; may call `Hub.pause` before it returns.
        id: what the stream is found by.
        group: the streams that it shares bytes with; None before it joined and after it left.
        coding: how what it carries is compressed.
        lag: where it stopped, while it lags; None while it keeps up.

    Args:
        on_close: called once when the stream has left the hub, or was not let in.
    """

    __slots__ = ("_on_close", "coding", "group", "id", "lag")

    write: Write

    def __init__(self, id: str, on_close: Callable[[], None] | None = None) -> None:
        self.id = id
        self.group: Group | None = None
        self.coding: PlainStream = PLAIN_STREAM
        self.lag: Lag | None = None
        self._on_close = on_close

    @staticmethod
    def frame(data: bytes) -> bytes:
        """Wrap what is written at once."""
        return data

    def idle_socket(self) -> int:
        """
        Return the number of the socket that can be written to in place of `write`, as nothing that was written waits for it; -1 for none.

        An adapter that returns one has the stream leave the hub before the socket is closed or anybody else writes to it.
        """
        return -1

    def end(self, data: bytes) -> None:
        """Take the last framed bytes, if any, then end the response in an orderly way."""
        raise NotImplementedError

    def abort(self) -> None:
        """End the response at once, whatever has been written."""
        raise NotImplementedError

    def unsent(self) -> int:
        """Return how many of the bytes written still wait on this machine, where the adapter can tell."""
        return 0

    def under_way(self) -> int:
        """Return how many of the bytes written have not arrived, where the adapter can tell."""
        return self.unsent()

    def piles_up(self, size: int) -> bool:
        """Return whether more waits than one write of so many bytes, here or on the way."""
        return self.unsent() > size

    def queues(self) -> bool:
        """Return whether what is written now would wait, here or on the way."""
        return self.under_way() > 0

    def closed(self) -> None:
        """Call `on_close`, once; what it raises is logged."""
        on_close, self._on_close = self._on_close, None
        if on_close is not None:
            try:
                on_close()
            except Exception:
                logger.exception("what was to be done at the end of a stream failed")


class Lag:
    """
    Where a stream stopped.

    Attributes:
        position: the last event that it was given.
        seqs: the number of the last event of each topic that it was given.
        added: topics that were added meanwhile: it gets their current values when it can be written again.
        confirmations: the data of the events that confirm these changes.
    """

    __slots__ = ("added", "confirmations", "position", "seqs")

    def __init__(self, position: int, seqs: dict[str, int]) -> None:
        self.position = position
        self.seqs = seqs
        self.added: set[str] = set()
        self.confirmations: list[bytes] = []


class Group:
    """
    Streams with the same topics, format, pace, coding and framing: one joined buffer, one compression, many writes.

    Attributes:
        spec: what its streams carry.
        topics: the topics: first those that its streams have by their names, then those that they follow.
        frame: how its streams wrap what is written.
        coder: compresses what is written to all members.
        members: the streams that keep up, with what writes to them: the stream's `write`, or the number of its socket.
        pending: the events that are not written yet, in the order of their publishing.
        bucket: where the group is put when something becomes pending, to be flushed with the others of the bucket.
        written_at: when the last bytes were written, in seconds of the loop's clock.
        written: how many bytes those were.
        is_fresh: whether anything was written to one of the streams since `CongestionWatch` looked at them.

    Args:
        now: the time of the loop's clock, in seconds.
        fail: called where a write to a stream raises: other streams are not affected.
    """

    __slots__ = (
        "_fail",
        "_lagging",
        "_loop",
        "_snapshot",
        "bucket",
        "coder",
        "frame",
        "is_fresh",
        "members",
        "pending",
        "spec",
        "topics",
        "written",
        "written_at",
    )

    def __init__(self, spec: StreamSpec, topics: tuple[Topic, ...], frame: Frame, bucket: list[Group], now: float, fail: Fail) -> None:
        self._fail = fail
        self.spec = spec
        self.topics = topics
        self.frame = frame
        self.bucket = bucket
        self.coder: PlainGroup = GzipGroup() if spec.compress else PLAIN_GROUP
        self.members: dict[Stream, Write | int] = {}
        self.pending: list[Event] = []
        self.written_at = now
        self.written = 0
        self.is_fresh = False
        # None rather than empty: most groups never have any, and an empty set takes 200 bytes.
        self._lagging: set[Stream] | None = None
        self._snapshot: tuple[int, bytes, int] | None = None
        # That of the members that are sockets: when it is closed, they may be, and tell nobody. None while no member is one.
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def lagging(self) -> Collection[Stream]:
        """The streams that do not keep up; nothing is written to them until they can be written again."""
        return self._lagging or ()

    def listen(self) -> None:
        """Have what is published to the topics become pending."""
        for topic in self.topics:
            topic.groups[self] = None
            if topic.router is not None:
                topic.router.add(self)

    def leave(self) -> None:
        """Undo `listen`."""
        for topic in self.topics:
            del topic.groups[self]
            if topic.router is not None:
                topic.router.remove(self)

    @property
    def named(self) -> tuple[Topic, ...]:
        """The topics that its streams have by their names."""
        return self.topics[: len(self.spec.topics)]

    def follows(self, topic: Topic) -> bool:
        """Return whether the group carries a topic from now on that it has not carried."""
        follow = self.spec.follow
        return follow is not None and follow(topic.name) and topic not in self.topics and len(self.topics) < self.spec.most

    def gain(self, topic: Topic) -> None:
        """Carry a topic besides, before its first event is published."""
        self.topics += (topic,)
        self._snapshot = None
        topic.groups[self] = None
        for stream in self.lagging:
            if stream.lag is not None:
                stream.lag.seqs[topic.name] = topic.log.seq

    def lose(self, topic: Topic) -> None:
        """Carry a topic no more, which has ended: nothing of it is pending."""
        self.topics = tuple(each for each in self.topics if each is not topic)
        self._snapshot = None
        topic.groups.pop(self, None)
        for stream in self.lagging:
            if stream.lag is not None:
                stream.lag.seqs.pop(topic.name, None)
                stream.lag.added.discard(topic.name)

    def wake(self, position: int) -> None:
        """Learn of an event after a position, where the group has rested."""

    def new_coding(self) -> PlainStream:
        """Return how a new stream of the group is compressed."""
        return GzipStream() if self.spec.compress else PLAIN_STREAM

    def given(self, position: int) -> int:
        """Return the position that the members have been given everything up to; the hub's own where nothing is pending."""
        return self.pending[0].position - 1 if self.pending else position

    def needs_flush(self, position: int) -> bool:
        """Return whether a stream that has everything up to a position cannot go on before the group has been flushed."""
        return position > self.given(position)

    def lag(self, position: int) -> Lag:
        """Describe a member that stops now: it has been given everything up to a position that is `given`."""
        return Lag(position, {topic.name: topic.log.seq_at(position) for topic in self.topics})

    def snapshot(self, until: int) -> tuple[bytes, int]:
        """
        Return the current values as of a position, encoded, and how many they are; made once for all streams that join there.

        Only the last one has an id. A reader that is cut off before it begins anew: if it resumed after an older one, events of the other
        topics would come that are older than values which it has.
        """
        if self._snapshot is not None and self._snapshot[0] == until:
            return self._snapshot[1:]
        events = in_order([event for topic in self.topics for event in topic.log.snapshot(until)])
        form = self.spec.form
        data = b"".join([*[event.encoded_without_id(form) for event in events[:-1]], *[event.encoded(form) for event in events[-1:]]])
        # The first of a group keeps none: it may be the only one there ever is, and there are thousands like it.
        self._snapshot = (until, data, len(events)) if self.members else None
        return data, len(events)

    def notices(self, lag: Lag | None = None) -> bytes:
        """Return what holds of the topics and is not among the pending events, encoded; for a lagging stream, what it was not told yet."""
        if not self.spec.control:
            return b""
        told = 0 if lag is None else lag.position
        added = () if lag is None else lag.added
        notices = [
            topic.notice
            for topic in self.topics
            if topic.notice is not None and topic.notice not in self.pending and (topic.notice.position > told or topic.name in added)
        ]
        return b"".join([notice.encoded(self.spec.form) for notice in notices])

    def flush_early(self, position: int, now: float, counters: Counters) -> None:
        """Write what is new to all members, up to the hub's newest `position`, before its time; `now` is the loop's clock, in seconds."""
        self.flush(now, counters)

    def flush(self, now: float, counters: Counters) -> None:
        """Write what is pending to all members; `now` is the loop's clock, in seconds."""
        pending, self.pending = self.pending, []
        if pending and self.members:
            form = self.spec.form
            if len(self.topics) == 1 and len(self.topics[0].groups) == 1:
                # Nobody shares these bytes: thousands of streams with topics of their own would hold every event twice.
                parts = [event.encode(form) for event in pending]
            else:
                parts = [event.encoded(form) for event in pending]
            self.deliver(b"".join(parts), len(pending), now, counters)

    def deliver(self, data: bytes, count: int, now: float, counters: Counters) -> None:
        """Write so many encoded events to all members, and count that; `now` is the loop's clock, in seconds."""
        streams, size = self.write(data, now)
        counters.flushes += 1
        counters.flushed_events += count
        counters.flushed_bytes += size
        counters.events_delivered += count * streams
        counters.bytes_written += size * streams

    def write(self, data: bytes, now: float) -> tuple[int, int]:
        """
        Write to all members; return how many they are, and how many bytes each got.

        Raises:
            Exception: of the coder or the frame, before anything is written. One of a member's ends that member alone.
        """
        if self._loop is not None and self._loop.is_closed():
            self.use_writes()
        # A copy, as a write may move the stream to the lagging ones.
        targets = list(self.members.values())
        framed = self.frame(self.coder.encode(data, len(targets)))
        self.written_at = now
        self.written = len(framed)
        self.is_fresh = True
        if self._loop is None:
            for write in targets:
                try:
                    write(framed)  # type: ignore[operator] # a socket has a loop
                except Exception:
                    self._failed(write)
        else:
            self._send(targets, framed)
        return len(targets), len(framed)

    def settle(self, stream: Stream, loop: asyncio.AbstractEventLoop) -> None:
        """Write to the socket of a member from now on, if it has one on this loop that nothing waits for."""
        if send_all is not None and stream in self.members and (number := stream.idle_socket()) >= 0:
            self._loop = loop
            self.members[stream] = number

    def use_writes(self) -> None:
        """Write to no socket any more: they may be closed, and their numbers others'."""
        for stream in self.members:
            self.members[stream] = stream.write
        self._loop = None

    def _send(self, targets: list[Write | int], framed: bytes) -> None:
        """Write to members of which some are sockets."""
        loop = self._loop
        assert send_all is not None, "no member is a socket without it"  # noqa: S101
        assert loop is not None, "no member is a socket without one"  # noqa: S101
        rest = send_all(targets, framed)
        if rest is None:
            return
        streams = list(self.members)
        partly = [(streams[place], framed[sent:]) for place, sent in rest if isinstance(targets[place], int)]
        # Before anything else is written to any of them: what a socket did not take waits in its transport from now on.
        for stream, _ in partly:
            self.members[stream] = stream.write
        self._write_each([(stream.write, data) for stream, data in partly])
        for stream, _ in partly:
            # It may have taken the rest in the meantime.
            self.settle(stream, loop)
        self._write_each([(write, framed) for place, _ in rest if not isinstance(write := targets[place], int)])

    def _write_each(self, writes: Iterable[tuple[Write, bytes]]) -> None:
        """Write to one after the other; those that raise are ended when all have been written to."""
        failed: list[tuple[Write, Exception]] = []
        for write, data in writes:
            try:
                write(data)
            except Exception as error:
                failed.append((write, error))
        for write, failure in failed:
            try:
                raise failure
            except Exception:
                self._failed(write)

    def _failed(self, write: Write | int) -> None:
        """End the stream whose write has raised, unless it has left; it may be among the lagging ones meanwhile."""
        for stream in [*self.members, *self.lagging]:
            if stream.write == write:
                self._fail(stream)
                return

    def enter(self, stream: Stream) -> None:
        """Have a stream written to from the next flush on."""
        self.forget(stream)
        self.members[stream] = stream.write
        self.is_fresh = True
        stream.coding.enter(self.coder)

    def fall_behind(self, stream: Stream) -> None:
        """Have a stream not written to."""
        stream.coding.leave(self.coder)
        self.members.pop(stream, None)
        self.hold(stream)

    def hold(self, stream: Stream) -> None:
        """Count a stream that has not been a member among those that do not keep up."""
        if self._lagging is None:
            self._lagging = set()
        self._lagging.add(stream)

    def forget(self, stream: Stream) -> None:
        """Count a stream neither among those that keep up nor among the others."""
        self.members.pop(stream, None)
        if self._lagging is not None:
            self._lagging.discard(stream)


def in_order(events: list[Event]) -> list[Event]:
    """Sort events of several topics by their publishing, a notice before the message that has its position."""
    return sorted(events, key=_order)


def encode(events: list[Event], form: Format, seqs: dict[str, int]) -> bytes:
    """
    Encode events from which superseded ones were left out.

    Args:
        events: what is left, oldest first.
        form: their format.
        seqs: the number of the last event of each topic that the reader has; it is moved on.
    """
    parts = []
    for event in events:
        topic, seq = event.topic, event.seq
        parts.append(event.encoded_merged(form, seq - seqs.get(topic, seq - 1) - 1))
        seqs[topic] = seq
    return b"".join(parts)


def _order(event: Event) -> tuple[int, int]:
    return event.position, event.seq
