"""A hub's topics: when they begin and end, and when their publishers are told that somebody listens to them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence

from pricewire.hub.log import LogLimits, TopicLog
from pricewire.hub.streams import Follow, Router, StreamSpec, Topic

logger = logging.getLogger(__name__)

FORGOTTEN = 10_000
"""How many topics that were forgotten are known by their names: the quotes of some minutes on a busy server."""


class Topics(dict[str, Topic]):
    """
    The topics that have streams or events, by their names; one begins when it is asked for first.

    Args:
        limits_of: says for a topic's name how far its log reaches back.
        on_first_stream: called with a topic's name before its first stream gets its snapshot.
        on_last_stream: called with a topic's name when its last stream has left, and its `LogLimits.linger` has passed.

    Attributes:
        router_of: returns for a topic's name what decides which of its groups get an event; None where all do.
        floor: the position up to which nothing is known but what a bus has kept.
    """

    def __init__(
        self,
        limits_of: Callable[[str], LogLimits],
        on_first_stream: Callable[[str], None] | None,
        on_last_stream: Callable[[str], None] | None,
    ) -> None:
        super().__init__()
        self.router_of: Callable[[str], Router | None] = lambda name: None
        self._limits_of = limits_of
        self._on_first_stream = on_first_stream
        self._on_last_stream = on_last_stream
        # Those that nobody listens to any more, with the times when their publishers are told, in seconds.
        self._idle: dict[str, float] = {}
        # Those that a bus has brought back, and whose publishers have not been told of a stream since.
        self._restored: set[str] = set()
        # Where each was forgotten: a reader that comes back from before that may have missed something. Older ones have no names any more.
        self._forgotten: dict[str, int] = {}
        self._forgotten_floor = 0
        self.floor = 0

    def __missing__(self, name: str) -> Topic:
        topic = self[name] = Topic(name, TopicLog(self._limits_of(name), self._floor_of(name)))
        topic.router = self.router_of(name)
        return topic

    @property
    def forgotten(self) -> int:
        """Where a topic was forgotten last."""
        return next(reversed(self._forgotten.values()), self._forgotten_floor)

    def reach_back(self, names: Iterable[str], position: int, follow: Follow | None = None) -> bool:
        """Return whether every event of some topics after a position is known, and of those that are followed besides."""
        for name in names:
            topic = self.get(name)
            if position < self._floor_of(name) if topic is None else topic.log.after(position, position) is None:
                return False
        return follow is None or self._reach_back_of_followed(follow, position)

    def _reach_back_of_followed(self, follow: Follow, position: int) -> bool:
        if position < self._forgotten_floor:
            return False
        for name, forgotten_at in reversed(self._forgotten.items()):
            if forgotten_at <= position:
                break
            if follow(name):
                return False
        return all(position >= topic.log.floor for name, topic in self.items() if topic.log.seq and follow(name))

    def followed(self, spec: StreamSpec, named: Sequence[Topic]) -> list[Topic]:
        """Return the topics that a stream follows besides those that it has by their names: of those that have events, the oldest."""
        if spec.follow is None:
            return []
        known = set(named)
        found = (topic for name, topic in self.items() if topic.log.seq and topic not in known and spec.follow(name))
        return [topic for topic, _ in zip(found, range(spec.most - len(named)), strict=False)]

    def enter(self, names: Iterable[str]) -> None:
        """
        Count one more stream of some topics.

        Raises:
            Exception: of a publisher that cannot begin; the stream is then counted for none of them.
        """
        entered: list[Topic] = []
        try:
            for name in names:
                topic = self[name]
                if topic.streams == 0 and (self._idle.pop(name, None) is None or name in self._restored):
                    self._restored.discard(name)
                    if self._on_first_stream is not None:
                        self._on_first_stream(name)
                topic.streams += 1
                entered.append(topic)
        except Exception:
            self.end(self.leave(entered))
            raise

    def leave(self, topics: Iterable[Topic]) -> list[str]:
        """Count one stream less of some topics; return the names of those to `end` at once, as nobody listens to them any more."""
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

    def end(self, names: Iterable[str]) -> None:
        """Tell the publishers of some topics that nobody listens to them any more."""
        for name in names:
            self._restored.discard(name)
            if self[name].log.seq == 0:
                del self[name]
            if self._on_last_stream is not None:
                try:
                    self._on_last_stream(name)
                except Exception:
                    logger.exception("the publisher of %r could not stop", name)

    def end_idle(self) -> bool:
        """End the topics that nobody has listened to for long enough; return whether there will be more."""
        now = time.monotonic()
        for name, deadline in list(self._idle.items()):
            if deadline <= now:
                del self._idle[name]
                self.end([name])
        return bool(self._idle)

    def begin(self, floor: int, forgotten: int) -> None:
        """Know nothing of what has been published up to a position, and that topics of which nothing is known were forgotten at another."""
        self.floor = floor
        self._forgotten.clear()
        self._forgotten_floor = forgotten

    def skip(self, position: int) -> None:
        """Reach back no further than to a position, but with the newest event of each key."""
        for topic in self.values():
            topic.log.know_nothing_before(position)
        self.begin(position, position)

    def lose(self, position: int) -> None:
        """Forget all topics, none of which has streams, with what has been published up to a position."""
        for name in list(self._idle):
            self.end([name])
        self._idle.clear()
        self._restored.clear()
        for topic in self.values():
            topic.log.release()
        self.clear()
        self.begin(position, position)

    def restored(self, linger: float) -> None:
        """Wait for streams of all topics that have none: at least for some seconds, then their publishers are told as if these had left."""
        now = time.monotonic()
        for name, topic in self.items():
            topic.log.expire(now)
            if topic.streams == 0:
                self._restored.add(name)
                self._idle[name] = now + max(topic.log.limits.linger, linger)

    def forget(self, name: str, position: int) -> bool:
        """
        Drop a topic's log, unless the topic has streams; return whether it was dropped.

        A reader that comes back from before a position gets a `reset` then.
        """
        topic = self.get(name)
        if topic is None or topic.streams > 0:
            return False
        topic.log.release()
        del self[name]
        self._idle.pop(name, None)
        self._restored.discard(name)
        self._add_forgotten(name, position)
        return True

    def take_forgotten(self, name: str, position: int) -> None:
        """
        Do as `forget` at a position where another process has, also with a topic that is not known here.

        What it had may be older than what is known: a reader that comes back from before that has missed it.
        """
        if not self.forget(name, position) and name not in self:
            self._add_forgotten(name, position)

    def _add_forgotten(self, name: str, position: int) -> None:
        # The newest last.
        self._forgotten.pop(name, None)
        self._forgotten[name] = position
        if len(self._forgotten) > FORGOTTEN:
            self._forgotten_floor = self._forgotten.pop(next(iter(self._forgotten)))

    def _floor_of(self, name: str) -> int:
        """Return the position since when there has been nothing of a topic that is not known."""
        return self._forgotten.get(name, self._forgotten_floor)

    def close(self) -> None:
        """Tell no publisher any more."""
        self._idle.clear()
