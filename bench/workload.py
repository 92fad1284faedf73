"""What every server of a benchmark sends: the same events, in the same rhythm."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import count

import msgspec

from pricewire.hub.event import Event, envelope
from pricewire.protocol.messages import Tick, TickBody

TOPIC = "ticks:R_100"
"""The topic, or channel, that all streams of the benchmarks have."""

EVENT_MARK = b"["
"""
The byte that every event of `ticks` has exactly once, and no framing and no head has.

A reader counts events by it: one byte cannot be cut in two by the borders of what `recv` returns.
"""


FIRST_MS = 1_796_000_000_000
"""The time of the first tick, in milliseconds since 1970."""


def ticks() -> Iterator[dict[str, object]]:
    """Yield the messages of `/v1/market/instruments/ticks/stream`, one tick each, of the same size."""
    for number in count():
        price = Decimal(123456 + number % 1000) / 100
        spread = Decimal("0.10")
        tick = Tick("R_100", FIRST_MS + number * 1000, price, price + spread, price - spread)
        yield {"data": {"ticks": [TickBody.of(tick)]}}


def number_of(text: bytes) -> int:
    """Return which of the events of `ticks` the last one in some bytes is, counted from 1; 0 where it does not say."""
    _, _, epoch_ms = text.rpartition(b'"epoch_ms":"')
    digits, end, _ = epoch_ms.partition(b'"')
    return (int(digits) - FIRST_MS) // 1000 + 1 if end and digits.isdigit() else 0


def walks(instruments: int) -> Iterator[Tick]:
    """Yield the ticks of some instruments in turn, each of a price that goes up and down at random: they compress as real ones do."""
    dice = random.Random(3)
    prices, epoch_ms = [dice.uniform(100, 10_000) for _ in range(instruments)], FIRST_MS
    spread = Decimal("0.10")
    for number in count():
        which = number % instruments
        prices[which] += dice.gauss(0, 0.05)
        epoch_ms += dice.randrange(2000 // instruments)
        price = round(Decimal(prices[which]), 2)
        yield Tick(f"R_{which:03}", epoch_ms, price, price + spread, price - spread)


def encoded_ticks() -> Iterator[bytes]:
    """Yield the same messages as JSON."""
    return map(msgspec.json.encode, ticks())


@dataclass(frozen=True, slots=True)
class Load:
    """
    Ticks at a steady pace, one after the other over all topics.

    Attributes:
        topics: how many topics there are.
        rate: ticks per second in all.
        rounds: how many ticks each topic gets.
    """

    topics: int
    rate: int
    rounds: int

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return self.topics * self.rounds / self.rate

    def paced(self) -> Iterator[tuple[str, int]]:
        """Yield the topic of each tick and when it was due, by CLOCK_MONOTONIC in nanoseconds, as soon as it is due."""
        began = time.monotonic_ns()
        for number in range(self.topics * self.rounds):
            due = began + number * 1_000_000_000 // self.rate
            if (wait := due - time.monotonic_ns()) > 0:
                time.sleep(wait / 1e9)
            yield topic_name(number % self.topics), due


class TimedTick(TickBody, frozen=True, gc=False, kw_only=True):
    """
    A tick that says when it was due to be published.

    Attributes:
        sent_ns: that time, by the clock CLOCK_MONOTONIC, which all processes share.
    """

    sent_ns: int


def topic_name(number: int) -> str:
    """Return the name of a topic of a `Load`."""
    return f"ticks:R_{number:03}"


def timed_tick(topic: str, due: int) -> TimedTick:
    """Return a tick of a topic that was due at a time, by CLOCK_MONOTONIC in nanoseconds."""
    price, spread = Decimal(123456 + due // 7_000_000 % 1000) / 100, Decimal("0.10")
    millis = FIRST_MS + due // 1_000_000
    return TimedTick(str(millis), price, price + spread, price - spread, topic.removeprefix("ticks:"), sent_ns=due)


def encoded_envelope(topic: str, seq: int, due: int) -> bytes:
    """Return the data of a `timed_tick` as Pricewire's streams of several topics show it, for servers that know no envelope."""
    message = timed_tick(topic, due)
    return envelope(Event(position=0, boot="", topic=topic, seq=seq, key=topic, name="tick", message=message), 0)


def choices(streams: int, each: int, topics: int, groups: int | None = None) -> list[list[str]]:
    """
    Choose topics for streams, the same ones at every call.

    Args:
        streams: how many streams.
        each: how many topics each of them has.
        topics: how many there are to choose from.
        groups: how many different choices there are; None where each stream has its own.
    """
    dice = random.Random(20)
    names = [topic_name(number) for number in range(topics)]
    different = [dice.sample(names, each) for _ in range(groups or streams)]
    return [different[number % len(different)] for number in range(streams)]
