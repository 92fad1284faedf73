"""The bus of one process: what is published goes straight to its hub, and behind it into the ring, so that a restart loses nothing."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pricewire.bus.bus import Message, deliver
from pricewire.bus.frames import MAX_DELAY, Forgotten, Frame, Gathering, Notified, Published, Record, TopicState
from pricewire.bus.ring import Past, Ring, read, remove
from pricewire.bus.states import states
from pricewire.errors import BusError
from pricewire.hub.event import Event, Notice
from pricewire.hub.hub import Hub

logger = logging.getLogger(__name__)

LINGER_S = 60.0
"""How long the topics of the last process wait for their streams at least, in seconds."""

TOPICS_AT_ONCE = 100
"""How many topics are looked at with each frame for what has to be written into a new segment."""

REMOVE_AGAIN_S = 1.0
"""How often it is tried to remove a ring that could not be removed, in seconds."""


class MemoryBus:
    """
    Publishes to a hub in the same process; see `Bus`.

    With a folder, what is published is written to a ring of files there before any stream gets it: a new process goes on where this one
    stopped, also after a SIGKILL. Where it cannot be written, prices go on, and the next process begins anew.

    Args:
        hub: gets what is published.
        folder: where the ring is; None for none. No other process may use it.
    """

    def __init__(self, hub: Hub, folder: Path | None = None) -> None:
        self.failure = ""
        self._hub = hub
        self._folder = folder
        self._ring: Ring | None = None
        self._gathering = Gathering()
        # The position of its first record.
        self._first = 0
        # The topics that still have to be looked at for the newest segment; None where all were.
        self._states: Iterator[TopicState | None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._handle: asyncio.Handle | None = None
        self._written_at = 0.0
        # Without a ring the hub's own methods: no call more than without a bus.
        self.publish = hub.publish if folder is None else self._publish
        self.notify = hub.notify if folder is None else self._notify
        self.forget = hub.forget if folder is None else self._forget

    @property
    def size(self) -> int:
        """How many bytes the ring has on the disk."""
        return 0 if self._ring is None else self._ring.size

    async def post(self, messages: Sequence[Message], *, durable: bool = False) -> list[str]:
        """
        Publish messages, and return the ids of their events, as `Bus.post` says; a ring has them where the operating system has.

        Raises:
            BusError: there is no ring to have them safe, or it cannot be written.
        """
        if durable and self._ring is None:
            raise BusError(self.failure or "there is no ring that would keep what is published")
        events = [self.publish(each.topic, each.data, key=each.key, event=each.event, ends=each.ends) for each in messages]
        if durable:
            self._commit()
            if self.failure:
                raise BusError(self.failure)
        return [event.id for event in events if event is not None]

    async def flush(self) -> None:
        """Write to the ring what was published so far."""
        self._commit()

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Give the hub what the ring has kept, and write to it within the block."""
        if self._folder is None:
            yield
            return
        self._loop = asyncio.get_running_loop()
        self._begin(self._folder)
        self._hub.on_write = self._commit
        try:
            yield
        finally:
            self._commit()
            self._hub.on_write = None
            if self._handle is not None:
                self._handle.cancel()
            if self._ring is not None:
                self._ring.close()
                self._ring = None
            elif self.failure:
                self._remove(self._folder)

    def _begin(self, folder: Path) -> None:
        began = time.monotonic()
        try:
            past = read(folder)
            if past is not None:
                self._restore(past)
            self._ring = Ring(folder, self._hub.boot, self._hub.position, self._hub.forgotten, [] if past is None else past.segments)
        except OSError as error:
            self._give_up(error)
            return
        self._states = states(self._hub, self._ring.quiet_before)
        if past is not None:
            logger.info("the last events of %d topics are there again, after %.2f s", len(self._hub.topics), time.monotonic() - began)

    def _restore(self, past: Past) -> None:
        """Give the hub what a ring has kept."""
        self._hub.begin(past.oldest.boot, past.oldest.first - 1, past.oldest.forgotten)
        for at, frame in past.frames():
            deliver(frame, self._hub, at)
        self._hub.restored(LINGER_S)

    def _publish(self, topic: str, message: Any, *, key: str | None = None, event: str = "message", ends: str | None = None) -> Event:
        item = self._hub.publish(topic, message, key=key, event=event, ends=ends)
        assert item is not None, "a bus is used on the hub's loop"  # noqa: S101
        self._add(item.position, Published(topic, item.seq, key, event, ends, item.json), len(item.json))
        return item

    def _notify(self, topic: str, name: str, data: Any) -> Notice | None:
        notice = self._hub.notify(topic, name, data)
        if notice is not None:
            self._add(notice.position, Notified(topic, name, notice.json), len(notice.json))
        return notice

    def _forget(self, topic: str) -> bool:
        # While the hub drains, topics lose their streams because the next process gets them.
        forgotten = not self._hub.is_draining and self._hub.forget(topic)
        if forgotten:
            self._add(self._hub.position, Forgotten(topic), 0)
        return forgotten

    def _add(self, position: int, record: Record, size: int) -> None:
        """Have a record written with the next frame."""
        if self._ring is None:
            return
        gathering = self._gathering
        if not gathering.records:
            self._first = position
            if self._handle is None:
                self._wait()
        if gathering.add(record, size):
            self._commit()

    def _wait(self) -> None:
        """Have the frame written at the end of the loop's turn, or later under load, if no stream needs it before."""
        assert self._loop is not None, "the bus is open"  # noqa: S101
        elapsed = time.monotonic() - self._written_at
        if elapsed >= MAX_DELAY:
            self._handle = self._loop.call_soon(self._write_due)
        else:
            self._handle = self._loop.call_later(MAX_DELAY - elapsed, self._write_due)

    def _write_due(self) -> None:
        self._handle = None
        self._commit()

    def _commit(self) -> None:
        """Write what was published, as streams are about to get it; never raises."""
        if not self._gathering.records or self._ring is None:
            return
        records = self._gathering.take()
        self._written_at = time.monotonic()
        try:
            if self._first + len(records) != self._hub.position + 1:
                raise BusError(f"{self._hub.position + 1 - self._first - len(records)} events were published past the bus")
            self._ring.write(Frame(self._first, records))
            self._go_on(self._ring)
        except Exception as error:
            # Whatever it is, a topic that is no UTF-8 for instance: it must not reach the streams.
            self._give_up(error)

    def _go_on(self, ring: Ring) -> None:
        """Write some more of what a new segment has to tell, or begin the next one."""
        if self._states is None:
            if ring.is_full:
                ring.begin_segment(self._hub.position, self._hub.forgotten)
                self._states = states(self._hub, ring.quiet_before)
            return
        looked_at = list(itertools.islice(self._states, TOPICS_AT_ONCE))
        records = [state for state in looked_at if state is not None]
        if records:
            ring.write(Frame(0, records))
        if len(looked_at) < TOPICS_AT_ONCE:
            self._states = None
            ring.complete()

    def _give_up(self, error: Exception) -> None:
        """Write no more, and have the next process begin anew: it would not know what is published from now on."""
        reason = error.strerror if isinstance(error, OSError) else error
        self.failure = f"the ring {self._folder} cannot be written: {reason}"
        logger.error("%s; prices go on, and after the next start streams begin anew", self.failure)
        if self._ring is not None:
            self._ring.close()
            self._ring = None
        self._states = None
        self._gathering.take()
        if self._folder is not None:
            self._remove(self._folder)

    def _remove(self, folder: Path, *, is_first: bool = True) -> None:
        """Remove the ring's files, and try again until they are gone."""
        try:
            remove(folder)
        except OSError as error:
            if is_first:
                logger.error("the files in %s cannot be removed: %s; remove them before the next start", folder, error.strerror)
            if self._loop is not None and self._loop.is_running():
                self._handle = self._loop.call_later(REMOVE_AGAIN_S, partial(self._remove, folder, is_first=False))
