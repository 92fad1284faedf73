"""A server whose process is killed and begun again, on the same port and the same data directory."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from unittest import mock

from pricewire.market.feeds.simulated.feed import SimulatedFeed
from pricewire.server.app import create_app
from pricewire.server.limits import Limits
from pricewire.server.services import TradingSetup
from pricewire.server.transport.serve import make_server
from support.app_server import KEY, RULES
from support.serving import PATIENCE

SECRET = bytes(range(32))

LIMITS = Limits(streams_per_address=10_000, new_streams_per_second=10_000.0, requests_per_second=10_000.0, quotes=100)

processes = multiprocessing.get_context("forkserver")


class Lives:
    """
    A server with the simulated instruments, at five times their rate, and trading.

    Each life is a fork of a process that has imported everything, so that it begins at once.

    Attributes:
        folder: the data directory; the database is `pricewire.db`.
        port: where the server listens, the same in all lives.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self._process: ForkServerProcess | None = None

    @property
    def url(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self.port}"

    def begin(self) -> None:
        """Begin a life, and return when it serves."""
        reading, writing = processes.Pipe(duplex=False)
        self._process = processes.Process(target=live, args=(self.folder, self.port, writing), daemon=True)
        self._process.start()
        writing.close()
        if not reading.poll(5 * PATIENCE):
            raise TimeoutError("the server did not start")
        self.port = reading.recv()

    def kill(self) -> None:
        """End the life by SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.join()

    def stop(self) -> None:
        """End the life by SIGTERM, and return when the process has ended."""
        assert self._process is not None
        self._process.terminate()
        self._process.join(PATIENCE)
        assert self._process.exitcode is not None, "the server did not stop"

    @classmethod
    @contextmanager
    def open(cls, folder: Path) -> Iterator[Lives]:
        """Begin the first life, and end the last one with the block."""
        processes.set_forkserver_preload(["support.lives"])
        # The process that forks does not get this one's path otherwise.
        with mock.patch.dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)):
            forkserver.ensure_running()
        lives = cls(folder)
        lives.begin()
        try:
            yield lives
        finally:
            lives.kill()


def live(folder: Path, port: int, started: Connection) -> None:
    """Serve until the process is ended."""
    trading = TradingSetup(folder / "pricewire.db", folder / "journal", KEY, RULES, ring=folder / "bus")
    app = create_app([SimulatedFeed(secret=SECRET, rate=5)], trading=trading, limits=LIMITS)
    make_server(
        app, drain_seconds=0.5, on_started=started.send, host="127.0.0.1", port=port, limits=LIMITS, log_level="warning", log_config=None
    ).run()
