"""One process's fan-out: topics, their logs, and the streams subscribed to them."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from pricewire.hub.event import Event, Notice
from pricewire.hub.log import LogLimits, TopicLog
from pricewire.hub.streams import Frame, Group, Stream, Subscription, Topic, encode
from pricewire.protocol.encoder import HEARTBEAT, encode_event
from pricewire.protocol.messages import ErrorBody, ErrorDetail

logger = logging.getLogger(__name__)

MAX_FLUSH_INTERVAL = 0.02
"""The longest time from one flush to the next under load, in seconds: what a person does not see, and saves half of the writes."""

FLUSH_SHARE = 0.25
"""The share of the loop's time that flushes take before the time between them grows."""

TOPIC_LINGER = 60.0
"""How long a topic is kept going after its last stream has left, in seconds, so that a reader that lost its connection can resume."""

EVENT_ID = re.compile(r"([0-9a-f]+)-([0-9]{1,18})")


class Outcome(StrEnum):
    """How a stream starts: with the events after its `Last-Event-ID`, with the current values, or with these because it cannot resume."""

    RESUMED = "resumed"
    SNAPSHOT = "snapshot"
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class Start:
    """
    Where a stream starts.

    Attributes:
        outcome: how.
        position: the last event that the reader has, where it resumes.
    """

    outcome: Outcome
    position: int = 0


@dataclass(slots=True)
class Counters:
    """
    What a hub has done since it began.

    Attributes:
        events_published: events published to any topic.
        events_delivered: events written, counted once for each stream.
        events_merged: events that lagging and paced streams were spared, as far as they asked for them again.
        bytes_written: bytes written, counted once for each stream.
        flushes: how often pending events were written.
        streams_opened: streams that joined.
        streams_lagged: how often a stream fell behind.
        streams_dropped: streams ended because the log no longer reached back to where they were.
        resumed: streams that started with the events after their last.
        reset: streams that could not.
    """

    events_published: int = 0
    events_delivered: int = 0
    bytes_written: int = 0
    flushes: int = 0
    streams_opened: int = 0
    streams_lagged: int = 0
    streams_dropped: int = 0
    resumed: int = 0
    reset: int = 0


