"""The processes of a chaos test: each is started again whenever it ends, as by a supervisor."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import httpx2

ROOT = Path(__file__).parents[2]

AGAIN_S = 0.5
"""How long a supervisor waits before it starts a process again, in seconds."""

END_S = 60.0
"""How long a process may take to end, in seconds, before it is killed."""

EXPECTED = ("does not answer", "this one ends", "the bus has taken nothing")
"""What processes may report as an error in such a test, in parts of the text."""


class Process:
    """
    `pricewire serve` under a supervisor, with a port of its own.

    Attributes:
        name: what it is called.
        port: where it listens, on 127.0.0.1.
        starts: how often it was started.

    Args:
        name: what it is called, and its log.
        directory: where its log is.
        port: where it is to listen.
        options: of `pricewire serve`.
    """

    def __init__(self, name: str, directory: Path, port: int, options: Sequence[str]) -> None:
        self.name = name
        self.port = port
        self.starts = 0
        self._log = directory / f"{name}.log"
        self._command = [sys.executable, "-m", "pricewire", "serve", "--port", str(port), "--log-format", "json", *options]
        self._process: asyncio.subprocess.Process | None = None
        self._held = asyncio.Event()
        self._held.set()

    @contextlib.asynccontextmanager
    async def supervised(self) -> AsyncIterator[None]:
        """Run it within the block."""
        task = asyncio.create_task(self._supervise())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
            if self._process is not None and self._process.returncode is None:
                self.send(signal.SIGCONT)
                self.send(signal.SIGTERM)
                try:
                    await asyncio.wait_for(self._process.wait(), END_S)
                except TimeoutError:
                    self._process.kill()
                    await self._process.wait()

    async def _supervise(self) -> None:
        while True:
            await self._held.wait()
            with self._log.open("ab") as log:
                self._process = await asyncio.create_subprocess_exec(*self._command, stderr=log, stdout=log, cwd=ROOT, env=dict(os.environ))
            self.starts += 1
            await self._process.wait()
            await asyncio.sleep(AGAIN_S)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, where it runs."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    async def ended(self) -> None:
        """Wait until the process has ended that runs now; one that takes too long is killed."""
        process = self._process
        if process is not None:
            try:
                await asyncio.wait_for(process.wait(), END_S)
            except TimeoutError:
                process.kill()
                await process.wait()

    def hold(self) -> None:
        """Do not start it again until `go_on`."""
        self._held.clear()

    def go_on(self) -> None:
        """Start it again when it has ended."""
        self._held.set()

    async def is_ready(self, client: httpx2.AsyncClient) -> bool:
        """Return whether it says that it is ready: of several servers, the one that serves."""
        try:
            return (await client.get(f"http://127.0.0.1:{self.port}/readyz")).status_code == 200
        except httpx2.HTTPError:
            return False

    def errors(self) -> list[str]:
        """Return what it has logged of level `error` and above, and what is no entry of the log; but what is expected."""
        found = []
        for line in self._log.read_text(errors="replace").splitlines() if self._log.exists() else []:
            entry = json.loads(line) if line.startswith("{") else {"level": "error", "message": line}
            if entry["level"] in ("error", "critical") and not any(each in entry["message"] for each in EXPECTED):
                found.append(f"{self.name}: {line[:2000]}")
        return found
