"""
The bus over NATS: frames in one stream of JetStream, which one process of each role writes and any number read.

    publish ──> next frame ──> stream of JetStream ──> reader ──> hub      in every other process
                                     │ acknowledged
                                     └──> hub                              in the process that writes

The sequence of a frame in the stream makes the positions of its records, so an event has the same id everywhere. The process that writes
gives its hub what the server has acknowledged: what a stream was told is never taken back. The role `trading` writes and reads on, since
its prices are those of the role `market`: its own frames come to its hub with the others, in the order of the stream.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import msgspec
import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import StorageType, StreamConfig, StreamInfo
from nats.js.kv import KeyValue

from pricewire.bus.bus import Message, deliver
from pricewire.bus.frames import (
    POSITIONS,
    Forgotten,
    Frame,
    Published,
    Record,
    TopicState,
    decode,
    encode,
)
from pricewire.bus.lease import SPAN_S, FencedSubject, Lease
from pricewire.bus.nats_connection import NatsAddress, connected
from pricewire.bus.nats_reader import ANSWER_S, StreamReader
from pricewire.bus.nats_writer import LOST, WINDOW_S, FrameWriter, OldFrames
from pricewire.bus.tasks import running
from pricewire.errors import BusError, FencedError
from pricewire.hub.hub import Hub

logger = logging.getLogger(__name__)

SILENCE_S = 3.0
"""After so many seconds without a frame the writer, or the way to it, counts as gone."""

OF_PRICES, OF_TRADING = ("all", "market"), ("all", "trading")
"""The roles whose frames bring prices, and those whose frames bring what is trading's."""

LOOK_S = 1.0
"""How often it is looked whether the bus is gone for good, in seconds."""

POST_S = 5.0
"""How long who publishes waits at most to hear that NATS has what was published, in seconds."""

WRITER = "Pricewire-Writer"
"""The header that names the process that writes."""

SHARES = "Pricewire-Shares"
"""The header of what the first of several processes with trading writes, which says who they are: an `Announcement` as JSON."""

PLACES = 16
"""How many processes can share trading at most."""

Role = Literal["all", "market", "trading"]
"""What a process writes: the topics of the market, those of trading, or all of them."""

LEASES: dict[Role, tuple[str, ...]] = {"all": ("market.0", "trading.0"), "market": ("market.0",), "trading": ("trading.0",)}
"""What a process has to have while it writes, so that of each topic there is one writer, whatever the roles of others."""

RIVALS: dict[Role, tuple[Role, ...]] = {"all": ("market", "trading"), "market": ("all",), "trading": ("all",)}
"""The roles that have written the same topics, perhaps, and whose writers are ended by a new one."""


class Announcement(msgspec.Struct, array_like=True, frozen=True):
    """
    Which processes share trading, as the first of them says.

    Attributes:
        term: the number of the term that this holds for.
        processes: their names, in the order of their places.
        sequences: those that their subjects end with, to write on after them.
    """

    term: int
    processes: list[str]
    sequences: list[int]


ANNOUNCEMENT = msgspec.json.Decoder(Announcement)


class StreamState(msgspec.Struct):
    """Of what JetStream says of a stream's messages, the sequence of the newest one."""

    last_seq: int


class StreamAnswer(msgspec.Struct):
    """What JetStream says of a stream, as far as it is looked at."""

    state: StreamState


