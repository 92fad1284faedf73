"""Silence on a connection: first it makes prices stale, a little later the connection counts as dead."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Callable

import msgspec

IDLE_TIMEOUT = 60.0
"""The default silence after which a connection counts as dead, in seconds, where the server announces no heartbeat."""

STALE_AFTER = 1.5
"""How many heartbeat intervals of silence make a stream stale: one, and half of one for the way and for a busy server."""

DEAD_AFTER = 2.0
"""How many heartbeat intervals of silence make a connection dead: two heartbeats have failed to come."""

SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?")


class Patience(msgspec.Struct, frozen=True):
    """
    How much silence is tolerated.

    Attributes:
        stale: until the stream is stale, in seconds; None: never.
        dead: until the connection is dead, in seconds; None: never.
    """

    stale: float | None
    dead: float | None

    @classmethod
    def of(cls, heartbeat: str | None, idle_timeout: float | None) -> Patience:
        """
        Return what the server's announcement calls for, or else the idle time-out.

        Args:
            heartbeat: the header `Pricewire-Heartbeat`, in seconds; None, or no number above 0, where there is none.
            idle_timeout: in seconds; None: never.
        """
        interval = _seconds(heartbeat)
        if interval is not None:
            return cls(interval * STALE_AFTER, interval * DEAD_AFTER)
        if idle_timeout is None:
            return cls(None, None)
        return cls(idle_timeout * STALE_AFTER / DEAD_AFTER, idle_timeout)


def _seconds(value: str | None) -> float | None:
    if value is None or SECONDS.fullmatch(value) is None:
        return None
    seconds = float(value)
    return seconds if 0 < seconds < math.inf else None


class Watchdog:
    """
    Watches a connection while it is read; one timer, however many chunks come.

    It looks only while someone reads: bytes that nobody fetched are not the server's silence.

    Attributes:
        patience: how much silence is tolerated.
        is_stale: the first stage of silence has passed, and nothing has come since.
    """

    def __init__(self, patience: Patience, on_stale: Callable[[], None], on_dead: Callable[[], None]) -> None:
        self.is_stale = False
        self.patience = patience
        self._on_stale = on_stale
        self._on_dead = on_dead
        self._loop = asyncio.get_running_loop()
        self._reading = False
        self._silent_since = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        if patience.stale is not None:
            self._arm(patience.stale)

    def read(self) -> None:
        """Note that a read begins."""
        self._reading = True
        self._silent_since = self._loop.time()

    def heard(self) -> bool:
        """Note that bytes came; return whether the stream had been stale."""
        self._reading = False
        was_stale, self.is_stale = self.is_stale, False
        return was_stale

    def stop(self) -> None:
        """Stop watching."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, seconds: float) -> None:
        self._timer = self._loop.call_at(self._silent_since + seconds, self._look)

    def _look(self) -> None:
        """Judge the silence, and look again when it could have passed the next stage."""
        stale, dead = self.patience.stale, self.patience.dead
        if self._timer is None or stale is None or dead is None:
            return
        now = self._loop.time()
        late = now - self._timer.when()
        if not self._reading:
            self._silent_since = now
        # A timer may fire a clock tick early.
        silence = now - self._silent_since + 1e-6
        if self.is_stale and silence >= dead:
            if late <= dead - stale:
                self.stop()
                self._on_dead()
                return
            # The loop stood still, not the server: what came meanwhile is read first, so the second stage begins again.
            self._silent_since = now - stale
        elif self._reading and not self.is_stale and silence >= stale:
            # Where the loop stood still over both stages, the second one begins now, likewise.
            self._silent_since = max(self._silent_since, now - stale)
            self.is_stale = True
            self._on_stale()
        # A callback may have stopped this.
        if self._timer is not None:
            self._arm(dead if self.is_stale else stale)