class Hub:
    """
    Carries published messages to the streams subscribed to their topics.

    Everything happens on one event loop; from another thread, publish by `loop.call_soon_threadsafe(hub.publish, …)`.

        hub = Hub()
        hub.publish("news", {"headline": "…"})

    Attributes:
        position: the number of the newest event.
        counters: what it has done.
        heartbeat: after so many seconds of silence a stream gets a comment.

    Args:
        limits: how far the topics' logs reach back.
        heartbeat: see above.
        on_first_stream: called with a topic's name before its first stream gets its snapshot: whoever publishes can begin to.
        on_last_stream: called with a topic's name a minute after its last stream has left: whoever publishes can stop, and should then
            `forget` the topic.
    """

    def __init__(
        self,
        *,
        limits: LogLimits | None = None,
        heartbeat: float = 15.0,
        on_first_stream: Callable[[str], None] | None = None,
        on_last_stream: Callable[[str], None] | None = None,
    ) -> None:
        self.position = 0
        self.counters = Counters()
        self.heartbeat = heartbeat
        self._sweep_interval = min(1.0, heartbeat)
        self._limits = limits or LogLimits()
        self._on_first_stream = on_first_stream
        self._on_last_stream = on_last_stream
        self._boot = secrets.token_hex(4)
        self._topics: dict[str, Topic] = {}
        self._groups: dict[tuple[Subscription, Frame], Group] = {}
        self._dirty: list[Group] = []
        self._idle: dict[str, float] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._flush_handle: asyncio.Handle | None = None
        self._next_flush = 0.0
        self._sweep_handle: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return sum(len(group.members) + len(group.lagging) for group in self._groups.values())

    @property
    def lagging(self) -> int:
        """How many of the streams cannot be written to at the moment."""
        return sum(len(group.lagging) for group in self._groups.values())

    @property
    def topics(self) -> list[str]:
        """The names of the topics that have streams or events."""
        return list(self._topics)

    def publish(self, topic: str, message: Any, *, key: str | None = None, event: str = "message") -> None:
        """
        Send a message to all streams of a topic.

        Args:
            topic: any text; the topic begins with its first message or its first stream.
            message: what `msgspec.json.encode` takes: a struct, a dataclass, a dict, ….
            key: what the message supersedes the topic's earlier messages by. A stream that cannot keep up gets the newest of each key,
                and every message without one.
            event: what the message is, for the envelope.

        Raises:
            TypeError: the message cannot be encoded as JSON.
        """
        state = self._topics.get(topic) or self._begin(topic)
        item = Event(position=self.position + 1, boot=self._boot, topic=topic, seq=state.log.seq + 1, key=key, name=event, message=message)
        self.position = item.position
        self.counters.events_published += 1
        state.notice = None
        state.log.append(item, time.monotonic())
        for group in state.groups:
            if not group.pending:
                self._mark_dirty(group)
            group.pending.append(item)

    def notify(self, topic: str, name: str, data: Any) -> None:
        """
        Tell the streams of a topic about its state by a named event; new streams are told too, until the topic's next message.

        Args:
            topic: the topic; one that has neither streams nor messages has no state.
            name: the event's type: `stale`, for instance.
            data: what `msgspec.json.encode` takes.
        """
        state = self._topics.get(topic)
        if state is None:
            return
        state.notice = Notice(position=self.position + 1, topic=topic, name=name, data=msgspec.json.encode(data))
        for group in state.groups:
            if group.subscription.control:
                if not group.pending:
                    self._mark_dirty(group)
                group.pending.append(state.notice)

    def latest(self, topic: str) -> list[Any]:
        """Return the newest message of each key of a topic, oldest first: what a new stream would get."""
        state = self._topics.get(topic)
        return [event.message for event in state.log.snapshot(self.position)] if state else []

    def forget(self, topic: str) -> None:
        """Drop the log of a topic that nothing is published to any more, unless it has streams: a reader that comes back starts anew."""
        state = self._topics.get(topic)
        if state is not None and state.streams == 0:
            del self._topics[topic]
            self._idle.pop(topic, None)

    def start(self, topics: Iterable[str], last_event_id: str | None) -> Start:
        """
        Decide how a stream starts, for its response's head.

        Args:
            topics: what it is to carry.
            last_event_id: what its reader sent as `Last-Event-ID`; None or empty where it is new.
        """
        if not last_event_id:
            return Start(Outcome.SNAPSHOT)
        match = EVENT_ID.fullmatch(last_event_id)
        if match is None or match[1] != self._boot or int(match[2]) > self.position:
            return Start(Outcome.RESET)
        position = int(match[2])
        for topic in topics:
            state = self._topics.get(topic)
            if state is None or state.log.after(position, position) is None:
                return Start(Outcome.RESET)
        return Start(Outcome.RESUMED, position)

    def join(self, stream: Stream, subscription: Subscription, start: Start, prelude: bytes = b"") -> None:
        """
        Give a stream its first events, then every update; between the two nothing is lost or doubled.

        Args:
            stream: where to write.
            subscription: what it is to carry.
            start: how it starts, as `start` said for the same topics.
            prelude: encoded events to write before the first ones of a stream that does not resume.
        """
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        if self._closed:
            stream.closed()
            stream.end(stream.frame(encode_error("SERVER_DRAINING", "the server is stopping; reconnect to another one or in a while")))
            return
        for name in sorted(subscription.topics):
            topic = self._topics.get(name) or self._begin(name)
            topic.streams += 1
            if topic.streams == 1 and self._idle.pop(name, None) is None and self._on_first_stream is not None:
                self._on_first_stream(name)
        group = self._group(subscription, stream.frame)
        until = group.given(self.position)
        stream.group = group
        group.members.add(stream)
        self.counters.streams_opened += 1
        if start.outcome is Outcome.RESUMED:
            self.counters.resumed += 1
            self._resume_at(stream, group, start.position, until)
        else:
            if start.outcome is Outcome.RESET:
                self.counters.reset += 1
                if subscription.control:
                    prelude = encode_event(b'{"reason":"the log does not reach back to Last-Event-ID"}', event_type="reset") + prelude
            events = sorted((e for topic in group.topics for e in topic.log.snapshot(until)), key=lambda event: event.position)
            events += _notices(group)
            self._write(stream, prelude + b"".join([event.encoded(subscription.form) for event in events]), len(events))
        if self._sweep_handle is None:
            self._sweep_handle = self._loop.call_later(self._sweep_interval, self._sweep)

    def leave(self, stream: Stream) -> None:
        """Forget a stream; harmless for one that has left already."""
        group = stream.group
        if group is None:
            return
        stream.group = None
        group.members.discard(stream)
        group.lagging.discard(stream)
        for topic in group.topics:
            topic.streams -= 1
            if topic.streams == 0:
                self._idle[topic.name] = time.monotonic() + TOPIC_LINGER
        if not group.members and not group.lagging:
            self._end_group(group)
        stream.closed()

    def pause(self, stream: Stream) -> None:
        """Write nothing to a stream until `resume`: its reader is slower than its events."""
        group = stream.group
        if group is None or stream not in group.members:
            return
        self.counters.streams_lagged += 1
        stream.position = group.given(self.position)
        stream.seqs = {topic.name: topic.log.seq_at(stream.position) for topic in group.topics}
        group.members.discard(stream)
        group.lagging.add(stream)

    def resume(self, stream: Stream) -> None:
        """Give a stream what it missed and has not been superseded, in order; or end it, where that is no longer known."""
        group = stream.group
        if group is None or stream not in group.lagging:
            return
        until = group.given(self.position)
        events: list[Event] = []
        for topic in group.topics:
            missed = topic.log.missed(stream.position, until)
            if missed is None:
                self._drop(stream)
                return
            events += missed
        events.sort(key=lambda event: event.position)
        events += _notices(group)
        group.lagging.discard(stream)
        group.members.add(stream)
        data = encode(events, group.subscription.form, stream.seqs)
        stream.seqs = {}
        self._write(stream, data, len(events))

    def close(self) -> None:
        """End all streams in an orderly way and refuse new ones; publishing goes on, unheard."""
        self._closed = True
        farewell = encode_error("SERVER_DRAINING", "the server is stopping; reconnect to another one or in a while")
        self._flush()
        for group in list(self._groups.values()):
            self._end_streams(group, farewell)
        self._idle.clear()
        for handle in (self._flush_handle, self._sweep_handle):
            if handle is not None:
                handle.cancel()
        self._flush_handle = self._sweep_handle = None

    def _begin(self, name: str) -> Topic:
        topic = self._topics[name] = Topic(name, TopicLog(self._limits, self.position))
        return topic

    def _group(self, subscription: Subscription, frame: Frame) -> Group:
        group = self._groups.get((subscription, frame))
        if group is None:
            topics = [self._topics[name] for name in sorted(subscription.topics)]
            group = self._groups[subscription, frame] = Group(subscription, topics, frame, self._now())
            for topic in topics:
                topic.groups.add(group)
        return group

    def _end_group(self, group: Group) -> None:
        del self._groups[group.subscription, group.frame]
        for topic in group.topics:
            topic.groups.discard(group)
        if group.timer is not None:
            group.timer.cancel()

    def _mark_dirty(self, group: Group) -> None:
        assert self._loop is not None, "a group has streams, and they joined on a loop"  # noqa: S101
        interval = group.subscription.interval
        if interval:
            delay = group.written_at + interval - self._loop.time()
            group.timer = self._loop.call_later(max(delay, 0.0), self._flush_paced, group)
            return
        self._dirty.append(group)
        if self._flush_handle is None:
            delay = self._next_flush - self._loop.time()
            self._flush_handle = self._loop.call_later(delay, self._flush) if delay > 0 else self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Write what is pending. The more of its time the loop spends here, the longer the next time is waited for."""
        self._flush_handle = None
        now, began = self._now(), time.perf_counter()
        dirty, self._dirty = self._dirty, []
        for group in dirty:
            self._write_group(group)
        self._next_flush = now + min((time.perf_counter() - began) / FLUSH_SHARE, MAX_FLUSH_INTERVAL)

    def _flush_paced(self, group: Group) -> None:
        group.timer = None
        self._write_group(group)

    def _write_group(self, group: Group) -> None:
        try:
            data, count = group.take()
        except Exception:
            # A form of the user's failed. Its streams end; those of other groups must not notice.
            logger.exception("the form %r failed; its %d streams are ended", group.subscription.form, len(group.members))
            self._end_streams(group, encode_error("INTERNAL_ERROR", "the server could not encode an event"))
            return
        group.written_at = self._now()
        # A copy, as a write may move the stream to the lagging ones.
        members = list(group.members)
        for stream in members:
            stream.write(data)
        self.counters.flushes += 1
        self.counters.events_delivered += count * len(members)
        self.counters.bytes_written += len(data) * len(members)

    def _end_streams(self, group: Group, farewell: bytes) -> None:
        for stream in list(group.members):
            self.leave(stream)
            stream.end(group.frame(farewell))
        for stream in list(group.lagging):
            # Its reader has not taken what came before, and would not see this either.
            self.leave(stream)
            stream.abort()

    def _resume_at(self, stream: Stream, group: Group, position: int, until: int) -> None:
        events: list[Event] = []
        for topic in group.topics:
            after = topic.log.after(position, until)
            if after is None:
                self._drop(stream)
                return
            events += after
        events.sort(key=lambda event: event.position)
        events += _notices(group)
        self._write(stream, b"".join([event.encoded(group.subscription.form) for event in events]), len(events))

    def _write(self, stream: Stream, data: bytes, count: int) -> None:
        if data:
            data = stream.frame(data)
            self.counters.events_delivered += count
            self.counters.bytes_written += len(data)
            stream.write(data)

    def _drop(self, stream: Stream) -> None:
        self.counters.streams_dropped += 1
        self.leave(stream)
        stream.end(stream.frame(encode_error("SLOW_CONSUMER", "the stream fell behind what is kept of its topics; reconnect to resume")))

    def _sweep(self) -> None:
        """Now and then: heartbeats for silent groups, and the end of topics that nobody has listened to for a while."""
        assert self._loop is not None, "it is the loop that calls this"  # noqa: S101
        now = self._now()
        for group in self._groups.values():
            if now - group.written_at >= self.heartbeat:
                group.written_at = now
                data = group.frame(HEARTBEAT)
                for stream in list(group.members):
                    stream.write(data)
        self._end_idle_topics()
        self._sweep_handle = self._loop.call_later(self._sweep_interval, self._sweep) if self._groups or self._idle else None

    def _end_idle_topics(self) -> None:
        now = time.monotonic()
        for name, deadline in list(self._idle.items()):
            if deadline > now:
                continue
            del self._idle[name]
            if self._topics[name].log.seq == 0:
                del self._topics[name]
            if self._on_last_stream is not None:
                self._on_last_stream(name)

    def _now(self) -> float:
        return self._loop.time() if self._loop is not None else 0.0


def _notices(group: Group) -> list[Event]:
    """Return what holds of a group's topics and is not among its pending events."""
    if not group.subscription.control:
        return []
    return [topic.notice for topic in group.topics if topic.notice is not None and topic.notice not in group.pending]


def encode_error(code: str, message: str) -> bytes:
    """Encode the event that says why a stream ends."""
    return encode_event(msgspec.json.encode(ErrorBody(ErrorDetail(code, message))), event_type="error")
