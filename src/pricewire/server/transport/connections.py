"""How many connections a process holds that are no streams, in all and of one address: the one that has waited longest makes room."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Hashable, Sequence
from enum import StrEnum
from typing import Protocol

from pricewire.server.client_address import Network, is_trusted, limit_key, parse_address
from pricewire.server.limits import Limits, Tally

if sys.platform != "win32":
    import resource

logger = logging.getLogger(__name__)

RESERVED_FILES = 100
"""Open files that are kept for what is no connection: the database, recordings, the log."""

LEAST = 8
"""Connections that are let in however few files the system lets the process open: one of them asks for `/healthz`."""

WARNING_INTERVAL = 60.0
"""How often a limit that is reached is logged, in seconds: an attack reaches it a thousand times a second."""


class Excess(StrEnum):
    """Which limit a connection would exceed."""

    ADDRESS = "address"
    PROCESS = "process"


class Connection(Protocol):
    """What is counted."""

    def make_room(self) -> None:
        """Close at once."""


class OpenConnections:
    """
    Counts connections until they end or become streams.

    A full server closes the connection that has waited longest for its request: a head or a body that does not come, or nothing at all
    since the last response. So somebody who opens many closes his own, and a request that comes at once, for `/healthz` for instance, is
    answered. A new connection is refused only where all others are being answered.

    Attributes:
        closed: how many connections were closed or refused for a limit.

    Args:
        trusted: the networks of the proxies whose connections have no limit for their address: they are those of many clients.
        streams: returns how many streams are open, which are open files too.
        files: returns how many files the process may open.
        clock: returns the time in seconds.
    """

    def __init__(
        self,
        trusted: Sequence[Network] = (),
        *,
        streams: Callable[[], int] = lambda: 0,
        files: Callable[[], float] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.closed = 0
        self._trusted = trusted
        self._streams = streams
        self._files = files or open_files
        self._clock = clock
        self._keys: dict[Connection, Hashable] = {}
        self._addresses = Tally()
        # Those that wait for a request, in the order in which they began to; of all, and of each address.
        self._waiting: dict[Connection, None] = {}
        self._waiting_of: dict[Hashable, dict[Connection, None]] = {}
        self._warned_at: dict[Excess, float] = {}
        self._unreported = dict.fromkeys(Excess, 0)

    def __len__(self) -> int:
        return len(self._keys)

    def enter(self, connection: Connection, peer: str | None, limits: Limits) -> Excess | None:
        """
        Count a connection that waits for its first request, and make room for it where that is needed.

        Args:
            connection: the connection.
            peer: the address that it comes from; None where it has none (a Unix socket).
            limits: how many there may be.

        Returns:
            None; or the limit that it would exceed, where none of the others waits. It is not counted then.
        """
        key = self._key(peer)
        excess = None
        # As many as there may be streams: these come back all at once after a cut, before the first of their requests is read.
        most = max(limits.connections_per_address, limits.streams_per_address)
        if key is not None and self._addresses[key] >= most:
            excess = self._exceeded(Excess.ADDRESS, most, self._waiting_of.get(key, {}))
        most = int(max(min(max(limits.connections, limits.streams), self._files() - RESERVED_FILES - self._streams()), LEAST))
        if excess is None and len(self) >= most:
            excess = self._exceeded(Excess.PROCESS, most, self._waiting)
        if excess is None:
            self._keys[connection] = key
            self._addresses.add(key)
            self.wait(connection)
        return excess

    def leave(self, connection: Connection) -> None:
        """Count a connection no more; harmless for one that is not counted."""
        if connection in self._keys:
            self.serve(connection)
            self._addresses.remove(self._keys.pop(connection))

    def wait(self, connection: Connection) -> None:
        """Note that a connection waits for a request from now on."""
        if connection in self._keys and connection not in self._waiting:
            self._waiting[connection] = None
            self._waiting_of.setdefault(self._keys[connection], {})[connection] = None

    def serve(self, connection: Connection) -> None:
        """Note that the request of a connection has come."""
        if connection in self._waiting:
            del self._waiting[connection]
            key = self._keys[connection]
            del self._waiting_of[key][connection]
            if not self._waiting_of[key]:
                del self._waiting_of[key]

    def _key(self, peer: str | None) -> Hashable:
        address = parse_address(peer) if peer else None
        return None if address is None or is_trusted(address, self._trusted) else limit_key(address)

    def _exceeded(self, excess: Excess, limit: int, waiting: dict[Connection, None]) -> Excess | None:
        """Close the connection that has waited longest; return the limit where none waits."""
        self.closed += 1
        self._warn(excess, limit)
        oldest = next(iter(waiting), None)
        if oldest is None:
            return excess
        self.leave(oldest)
        oldest.make_room()
        return None

    def _warn(self, excess: Excess, limit: int) -> None:
        self._unreported[excess] += 1
        now = self._clock()
        if now - self._warned_at.get(excess, -WARNING_INTERVAL) < WARNING_INTERVAL:
            return
        whose = "one address has" if excess is Excess.ADDRESS else "the process has"
        hint = "; if it is a proxy, name it by --trusted-proxy" if excess is Excess.ADDRESS else ""
        message = "%s %d connections that are no streams, the limit: those that wait longest for a request are closed, %d of them so far%s"
        logger.warning(message, whose, limit, self._unreported[excess], hint)
        self._warned_at[excess] = now


def open_files() -> float:
    """Return how many files the process may open."""
    if sys.platform == "win32":
        return float("inf")
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return float("inf") if soft == resource.RLIM_INFINITY else soft
