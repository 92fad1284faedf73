"""One process's fan-out: what is published to topics goes to the streams subscribed to them."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from threading import get_ident
from typing import Any

from pricewire.hub.delivery import Delivery, Start
from pricewire.hub.event import Event, Notice
from pricewire.hub.flush_pace import FLUSH_POLICY, FlushPolicy
from pricewire.hub.log import LogLimits, TopicLog
from pricewire.hub.siblings import Siblings
from pricewire.hub.streams import Router, Stream, StreamSpec, Topic
from pricewire.hub.topics import Topics
from pricewire.hub.upkeep import Upkeep
from pricewire.protocol.encoder import encode_message
from pricewire.protocol.stream_end import StreamEnd


class Hub(Delivery):
    """
    Carries published messages to the streams subscribed to their topics.

    Everything happens on one event loop. `publish`, `notify` and `close` may be called from any thread: what another one asks for is done
    on the loop, soon, in the order of its calls.

        hub = Hub()
        hub.publish("news", {"headline": "…"}, key="news")

    Attributes:
        boot: what the ids of all events begin with: of another process, or another bus, it is another.
        position: the place of the newest event among all.
        counters: what it has done.
        heartbeat: after so many seconds of silence a stream gets a comment.
        is_draining: whether new streams are refused because the process is about to stop.
        on_write: called before anything that was published is written to a stream; must not raise. A bus makes it safe there.
        on_its_way: tells of a topic whether something was published to it that the bus has not brought to this hub yet.

    Args:
        limits: how far the topics' logs reach back; or a function that says so for a topic's name.
        on_first_stream: called with a topic's name before its first stream gets its snapshot: whoever publishes can begin to.
        on_last_stream: called with a topic's name when its last stream has left, and its `LogLimits.linger` has passed: whoever publishes
            can stop, and should then `forget` the topic.
        replicated: whether each process of a server publishes all messages to a hub of its own. Otherwise several processes are a mistake,
            which is logged as an error.
        flush: how long events may wait for others to be written with, when the thread has much to do.
    """

    def __init__(
        self,
        *,
        limits: LogLimits | Callable[[str], LogLimits] | None = None,
        heartbeat: float = 15.0,
        on_first_stream: Callable[[str], None] | None = None,
        on_last_stream: Callable[[str], None] | None = None,
        replicated: bool = False,
        flush: FlushPolicy = FLUSH_POLICY,
    ) -> None:
        fixed = limits if isinstance(limits, LogLimits) else LogLimits()
        super().__init__(Topics(limits if callable(limits) else lambda _: fixed, on_first_stream, on_last_stream), heartbeat, flush)
        self.on_its_way: Callable[[str], bool] = lambda topic: False
        self._upkeep = Upkeep(self, self._topics)
        maker = sys._getframe(1)
        self._siblings = None if replicated else Siblings(f"{maker.f_code.co_filename}:{maker.f_lineno}")

    def _on_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._siblings is not None:
            self._siblings.look(loop)

    @property
    def topics(self) -> list[str]:
        """The names of the topics that have streams or events."""
        return list(self._topics)

    def readers(self, topic: str) -> int:
        """Return how many streams a topic has, by its name or as they follow it."""
        state = self._topics.get(topic)
        if state is None:
            return 0
        following = (group for group in (*state.groups, *state.paced) if state not in group.named)
        return state.streams + sum(len(group.members) + len(group.lagging) for group in following)

    def has_readers(self, topic: str) -> bool:
        """Return whether a topic has streams that have it by its name, and so keep it going."""
        state = self._topics.get(topic)
        return state is not None and state.streams > 0

    def publish(self, topic: str, message: Any, *, key: str | None = None, event: str = "message", ends: str | None = None) -> Event | None:
        """
        Send a message to all streams of a topic; return the event, or None in another thread, which does not wait for it.

        Args:
            topic: any text; the topic begins with its first message or its first stream.
            message: a struct, a dataclass, a dict or what else `msgspec.json.encode` takes, or a model of pydantic; encoded before this
                returns.
            key: what the message supersedes the topic's earlier messages by. A stream that cannot keep up gets the newest of each key,
                and every message without one.
            event: what the message is, for the envelope, and for streams whose format is `Named`.
            ends: a key that ends with this message, of an order that is filled for instance: streams that begin later get nothing of it.
                The message itself has no key, so that no stream misses it.

        Raises:
            TypeError: the message cannot be encoded as JSON.
        """
        json = encode_message(message)
        if get_ident() == self._owner.thread:
            return self._publish(topic, message, json, key, event, ends)
        return self._owner.call(partial(self._publish, topic, message, json, key, event, ends))

    def _publish(self, topic: str, message: Any, json: bytes, key: str | None, event: str, ends: str | None) -> Event:
        state = self._topics[topic]
        # By their places: with names, this would take twice the time.
        item = Event(self.position + 1, self.boot, topic, state.log.seq + 1, key, event, json, message)
        self._add(state, item, ends, time.monotonic())
        return item

    def notify(self, topic: str, name: str, data: Any) -> Notice | None:
        """
        Tell the streams of a topic about its state by a named event; new streams are told too, until the topic's next message.

        Return the event; None where the topic has no state, and in another thread.

        Args:
            topic: the topic; one that has neither streams nor messages has no state.
            name: the event's type: `stale`, for instance.
            data: what `publish` takes.
        """
        return self._owner.run(partial(self._notify, topic, name, encode_message(data)))

    def _notify(self, topic: str, name: str, json: bytes) -> Notice | None:
        state = self._topics.get(topic)
        if state is None:
            return None
        notice = Notice(position=self.position + 1, topic=topic, name=name, data=json)
        self._add_notice(state, notice)
        return notice

    def latest(self, topic: str) -> list[Any]:
        """Return the newest message of each key of a topic, oldest first: what a new stream would get."""
        return [event.message for event in self.latest_events(topic)]

    def latest_events(self, topic: str) -> list[Event]:
        """Return the newest event of each key of a topic, oldest first."""
        state = self._topics.get(topic)
        return state.log.snapshot(self.position) if state else []

    def newest_event(self, topic: str) -> Event | None:
        """Return the newest event of a topic that its log holds; None for none."""
        state = self._topics.get(topic)
        newest = None if state is None else state.log.newest_event
        return None if newest is None else newest[0]

    def route_by(self, router_of: Callable[[str], Router | None]) -> None:
        """Have topics that begin from now on decide which of their streams get an event: returns for a topic's name what decides."""
        self._topics.router_of = router_of

    def recent_events(self, topic: str) -> list[Event]:
        """Return the events of a topic that its log holds, oldest first."""
        state = self._topics.get(topic)
        return state.log.after(state.log.floor, self.position) or [] if state else []

    def lasting_events(self, topic: str) -> list[Event]:
        """Return the recent events of a topic that nothing supersedes, oldest first."""
        state = self._topics.get(topic)
        return state.log.unkeyed() if state else []

    def log(self, topic: str) -> TopicLog | None:
        """Return the log of a topic that has events; None for any other."""
        state = self._topics.get(topic)
        return state.log if state is not None and state.log.seq else None

    def forget(self, topic: str) -> bool:
        """
        Drop the log of a topic that nothing is published to any more, unless it has streams; return whether it was dropped.

        A reader that comes back to it gets a `reset`.
        """
        self._went(topic)
        if not self._topics.forget(topic, self.position + 1):
            return False
        self.position += 1
        return True

    def begin(self, boot: str, position: int, forgotten: int | None = None) -> None:
        """
        Take what comes from a bus from now on, which numbers it; called before there are streams and topics.

        Args:
            boot: what the ids of all events begin with, lower-case hexadecimal.
            position: all that comes has a greater one; of what has been up to there, nothing is known but what `keep` tells.
            forgotten: where `keep` tells of every topic, the position of the newest that was forgotten up to there: of those that are not
                known there has been nothing since. None where it does not.
        """
        self.boot = boot
        self.position = position
        self._topics.begin(position, position if forgotten is None else forgotten)

    def skip(self, position: int) -> None:
        """Know that a bus that is read from its beginning no longer has some of what was published up to a position."""
        self._topics.skip(position)

    def lose(self, position: int) -> None:
        """
        Know nothing any more of what has been published up to a position: a bus could not carry it, or no longer has it.

        All streams end, since they would look complete; who comes back gets a `reset`.
        """
        for stream in list(self._streams.values()):
            self.end(stream, StreamEnd.SLOW_CONSUMER)
        self._topics.lose(position)
        self.position = max(self.position, position)

    def take(
        self, position: int, topic: str, seq: int, key: str | None, event: str, ends: str | None, json: bytes, at: float | None = None
    ) -> None:
        """
        Send an event that a bus has numbered to all streams of its topic. Positions must grow, and a topic's numbers too.

        Args:
            position: its place among all events.
            topic: the topic.
            seq: its number among the topic's events.
            key: as of `publish`.
            event: as of `publish`.
            ends: as of `publish`.
            json: the message as JSON.
            at: when it was published, in seconds of `time.monotonic`; now where that is not known.
        """
        item = Event(position, self.boot, topic, seq, key, event, json)
        state = self._topics[topic]
        if state.log.seq == 0 and seq > 1:
            # It is older than what the bus still has.
            state.log.know_nothing_before(self._topics.floor)
        self._add(state, item, ends, time.monotonic() if at is None else at)

    def take_notice(self, position: int, topic: str, name: str, json: bytes) -> None:
        """Do as `notify` does with a notice that a bus has numbered."""
        self.position = position
        state = self._topics.get(topic)
        if state is not None:
            self._add_notice(state, Notice(position=position, topic=topic, name=name, data=json))

    def take_forgotten(self, position: int, topic: str) -> None:
        """Do as `forget` does at a position that a bus has given to it."""
        self._went(topic)
        self.position = position
        self._topics.take_forgotten(topic, position)

    def keep(
        self, topic: str, seq: int, position: int, kept: list[tuple[int, int, str, str, bytes]], notice: tuple[str, bytes] | None
    ) -> None:
        """
        Complete what is known of a topic with the newest events of keys from before what the bus still has.

        Args:
            topic: the topic.
            seq: the number of its newest event when this was written.
            position: where that was.
            kept: the position, number, key, name and JSON of these events; where the hub has a newer one of the key, that stays.
            notice: the name and the data of the notice that held then, or None.
        """
        state = self._topics[topic]
        is_new = state.log.seq == 0
        state.log.keep(
            seq,
            position,
            [
                Event(position=at, boot=self.boot, topic=topic, seq=number, key=key, name=name, json=json)
                for at, number, key, name, json in kept
            ],
        )
        if is_new and state.log.seq:
            self._came(state)
        if notice is not None and state.log.seq == seq:
            state.notice = Notice(position=self.position, topic=topic, name=notice[0], data=notice[1])

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
            self._upkeep.begin()
            self._join(stream, spec, start, prelude)
        except Exception:
            self.fail(stream)

    def logs(self) -> Iterator[tuple[str, TopicLog, Notice | None]]:
        """Yield the topics that have events, their logs and notices; topics may come and go meanwhile, and new ones are left out."""
        for name in list(self._topics):
            state = self._topics.get(name)
            if state is not None and state.log.seq:
                yield name, state.log, state.notice

    @property
    def forgotten(self) -> int:
        """Where a topic was forgotten last."""
        return self._topics.forgotten

    def restored(self, linger: float) -> None:
        """
        Wait for the streams of what a bus has brought back; a topic that gets none ends as one that its last stream has left.

        Args:
            linger: how long to wait, in seconds; the topic's own `LogLimits.linger` where that is longer.
        """
        self.counters.events_published = 0
        self._topics.restored(linger)

    def _add(self, state: Topic, item: Event, ends: str | None, now: float) -> None:
        """Keep an event, and have it written to its topic's streams."""
        self.position = item.position
        self.counters.events_published += 1
        state.notice = None
        if state.log.seq == 0 and self._following:
            self._came(state)
        state.log.append(item, now)
        if ends is not None:
            state.log.end(ends)
        groups = state.groups if state.router is None else state.router.route(item, state.log.floor)
        if groups:
            for group in groups:
                if not group.pending:
                    group.bucket.append(group)
                group.pending.append(item)
            self._flusher.wake()
        if item.key is None:
            for group in state.paced:
                group.pending.append(item)
        if state.resting:
            state.wake(item.position - 1)

    def _add_notice(self, state: Topic, notice: Notice) -> None:
        """Keep a notice, and have it written to its topic's streams."""
        self.position = notice.position
        state.notice = notice
        for group in state.groups:
            if group.spec.control:
                if not group.pending:
                    group.bucket.append(group)
                group.pending.append(notice)
        if state.groups:
            self._flusher.wake()
        for group in state.paced:
            if group.spec.control:
                group.pending.append(notice)
        state.wake(notice.position - 1)

    def drain(self) -> list[Stream]:
        """Refuse new streams from now on, and return those that are to be ended before `close`."""
        self.is_draining = True
        return list(self._streams.values())

    def close(self) -> None:
        """End all streams in an orderly way and refuse new ones. Publishing still works, and reaches nobody."""
        self._owner.run(self._close)

    def _close(self) -> None:
        self.is_draining = True
        self._flusher.flush()
        for group in list(self._groups.values()):
            self.end_group(group, StreamEnd.SERVER_DRAINING)
        self._topics.close()
        self._flusher.close()
        self._pacer.close()
        self._upkeep.close()
