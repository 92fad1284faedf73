"""Streams, and the groups of them that share bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from pricewire.hub.event import Event, Form, Notice, envelope
from pricewire.hub.log import TopicLog

Frame = Callable[[bytes], bytes]
"""Wraps what is written at once, as the transport below wants it: as a chunk of HTTP/1.1, for instance."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """
    What a stream is to carry.

    Attributes:
        topics: the names of its topics.
        form: how it shows events.
        interval: at most one update per topic in so many seconds, the newest; 0 for every update.
        control: whether it carries named events beside the data (`reset`, `stale`); clients that know nothing of them want none.
    """

    topics: frozenset[str]
    form: Form = envelope
    interval: float = 0.0
    control: bool = True


class Topic:
    """
    A topic and who listens to it.

    Attributes:
        name: what it is subscribed to by.
        log: its recent events.
        groups: the groups of streams that have it.
        streams: how many streams those are.
        notice: what is to be known about its state beside its newest message; None where there is nothing.
    """

    __slots__ = ("groups", "log", "name", "notice", "streams")

    def __init__(self, name: str, log: TopicLog) -> None:
        self.name = name
        self.log = log
        self.groups: set[Group] = set()
        self.streams = 0
        self.notice: Notice | None = None


class Stream:
    """
    One open response, as the hub sees it: something that takes bytes, and may be slow in taking them.

    A transport's adapter implements `write`, `end` and `abort`, and tells the hub by `Hub.pause` and `Hub.resume` how its reader is doing.

    Attributes:
        write: takes framed bytes and never blocks; may call `Hub.pause` before it returns.
        group: the streams that it shares bytes with; None before it joined and after it left.
        position: of a lagging stream, the last event that it was given.
        seqs: of a lagging stream, the number of the last event of each topic that it was given.
        on_close: called once when the stream has left the hub, or was not let in.
    """

    __slots__ = ("group", "on_close", "position", "seqs")

    write: Callable[[bytes], object]

    def __init__(self) -> None:
        self.group: Group | None = None
        self.position = 0
        self.seqs: dict[str, int] = {}
        self.on_close: Callable[[], None] | None = None

    def closed(self) -> None:
        """Call `on_close`, once."""
        on_close, self.on_close = self.on_close, None
        if on_close is not None:
            on_close()

    @staticmethod
    def frame(data: bytes) -> bytes:
        """Wrap what is written at once."""
        return data

    def end(self, data: bytes) -> None:
        """Take the last framed bytes, then end the response in an orderly way."""
        raise NotImplementedError

    def abort(self) -> None:
        """End the response at once, whatever has been written."""
        raise NotImplementedError


class Group:
    """
    Streams with the same topics, form, pace and framing: one joined buffer, many writes.

    Attributes:
        topics: the topics.
        subscription: what its streams carry.
        frame: how its streams wrap what is written.
        members: the streams that keep up.
        lagging: the streams that do not; nothing is written to them until they can be written again.
        pending: the events that are not written yet, in the order of their publishing.
        timer: of a paced group, the next flush; None where nothing is pending.
        written_at: when the last bytes were written, in seconds of the loop's clock.
    """

    __slots__ = ("_seqs", "frame", "lagging", "members", "pending", "subscription", "timer", "topics", "written_at")

    def __init__(self, subscription: Subscription, topics: list[Topic], frame: Frame, now: float) -> None:
        self.subscription = subscription
        self.topics = topics
        self.frame = frame
        self.members: set[Stream] = set()
        self.lagging: set[Stream] = set()
        self.pending: list[Event] = []
        self.timer: asyncio.TimerHandle | None = None
        self.written_at = now
        self._seqs = {topic.name: topic.log.seq for topic in topics} if subscription.interval else {}

    def given(self, position: int) -> int:
        """Return the position that the members have been given everything up to, of the hub's own."""
        return self.pending[0].position - 1 if self.pending else position

    def take(self) -> tuple[bytes, int]:
        """Return the framed bytes of what is pending and how many events they hold, and have nothing pending."""
        pending, self.pending = self.pending, []
        form = self.subscription.form
        if self.subscription.interval:
            events = conflate(pending)
            return self.frame(encode(events, form, self._seqs)), len(events)
        return self.frame(b"".join([event.encoded(form) for event in pending])), len(pending)


def conflate(events: list[Event]) -> list[Event]:
    """Leave out the events that a later one supersedes; the order stays."""
    newest = {(event.topic, event.key): event for event in events if event.key is not None}
    return [event for event in events if event.key is None or newest[event.topic, event.key] is event]


def encode(events: list[Event], form: Form, seqs: dict[str, int]) -> bytes:
    """
    Encode events from which superseded ones were left out.

    Args:
        events: what is left, oldest first.
        form: how they are shown.
        seqs: the number of the last event of each topic that the reader has; it is moved on.
    """
    parts = []
    for event in events:
        if isinstance(event, Notice):
            parts.append(event.encoded(form))
            continue
        parts.append(event.encoded_merged(form, event.seq - seqs.get(event.topic, event.seq - 1) - 1))
        seqs[event.topic] = event.seq
    return b"".join(parts)