STREAM = msgspec.json.Decoder(StreamAnswer)


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

    def subject(self, role: Role, place: int = 0) -> str:
        """Return the subject that a role publishes frames to; where several processes share that, the one at a place."""
        return f"{self.stream}.{role}.{place}"

    def subjects(self, role: Role) -> list[str]:
        """Return all of them."""
        return [self.subject(role, place) for place in range(PLACES if role == "trading" else 1)]

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
        announcement: which processes share trading; None where it is one alone.
        on_announced: called when that has changed.

    Args:
        hub: gets all events.
        address: where NATS is.
        writes: the role in which this process is to publish: it stands by while another one does. None to read alone.
        plan: which stream carries the frames.
        on_fenced: called when another process has become the writer, or the bus is gone for good: this process has to end.
        on_writer: called when frames of trading come from another process than before.
    """

    def __init__(
        self,
        hub: Hub,
        address: NatsAddress,
        *,
        writes: Role | None,
        plan: NatsPlan | None = None,
        on_fenced: Callable[[], None] | None = None,
        on_writer: Callable[[], None] | None = None,
    ) -> None:
        self.name = secrets.token_hex(8)
        self.counters = BusCounters()
        self.client: Client | None = None
        self.on_read: Callable[[Sequence[Record]], None] | None = None
        self.announcement: Announcement | None = None
        self.on_announced: Callable[[], None] = lambda: None
        self._hub = hub
        self._address = address
        self._writes = writes
        self._plan = plan or NatsPlan()
        self._on_fenced = on_fenced
        self._on_writer = on_writer
        self._writer = ""
        self._reader: StreamReader | None = None
        self._leases: list[Lease] = []
        # The streams of JetStream that it cannot be without, as soon as they have been made: a bucket is one, too.
        self._needed: list[str] = []
        self._opened = contextlib.AsyncExitStack()
        self._subject: FencedSubject | None = None
        # What the frames of the first of several processes with trading say of them, as text.
        self._shares = self._told_shares = ""
        self._is_writing = False
        self._fault = ""
        self._is_open = False
        self._began_at = time.monotonic()
        # When the newest frame of each role was written, in seconds of `time.monotonic`.
        self._framed_at: dict[str, float] = {}
        self._has_begun = False
        self._wants = is_of_market if writes == "market" else None
        self._barrier: asyncio.Task[None] | None = None
        self._seqs: dict[str, int] = {}
        self._old_frames = OldFrames()
        owns = {"all": None, "market": is_of_market, "trading": is_of_trading}[writes or "all"]
        self._frames = FrameWriter(
            hub,
            self._seqs,
            on_taken=self._taken,
            is_read_back=writes == "trading",
            may_lose=writes == "market",
            owns=owns,
            on_round=self._remove_old,
        )
        if writes is not None:
            hub.on_its_way = lambda topic: self._frames.is_on_its_way(topic)

    @property
    def failure(self) -> str:
        """Why it does not do all that it promises now; empty while it does."""
        if self._fault or not self._is_open:
            return self._fault or "the bus is not open yet"
        if self._writes not in ("all", "market"):
            # Its own beginning says nothing of the others.
            for name, roles in (("the market", OF_PRICES), ("trading", OF_TRADING)):
                if self._framed_at.keys().isdisjoint(roles):
                    return f"the bus has brought no frame of {name} yet"
        if not all(lease.is_held for lease in self._leases):
            return "the bus has not renewed the lease of this process"
        if self.silent_s < SILENCE_S:
            return ""
        if self._writes is not None and (silent := self._silence(self._writes)) >= SILENCE_S:
            return f"the bus has not taken a frame for {silent:.0f} s"
        prices, trading = self.prices_silent_s, self._silence(*OF_TRADING)
        name = "the market" if prices >= trading else "trading"
        return f"the bus has brought no frame of {name} for {max(prices, trading):.0f} s"

    @property
    def silent_s(self) -> float:
        """How long ago the newest frame was written or read, in seconds: of market and trading, the one that has been silent longer."""
        if self._writes in ("all", "market"):
            return self._silence(self._writes)
        return max(self.prices_silent_s, self._silence(*OF_TRADING))

    @property
    def prices_silent_s(self) -> float:
        """How long ago the newest frame of the market came, in seconds."""
        return self._silence(*OF_PRICES)

    @property
    def lag(self) -> int:
        """How many frames the bus had after the newest one that was read."""
        return 0 if self._reader is None else self._reader.pending

    def _silence(self, *roles: str) -> float:
        framed_at = (self._framed_at[role] for role in roles if role in self._framed_at)
        return time.monotonic() - max(framed_at, default=self._began_at)

    @property
    def is_writer(self) -> bool:
        """Whether this process may publish and decide now: it has the lease, as far as it knows."""
        return self._is_writing and all(lease.is_held for lease in self._leases) and not self._fault

    @property
    def is_fenced(self) -> bool:
        """Whether this process has to end, as another one writes."""
        return bool(self._fault)

    async def confirm(self, timeout: float) -> bool:
        """
        Return whether this process may publish and decide; where it is not certain, as after a pause of this process, wait until it is.

        Args:
            timeout: how long to wait at most for each lease, in seconds.
        """
        for lease in self._leases:
            await lease.confirm(timeout)
        return self.is_writer

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
        self._frames.publish(topic, message, key=key, event=event, ends=ends)

    def notify(self, topic: str, name: str, data: Any) -> None:
        """
        Tell the streams of a topic about its state, as `Publishing.notify` says.

        Raises:
            TypeError: the data cannot be encoded as JSON.
        """
        self._frames.notify(topic, name, data)

    def forget(self, topic: str) -> None:
        """Drop the log of a topic that nothing is published to any more."""
        self._frames.forget(topic)

    def close(self, topic: str) -> None:
        """Tell whoever trades that nobody knows the price until the next tick, whose topic this is."""
        self._frames.close(topic)

    async def post(self, messages: Sequence[Message], *, durable: bool = False) -> list[str]:
        """
        Publish messages, and return the ids of their events when NATS has acknowledged them, as `Bus.post` says.

        Raises:
            BusError: NATS has not within `POST_S`; it may still. Or they were lost.
            FencedError: another process writes now.
        """
        posted = self._frames.post(messages)
        try:
            return [self._hub.id_of(position) for position in await asyncio.wait_for(posted, POST_S)]
        except TimeoutError:
            raise BusError(f"the bus has not taken what was published within {POST_S:g} s; it may still") from None

    async def flush(self) -> None:
        """
        Wait until the hub has everything that was published so far; as long as the bus is away.

        Raises:
            FencedError: another process writes now.
        """
        await self._frames.flush()

    @property
    def writer(self) -> str:
        """The name of the process that has written the newest frame of trading; empty before the first."""
        return self._writer

    async def moved(self) -> None:
        """Wait until another frame has been read."""
        if self._reader is not None:
            await self._reader.wait_for(self._reader.sequence + 1)

    async def catch_up(self) -> None:
        """
        Read what others have published until now: what any client may have seen.

        Whoever decides on prices that another process publishes would else decide on older ones than a client has.

        Raises:
            BusError: the bus does not answer.
        """
        # One that is under way may have been answered before the newest frame came.
        if (before := self._barrier) is not None:
            await asyncio.wait([before])
        if self._barrier is before:
            self._barrier = asyncio.create_task(self._catch_up(), name="bus barrier")
        assert self._barrier is not None, "it was just made"  # noqa: S101
        barrier = self._barrier
        # It goes on for others where a caller is cancelled.
        await asyncio.wait([barrier])
        barrier.result()

    async def _catch_up(self) -> None:
        assert self.client is not None, "the bus is open"  # noqa: S101
        assert self._reader is not None, "the bus is open"  # noqa: S101
        try:
            # Not by the library's `stream_info`, which makes objects of all that there is to know of the stream.
            answer = await self.client.request(f"$JS.API.STREAM.INFO.{self._plan.stream}", timeout=ANSWER_S)
            newest = STREAM.decode(answer.data).state.last_seq
            await asyncio.wait_for(self._reader.wait_for(newest), ANSWER_S)
        except (nats.errors.Error, OSError, TimeoutError, msgspec.DecodeError):
            raise BusError("the bus does not say which prices are the newest; try again in a moment") from None

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """
        Feed the hub within the block; a process that writes stands by before until no other does, but with trading: that may be shared.

        Raises:
            BusError: the bus cannot be used.
        """
        async with contextlib.AsyncExitStack() as stack:
            self.client = client = await stack.enter_async_context(connected(self._address, f"pricewire {self.name}", self._reconnected))
            await stack.enter_async_context(running(self._watch(client), "bus watch"))
            await self._prepare(client)
            self._needed.append(self._plan.stream)
            self._reader = reader = StreamReader(client, self._plan.stream, self)
            async with running(reader.run(), "bus reader") as reading:
                await reader.has_caught_up.wait()
                self._opened = stack
                if self._writes not in (None, "trading"):
                    await self.lead()
                    subject = self._subject
                    assert subject is not None, "it leads"  # noqa: S101
                    await subject.claim(encode([]))
                    await reader.wait_for(subject.last)
                    reading.cancel()
                    self._is_writing = True
                    await stack.enter_async_context(running(self._write(subject, {}), "bus writer"))
                    stack.push_async_callback(self._frames.finish)
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
            self._lose(position)
        self._has_begun = True
        self._hub.begin(boot, position)

    def skip(self, sequence: int) -> None:
        """Have the hub know that some of the frames up to one were removed before it began."""
        self._hub.skip((sequence + 1) * POSITIONS - 1)

    def take(self, sequence: int, subject: str, data: bytes, headers: dict[str, str], age: float) -> None:
        """Give the hub what a frame has."""
        _, role, place = subject.rsplit(".", 2)
        writer, is_first = headers.get(WRITER, ""), place == "0"
        if LOST in headers and role == "trading" and writer != self.name:
            # No prices are lost.
            self.counters.lost += 1
            self._hub.lose(sequence * POSITIONS - 1)
        elif LOST in headers:
            self._lose(sequence * POSITIONS - 1)
        try:
            records = decode(data)
        except BusError as error:
            # Whatever it was, the streams must not look complete.
            logger.error("%s", error)
            self._lose((sequence + 1) * POSITIONS - 1)
            return
        self.counters.frames_read += 1
        self.counters.records += len(records)
        if self._writes == "trading" or (self._writes is not None and not self._is_open):
            # Otherwise this process alone publishes to its topics once it does.
            self._remember(records)
        if self._writes is not None:
            self._old_frames.note(time.monotonic() - age, sequence)
        if self.on_read is not None:
            self.on_read(records)
        deliver(Frame.numbered(sequence, records), self._hub, time.monotonic() - age if age else None, self._wants)
        if is_first:
            self._framed_at[role] = time.monotonic() - age
        if writer == self.name and role == "trading" and records and type(records[0]) is not TopicState:
            self._frames.came(len(records))
        if role == "market" or not is_first:
            return
        if writer not in ("", self._writer):
            self._writer = writer
            if self._on_writer is not None:
                self._on_writer()
        if writer and (shares := headers.get(SHARES, "")) != self._told_shares:
            self._told_shares = shares
            self.announcement = ANNOUNCEMENT.decode(shares) if shares else None
            self.on_announced()

    def _lose(self, position: int) -> None:
        """Know nothing any more of what was published up to a position."""
        self.counters.lost += 1
        self._hub.lose(position)
        if self._writes == "trading":
            # It has missed prices, which the market's journal has.
            self._fenced(BusError("the bus no longer has prices that this process has not read"))

    def _remember(self, records: list[Record]) -> None:
        """Know the topics' numbers, to go on with them when this process becomes the writer."""
        for record in records:
            if type(record) is Published:
                self._seqs[record.topic] = record.seq
            elif type(record) is TopicState:
                self._seqs[record.topic] = max(record.seq, self._seqs.get(record.topic, 0))
            elif type(record) is Forgotten:
                self._seqs.pop(record.topic, None)

    def _reconnected(self) -> None:
        if self._reader is not None:
            self._reader.begin_anew()

    async def _watch(self, client: Client) -> None:
        """Have this process end where the bus is gone for good: the next one connects, and makes anew what is missing."""
        context = client.jetstream(timeout=ANSWER_S)
        while not self._fault:
            await asyncio.sleep(LOOK_S)
            if client.is_closed:
                # The library connects anew after a loss, but not where the server has said why: a user whose time is over, for instance.
                self._fenced(BusError(f"the server of the bus has ended the connection for good: {client.last_error}"))
            elif self._writes is not None and (self.silent_s >= SILENCE_S or not all(lease.is_held for lease in self._leases)):
                await self._look_for_streams(context)

    async def _look_for_streams(self, context: JetStreamContext) -> None:
        # A server that does not answer, or a cluster without a leader, is waited for.
        with contextlib.suppress(nats.errors.Error, OSError):
            for name in self._needed:
                try:
                    await context.stream_info(name)
                except nats.js.errors.NotFoundError:
                    self._fenced(BusError(f"the bus no longer has the stream {name!r}"))

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

    async def lead(self) -> None:
        """Wait until this process has the leases of its role, which it then keeps, and end those who have written the same."""
        role, client = self._writes, self.client
        assert role is not None, "it writes"  # noqa: S101
        assert client is not None, "the bus is open"  # noqa: S101
        context = client.jetstream(timeout=ANSWER_S)
        bucket: KeyValue | None = None
        while bucket is None:
            try:
                bucket = await context.create_key_value(bucket=self._plan.bucket, replicas=self._plan.replicas)
            except (nats.errors.Error, OSError):
                await asyncio.sleep(1)
        self._needed.append(f"KV_{self._plan.bucket}")
        leases = [Lease(bucket, key, self.name) for key in LEASES[role]]
        # The times that they hold for pass together. They are taken in order: of two that stand by, each would else have one.
        await asyncio.gather(*(lease.find_free() for lease in leases))
        for lease in leases:
            await lease.acquire()
            self._opened.push_async_callback(lease.release)
            await self._opened.enter_async_context(running(self._keep(lease), "bus lease"))
            self._leases.append(lease)
        for rival in RIVALS[role]:
            for subject in self._plan.subjects(rival):
                # By another name: of two messages of a stream with one name the server takes the first alone.
                await FencedSubject(context, self._plan.stream, subject, f"{self.name}.{subject}").claim(encode([]))
        self._subject = FencedSubject(context, self._plan.stream, self._plan.subject(role), self.name, headers={WRITER: self.name})
        self.counters.takeovers += 1
        self._began_at = time.monotonic()
        self._framed_at[role] = self._began_at

    async def still_leads(self) -> None:
        """
        Return when it is certain that no other process has begun to lead until now.

        Raises:
            FencedError: one has.
        """
        assert self._subject is not None, "it leads"  # noqa: S101
        if self._subject.last:
            await self._subject.publish(encode([]), self._own_headers())
        elif not all([await lease.confirm(SPAN_S) for lease in self._leases]):
            raise FencedError("another process leads now")

    async def announce(self, term: int, others: Sequence[str]) -> Announcement:
        """
        End all who write frames of trading, and have this process and others share it from now on; called by the one that leads.

        Returns when this process has read all that those have written.

        Args:
            term: the number of the term.
            others: the names of the others, in the order of their places, from 1 on.

        Raises:
            FencedError: another process leads now.
        """
        assert self.client is not None, "the bus is open"  # noqa: S101
        assert self._reader is not None, "the bus is open"  # noqa: S101
        assert self._subject is not None, "it leads"  # noqa: S101
        context = self.client.jetstream(timeout=ANSWER_S)
        sequences = [0]
        for place, subject in enumerate(self._plan.subjects("trading")[1:], 1):
            claimed = FencedSubject(context, self._plan.stream, subject, f"{self.name}.{term}.{place}")
            sequences.append(await claimed.claim(encode([])))
        processes = [self.name, *others]
        announcement = Announcement(term, processes, sequences[: len(processes)])
        self._shares = msgspec.json.encode(announcement).decode() if others else ""
        # Who leads for the first time ends who did before.
        data, headers = encode([]), self._own_headers()
        await (self._subject.publish(data, headers) if self._subject.last else self._subject.claim(data, headers))
        await self._reader.wait_for(self._subject.last)
        return announcement

    def _own_headers(self) -> dict[str, str]:
        return {SHARES: self._shares} if self._shares else {}

    @contextlib.asynccontextmanager
    async def sharing(
        self, announcement: Announcement, owns: Callable[[str], bool], on_end: Callable[[], None]
    ) -> AsyncIterator[FrameWriter]:
        """
        Publish what this process has to by an announcement, within the block.

        Args:
            announcement: which processes share trading.
            owns: says which topics this process publishes.
            on_end: called when another process publishes them, unless this one has to end.

        Yields:
            what it is published by: when the block is left, nothing more is.
        """
        assert self.client is not None, "the bus is open"  # noqa: S101
        place = announcement.processes.index(self.name)
        subject = self._subject
        if place:
            context, name = self.client.jetstream(timeout=ANSWER_S), f"{self.name}.{announcement.term}"
            path = self._plan.subject("trading", place)
            subject = FencedSubject(context, self._plan.stream, path, name, headers={WRITER: self.name})
            subject.last = announcement.sequences[place]
        assert subject is not None, "it leads"  # noqa: S101
        # All that was published is read: the numbers go on from there.
        frames = self._frames = FrameWriter(
            self._hub,
            dict(self._seqs),
            on_taken=self._taken,
            is_read_back=True,
            may_lose=False,
            owns=owns,
            on_round=at_once if place else self._remove_old,
        )
        self._is_writing = True
        headers = {} if place else self._own_headers()
        try:
            async with running(self._write(subject, headers, on_end if place else None), "bus writer"):
                yield frames
                await frames.finish()
        finally:
            self._is_writing = False
            frames.end("the accounts are shared anew")

    async def _keep(self, lease: Lease) -> None:
        try:
            await lease.keep()
        except FencedError as error:
            self._fenced(error)

    def _fenced(self, error: BusError) -> None:
        """End the part of this process: another one writes, or will."""
        if not self._fault:
            self._fault = str(error)
            logger.critical("%s; this one ends", error)
            self._frames.end(self._fault)
            if self._on_fenced is not None:
                self._on_fenced()

    async def _write(self, subject: FencedSubject, headers: dict[str, str], on_end: Callable[[], None] | None = None) -> None:
        """Publish frames until another process does: then this one has to end, unless somebody is to be told."""
        try:
            await self._frames.write(subject, headers)
        except FencedError as error:
            if on_end is None:
                self._fenced(error)
            else:
                logger.info("%s", error)
                on_end()

    def _taken(self, sequence: int, records: list[Record], is_lossy: bool) -> None:
        """Give the hub what the server has taken, where the reader does not."""
        self.counters.frames_written += 1
        if self._writes == "trading":
            return
        if is_lossy:
            self.counters.lost += 1
            self._hub.lose(sequence * POSITIONS - 1)
        self.counters.records += len(records)
        now = time.monotonic()
        self._framed_at[self._writes or "all"] = now
        self._old_frames.note(now, sequence)
        deliver(Frame.numbered(sequence, records), self._hub)

    async def _remove_old(self) -> None:
        """Have the stream keep of this writer's frames only what a reader that begins needs."""
        if self.client is None or self._writes is None:
            return
        own = f"{self._plan.stream}.{self._writes}.*"
        subjects = [] if self._writes == "all" else [self._plan.subject("all"), own]
        await self._old_frames.remove(self.client.jetstream(timeout=ANSWER_S), self._plan.stream, subjects)


def is_of_market(topic: str) -> bool:
    """Return whether the role `market` publishes a topic."""
    return topic.startswith(("ticks:", "candles:"))


def is_of_trading(topic: str) -> bool:
    """Return whether the role `trading` publishes a topic."""
    return not is_of_market(topic)


async def at_once() -> None:
    """Wait for nothing."""
