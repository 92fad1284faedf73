"""
What so many streams take, computed from what was measured of few: `python -m bench.scale_model` prints the table of `docs/scaling.md`.

The costs of a flush and of a value in it are those that two floors of the trading floor have in common; the third one is computed
from them and was measured too, which says how far to trust the rest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Costs:
    """
    What was measured, on one core of an Intel Xeon with Python 3.11; `docs/performance.md` has the commands and the days.

    Attributes:
        flush_us: writing to one stream once, in microseconds of CPU.
        value_us: one value in it, for a stream whose topics no other stream has together.
        read_us: reading an event from the bus and giving it to the hub, in microseconds of CPU.
        nats_us: what NATS takes for an event and a reader, in microseconds of CPU.
        contract_us: an open contract at a tick of its instrument, in the process with trading, in microseconds of CPU.
        opening_ms: opening a stream, in milliseconds of CPU.
        stream_bytes: an idle stream with 20 topics, in the process.
        process_bytes: a gateway without streams.
        tick_bytes: a tick in a stream.
        zipped_bytes: the same, compressed.
        contract_bytes: an update of a contract.
    """

    flush_us: float = 5.9
    value_us: float = 1.58
    read_us: float = 7.15
    nats_us: float = 0.88
    contract_us: float = 12.0
    opening_ms: float = 0.42
    stream_bytes: float = 3_800.0
    process_bytes: float = 115e6
    tick_bytes: float = 157.0
    zipped_bytes: float = 28.5
    contract_bytes: float = 880.0


@dataclass(frozen=True, slots=True)
class Demand:
    """
    What is wanted.

    Attributes:
        streams: how many streams are open.
        each: how many instruments a stream has.
        instruments: how many there are.
        ticks: how often each of them has a tick, per second.
        pace_s: at most one update in so many seconds; 0 for every tick.
        groups: how many different choices of instruments there are: streams with the same share what is made of values; None where each
            stream has its own.
        contracts: open contracts, each with an update at a tick of its instrument.
        reconnecting: which share of the streams comes back at once, as after the loss of a gateway's machine.
    """

    streams: int
    each: int = 20
    instruments: int = 200
    ticks: float = 1.0
    pace_s: float = 0.0
    groups: int | None = None
    contracts: int = 10_000
    reconnecting: float = 0.02


@dataclass(frozen=True, slots=True)
class Fleet:
    """
    What that takes.

    Attributes:
        gateways: how many processes, each with a core.
        streams_each: streams of one.
        busy: the share of its core that one uses.
        memory_gb: of all of them, without the kernel's part.
        gbit: what they send, in Gbit/s.
        zipped_gbit: the same, compressed.
        nats_cores: the cores that NATS uses.
        nats_gbit: what NATS sends to gateways, in Gbit/s.
        trading_cores: the cores that open contracts use in the one process with trading.
        back_s: how long the gateways take to open the streams that come back at once, in seconds, with the time that is left to them.
    """

    gateways: int
    streams_each: int
    busy: float
    memory_gb: float
    gbit: float
    zipped_gbit: float
    nats_cores: float
    nats_gbit: float
    trading_cores: float
    back_s: float


BUSY = 0.6
"""The share of its core that a gateway may use: the rest is for what comes at once."""


def values_of(demand: Demand) -> float:
    """Return how many values one stream gets each second."""
    return demand.each * (min(demand.ticks, 1 / demand.pace_s) if demand.pace_s else demand.ticks)


def stream_us(demand: Demand, costs: Costs) -> float:
    """Return the CPU that one stream takes each second, in microseconds."""
    values = values_of(demand)
    flushes = min(values, 1 / demand.pace_s) if demand.pace_s else values
    sharing = demand.streams / (demand.groups or demand.streams)
    return flushes * costs.flush_us + values * costs.value_us / sharing


def plan(demand: Demand, costs: Costs | None = None) -> Fleet:
    """
    Return what a demand takes.

    Raises:
        ValueError: reading the bus takes all the time that a gateway has; no number of them would do.
    """
    costs = costs or Costs()
    events = demand.instruments * demand.ticks + demand.contracts * demand.ticks
    reading = events * costs.read_us / 1e6
    if reading >= BUSY:
        raise ValueError(f"{events:,.0f} events a second take {reading:.2f} of each gateway's core, which has {BUSY:g} for all it does")
    each = int((BUSY - reading) * 1e6 / stream_us(demand, costs))
    gateways = max(1, math.ceil(demand.streams / each))
    each = math.ceil(demand.streams / gateways)
    busy = reading + each * stream_us(demand, costs) / 1e6
    values = demand.streams * values_of(demand)
    sent = demand.instruments * demand.ticks * costs.tick_bytes + demand.contracts * demand.ticks * costs.contract_bytes
    return Fleet(
        gateways,
        each,
        busy,
        (demand.streams * costs.stream_bytes + gateways * costs.process_bytes) / 1e9,
        values * costs.tick_bytes * 8 / 1e9,
        values * costs.zipped_bytes * 8 / 1e9,
        events * gateways * costs.nats_us / 1e6,
        sent * gateways * 8 / 1e9,
        demand.contracts * demand.ticks * costs.contract_us / 1e6,
        demand.streams * demand.reconnecting / gateways * costs.opening_ms / 1e3 / (1 - busy),
    )


def rows(streams: int = 1_000_000) -> list[str]:
    """Return the lines of a Markdown table: every tick, and at most one update a second."""
    plans = [plan(Demand(streams, pace_s=pace_s)) for pace_s in (0.0, 1.0)]
    lines = {
        "gateways, a core each": [f"{each.gateways:,}" for each in plans],
        "streams of each": [f"{each.streams_each:,}" for each in plans],
        "memory of all gateways": [f"{each.memory_gb:.0f} GB" for each in plans],
        "sent to readers": [f"{each.gbit:.0f} Gbit/s" for each in plans],
        "the same, compressed": [f"{each.zipped_gbit:.1f} Gbit/s" for each in plans],
        "cores of NATS": [f"{each.nats_cores:.1f}" for each in plans],
        "sent by NATS": [f"{each.nats_gbit:.0f} Gbit/s" for each in plans],
        "cores of trading": [f"{each.trading_cores:.2f}" for each in plans],
        "one stream in fifty comes back at once: all open again after": [f"{each.back_s:.1f} s" for each in plans],
    }
    head = ["| | every tick | `interval_ms=1000` |", "| --- | ---: | ---: |"]
    return head + [f"| {name} | {' | '.join(cells)} |" for name, cells in lines.items()]


if __name__ == "__main__":
    print("\n".join(rows()))
