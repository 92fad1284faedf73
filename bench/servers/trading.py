"""The whole server, as `pricewire serve` runs it, with accounts that can buy."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from types import TracebackType

from bench.machine import ROOT, Placement
from bench.servers.peer import PeerError
from pricewire.server.auth.keys import local_key
from pricewire.server.auth.tokens import Tokens
from pricewire.store.accounts import Accounts
from pricewire.store.database import Database

SERVING = "Serving on http://127.0.0.1:"


class TradingServer:
    """
    The server; a context manager.

    Attributes:
        port: where it listens.
        pid: the process whose CPU is measured.
        tokens: one for each account.

    Args:
        placement: which core it runs on.
        accounts: how many accounts there are to be.
        database: the address of an empty database; None for an SQLite file.
        topics: what the tokens may publish to; none where they are for trading.
    """

    def __init__(self, placement: Placement, accounts: int, database: str | None, *, topics: Sequence[str] = ()) -> None:
        self.port = 0
        self.pid = 0
        self.tokens: list[str] = []
        self._placement = placement
        self._accounts = accounts
        self._database = database
        self._topics = topics
        # Not where files are kept in memory, as often in /tmp: a commit has to wait for a disk.
        self._directory = tempfile.TemporaryDirectory(prefix="bench-trading-", dir=Path("/var/tmp"))
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> TradingServer:
        data = Path(self._directory.name)
        asyncio.run(self._open_accounts(self._database or data / "pricewire.db", Tokens(local_key(data))))
        command = [sys.executable, "-m", "pricewire", "serve", "--port", "0", "--data-dir", str(data)]
        # All buyers have one address, and buy more than a person does.
        command += ["--requests-per-second", "1000000", "--purchases-per-second", "1000000", "--max-open-contracts", "1000000"]
        command += [] if self._database is None else ["--database", self._database]
        with self._placement.on_server_cores():
            self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT)
        self.pid = self._process.pid
        self.port = self._read_port(self._process)
        self._wait_until_open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.communicate()
        self._directory.cleanup()

    async def _open_accounts(self, address: str | Path, tokens: Tokens) -> None:
        database = await Database.open(address)
        try:
            accounts = Accounts(database)
            for number in range(self._accounts):
                account = await accounts.add(f"buyer-{number}", balance=Decimal(100_000_000))
                scopes = frozenset({"publish"} if self._topics else {"read", "trade"})
                self.tokens.append(tokens.issue(account.uuid, scopes, topics=self._topics))
        finally:
            await database.close()

    def _wait_until_open(self) -> None:
        """Wait for the second event of the slowest instrument: the first may be older than the server, which does not trade at that."""
        events = 0
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/sse?topic=ticks:R_100", timeout=60) as stream:
            while events < 2:
                events += stream.readline().startswith(b"data:")

    def _read_port(self, process: subprocess.Popen[str]) -> int:
        assert process.stderr is not None, "it was asked for"
        for line in process.stderr:
            message = str(json.loads(line)["message"]) if line.startswith("{") else line
            if message.startswith(SERVING):
                return int(message.removeprefix(SERVING).split()[0])
        raise PeerError("pricewire serve did not start")
