"""The streams of a hub: how they join, fall behind, catch up, change and end."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from pricewire.hub.counters import Counters
from pricewire.hub.delta import FlushPass
from pricewire.hub.event import Event
from pricewire.hub.flush_pace import FlushPolicy
from pricewire.hub.flusher import Flusher
from pricewire.hub.owner import Owner
from pricewire.hub.paced_group import PacedGroup, Pacer
from pricewire.hub.streams import Follow, Frame, Group, Lag, Selector, Stream, StreamSpec, Topic, encode, in_order
from pricewire.hub.topics import Topics
from pricewire.protocol.encoder import HEARTBEAT, encode_event
from pricewire.protocol.stream_end import StreamEnd

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
        headers: what the response says of it besides.
    """

    outcome: Outcome
    position: int = 0
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Delivery:
    """
    The streams that a hub writes to, and the groups that share what they are written. The attributes are those of `Hub`.

    Args:
        topics: what can be streamed.
        heartbeat: after so many seconds of silence a stream gets a comment.
        flush: how long events may wait for others to be written with.
    """

    def __init__(self, topics: Topics, heartbeat: float, flush: FlushPolicy) -> None:
        self.boot = secrets.token_hex(4)
        self.position = 0
        self.counters = Counters()
        self.heartbeat = heartbeat
        self.is_draining = False
        self.on_write: Callable[[], None] | None = None
        self._topics = topics
        self._groups: dict[tuple[StreamSpec, Frame], Group] = {}
        # Those that follow topics, in the order in which they began.
        self._following: dict[Group, None] = {}
        self._streams: dict[str, Stream] = {}
        self._owner = Owner(self._on_loop)
        self._flusher = Flusher(flush, self.counters, self.fail_group, self._before_write)
        self._pacer = Pacer(self._flush_paced)

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return len(self._streams)

    @property
    def lagging(self) -> int:
        """How many of the streams do not keep up at the moment."""
        return sum(len(group.lagging) for group in self._groups.values())

    @property
    def groups(self) -> Iterable[Group]:
        """The groups of streams."""
        return self._groups.values()

    def start(
        self, topics: Iterable[str], last_event_id: str | None, follow: Follow | None = None, selector: Selector | None = None
    ) -> Start:
        """
        Decide how a stream starts, for its response's head.

        Args:
            topics: the names of its topics.
            last_event_id: what its reader sent as `Last-Event-ID`; None where it is new.
            follow: which topics it follows besides.
            selector: which events of the topics it gets; None for all.
        """
        if selector is not None and last_event_id is not None:
            known = [topic for name in topics if (topic := self._topics.get(name)) is not None]
            found = selector.resume(last_event_id, known, self.place)
            if found.position is None:
                return Start(Outcome.SNAPSHOT, headers=found.headers)
            return Start(Outcome.RESUMED, found.position, found.headers)
        if not last_event_id:
            return Start(Outcome.SNAPSHOT)
        position = self.place(last_event_id)
        if position is None:
            return Start(Outcome.RESET)
        return Start(Outcome.RESUMED, position) if self._topics.reach_back(topics, position, follow) else Start(Outcome.RESET)

    def place(self, event_id: str) -> int | None:
        """Return where the event of an id of this hub is; None for what is none."""
        match = EVENT_ID.fullmatch(event_id)
        if match is None or match[1] != self.boot or int(match[2]) > self.position:
            return None
        return int(match[2])

    def _join(self, stream: Stream, spec: StreamSpec, start: Start, prelude: bytes) -> None:
        """Do what `Hub.join` promises; raises where the stream is to be aborted."""
        self._begin()
        self._topics.enter(spec.topics)
        group = self._group(spec, stream.frame)
        if not self.is_draining and group.needs_flush(start.position):
            # The reader comes from a stream of another pace, for instance, and has seen events that this group still has to write.
            self._flush_group(group)
            # Its format may have failed, which ends the group.
            group = self._group(spec, stream.frame)
        stream.coding = group.new_coding()
        stream.group = group
        self._streams[stream.id] = stream
        if self.is_draining:
            self._finish(stream, StreamEnd.SERVER_DRAINING, head=stream.coding.begin())
            return
        self.counters.streams_opened += 1
        until = group.given(self.position)
        if start.outcome is Outcome.RESUMED:
            self.counters.resumed += 1
            lag = Lag(start.position, {topic.name: topic.log.seq_at(start.position) for topic in group.topics})
            events = self._missed(group, lag, until, exact=not spec.interval)
            if events is None or not self._topics.reach_back(spec.topics, start.position, spec.follow):
                # Between the response's head, which promised to resume, and now.
                self._drop(stream, head=stream.coding.begin())
                return
            data, count = _encode(events, spec, lag.seqs), len(events)
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
        # First of all: the number of its socket may soon be that of another.
        group.forget(stream)
        # Absent where another had the same id.
        self._streams.pop(stream.id, None)
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
        if group is None:
            return
        try:
            if stream.lag is not None:
                self._catch_up(stream, group)
            else:
                # What waited was written before it joined.
                self._settle(stream, group)
        except Exception:
            self.fail(stream)

    def refresh(self, stream: Stream) -> int:
        """Give a stream what it missed, as `resume` does, and have it go on lagging; return how many events were left out."""
        group = stream.group
        if group is None:
            return 0
        try:
            return self._catch_up(stream, group, stay=True)
        except Exception:
            self.fail(stream)
            return 0

    def beat(self, stream: Stream) -> None:
        """Give a lagging stream a heartbeat: it gets none of its group's."""
        if stream.lag is not None:
            try:
                self._write(stream, HEARTBEAT, 0)
            except Exception:
                self.fail(stream)

    def end(self, stream: Stream, stream_end: StreamEnd, *, retry: int | None = None) -> None:
        """
        End a stream in an orderly way: what it has still to get comes first. One whose reader takes nothing is ended at once.

        Args:
            stream: the stream.
            stream_end: why.
            retry: when its reader is to come back, in milliseconds; None where that makes no difference.
        """
        group = stream.group
        if group is None:
            return
        try:
            if stream.lag is None:
                self._flush_group(group)
            elif stream.unsent() == 0:
                self._catch_up(stream, group, stay=True)
            if stream.lag is not None and stream.unsent() > 0:
                self.leave(stream)
                stream.abort()
            else:
                self._finish(stream, stream_end, retry=retry)
        except Exception:
            self.fail(stream)

    def end_group(self, group: Group, stream_end: StreamEnd) -> None:
        """End all streams of a group."""
        for stream in [*group.members, *group.lagging]:
            self.end(stream, stream_end)

    def fail_group(self, group: Group) -> None:
        """End the streams of a group whose format or coder has raised; other groups are not affected."""
        streams = len(group.members) + len(group.lagging)
        logger.exception("events could not be encoded by %r; its %d streams are ended", group.spec.form, streams)
        self.end_group(group, StreamEnd.INTERNAL_ERROR)

    def _on_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Do what is to be done when the hub is used on a loop for the first time."""

    def _begin(self) -> None:
        """Note the loop that streams join on."""
        loop = asyncio.get_running_loop()
        if loop is not self._flusher.loop:
            for group in self._groups.values():
                group.use_writes()
        self._owner.begin(loop)
        self._flusher.begin(loop)
        self._pacer.begin(loop)

    def _before_write(self) -> None:
        """Let whoever feeds the hub do what has to be done before a stream gets what was published."""
        if self.on_write is not None:
            self.on_write()

    def _flush_group(self, group: Group) -> None:
        """Write what is pending in a group now."""
        self._before_write()
        try:
            group.flush_early(self.position, self._flusher.now(), self.counters)
        except Exception:
            self.fail_group(group)

    def _flush_paced(self, groups: list[PacedGroup]) -> None:
        """Write what is new to groups whose time has come."""
        self._before_write()
        flush_pass = FlushPass(self.position, self._flusher.now())
        for group in groups:
            try:
                group.flush_in(flush_pass, self.counters)
            except Exception:
                self.fail_group(group)

    def _group(self, spec: StreamSpec, frame: Frame) -> Group:
        """Return the group of a stream whose topics are entered."""
        group = self._groups.get((spec, frame))
        if group is None:
            group = self._new_group(spec, frame)
            self._groups[group.spec, frame] = group
            if spec.follow is not None:
                self._following[group] = None
            group.listen()
        return group

    def _new_group(self, spec: StreamSpec, frame: Frame) -> Group:
        named = [self._topics[name] for name in spec.topics]
        topics = (*named, *self._topics.followed(spec, named))
        # With the topics' own names: those of a request are as many more texts.
        spec = replace(spec, topics=tuple([topic.name for topic in named]))
        if spec.interval:
            return PacedGroup(spec, topics, frame, self._pacer, self.position, self._flusher.now(), self.fail)
        return Group(spec, topics, frame, self._flusher.bucket(), self._flusher.now(), self.fail)

    def _leave_topics(self, stream: Stream, group: Group) -> None:
        group.forget(stream)
        ended = self._topics.leave(group.named)
        if group.members or group.lagging:
            return
        # A stream that is joining the same group right now would find it again; there is none, as all this happens in one go.
        del self._groups[group.spec, group.frame]
        self._following.pop(group, None)
        group.leave()
        self._topics.end(ended)

    def _move(self, stream: Stream, lag: Lag, old: Group, spec: StreamSpec) -> Group:
        """Have a lagging stream lag in another group."""
        self._topics.enter(spec.topics)
        # The stream may have seen events that the other group still has to write.
        self._flush_group(self._group(spec, stream.frame))
        # The format of that may have failed, which ends the group.
        new = self._group(spec, stream.frame)
        new.hold(stream)
        stream.group = new
        self._leave_topics(stream, old)
        for name in [name for name in lag.seqs if name not in self._topics]:
            # It has ended: added again, it is another, whose log knows nothing of this one's events.
            del lag.seqs[name]
        # One that was removed and added again, with nothing written in between, has stayed.
        lag.added = {topic.name for topic in new.topics} - lag.seqs.keys()
        return new

    def _came(self, topic: Topic) -> None:
        """Have a topic that gets its first event carried by those that follow it."""
        for group in self._following:
            try:
                if group.follows(topic):
                    group.gain(topic)
            except Exception:
                logger.exception("it cannot be told whether streams follow %r; they do not", topic.name)

    def _went(self, name: str) -> None:
        """Have a topic that ends carried no more by those that followed it; they get everything of it before."""
        topic = self._topics.get(name)
        if topic is None or topic.streams > 0:
            return
        for group in [*topic.groups, *topic.paced]:
            self._flush_group(group)
            for stream in list(group.lagging):
                if stream.lag is not None and stream.lag.position < topic.log.position:
                    # It could not know any more what it has missed.
                    self.end(stream, StreamEnd.SLOW_CONSUMER)
            group.lose(topic)

    def _stop(self, stream: Stream, group: Group) -> None:
        stream.lag = group.lag(group.given(self.position))
        group.fall_behind(stream)

    def id_of(self, position: int) -> str:
        """Return the id of the event at a position."""
        return f"{self.boot}-{position}"

    def _missed(self, group: Group, lag: Lag, until: int, exact: bool) -> list[Event] | None:
        """Return what a lagging stream has still to get; None where something of it is no longer known."""
        events: list[Event] = []
        selector = group.spec.selector
        for topic in group.topics:
            if topic.name in lag.added:
                continue
            missed = topic.log.after(lag.position, until) if exact else topic.log.missed(lag.position, until)
            if missed is None:
                return None
            events += missed if selector is None else filter(selector.selects, missed)
        return in_order(events)

    def _catch_up(self, stream: Stream, group: Group, *, exact: bool = False, stay: bool = False) -> int:
        """Give a lagging stream what it missed; return how many events were left out."""
        lag = stream.lag
        if lag is None:
            return 0
        # Where the log is full of what the group has still to write, nothing says any more which events before that it supersedes.
        given = group.given(self.position)
        if group.needs_flush(lag.position) or any(topic.log.has_dropped(lag.position, given) for topic in group.topics):
            self._flush_group(group)
            if stream.group is None:
                # The group's format has failed, and its streams were ended.
                return 0
        until = group.given(self.position)
        events = self._missed(group, lag, until, exact)
        if events is None:
            self._drop(stream)
            return 0
        before = sum(lag.seqs.values())
        data = _encode(events, group.spec, lag.seqs)
        # Of a stream that does not get all events, it is not known which were spared.
        spared = sum(lag.seqs.values()) - before - len(events) if group.spec.selector is None else 0
        self.counters.events_merged += spared
        current = in_order([event for topic in group.topics if topic.name in lag.added for event in topic.log.snapshot(until)])
        # Without ids: they are older than what the reader has, and it must not resume from there.
        data += b"".join([event.encoded_without_id(group.spec.form) for event in current])
        for confirmation in lag.confirmations:
            data += encode_event(confirmation, event_id=self.id_of(until), event_type="changed")
        count = len(events) + len(current)
        stream.lag = None
        if stay:
            stream.lag = group.lag(until)
        self._write(stream, data + group.notices(lag), count, enter=None if stay else group)
        return spared

    def _write(self, stream: Stream, data: bytes, count: int, *, head: bytes = b"", enter: Group | None = None) -> None:
        """Write to one stream, and have it take its group's blocks from then on."""
        self._before_write()
        data = head + (stream.coding.encode(data) if data else b"")
        if enter is not None:
            # Before the write, which may find that the stream does not keep up.
            enter.enter(stream)
        if data:
            data = stream.frame(data)
            self.counters.events_delivered += count
            self.counters.bytes_written += len(data)
            stream.write(data)
        if enter is not None:
            self._settle(stream, enter)

    def _settle(self, stream: Stream, group: Group) -> None:
        """Have a group write straight to a stream's socket where that is possible, which is so on the hub's own loop only."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        if loop is self._flusher.loop:
            group.settle(stream, loop)

    def _drop(self, stream: Stream, *, head: bytes = b"") -> None:
        self.counters.streams_dropped += 1
        self._finish(stream, StreamEnd.SLOW_CONSUMER, head=head)

    def _finish(self, stream: Stream, stream_end: StreamEnd, *, retry: int | None = None, head: bytes = b"") -> None:
        """Write the last bytes; before them the head, where nothing has been written."""
        group = stream.group
        if group is None:
            return
        if stream.lag is None and stream in group.members:
            stream.coding.leave(group.coder)
        self.leave(stream)
        last = stream_end.encode(control=group.spec.control, retry=retry)
        data = head + (stream.coding.encode(last) if last else b"") + stream.coding.finish()
        # Framed, nothing would be a chunk of no bytes: the end of the body, before the transport writes it.
        stream.end(stream.frame(data) if data else b"")


def _encode(events: list[Event], spec: StreamSpec, seqs: dict[str, int]) -> bytes:
    """Encode events from which superseded ones were left out, as `encode` does."""
    if spec.selector is None:
        return encode(events, spec.form, seqs)
    # What is between two of them may not be the stream's at all.
    return b"".join([event.encoded(spec.form) for event in events])
