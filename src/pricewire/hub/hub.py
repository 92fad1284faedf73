"""One process's fan-out: what is published to topics goes to the streams subscribed to them."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from functools import partial
from threading import get_ident
from typing import Any

from pricewire.hub.delivery import Delivery, Start
from pricewire.hub.event import Event, Notice
from pricewire.hub.log import LogLimits
from pricewire.hub.siblings import Siblings
from pricewire.hub.streams import Stream, StreamSpec
from pricewire.hub.topics import Topics
from pricewire.hub.upkeep import Upkeep
from pricewire.protocol.encoder import encode_message
from pricewire.protocol.stream_end import StreamEnd


class Hub(Delivery):
    """
    Carries published messages to the streams subscribed to their topics.

    Everything happens on one event loop. `publish`, `notify`, `forget` and `close` may be called from any thread: what another one asks for
    is done on the loop, soon, in the order of its calls.

        hub = Hub()
        hub.publish("news", {"headline": "…"}, key="news")

    Attributes:
        position: the number of the newest event.
        counters: what it has done.
        heartbeat: after so many seconds of silence a stream gets a comment.
        is_draining: whether new streams are refused because the process is about to stop.

    Args:
        limits: how far the topics' logs reach back; or a function that says so for a topic's name.
        on_first_stream: called with a topic's name before its first stream gets its snapshot: whoever publishes can begin to.
        on_last_stream: called with a topic's name when its last stream has left, and its `LogLimits.linger` has passed: whoever publishes
            can stop, and should then `forget` the topic.
        replicated: whether each process of a server publishes all messages to a hub of its own. Otherwise several processes are a mistake,
            which is logged as an error.
    """

    def __init__(
        self,
        *,
        limits: LogLimits | Callable[[str], LogLimits] | None = None,
        heartbeat: float = 15.0,
        on_first_stream: Callable[[str], None] | None = None,
        on_last_stream: Callable[[str], None] | None = None,
        replicated: bool = False,
    ) -> None:
        fixed = limits if isinstance(limits, LogLimits) else LogLimits()
        super().__init__(Topics(limits if callable(limits) else lambda _: fixed, on_first_stream, on_last_stream), heartbeat)
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

    @property
    def newest_id(self) -> str:
        """The id of the newest event."""
        return self._id(self.position)

    def publish(self, topic: str, message: Any, *, key: str | None = None, event: str = "message", ends: str | None = None) -> None:
        """
        Send a message to all streams of a topic.

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
            self._publish(topic, message, json, key, event, ends)
        else:
            self._owner.call(partial(self._publish, topic, message, json, key, event, ends))

    def _publish(self, topic: str, message: Any, json: bytes, key: str | None, event: str, ends: str | None) -> None:
        state = self._topics[topic]
        item = Event(
            position=self.position + 1,
            boot=self._boot,
            topic=topic,
            seq=state.log.seq + 1,
            key=key,
            name=event,
            message=message,
            json=json,
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
            data: what `publish` takes.
        """
        self._owned(partial(self._notify, topic, name, encode_message(data)))

    def _notify(self, topic: str, name: str, data: bytes) -> None:
        state = self._topics.get(topic)
        if state is None:
            return
        state.notice = Notice(position=self.position + 1, topic=topic, name=name, data=data)
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
        """Return the newest message of each key of a topic, oldest first: what a new stream would get. To be called on the hub's loop."""
        state = self._topics.get(topic)
        return [event.message for event in state.log.snapshot(self.position)] if state else []

    def forget(self, topic: str) -> None:
        """Drop the log of a topic that nothing is published to any more, unless it has streams: a reader that comes back gets a `reset`."""
        self._owned(lambda: self._topics.forget(topic, self.position))

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

    def drain(self) -> list[Stream]:
        """Refuse new streams from now on, and return those that are to be ended before `close`."""
        self.is_draining = True
        return list(self._streams.values())

    def close(self) -> None:
        """End all streams in an orderly way and refuse new ones. Publishing still works, and reaches nobody."""
        self._owned(self._close)

    def _owned(self, function: Callable[[], object]) -> None:
        """Call a function now where this is the hub's thread, and there otherwise."""
        if get_ident() == self._owner.thread:
            function()
        else:
            self._owner.call(function)

    def _close(self) -> None:
        self.is_draining = True
        self._flusher.flush()
        for group in list(self._groups.values()):
            self.end_group(group, StreamEnd.SERVER_DRAINING)
        self._topics.close()
        self._flusher.close()
        self._pacer.close()
        self._upkeep.close()
