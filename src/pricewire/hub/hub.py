"""One process's fan-out: topics, their logs, and the streams subscribed to them."""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import msgspec

from pricewire.hub.counters import Counters
from pricewire.hub.event import Event, Notice
from pricewire.hub.flusher import Flusher
from pricewire.hub.log import LogLimits, TopicLog
from pricewire.hub.paced_group import PacedGroup
from pricewire.hub.streams import Frame, Group, Lag, Stream, StreamSpec, Topic, encode, in_order
from pricewire.protocol.encoder import encode_event
from pricewire.protocol.stream_end import StreamEnd, encode_error

logger = logging.getLogger(__name__)

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


class Hub:
    """
    Carries published messages to the streams subscribed to their topics.

    Everything happens on one event loop; from another thread, publish by `loop.call_soon_threadsafe(hub.publish, …)`.

        hub = Hub()
        hub.publish("news", {"headline": "…"}, key="news")

    Attributes:
        position: the number of the newest event.
        counters: what it has done.
        heartbeat: after so many seconds of silence a stream gets a comment.
        is_draining: whether new streams are refused because the process is about to stop.

    Args:
        limits: how far the topics' logs reach back; or a function that says so for a topic's name.
        heartbeat: see above.
        on_first_stream: called with a topic's name before its first stream gets its snapshot: whoever publishes can begin to.
        on_last_stream: called with a topic's name when its last stream has left, and its `LogLimits.linger` has passed: whoever publishes
            can stop, and should then `forget` the topic.
    """

    def __init__(
        self,
        *,
        limits: LogLimits | Callable[[str], LogLimits] | None = None,
        heartbeat: float = 15.0,
        on_first_stream: Callable[[str], None] | None = None,
        on_last_stream: Callable[[str], None] | None = None,
    ) -> None:
        self.position = 0
        self.counters = Counters()
        self.heartbeat = heartbeat
        self.is_draining = False
        fixed = limits if isinstance(limits, LogLimits) else LogLimits()
        self._limits_of = limits if callable(limits) else lambda _: fixed
        self._on_first_stream = on_first_stream
        self._on_last_stream = on_last_stream
        self._boot = secrets.token_hex(4)
        self._topics: dict[str, Topic] = {}
        # Whoever comes back from before this position may have missed what a topic that begins anew did not publish.
        self._forgotten = 0
        self._groups: dict[tuple[StreamSpec, Frame], Group] = {}
        self._streams: dict[str, Stream] = {}
        self._idle: dict[str, float] = {}
        self._flusher = Flusher(self)

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return len(self._streams)

    @property
    def lagging(self) -> int:
        """How many of the streams do not keep up at the moment."""
        return sum(len(group.lagging) for group in self._groups.values())

    @property
    def topics(self) -> list[str]:
        """The names of the topics that have streams or events."""
        return list(self._topics)

    @property
    def groups(self) -> Iterable[Group]:
        """The groups of streams."""
        return self._groups.values()

    def publish(self, topic: str, message: Any, *, key: str | None = None, event: str = "message", ends: str | None = None) -> None:
        """
        Send a message to all streams of a topic.

        Args:
            topic: any text; the topic begins with its first message or its first stream.
            message: what `msgspec.json.encode` takes: a struct, a dataclass, a dict, ….
            key: what the message supersedes the topic's earlier messages by. A stream that cannot keep up gets the newest of each key,
                and every message without one.
            event: what the message is, for the envelope.
            ends: a key that is over with this message, of an order that is filled for instance: who begins to listen later gets nothing of
                it, and nothing of it is kept for them. The message itself has no key, so that nobody misses it.

        Raises:
            TypeError: the message cannot be encoded as JSON.
        """
        state = self._topics.get(topic) or self._begin(topic)
        item = Event(
            position=self.position + 1,
            boot=self._boot,
            topic=topic,
            seq=state.log.seq + 1,
            key=key,
            name=event,
            message=message,
        )
        self.position = item.position
        self.counters.events_published += 1
        state.notice = None
        state.log.append(item, time.monotonic())
        if ends is not None:
            state.log.end(ends)
        if state.groups:
            for group in state.groups:
                if not group.pending:
                    group.bucket.append(group)
                group.pending.append(item)
            self._flusher.wake()
        if key is None:
            for group in state.paced:
                group.pending.append(item)
        if state.resting:
            state.wake(item.position - 1)

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
            if group.spec.control:
                if not group.pending:
                    group.bucket.append(group)
                group.pending.append(state.notice)
        if state.groups:
            self._flusher.wake()
        for group in state.paced:
            if group.spec.control:
                group.pending.append(state.notice)
        state.wake(self.position)

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
            self._forgotten = self.position + 1

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
            if position < self._forgotten if state is None else state.log.after(position, position) is None:
                return Start(Outcome.RESET)
        return Start(Outcome.RESUMED, position)

    def join(self, stream: Stream, spec: StreamSpec, start: Start, prelude: bytes = b"") -> None:
        """
        Give a stream its first events, then every update; between the two nothing is lost or doubled.

        Args:
            stream: where to write; aborted where that raises, or where its first events cannot be encoded.
            spec: what it is to carry.
            start: how it starts, as `start` said for the same topics.
            prelude: encoded events to write before the first ones of a stream that does not resume.
        """
        try:
            self._join(stream, spec, start, prelude)
        except Exception:
            self.fail(stream)

    def _join(self, stream: Stream, spec: StreamSpec, start: Start, prelude: bytes) -> None:
        self._flusher.begin()
        self._enter_topics(spec)
        group = self._group(spec, stream.frame)
        if not self.is_draining and group.needs_flush(start.position):
            # The reader comes from a stream of another pace, for instance, and has seen events that this group still has to write.
            self._flusher.flush_group(group)
            # Its form may have failed, and it has ended.
            group = self._group(spec, stream.frame)
        stream.coding = group.new_coding()
        stream.group = group
        self._streams[stream.id] = stream
        if self.is_draining:
            self._finish(stream, encode_error("SERVER_DRAINING", "the server is stopping; reconnect"), head=stream.coding.begin())
            return
        self.counters.streams_opened += 1
        until = group.given(self.position)
        if start.outcome is Outcome.RESUMED:
            self.counters.resumed += 1
            lag = Lag(start.position, {topic.name: topic.log.seq_at(start.position) for topic in group.topics})
            events = self._missed(group, lag, until, exact=not spec.interval)
            if events is None or self.start(spec.topics, self._id(start.position)).outcome is not Outcome.RESUMED:
                # Between the response's head, which promised to resume, and now.
                self._drop(stream, head=stream.coding.begin())
                return
            data, count = encode(events, spec.form, lag.seqs), len(events)
        else:
            data, count = group.snapshot(until)
            data = prelude + data
            if start.outcome is Outcome.RESET:
                self.counters.reset += 1
                if spec.control:
                    data = encode_event(b'{"reason":"the log does not reach back to Last-Event-ID"}', event_type="reset") + data
        self._write(stream, data + group.notices(), count, head=stream.coding.begin(), enter=group)

    def leave(self, stream: Stream) -> None:
        """Forget a stream; harmless for one that has left already."""
        group = stream.group
        if group is None:
            return
        del self._streams[stream.id]
        stream.group = stream.lag = None
        self._leave_topics(stream, group)
        stream.closed()

    def fail(self, stream: Stream) -> None:
        """End a stream at once whose exception is being handled: the others must not notice. Raises nothing."""
        logger.exception("a stream failed, and is ended")
        self.leave(stream)
        try:
            stream.abort()
        except Exception:
            logger.exception("a stream could not be aborted")
        # One that has failed before it joined has not left.
        stream.closed()

    def find(self, stream_id: str) -> tuple[Stream, StreamSpec] | None:
        """Return a stream and what it carries by its id; None where there is none."""
        stream = self._streams.get(stream_id)
        return None if stream is None or stream.group is None else (stream, stream.group.spec)

    def change(self, stream: Stream, spec: StreamSpec, confirmation: bytes) -> None:
        """
        Change what an open stream carries, at a place in it that an event `changed` marks.

        Topics that stay go on without loss. The current values of those that are added come before the confirmation, so that a reader
        that has seen it can resume with all of them.

        Args:
            stream: the stream.
            spec: what it is to carry from now on; compressed as before.
            confirmation: the data of that event, one line of UTF-8.
        """
        group = stream.group
        if group is None:
            return
        keeps_up = stream.lag is None
        try:
            if keeps_up:
                self._stop(stream, group)
            lag = stream.lag or group.lag(group.given(self.position))
            lag.confirmations.append(confirmation)
            if spec != group.spec:
                group = self._move(stream, lag, group, spec)
            if keeps_up:
                self._catch_up(stream, group, exact=True)
        except Exception:
            self.fail(stream)

    def pause(self, stream: Stream) -> None:
        """Write nothing to a stream until `resume`: its reader is slower than its events."""
        group = stream.group
        if group is None or stream.lag is not None:
            return
        self.counters.streams_lagged += 1
        self._stop(stream, group)

    def resume(self, stream: Stream) -> None:
        """Give a stream what it missed and has not been superseded, in order; or end it, where that is no longer known."""
        group = stream.group
        if group is not None and stream.lag is not None:
            try:
                self._catch_up(stream, group)
            except Exception:
                self.fail(stream)

    def refresh(self, stream: Stream) -> int:
        """Give a stream what it missed, as `resume` does, and have it go on lagging; return how many events it was spared."""
        group = stream.group
        if group is None:
            return 0
        try:
            return self._catch_up(stream, group, stay=True)
        except Exception:
            self.fail(stream)
            return 0

    def end(self, stream: Stream, stream_end: StreamEnd) -> None:
        """
        End a stream in an orderly way: what it has still to get comes first. One whose reader takes nothing is ended at once.

        Args:
            stream: the stream.
            stream_end: why.
        """
        group = stream.group
        if group is None:
            return
        try:
            if stream.lag is None:
                self._flusher.flush_group(group)
            elif stream.unsent() == 0:
                self._catch_up(stream, group, stay=True)
            if stream.lag is not None and stream.unsent() > 0:
                self.leave(stream)
                stream.abort()
            else:
                self._finish(stream, stream_end)
        except Exception:
            self.fail(stream)

    def end_group(self, group: Group, stream_end: StreamEnd) -> None:
        """End all streams of a group."""
        for stream in [*group.members, *group.lagging]:
            self.end(stream, stream_end)

    def drain(self) -> list[Stream]:
        """Refuse new streams from now on, and return those that are to be ended before `close`."""
        self.is_draining = True
        return list(self._streams.values())

    def close(self) -> None:
        """End all streams in an orderly way and refuse new ones; publishing goes on, unheard."""
        self.is_draining = True
        self._flusher.flush()
        stream_end = encode_error("SERVER_DRAINING", "the server is stopping; reconnect")
        for group in list(self._groups.values()):
            self.end_group(group, stream_end)
        self._idle.clear()
        self._flusher.close()

    def end_idle_topics(self) -> bool:
        """Tell the publisher of topics that nobody has listened to for a while; return whether there will be more."""
        now = time.monotonic()
        for name, deadline in list(self._idle.items()):
            if deadline <= now:
                del self._idle[name]
                self._end_topic(name)
        return bool(self._idle)

    def _begin(self, name: str) -> Topic:
        topic = self._topics[name] = Topic(name, TopicLog(self._limits_of(name), self._forgotten))
        return topic

    def _end_topic(self, name: str) -> None:
        """Tell the publisher of a topic that nobody listens to it any more."""
        if self._topics[name].log.seq == 0:
            del self._topics[name]
        if self._on_last_stream is not None:
            try:
                self._on_last_stream(name)
            except Exception:
                logger.exception("the publisher of %r could not stop", name)

    def _enter_topics(self, spec: StreamSpec) -> None:
        """Count one more stream of the topics; none of them where the publisher of one cannot begin."""
        entered: list[Topic] = []
        try:
            for name in spec.topics:
                topic = self._topics.get(name) or self._begin(name)
                if topic.streams == 0 and self._idle.pop(name, None) is None and self._on_first_stream is not None:
                    self._on_first_stream(name)
                topic.streams += 1
                entered.append(topic)
        except Exception:
            for name in self._count_out(entered):
                self._end_topic(name)
            raise

    def _count_out(self, topics: Iterable[Topic]) -> list[str]:
        """Count one stream less of some topics; return those that end at once as nobody listens to them any more."""
        ended = []
        for topic in topics:
            topic.streams -= 1
            if topic.streams > 0:
                continue
            if topic.log.limits.linger > 0:
                self._idle[topic.name] = time.monotonic() + topic.log.limits.linger
            else:
                ended.append(topic.name)
        return ended

    def _group(self, spec: StreamSpec, frame: Frame) -> Group:
        """Return the group of a stream whose topics are entered."""
        group = self._groups.get((spec, frame))
        if group is None:
            group = self._new_group(spec, frame)
            self._groups[group.spec, frame] = group
            group.listen()
        return group

    def _new_group(self, spec: StreamSpec, frame: Frame) -> Group:
        topics, flusher = tuple([self._topics[name] for name in spec.topics]), self._flusher
        # With the topics' own names: those of a request are as many more texts.
        spec = replace(spec, topics=tuple([topic.name for topic in topics]))
        if spec.interval:
            return PacedGroup(spec, topics, frame, flusher.pacer, self.position, flusher.now(), self.fail)
        return Group(spec, topics, frame, flusher.bucket(), flusher.now(), self.fail)

    def _leave_topics(self, stream: Stream, group: Group) -> None:
        group.forget(stream)
        ended = self._count_out(group.topics)
        if group.members or group.lagging:
            return
        # A stream that is joining the same group right now would find it again; there is none, as all this happens in one go.
        del self._groups[group.spec, group.frame]
        group.leave()
        for name in ended:
            self._end_topic(name)

    def _move(self, stream: Stream, lag: Lag, old: Group, spec: StreamSpec) -> Group:
        """Have a lagging stream lag in another group."""
        self._enter_topics(spec)
        # The stream may have seen events that the other group still has to write.
        self._flusher.flush_group(self._group(spec, stream.frame))
        # The form of that may have failed, and it has ended.
        new = self._group(spec, stream.frame)
        new.hold(stream)
        stream.group = new
        self._leave_topics(stream, old)
        for name in [name for name in lag.seqs if name not in self._topics]:
            # It has ended: added again, it is another, whose log knows nothing of this one's events.
            del lag.seqs[name]
        # One that was removed and added again, with nothing written in between, has stayed.
        lag.added = set(spec.topics) - lag.seqs.keys()
        return new

    def _stop(self, stream: Stream, group: Group) -> None:
        stream.lag = group.lag(group.given(self.position))
        group.fall_behind(stream)

    def _id(self, position: int) -> str:
        return f"{self._boot}-{position}"

    def _missed(self, group: Group, lag: Lag, until: int, exact: bool) -> list[Event] | None:
        """Return what a lagging stream has still to get; None where something of it is no longer known."""
        events: list[Event] = []
        for topic in group.topics:
            if topic.name in lag.added:
                continue
            missed = topic.log.after(lag.position, until) if exact else topic.log.missed(lag.position, until)
            if missed is None:
                return None
            events += missed
        return in_order(events)

    def _catch_up(self, stream: Stream, group: Group, *, exact: bool = False, stay: bool = False) -> int:
        """Give a lagging stream what it missed; return how many events it was spared."""
        lag = stream.lag
        if lag is None:
            return 0
        if group.needs_flush(lag.position):
            self._flusher.flush_group(group)
            if stream.group is None:
                # The group's form has failed, and its streams were ended.
                return 0
        until = group.given(self.position)
        events = self._missed(group, lag, until, exact)
        if events is None:
            self._drop(stream)
            return 0
        before = sum(lag.seqs.values())
        data = encode(events, group.spec.form, lag.seqs)
        spared = sum(lag.seqs.values()) - before - len(events)
        self.counters.events_merged += spared
        current = in_order([event for topic in group.topics if topic.name in lag.added for event in topic.log.snapshot(until)])
        # Without ids: they are older than what the reader has, and it must not resume from there.
        data += b"".join([event.encoded_without_id(group.spec.form) for event in current])
        for confirmation in lag.confirmations:
            data += encode_event(confirmation, event_id=self._id(until), event_type="changed")
        count = len(events) + len(current)
        stream.lag = None
        if stay:
            stream.lag = group.lag(until)
        self._write(stream, data + group.notices(), count, enter=None if stay else group)
        return spared

    def _write(self, stream: Stream, data: bytes, count: int, *, head: bytes = b"", enter: Group | None = None) -> None:
        """Write to one stream, and have it take its group's blocks from then on."""
        data = head + (stream.coding.encode(data) if data else b"")
        if enter is not None:
            # Before the write, which may find that the stream does not keep up.
            enter.enter(stream)
        if data:
            data = stream.frame(data)
            self.counters.events_delivered += count
            self.counters.bytes_written += len(data)
            stream.write(data)

    def _drop(self, stream: Stream, *, head: bytes = b"") -> None:
        self.counters.streams_dropped += 1
        stream_end = encode_error("SLOW_CONSUMER", "the stream fell behind what is kept of its topics; reconnect to start anew")
        self._finish(stream, stream_end, head=head)

    def _finish(self, stream: Stream, stream_end: StreamEnd, *, head: bytes = b"") -> None:
        """Write the last bytes; before them the head, where nothing has been written."""
        group = stream.group
        if group is None:
            return
        if stream.lag is None and stream in group.members:
            stream.coding.leave(group.coder)
        self.leave(stream)
        last = stream_end.named if group.spec.control else stream_end.bare
        data = head + (stream.coding.encode(last) if last else b"") + stream.coding.finish()
        # Framed, nothing would be a chunk of no bytes: the end of the body, before the transport writes it.
        stream.end(stream.frame(data) if data else b"")
