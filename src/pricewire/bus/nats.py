"""
The bus over NATS: frames in one stream of JetStream, which one process writes and any number read.

    publish ──> next frame ──> stream of JetStream ──> reader ──> hub      in every other process
                                     │ acknowledged
                                     └──> hub                              in the process that writes

The sequence of a frame in the stream makes the positions of its records, so an event has the same id everywhere. The process that writes
gives its hub what the server has acknowledged: what a stream was told is never taken back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.js.api import StorageType, StreamConfig, StreamInfo
from nats.js.kv import KeyValue

from pricewire.bus.bus import deliver
from pricewire.bus.frames import (
    MAX_BYTES,
    MAX_DELAY,
    POSITIONS,
    Forgotten,
    Frame,
    Gathering,
    Notified,
    Published,
    Record,
    TopicState,
    decode,
    encode,
)
from pricewire.bus.lease import FencedSubject, Lease
from pricewire.bus.nats_connection import NatsAddress, connected
from pricewire.bus.nats_reader import ANSWER_S, StreamReader
from pricewire.bus.states import states
from pricewire.bus.tasks import running
from pricewire.errors import BusError, FencedError
from pricewire.hub.hub import Hub

logger = logging.getLogger(__name__)

WINDOW_S = 600.0
"""For how long frames are kept at least, in seconds: the writer removes what is older, so nothing is lost while there is none."""

ROUND_S = 150.0
"""
How often the writer publishes again what is current and was quiet since the round before, in seconds: so often that there are two rounds in
the frames that are kept.
"""

STATES_BYTES = 128 * 1024
"""About how many bytes of that are in one frame."""

STATES_AT_ONCE = 500
"""How many topics are looked at for that between two frames."""

BEAT_S = 1.0
"""After so many seconds without an event the writer sends an empty frame, which shows that it is there."""

SILENCE_S = 3.0
"""After so many seconds without a frame the writer, or the way to it, counts as gone."""

BACKLOG = 64 * 1024 * 1024
"""How many bytes wait for a bus that is away; what is more is lost, and readers are told so."""

CLOSE_S = 5.0
"""How long a process that ends waits for the bus to take what it has published, in seconds."""

FREE_RATE = 1000.0
"""Up to so many events per second a frame is sent as soon as the one before it has been acknowledged."""

DELAY_PER_EVENT = 1e-6
"""By how much a frame waits for more events, in seconds, for each event per second above the free rate."""

LOST = "Pricewire-Lost"
"""The header of a frame before which others could not be carried."""

WRITER = "Pricewire-Writer"
"""The header that names the process that writes."""


@dataclass(frozen=True, slots=True)
class NatsPlan:
    """
    Which stream carries the frames.

    Attributes:
        stream: its name, and the beginning of its subjects; several systems on one NATS have different ones.
        replicas: how many servers have a copy, where this process makes the stream.
    """

    stream: str = "pw"
    replicas: int = 1

    @property
    def subject(self) -> str:
        """The subject that frames are published to."""
        return f"{self.stream}.all.0"

    @property
    def bucket(self) -> str:
        """The key-value bucket of the leases."""
        return f"{self.stream}_leases"


@dataclass(slots=True)
class BusCounters:
    """
    What a bus has done, for the metrics.

    Attributes:
        frames_written: frames that the server has acknowledged.
        frames_read: frames that were read.
        records: records in them.
        lost: how often something could not be carried for good, or was not there any more.
        takeovers: how often this process has become the writer.
    """

    frames_written: int = 0
    frames_read: int = 0
    records: int = 0
    lost: int = 0
    takeovers: int = 0


class NatsBus:
    """
    A bus over NATS; see `Bus`.

    Attributes:
        name: the name of this process on the bus, which no other has.
        counters: what it has done.
        client: the connection, while it is open.
        on_read: called with the records of each frame that is read; None where nobody asks.

    Args:
        hub: gets all events.
        address: where NATS is.
        writes: whether this process is to publish: it stands by while another one does.
        plan: which stream carries the frames.
        on_fenced: called when another process has become the writer: this one has to end.
        on_writer: called when frames come from another process than before.
    """

    def __init__(
        self,
        hub: Hub,
        address: NatsAddress,
        *,
        writes: bool,
        plan: NatsPlan | None = None,
        on_fenced: Callable[[], None] | None = None,
        on_writer: Callable[[], None] | None = None,
    ) -> None:
        self.name = secrets.token_hex(8)
        self.counters = BusCounters()
        self.client: Client | None = None
        self.on_read: Callable[[Sequence[Record]], None] | None = None
        self._hub = hub
        self._address = address
        self._writes = writes
        self._plan = plan or NatsPlan()
        self._on_fenced = on_fenced
        self._on_writer = on_writer
        self._writer = ""
        self._reader: StreamReader | None = None
        self._lease: Lease | None = None
        self._fault = ""
        self._is_open = False
        self._framed_at = time.monotonic()
        self._has_begun = False
        # What is to be written.
        self._seqs: dict[str, int] = {}
        self._gathering = Gathering()
        # Frames that wait for others to be sent, with about how many bytes each has, and in all.
        self._full: deque[tuple[list[Record], int]] = deque()
        self._backlog = 0
        self._sending: list[Record] = []
        self._is_lossy = False
        self._wake = asyncio.Event()
        self._is_written = asyncio.Event()
        self._is_written.set()
        # What the round that is under way has still to look at, None where none is; and from which position on the last one did not.
        self._states: Iterator[TopicState | None] | None = None
        self._quiet_before = 0
        self._round_at = 0.0
        # When some of the frames were published, in seconds of `time.monotonic`, with their sequences, oldest first.
        self._marks: deque[tuple[float, int]] = deque()
        # How many records were published, and how many of these are done with.
        self._added = 0
        self._delivered = 0
        self._progress = asyncio.Event()
        self._rate = 0.0
        if writes:
            hub.on_its_way = self._on_its_way

    @property
    def failure(self) -> str:
        """Why it does not do all that it promises now; empty while it does."""
        if self._fault or not self._is_open:
            return self._fault or "the bus is not open yet"
        silent = self.silent_s
        if silent < SILENCE_S:
            return ""
        what = "has not taken a frame" if self._writes else "has brought no frame"
        return f"the bus {what} for {silent:.0f} s"

    @property
    def silent_s(self) -> float:
        """How long ago the newest frame was written or read, in seconds."""
        return time.monotonic() - self._framed_at

    @property
    def is_writer(self) -> bool:
        """Whether this process may publish and decide now: it has the lease, as far as it knows."""
        return self._lease is not None and self._lease.is_held and not self._fault

    async def confirm(self, timeout: float) -> bool:
        """
        Return whether this process may publish and decide; where it is not certain, as after a pause of this process, wait until it is.

        Args:
            timeout: how long to wait at most, in seconds.
        """
        return self._lease is not None and await self._lease.confirm(timeout) and not self._fault

    @property
    def position(self) -> int:
        """The position up to which the hub has everything."""
        return self._hub.position

    def publish(self, topic: str, message: Any, *, key: str | None = None, event: str = "message", ends: str | None = None) -> None:
        """
        Send a message to all streams of a topic, as `Publishing.publish` says.

        Raises:
            TypeError: the message cannot be encoded as JSON.
        """
        json = msgspec.json.encode(message)
        seq = self._seqs[topic] = self._seqs.get(topic, 0) + 1
        self._add(Published(topic, seq, key, event, ends, json), len(json))

    def notify(self, topic: str, name: str, data: Any) -> None:
        """
        Tell the streams of a topic about its state, as `Publishing.notify` says.

        Raises:
            TypeError: the data cannot be encoded as JSON.
        """
        json = msgspec.json.encode(data)
        self._add(Notified(topic, name, json), len(json))

    def forget(self, topic: str) -> None:
        """Drop the log of a topic that nothing is published to any more."""
        self._seqs.pop(topic, None)
        self._add(Forgotten(topic), len(topic))

    @property
    def writer(self) -> str:
        """The name of the process that has written the newest frame; empty before the first."""
        return self._writer

    async def moved(self) -> None:
        """Wait until another frame has been read."""
        if self._reader is not None:
            await self._reader.wait_for(self._reader.sequence + 1)

    async def flush(self) -> None:
        """Wait until the hub has everything that was published so far; as long as the bus is away."""
        wanted = self._added
        while self._delivered < wanted:
            self._progress.clear()
            await self._progress.wait()

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """
        Feed the hub within the block; a process that writes stands by before until no other does.

        Raises:
            BusError: the bus cannot be used.
        """
        async with contextlib.AsyncExitStack() as stack:
            self.client = client = await stack.enter_async_context(connected(self._address, f"pricewire {self.name}", self._reconnected))
            await self._prepare(client)
            self._reader = reader = StreamReader(client, self._plan.stream, self)
            async with running(reader.run(), "bus reader") as reading:
                await reader.has_caught_up.wait()
                if self._writes:
                    subject = await self._become_writer(client, stack)
                    await reader.wait_for(subject.last)
                    reading.cancel()
                    self.counters.takeovers += 1
                    self._framed_at = time.monotonic()
                    await stack.enter_async_context(running(self._write(subject), "bus writer"))
                    stack.push_async_callback(self._finish)
                self._is_open = True
                try:
                    yield
                finally:
                    self._is_open = False

    def begin(self, created: datetime, sequence: int) -> None:
        """Have the hub begin with what comes after a frame."""
        # Of another stream, or after a loss, ids would mean other events.
        boot = f"{int(created.timestamp() * 1_000_000):x}"
        position = (sequence + 1) * POSITIONS - 1
        if self._has_begun:
            self.counters.lost += 1
            self._hub.lose(position)
        self._has_begun = True
        self._hub.begin(boot, position)

    def take(self, sequence: int, data: bytes, headers: dict[str, str], age: float) -> None:
        """Give the hub what a frame has."""
        if LOST in headers:
            self.counters.lost += 1
            self._hub.lose(sequence * POSITIONS - 1)
        try:
            records = decode(data)
        except BusError as error:
            # Whatever it was, the streams must not look complete.
            logger.error("%s", error)
            self.counters.lost += 1
            self._hub.lose((sequence + 1) * POSITIONS - 1)
            return
        self.counters.frames_read += 1
        self.counters.records += len(records)
        if self._writes:
            self._remember(records)
            self._mark(time.monotonic() - age, sequence)
        if self.on_read is not None:
            self.on_read(records)
        deliver(Frame.numbered(sequence, records), self._hub, time.monotonic() - age if age else None)
        self._framed_at = time.monotonic() - age
        writer = headers.get(WRITER, "")
        if writer != self._writer:
            self._writer = writer
            if self._on_writer is not None:
                self._on_writer()

    def _remember(self, records: list[Record]) -> None:
        """Know the topics' numbers, to go on with them when this process becomes the writer."""
        for record in records:
            if type(record) is Published:
                self._seqs[record.topic] = record.seq
            elif type(record) is TopicState:
                self._seqs[record.topic] = max(record.seq, self._seqs.get(record.topic, 0))
            elif type(record) is Forgotten:
                self._seqs.pop(record.topic, None)

    def _mark(self, at: float, sequence: int) -> None:
        """Note when a frame was published, now and then."""
        if not self._marks or at - self._marks[-1][0] >= ROUND_S:
            self._marks.append((at, sequence))

    def _reconnected(self) -> None:
        if self._reader is not None:
            self._reader.begin_anew()

    async def _prepare(self, client: Client) -> StreamInfo:
        """Make the stream where it is missing, waiting for a cluster that is not ready; return what it is."""
        config = StreamConfig(
            name=self._plan.stream,
            subjects=[f"{self._plan.stream}.>"],
            storage=StorageType.FILE,
            num_replicas=self._plan.replicas,
            duplicate_window=WINDOW_S,
            allow_direct=False,
        )
        context = client.jetstream(timeout=ANSWER_S)
        while True:
            try:
                try:
                    return await context.stream_info(self._plan.stream)
                except nats.js.errors.NotFoundError:
                    return await context.add_stream(config)
            except nats.js.errors.APIError as error:
                if (error.code or 0) < 500:
                    raise BusError(f"the bus has no stream {self._plan.stream!r}, and none can be made: {error.description}") from None
                logger.warning("the bus is not ready: %s", error.description)
            except (nats.errors.Error, OSError) as error:
                logger.warning("the bus is not ready: %s", str(error) or type(error).__name__)
            await asyncio.sleep(1)

    async def _become_writer(self, client: Client, stack: contextlib.AsyncExitStack) -> FencedSubject:
        """Wait until this process has the lease, and return the subject that it alone writes to from then on."""
        context = client.jetstream(timeout=ANSWER_S)
        bucket: KeyValue | None = None
        while bucket is None:
            try:
                bucket = await context.create_key_value(bucket=self._plan.bucket, replicas=self._plan.replicas)
            except (nats.errors.Error, OSError):
                await asyncio.sleep(1)
        self._lease = lease = Lease(bucket, "all.0", self.name)
        await lease.acquire()
        stack.push_async_callback(lease.release)
        subject = FencedSubject(context, self._plan.stream, self._plan.subject, self.name, headers={WRITER: self.name})
        await subject.claim(encode([]))
        await stack.enter_async_context(running(self._keep(lease), "bus lease"))
        return subject

    async def _keep(self, lease: Lease) -> None:
        try:
            await lease.keep()
        except FencedError as error:
            self._fenced(error)

    def _fenced(self, error: BusError) -> None:
        """End the part of this process: another one writes."""
        if not self._fault:
            self._fault = str(error)
            logger.critical("%s; this one ends", error)
            self._is_written.set()
            if self._on_fenced is not None:
                self._on_fenced()

    def _add(self, record: Record, size: int) -> None:
        if self._backlog + self._gathering.size > BACKLOG:
            # The bus is away for long. What readers have is complete up to there; after it they are told to begin anew.
            logger.error("the bus has taken nothing for %.0f s: what was published meanwhile is lost", self.silent_s)
            dropped = sum(len(records) for records, _ in self._full) + len(self._gathering.take())
            self._full.clear()
            self._backlog = 0
            self._is_lossy = True
            self._done(dropped)
        if size > MAX_BYTES and self._gathering.records:
            # So that a message as large as the bus carries fits.
            self._cut()
        if self._gathering.add(record, size):
            self._cut()
        self._added += 1
        self._is_written.clear()
        self._wake.set()

    def _on_its_way(self, topic: str) -> bool:
        waiting = (self._sending, *(records for records, _ in self._full), self._gathering.records)
        return any(record.topic == topic and type(record) is Published for records in waiting for record in records)

    def _done(self, count: int) -> None:
        """Count records that are in the hub, or lost."""
        self._delivered += count
        self._progress.set()

    def _cut(self) -> None:
        """Have the records so far be a frame, and begin the next one."""
        size = self._gathering.size
        self._backlog += size
        self._full.append((self._gathering.take(), size))

    def _next(self) -> list[Record]:
        """Return the records of the next frame; none where there are none."""
        if not self._full:
            return self._gathering.take()
        records, size = self._full.popleft()
        self._backlog -= size
        return records

    async def _write(self, subject: FencedSubject) -> None:
        """Publish frames, one after the other, until another process does."""
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
            records = self._next()
            now = time.monotonic()
            elapsed = max(now - sent_at, 1e-6)
            self._rate += (len(records) / elapsed - self._rate) * elapsed / (elapsed + 0.1)
            sent_at = now
            try:
                await self._send(subject, records, len(records))
                await self._tell_states(subject)
            except FencedError as error:
                self._fenced(error)
                return

    async def _tell_states(self, subject: FencedSubject) -> None:
        """Publish some more of what is current and was quiet; when all of it is there, remove the frames that are old."""
        if self._states is None:
            if time.monotonic() < self._round_at:
                return
            # The first round of a writer has everything, since it does not know whether the one before it came to its end.
            self._states = states(self._hub, self._quiet_before or self._hub.position + 1)
            self._quiet_before = self._hub.position + 1
            self._round_at = time.monotonic() + ROUND_S
        records: list[Record] = []
        size = 0
        is_over = True
        for looked_at, state in enumerate(self._states, 1):
            if state is not None:
                records.append(state)
                size += 64 + sum(64 + len(kept.json) for kept in state.kept)
            if size >= STATES_BYTES or looked_at == STATES_AT_ONCE:
                is_over = False
                break
        if records:
            await self._send(subject, records, 0)
        if is_over:
            self._states = None
            await self._remove_old(subject)

    async def _remove_old(self, subject: FencedSubject) -> None:
        """Have the stream keep only what a reader that begins needs."""
        oldest = None
        while len(self._marks) > 1 and self._marks[1][0] < time.monotonic() - WINDOW_S:
            self._marks.popleft()
            oldest = self._marks[0][1]
        if oldest is not None:
            # What could not be removed now is removed with the next round.
            with contextlib.suppress(nats.errors.Error, OSError):
                await subject.remove_before(oldest)

    async def _send(self, subject: FencedSubject, records: list[Record], published: int) -> None:
        """Have the server take a frame, in which so many records were published, and give it to the hub."""
        lost, self._is_lossy = self._is_lossy, False
        self._sending = records
        try:
            sequence = await subject.publish(encode(records), {LOST: "1"} if lost else {})
        except FencedError:
            raise
        except BusError as error:
            logger.error("%s; it is lost", error)
            self._is_lossy = True
            self._sending = []
            self._done(published)
            return
        if lost:
            self.counters.lost += 1
            self._hub.lose(sequence * POSITIONS - 1)
        self.counters.frames_written += 1
        self.counters.records += len(records)
        self._framed_at = time.monotonic()
        self._mark(self._framed_at, sequence)
        deliver(Frame.numbered(sequence, records), self._hub)
        self._sending = []
        self._done(published)

    async def _finish(self) -> None:
        """Wait until what was published has been written, for a bus that is there."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._is_written.wait(), CLOSE_S)
