"""The replay feed: plays recordings at their own pace, or faster, once or in a loop."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np

from pricewire.errors import FeedError
from pricewire.market.clock import SUSPENSION_NS, Clock, SystemClock
from pricewire.market.feeds.replay.recordings import Recording, read_recordings
from pricewire.market.markets import Market
from pricewire.market.pips import Integers, quantum_of
from pricewire.protocol.messages import Instrument, Tick

LONGEST_PAUSE_MS = 1000
"""The longest pause between the end of a recording and its next beginning, in milliseconds of the recording."""

CHUNK = 1024
"""How many rows are made Python numbers at a time."""


class ReplayFeed:
    """The ticks of a recording; whoever has it knows what comes next."""

    is_recording = True

    def __init__(
        self,
        path: str | Path,
        *,
        instrument_id: str | None = None,
        speed: float = 1.0,
        loop: bool = False,
        keep_times: bool = False,
        timezone: str | None = None,
        market: Market | None = None,
        clock: Clock | None = None,
    ) -> None:
        """
        Read a recording.

        Args:
            path: of a CSV or Parquet file.
            instrument_id: the instrument; by default what the file's symbol column or else its name says.
            speed: how many times its own pace to play it.
            loop: whether to begin again at its end.
            keep_times: whether ticks keep the times of their recording, instead of getting those of their replay. In a loop the times of
                a later round follow on those of the one before, so that time never goes back.
            timezone: of times that name none; by default UTC, and New York without daylight saving for HistData's compact form.
            market: of its instruments; by default what their names say, and `Stocks` where they do not name a pair.
            clock: the time to run by; by default the system's.

        Raises:
            FeedError: the file cannot be read or has no usable row, or the speed is not a positive number.
        """
        if not (math.isfinite(speed) and speed > 0):
            raise FeedError(f"speed {speed} is not a positive number")
        recordings = read_recordings(Path(path), instrument_id=instrument_id, timezone=timezone, market=market)
        self.instruments: tuple[Instrument, ...] = tuple(each.instrument for each in recordings)
        self._quanta = [quantum_of(instrument.pip_size) for instrument in self.instruments]
        self._rows = joined(recordings)
        self._loop = loop
        self._keep_times = keep_times
        self._clock = clock or SystemClock()
        epochs = self._rows[0]
        since_start_ms = epochs - epochs[0]
        self._due_ns = (since_start_ms * (1_000_000 / speed)).astype(np.int64)
        self._round_ms = int(since_start_ms[-1]) + pause_ms(epochs)
        self._round_ns = max(1, int(self._round_ms * 1_000_000 / speed))

    async def __aiter__(self) -> AsyncIterator[Tick]:
        """Yield the ticks as they fall due; every iteration begins at the beginning."""
        clock = self._clock
        base_ns = now = clock.now_ns()
        shift_ms = 0
        while True:
            for offset_ns, epoch_ms, place, price, ask, bid in self._timetable():
                due_ns = base_ns + offset_ns
                if due_ns > now:
                    await clock.sleep(max(0, due_ns - clock.now_ns()) / 1e9)
                    now = clock.now_ns()
                    if abs(now - due_ns) > SUSPENSION_NS:
                        # The machine slept, or its clock was set: the replay goes on from where it was.
                        base_ns += now - due_ns
                        due_ns = now
                one = self._quanta[place]
                time_ms = epoch_ms + shift_ms if self._keep_times else due_ns // 1_000_000
                yield Tick(self.instruments[place].id, time_ms, price * one, ask * one, bid * one)
            if not self._loop:
                return
            base_ns += self._round_ns
            shift_ms += self._round_ms

    def _timetable(self) -> Iterator[tuple[int, int, int, int, int, int]]:
        """Return the rows in order: the time since the first in nanoseconds of replay, and the columns of `joined`."""
        columns = (self._due_ns, *self._rows)
        for start in range(0, len(self._due_ns), CHUNK):
            yield from zip(*(column[start : start + CHUNK].tolist() for column in columns), strict=True)


def joined(recordings: list[Recording]) -> tuple[Integers, Integers, Integers, Integers, Integers]:
    """Return times, places of instruments, prices, asks and bids of several recordings, in the order of their times."""
    places = np.concatenate([np.full(len(each.ticks.epoch_ms), place, np.int64) for place, each in enumerate(recordings)])
    epochs = np.concatenate([each.ticks.epoch_ms for each in recordings])
    order = np.argsort(epochs, kind="stable")
    prices = np.concatenate([each.ticks.price for each in recordings])[order]
    asks = np.concatenate([each.ticks.ask for each in recordings])[order]
    bids = np.concatenate([each.ticks.bid for each in recordings])[order]
    return epochs[order], places[order], prices, asks, bids


def pause_ms(epochs: Integers) -> int:
    """Return the pause before a recording begins again: the usual one between its ticks, up to a second, in milliseconds."""
    gaps = np.diff(epochs)
    gaps = gaps[gaps > 0]
    return min(LONGEST_PAUSE_MS, int(np.median(gaps))) if len(gaps) else LONGEST_PAUSE_MS
