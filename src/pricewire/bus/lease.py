"""
One writer for each partition: a lease says who, and the NATS server refuses everybody else.

The lease alone would not do: a process that was stopped for a while believes that it still has it. So each message is published with the
sequence that its subject has to end with, and the first message of a new writer makes all that its predecessor may still send wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import nats.errors
import nats.js.errors
from nats.js import JetStreamContext
from nats.js.api import Header
from nats.js.kv import KeyValue

from pricewire.errors import BusError, FencedError

logger = logging.getLogger(__name__)

SPAN_S = 3.0
"""
How long a lease holds that nobody renews, in seconds: long enough for a NATS cluster to elect a leader, and short enough that a standby has
taken over within 5 s.
"""

LOOK_S = 0.25
"""How often a standby looks at a lease that another one has, in seconds."""

ANSWER_S = 1.0
"""How long an answer of the server may take before it is asked again, in seconds."""

PAUSE_S = 0.1
"""How long to wait before a server is asked again that has refused for a reason of its own, in seconds."""

UNDECIDED = (10158, 10167)
"""
The server's errors that say nothing of whether it will have a message: the first copy of it is still being decided on, as while most
servers of a cluster are away; or it has too much to decide on. Source: nats-server, server/errors.json.
"""

UNDECIDED_S = 30.0
"""
After so many seconds of that a writer gives up, and its process begins anew: a cluster without most of its servers has no leader long
before, and does not answer at all.
"""

WRONG_LAST_SEQUENCE = (10071, 10164)
"""The server's codes for a subject that does not end with the expected sequence: JSStreamWrongLastSequenceErrF and …ConstantErr."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """
    What was seen of a lease.

    Attributes:
        revision: of the entry; 0 where there is none.
        holder: who has it; empty where nobody has.
        since: since when it has been as it is, in seconds by this process's clock.
    """

    revision: int
    holder: str
    since: float


class Lease:
    """
    A lease in a key-value bucket: who has it renews it; a standby takes it when it has not been renewed for its span.

    Whether it is renewed is judged by the standby's own clock, so no two clocks are compared. An entry is replaced only at the revision
    that was seen, so of two standbys one gets it.

    Attributes:
        is_held: whether this process has the lease, as far as it knows.

    Args:
        bucket: where leases are.
        key: which lease, `market.0` for instance.
        holder: the name of this process, which no other has.
        span: how long the lease holds without being renewed, in seconds.
        clock: returns the time in seconds, from any start.
    """

    def __init__(
        self, bucket: KeyValue, key: str, holder: str, *, span: float = SPAN_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._bucket = bucket
        self._key = key
        self._holder = holder
        self._span = span
        self._clock = clock
        self._revision = 0
        self._renewed_at = float("-inf")
        self._is_lost = True
        # What was last seen of it by who waits for it.
        self._seen: Sighting | None = None
        # Set with each answer about the lease, then made anew.
        self._settled = asyncio.Event()

    @property
    def is_held(self) -> bool:
        """Whether this process has the lease; not when it could not renew it within its span."""
        return not self._is_lost and self._clock() - self._renewed_at < self._span

    async def confirm(self, timeout: float) -> bool:
        """
        Return whether this process has the lease: at once where that is certain, else when a server has said so.

        Args:
            timeout: how long to wait for that at most, in seconds.
        """
        with contextlib.suppress(asyncio.TimeoutError):
            async with asyncio.timeout(timeout):
                while not self._is_lost and not self.is_held:
                    await self._settled.wait()
        return self.is_held

    async def acquire(self) -> None:
        """Wait until this process has the lease; a server that does not answer is waited for as well."""
        while True:
            seen = await self.find_free()
            with contextlib.suppress(nats.errors.Error, OSError):
                await self._take(seen.revision)
                logger.info("this process has the lease %s now", self._key)
                return
            await asyncio.sleep(LOOK_S)

    async def find_free(self) -> Sighting:
        """Wait until no other process has the lease, without taking it; return what was seen of it then."""
        while True:
            with contextlib.suppress(nats.errors.Error, OSError):
                self._seen = seen = await self._look(self._seen)
                if seen.holder in ("", self._holder) or self._clock() - seen.since >= self._span:
                    return seen
            await asyncio.sleep(LOOK_S)

    async def keep(self) -> None:
        """
        Renew the lease until another process has taken it; while no server answers, go on trying.

        Raises:
            FencedError: another process has it.
        """
        while True:
            await asyncio.sleep(self._span / 3)
            try:
                await self._take(self._revision)
            except nats.js.errors.KeyWrongLastSequenceError:
                # Unless it was this process itself, whose answer was lost.
                with contextlib.suppress(nats.errors.Error, OSError):
                    seen = await self._look(None)
                    if seen.holder != self._holder:
                        self._is_lost = True
                        self._settle()
                        raise FencedError(f"{seen.holder or 'nobody'} has the lease {self._key} now") from None
                    self._revision = seen.revision
            except (nats.errors.Error, OSError) as error:
                logger.warning("the lease %s could not be renewed: %r", self._key, error)

    async def release(self) -> None:
        """Give the lease back, so that a standby need not wait; without effect where another process has it, or no server answers."""
        if not self._is_lost:
            self._is_lost = True
            with contextlib.suppress(nats.errors.Error, OSError):
                await self._bucket.update(self._key, b"", last=self._revision)

    async def _look(self, before: Sighting | None) -> Sighting:
        """Return what is seen of the lease now, knowing what was seen before."""
        try:
            entry = await self._bucket.get(self._key)
        except nats.js.errors.KeyNotFoundError:
            return Sighting(0, "", self._clock())
        revision = entry.revision or 0
        if before is not None and before.revision == revision:
            return before
        return Sighting(revision, (entry.value or b"").decode(), self._clock())

    async def _take(self, revision: int) -> None:
        # The span counts from before the request: the others see it later.
        asked_at = self._clock()
        self._revision = await self._bucket.update(self._key, self._holder.encode(), last=revision)
        self._renewed_at, self._is_lost = asked_at, False
        self._settle()

    def _settle(self) -> None:
        self._settled.set()
        self._settled = asyncio.Event()


def size_of(headers: Mapping[str, str]) -> int:
    """Return how many bytes the headers of a message have. Source: the documentation of NATS, "NATS protocol", HPUB."""
    return len("NATS/1.0\r\n\r\n") + sum(len(f"{name}: {value}\r\n") for name, value in headers.items())


class TooLargeError(BusError):
    """A message is larger than the server takes, now and later."""


class FencedSubject:
    """
    Publishes to a subject of a stream as its only writer: who has claimed it after this one ends it.

    One message is under way at a time, since the next one has to name its sequence.

    Attributes:
        last: the sequence of the subject's newest message.

    Args:
        context: the connection's JetStream.
        stream: the stream that has the subject.
        subject: what is published to.
        writer: the name of this process, which no other has.
        headers: what every message has.
        answer_s: how long an answer may take before the message is sent again, in seconds.
    """

    def __init__(
        self,
        context: JetStreamContext,
        stream: str,
        subject: str,
        writer: str,
        *,
        headers: Mapping[str, str] | None = None,
        answer_s: float = ANSWER_S,
    ) -> None:
        self.last = 0
        self._context = context
        self._stream = stream
        self._subject = subject
        self._writer = writer
        self._headers = dict(headers or {})
        self._answer_s = answer_s
        self._number = 0

    async def claim(self, data: bytes, headers: Mapping[str, str] | None = None) -> int:
        """
        Publish a first message, which ends every earlier writer; return its sequence.

        Args:
            data: the message.
            headers: what it has besides.

        Raises:
            BusError: the server refuses for a reason that waiting does not change.
        """
        while True:
            self.last, _ = await self._newest()
            # The other one may have published meanwhile.
            with contextlib.suppress(FencedError):
                return await self.publish(data, headers)

    async def publish(self, data: bytes, headers: Mapping[str, str] | None = None) -> int:
        """
        Publish a message, and return its sequence when the server has it. A server that does not answer is asked again until it does.

        Args:
            data: the message.
            headers: what this message has besides.

        Raises:
            FencedError: another writer has claimed the subject, or nobody can say whether the message will be there; nothing can be
                published by this one any more.
            TooLargeError: the message is larger than the server takes, with its headers.
            BusError: the server refuses for another reason that waiting does not change.
        """
        self._number += 1
        name = f"{self._writer}-{self._number}"
        own: dict[str, str] = {Header.MSG_ID: name, Header.EXPECTED_LAST_SUBJECT_SEQUENCE: str(self.last)}
        own |= self._headers | dict(headers or {})
        undecided_since: float | None = None
        while True:
            # The library counts the data alone, and the server ends the connection of who sends more.
            if size_of(own) + len(data) > self._context._nc.max_payload:
                raise TooLargeError(f"a message of {len(data)} bytes to {self._subject} exceeds the bus's limit (max_payload)")
            try:
                answer = await self._context.publish(self._subject, data, timeout=self._answer_s, headers=own)
            except nats.js.errors.APIError as error:
                if error.err_code in WRONG_LAST_SEQUENCE:
                    sequence, found = await self._newest()
                    if found.rpartition("-")[0] != self._writer:
                        raise FencedError(f"another process writes to {self._subject} now") from None
                    if found == name:
                        # This message itself, whose first answer was lost.
                        self.last = sequence
                        return sequence
                    if sequence == self.last:
                        # Something is being decided on that is not there yet.
                        await asyncio.sleep(PAUSE_S)
                    # One before, which was given up while it was under way.
                    self.last = sequence
                    own[Header.EXPECTED_LAST_SUBJECT_SEQUENCE] = str(sequence)
                    continue
                if error.err_code in UNDECIDED:
                    undecided_since = undecided_since or time.monotonic()
                    if time.monotonic() - undecided_since > UNDECIDED_S:
                        raise FencedError(f"the bus has not decided for {UNDECIDED_S:g} s on a message to {self._subject}") from None
                    await asyncio.sleep(PAUSE_S)
                    continue
                if (error.code or 0) < 500:
                    raise BusError(f"the bus refuses what is published to {self._subject}: {error.description}") from None
                await asyncio.sleep(PAUSE_S)
            except (nats.errors.Error, OSError):
                undecided_since = None
                await asyncio.sleep(PAUSE_S)
            else:
                self.last = answer.seq
                return answer.seq

    async def _newest(self) -> tuple[int, str]:
        """Return the sequence and the name of the subject's newest message, as its leader has it; 0 where there is none."""
        while True:
            try:
                message = await self._context.get_last_msg(self._stream, self._subject)
            except nats.js.errors.NotFoundError:
                return 0, ""
            except (nats.errors.Error, OSError):
                await asyncio.sleep(PAUSE_S)
            else:
                return message.seq or 0, (message.headers or {}).get(Header.MSG_ID, "")
