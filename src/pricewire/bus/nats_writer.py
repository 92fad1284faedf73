"""
What a process publishes becomes frames: they gather while one is under way, and are written one after the other.

Who writes also removes what is old: it first publishes again what is current though it was quiet for long.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import nats.errors
from nats.js import JetStreamContext

from pricewire.bus.bus import Message
from pricewire.bus.frames import (
    MAX_BYTES,
    MAX_DELAY,
    POSITIONS,
    Closed,
    Forgotten,
    Gathering,
    Notified,
    Published,
    Record,
    TopicState,
    encode,
    name_bytes,
)
from pricewire.bus.lease import FencedSubject, TooLargeError
from pricewire.bus.states import states
from pricewire.errors import BusError, FencedError
from pricewire.hub.hub import Hub

logger = logging.getLogger(__name__)

WINDOW_S = 600.0
"""For how long frames are kept at least, in seconds: who wrote them removes them, so nothing is lost while there is nobody."""

ROUND_S = 150.0
"""
How often a writer publishes again what is current and was quiet since the round before, in seconds: so often that there are two rounds in
the frames that are kept.
"""

STATES_BYTES = 128 * 1024
"""About how many bytes of that are in one frame."""

STATES_AT_ONCE = 500
"""How many topics are looked at for that between two frames."""

CLOSE_S = 5.0
"""How long a process that ends waits for the bus to take what it has published, in seconds."""

BEAT_S = 1.0
"""After so many seconds without an event the writer sends an empty frame, which shows that it is there."""

HELD_BYTES = 400
"""How many bytes of memory a record that waits takes besides those that it has in a frame: measured where somebody waits for its place."""

BACKLOG = 64 * 1024 * 1024
"""How many bytes of memory wait for a bus that is away; with more the writer ends, or loses them, and readers are told so."""

MOST_POSTED = BACKLOG // 4
"""Where more bytes than this would wait, others who publish are refused, and can try again; the rest is for what this process decides."""

FREE_RATE = 1000.0
"""Up to so many events per second a frame is sent as soon as the one before it has been acknowledged."""

DELAY_PER_EVENT = 1e-6
"""By how much a frame waits for more events, in seconds, for each event per second above the free rate."""

LOST = "Pricewire-Lost"
"""The header of a frame before which others could not be carried."""


class OldFrames:
    """Knows which frames of a stream are older than those that are kept."""

    def __init__(self) -> None:
        # When some of the frames were published, in seconds of `time.monotonic`, with their sequences, oldest first.
        self._marks: deque[tuple[float, int]] = deque()

    def note(self, at: float, sequence: int) -> None:
        """Note when a frame was published, in seconds of `time.monotonic`; now and then one is kept in mind."""
        if not self._marks or at - self._marks[-1][0] >= ROUND_S:
            self._marks.append((at, sequence))

    async def remove(self, context: JetStreamContext, stream: str, subjects: list[str]) -> None:
        """
        Have a stream keep of some subjects' frames only what a reader that begins needs.

        Args:
            context: the connection's JetStream.
            stream: the stream's name.
            subjects: those subjects; none for all.
        """
        oldest = None
        while len(self._marks) > 1 and self._marks[1][0] < time.monotonic() - WINDOW_S:
            self._marks.popleft()
            oldest = self._marks[0][1]
        if oldest is None:
            return
        # What could not be removed now is removed with the next round.
        with contextlib.suppress(nats.errors.Error, OSError):
            if not subjects:
                await context.purge_stream(stream, seq=oldest)
            for subject in subjects:
                await context.purge_stream(stream, seq=oldest, subject=subject)


class Posted:
    """
    Messages that somebody waits to hear the places of.

    Attributes:
        positions: where each is, once that is known.
        done: gets these when all are.
    """

    __slots__ = ("done", "positions", "waiting")

    def __init__(self, count: int) -> None:
        self.positions = [0] * count
        self.waiting = count
        self.done: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()

    def place(self, index: int, position: int) -> None:
        """Know where one is."""
        self.positions[index] = position
        self.waiting -= 1
        if not self.waiting and not self.done.done():
            self.done.set_result(self.positions)

    def fail(self, error: BusError) -> None:
        """Know that one is lost."""
        if not self.done.done():
            self.done.set_exception(error)


class FrameWriter:
    """
    Publishes as the only writer of a subject, until another one is.

    Args:
        hub: knows what is current.
        seqs: the numbers of the newest events of topics, to go on with.
        on_taken: called with the sequence, the records, and whether others were lost before them, when the server has taken a frame.
        is_read_back: whether the hub gets frames by a reader, which calls `came`; else `on_taken` gives them to it.
        may_lose: whether it goes on after a loss, which readers are told of. Else it ends: who writes next knows from the database what
            is to be published, and would publish it too late if this one had gone on.
        owns: says of which topics the hub's events are published by this writer; None for all.
        on_round: called when everything that was quiet has been published again.
    """

    def __init__(
        self,
        hub: Hub,
        seqs: dict[str, int],
        *,
        on_taken: Callable[[int, list[Record], bool], None],
        is_read_back: bool,
        may_lose: bool,
        owns: Callable[[str], bool] | None,
        on_round: Callable[[], Awaitable[None]],
    ) -> None:
        self._hub = hub
        self._seqs = seqs
        self._on_taken = on_taken
        self._is_read_back = is_read_back
        self._may_lose = may_lose
        self._owns = owns
        self._on_round = on_round
        self._fault = ""
        self._taken_at = time.monotonic()
        self._gathering = Gathering()
        # Frames that wait for others to be sent, with about how many bytes of memory each takes, and in all.
        self._full: deque[tuple[list[Record], int]] = deque()
        self._backlog = 0
        self._is_lossy = False
        self._wake = asyncio.Event()
        self._is_written = asyncio.Event()
        self._is_written.set()
        # How many records were published, and how many of these are done with.
        self._added = 0
        self._delivered = 0
        self._progress = asyncio.Event()
        self._rate = 0.0
        # The records that somebody waits for, by their `id`, each with its index among those of one call.
        self._posted: dict[int, tuple[Posted, int]] = {}
        # Frames that are on their way: not in the hub yet.
        self._underway: deque[list[Record]] = deque()
        # What the round that is under way has still to look at, None where none is; from which position on the last one did not look; and
        # when the next one begins, in seconds of `time.monotonic`.
        self._states: Iterator[TopicState | None] | None = None
        self._quiet_before = 0
        self._round_at = 0.0

    def publish(self, topic: str, message: Any, *, key: str | None = None, event: str = "message", ends: str | None = None) -> None:
        """
        Send a message to all streams of a topic, as `Publishing.publish` says.

        Raises:
            TypeError: the message cannot be encoded as JSON.
        """
        json = msgspec.json.encode(message)
        seq = self._seqs[topic] = self._seqs.get(topic, 0) + 1
        # The names of what a server itself publishes are short and plain; of others they are looked at, see `post`.
        self._add(Published(topic, seq, key, event, ends, json), len(json) + len(topic) + len(event) + len(key or ""))

    def post(self, messages: Sequence[Message]) -> asyncio.Future[list[int]]:
        """
        Publish messages as `publish` does; return what gets their positions when NATS has them.

        It gets a `FencedError` where another one writes, and a `BusError` where one of them is lost, or too much waits for the bus already.
        """
        posted = Posted(len(messages))
        if self._fault:
            posted.fail(FencedError(self._fault))
        elif self.waiting + sum(len(each.data) for each in messages) > MOST_POSTED:
            posted.fail(BusError("the bus does not take what is published fast enough; try again in a moment"))
            return posted.done
        for index, each in enumerate(messages):
            seq = self._seqs[each.topic] = self._seqs.get(each.topic, 0) + 1
            record = Published(each.topic, seq, each.key, each.event, each.ends, bytes(each.data))
            if not self._fault:
                self._posted[id(record)] = posted, index
            names = (each.topic, each.event, each.key or "", each.ends or "")
            self._add(record, len(record.json) + sum(map(name_bytes, names)))
        return posted.done

    def notify(self, topic: str, name: str, data: Any) -> None:
        """
        Tell the streams of a topic about its state, as `Publishing.notify` says.

        Raises:
            TypeError: the data cannot be encoded as JSON.
        """
        json = msgspec.json.encode(data)
        self._add(Notified(topic, name, json), len(json) + len(topic) + len(name))

    def forget(self, topic: str) -> None:
        """Drop the log of a topic that nothing is published to any more."""
        self._seqs.pop(topic, None)
        self._add(Forgotten(topic), len(topic))

    def close(self, topic: str) -> None:
        """Tell whoever trades that nobody knows the price until the next tick, whose topic this is."""
        self._add(Closed(topic), len(topic))

    @property
    def waiting(self) -> int:
        """About how many bytes of memory what waits for the bus takes."""
        return self._backlog + self._gathering.size + HELD_BYTES * len(self._gathering.records)

    async def flush(self) -> None:
        """
        Wait until the hub has everything that was published so far; as long as the bus is away.

        Raises:
            FencedError: another one writes now, or will: what the hub has not will not come from here.
        """
        wanted = self._added
        while self._delivered < wanted:
            if self._fault:
                raise FencedError(self._fault)
            self._progress.clear()
            await self._progress.wait()

    async def finish(self) -> None:
        """Wait until what was published has been written, for a bus that is there."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._is_written.wait(), CLOSE_S)

    def end(self, fault: str) -> None:
        """Publish nothing more, as another one does from now on, or will; what waits is dropped."""
        if not self._fault:
            self._fault = fault
            self._full.clear()
            self._gathering.take()
            posted, self._posted = self._posted, {}
            for each, _ in posted.values():
                each.fail(FencedError(fault))
            self._is_written.set()
            self._progress.set()

    def came(self, count: int) -> None:
        """Know that the hub has the oldest frame that was under way, with so many records."""
        if self._underway:
            self._underway.popleft()
            self._done(count)

    def is_on_its_way(self, topic: str) -> bool:
        """Return whether something was published to a topic that the hub has not yet."""
        waiting = (*self._underway, *(records for records, _ in self._full), self._gathering.records)
        return any(record.topic == topic for records in waiting for record in records)

    async def write(self, subject: FencedSubject, headers: Mapping[str, str]) -> None:
        """
        Publish frames, one after the other, until it is cancelled.

        Args:
            subject: what they are published to.
            headers: what each of them has.

        Raises:
            FencedError: another one writes now; this writer has ended.
        """
        sent_at = time.monotonic()
        while True:
            if not self._full and not self._gathering.records and self._states is None:
                self._is_written.set()
                self._wake.clear()
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), BEAT_S)
            delay = min(MAX_DELAY, (self._rate - FREE_RATE) * DELAY_PER_EVENT) - (time.monotonic() - sent_at)
            if delay > 0 and not self._full:
                await asyncio.sleep(delay)
            if self._fault:
                raise FencedError(self._fault)
            records = self._next()
            now = time.monotonic()
            elapsed = max(now - sent_at, 1e-6)
            self._rate += (len(records) / elapsed - self._rate) * elapsed / (elapsed + 0.1)
            sent_at = now
            try:
                await self._send(subject, headers, records, is_published=True)
                await self._tell_states(subject, headers)
            except FencedError as error:
                self.end(str(error))
                raise

    def _add(self, record: Record, size: int) -> None:
        if self._fault:
            # It is dropped, which who waits for it is told.
            self._added += 1
            return
        if self._backlog + self._gathering.size > BACKLOG:
            # The bus is away for long.
            fault = f"the bus has taken nothing for {time.monotonic() - self._taken_at:.0f} s"
            if not self._may_lose:
                logger.error("%s: this process publishes nothing more", fault)
                self.end(fault)
                self._added += 1
                return
            # What readers have is complete up to there; after it they are told to begin anew.
            logger.error("%s: what was published meanwhile is lost", fault)
            lost = [record for records, _ in self._full for record in records] + self._gathering.take()
            self._full.clear()
            self._backlog = 0
            self._is_lossy = True
            self._done(len(lost))
            self._fail_posted(lost, BusError("the bus was away for too long: what was published is lost"))
        if size > MAX_BYTES and self._gathering.records:
            # So that a message as large as the bus carries fits.
            self._cut()
        if self._gathering.add(record, size):
            self._cut()
        self._added += 1
        self._is_written.clear()
        self._wake.set()

    def _done(self, count: int) -> None:
        """Count records that are in the hub, or lost."""
        self._delivered += count
        self._progress.set()

    def _fail_posted(self, records: Sequence[Record], error: BusError) -> None:
        """Have those hear of it who wait for some records."""
        for record in records:
            if (found := self._posted.pop(id(record), None)) is not None:
                found[0].fail(error)

    def _cut(self) -> None:
        """Have the records so far be a frame, and begin the next one."""
        size = self._gathering.size + HELD_BYTES * len(self._gathering.records)
        self._backlog += size
        self._full.append((self._gathering.take(), size))

    def _next(self) -> list[Record]:
        """Return the records of the next frame; none where there are none."""
        if not self._full:
            return self._gathering.take()
        records, size = self._full.popleft()
        self._backlog -= size
        return records

    async def _tell_states(self, subject: FencedSubject, headers: Mapping[str, str]) -> None:
        """Publish some more of what is current and was quiet; when all of it is there, remove the frames that are old."""
        if self._states is None:
            if time.monotonic() < self._round_at:
                return
            # The first round of a writer has everything, since it does not know whether the one before it came to its end.
            self._states = states(self._hub, self._quiet_before or self._hub.position + 1, self._owns)
            self._quiet_before = self._hub.position + 1
            self._round_at = time.monotonic() + ROUND_S
        while self._is_read_back and self._underway and not self._fault:
            # What the hub knows is to be no older than what was published: a key that has ended would be current again.
            self._progress.clear()
            await self._progress.wait()
        records: list[Record] = []
        size = 0
        is_over = True
        for looked_at, state in enumerate(self._states, 1):
            if state is not None:
                records.append(state)
                size += state.size
            if size >= STATES_BYTES or looked_at == STATES_AT_ONCE:
                is_over = False
                break
        if records:
            await self._send(subject, headers, records, is_published=False)
        if is_over:
            self._states = None
            await self._on_round()

    async def _send(self, subject: FencedSubject, headers: Mapping[str, str], records: list[Record], *, is_published: bool) -> None:
        """Have the server take a frame of what was published, or of what is told besides, and the hub get it."""
        count = len(records) if is_published else 0
        if count:
            self._underway.append(records)
        is_lossy, self._is_lossy = self._is_lossy, False
        try:
            sequence = await subject.publish(encode(records), {**headers, LOST: "1"} if is_lossy else headers)
        except FencedError:
            raise
        except BusError as error:
            if isinstance(error, TooLargeError) and len(records) > 1:
                self._is_lossy = is_lossy
                await self._send_halves(subject, headers, records, is_published=is_published)
                return
            if not (self._may_lose or isinstance(error, TooLargeError)):
                raise FencedError(str(error)) from None
            logger.error("%s; it is lost", error)
            self._is_lossy = True
            if count:
                self._underway.pop()
            self._done(count)
            self._fail_posted(records, error)
            return
        self._taken_at = time.monotonic()
        if self._posted:
            for position, record in enumerate(records, sequence * POSITIONS):
                if (found := self._posted.pop(id(record), None)) is not None:
                    posted, index = found
                    posted.place(index, position)
        self._on_taken(sequence, records, is_lossy)
        if count and not self._is_read_back:
            self.came(count)

    async def _send_halves(self, subject: FencedSubject, headers: Mapping[str, str], records: list[Record], *, is_published: bool) -> None:
        """Have the server take a frame as two that was too large for it: sizes are estimates, and the server's limit is its own."""
        half = len(records) // 2
        if is_published:
            self._underway.pop()
            # It waits like others: until it is sent, it is on its way. It was counted as sent already.
            self._full.appendleft((records[half:], 0))
        await self._send(subject, headers, records[:half], is_published=is_published)
        if not is_published:
            await self._send(subject, headers, records[half:], is_published=False)
