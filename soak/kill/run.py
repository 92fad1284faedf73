"""Runs a kill test: the server, the exchange, those who trade, and what happens to them."""

from __future__ import annotations

import asyncio
import math
import os
import random
import secrets
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import psycopg
from bench.servers.postgres import PostgresServer

from pricewire.server.auth.keys import local_key
from pricewire.server.auth.tokens import Tokens
from pricewire.store.accounts import Accounts
from pricewire.store.database import Database
from soak.kill.audit import wrong
from soak.kill.books import read_books, wrong_books
from soak.kill.exchange import LISTINGS, Exchange
from soak.kill.outcomes import read_journal
from soak.kill.server import KillableServer
from soak.kill.traders import SIMULATED, STAKES, Heard, Trader

RATE = 4
"""How many times the usual number of ticks the simulated instruments have."""

INTERVAL_MS = {name: (1000 if name.startswith("1HZ") else 2000) // RATE for name in SIMULATED}

TRADERS_EACH = 3
"""How many trade on each account: they meet at its balance."""

MOST_OFF_S = 60.0
"""
By how much the wall clock is wrong at most, in seconds, either way.

A server that starts with a clock two minutes behind has no simulated ticks for so long that contracts are given back, as they should.
"""

CLOSING_S = 400.0
"""How long the last contracts may take to end, in seconds."""


@dataclass(frozen=True, slots=True)
class Settings:
    """
    How much is done.

    Attributes:
        contracts: how many are to be settled by ticks; sold ones do not count.
        database: `sqlite` or `postgresql`.
        seed: of what happens.
        pause_s: the time between two faults, on average, in seconds.
        trader_pause_s: the time between two purchases of one trader, on average, in seconds.
        longest_s: how long a fault lasts at most, in seconds; but some last for more than two minutes, where it is 20 or more.
    """

    contracts: int
    database: str
    seed: int = 1
    pause_s: float = 4.0
    trader_pause_s: float = 0.3
    longest_s: float = 20.0


@dataclass(slots=True)
class Result:
    """
    What came of it.

    Attributes:
        wrong: what was wrong, in words.
        faults: what happened, and how often.
        heard: what the server has said.
        ends: how the contracts ended, and how many.
        checks: how often the books were read after a kill.
        ticks: how many are in the journal.
    """

    wrong: list[str] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    heard: Heard = field(default_factory=Heard)
    ends: Counter[str] = field(default_factory=Counter)
    checks: int = 0
    ticks: int = 0

    def lines(self) -> list[str]:
        """Return what to show."""
        return [
            f"contracts   {', '.join(f'{count:,} {name}' for name, count in sorted(self.ends.items()))}",
            f"faults      {', '.join(f'{count} {name}' for name, count in sorted(self.faults.items()))}",
            f"answers     {len(self.heard.bought):,} purchases, {len(self.heard.sold):,} sales; {self.heard.repeated:,} requests repeated",
            f"refused     {', '.join(f'{count} {name}' for name, count in self.heard.codes.most_common())}",
            f"ticks       {self.ticks:,} in the journal, of which {len(self.heard.ticks):,} were read from streams",
            f"books       checked {self.checks} times",
            f"wrong       {len(self.wrong)}",
        ]


class KillTest:
    """One test on one database."""

    def __init__(self, settings: Settings, directory: Path, progress: Callable[[str], None]) -> None:
        """
        Prepare to run.

        Args:
            settings: how much.
            directory: an empty one, for all files.
            progress: shows how far it is.
        """
        self.result = Result()
        self._settings = settings
        self._directory = directory
        self._progress = progress
        self._dice = random.Random(f"{settings.seed}/faults")
        self._exchange = Exchange(settings.seed)
        self._postgres: PostgresServer | None = None
        self._address = str(directory / "pricewire.db")
        self._off_s = 0.0
        self._closed = 0
        self._server: KillableServer | None = None

    async def run(self) -> Result:
        """Run the test, and return what came of it."""
        if self._settings.database == "postgresql":
            # Nothing here cuts the power: what the operating system has is not lost.
            self._postgres = await asyncio.to_thread(PostgresServer, "fsync=off")
            with psycopg.connect(self._postgres.address("postgres"), autocommit=True) as connection:
                connection.execute("CREATE DATABASE pricewire")
            self._address = self._postgres.address("pricewire")
        try:
            async with self._exchange.open():
                await self._trade()
        finally:
            if self._server is not None:
                self._server.kill()
            if self._postgres is not None:
                self._postgres.stop()
        return self.result

    @property
    def server(self) -> KillableServer:
        """The server, which has been started."""
        assert self._server is not None, "it was started before"
        return self._server

    async def _trade(self) -> None:
        traders = await self._open_accounts()
        options = ["--data-dir", str(self._directory), "--database", self._address, "--feed", "simulated", "--rate", str(RATE)]
        options += ["--feed", "soak.kill.exchange:ExchangeFeed", "--feed", "soak.kill.exchange:RememberedFeed"]
        options += ["--requests-per-second", "100000", "--purchases-per-second", "100000", "--max-open-contracts", "100000"]
        self._server = KillableServer(self._directory, self._exchange.port, options)
        await asyncio.to_thread(self._server.start)
        readers = [asyncio.create_task(trader.listen()) for trader in traders[::TRADERS_EACH]]
        readers.append(asyncio.create_task(traders[0].watch()))
        trading = [asyncio.create_task(trader.trade()) for trader in traders]
        began = time.monotonic()
        while self._closed < self._settings.contracts or len(self.result.faults) < len(self._faults()):
            await asyncio.sleep(self._dice.expovariate(1 / self._settings.pause_s))
            fault = self._choose()
            self.result.faults[shown(fault)] += 1
            await fault()
            self.server.check()
            for task in (*trading, *readers):
                if task.done():
                    task.result()
            count = sum(self.result.faults.values())
            self._progress(
                f"{time.monotonic() - began:5.0f} s: {self._closed} settled, {count} faults, the last {fault.__name__.strip('_')}"
            )
        for trader in traders:
            trader.is_to_end = True
        await asyncio.gather(*trading)
        await self._close()
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
        await asyncio.to_thread(self.server.terminate)
        await asyncio.to_thread(self._audit)

    async def _open_accounts(self) -> list[Trader]:
        tokens = Tokens(local_key(self._directory))
        database = await Database.open(self._address)
        traders = []
        try:
            accounts = Accounts(database)
            for currency, stake in STAKES.items():
                account = await accounts.add(currency.lower(), currency=currency, balance=Decimal(stake) * 100_000)
                token = tokens.issue(account.uuid, lifetime=30 * 86_400)
                traders += [
                    Trader(
                        f"{currency}-{number}-{secrets.token_hex(4)}",
                        account.uuid,
                        currency,
                        token,
                        port=lambda: 0 if self._server is None else self._server.port,
                        heard=self.result.heard,
                        pause_s=self._settings.trader_pause_s,
                    )
                    for number in range(TRADERS_EACH)
                ]
        finally:
            await database.close()
        return traders

    def _faults(self) -> list[tuple[Callable[[], Awaitable[None]], float]]:
        """Return what may happen, and how likely each is beside the others."""
        faults: list[tuple[Callable[[], Awaitable[None]], float]] = [
            (self._kill, 6),
            (self._kill_and_wait, 2),
            (self._stall, 4),
            (self._outage, 4),
            (self._late_ticks, 3),
            (self._cut_feeds, 2),
            (self._set_clock, 4),
            (self._database_trouble, 2),
        ]
        if self._settings.longest_s >= 20:
            faults += [(self._terminate, 1), (self._long_outage, 0.3), (self._long_stall, 0.1)]
        return faults

    def _choose(self) -> Callable[[], Awaitable[None]]:
        """Return what happens next; everything has happened once before anything is left to chance."""
        faults = self._faults()
        missing = [fault for fault, _ in faults if not self.result.faults[shown(fault)]]
        return missing[0] if missing else self._dice.choices([fault for fault, _ in faults], [weight for _, weight in faults])[0]

    async def _kill(self) -> None:
        await asyncio.to_thread(self.server.kill)
        await self._check_books()
        await asyncio.to_thread(self.server.start)

    async def _kill_and_wait(self) -> None:
        await asyncio.to_thread(self.server.kill)
        await self._check_books()
        await asyncio.sleep(self._lasting(1.0))
        if self._dice.random() < 0.5:
            self._step_clock()
        await asyncio.to_thread(self.server.start)

    async def _terminate(self) -> None:
        await asyncio.to_thread(self.server.terminate)
        await self._check_books()
        await asyncio.to_thread(self.server.start)

    async def _stall(self) -> None:
        await self._stand_still(self._lasting(0.5))

    async def _long_stall(self) -> None:
        await self._stand_still(130.0)

    async def _outage(self) -> None:
        for listing in self._dice.sample(LISTINGS, self._dice.randint(1, len(LISTINGS))):
            self._exchange.silence(listing.name, 2 * self._lasting(1.0))

    async def _long_outage(self) -> None:
        for listing in self._dice.sample(LISTINGS, 3):
            self._exchange.silence(listing.name, self._dice.uniform(135, 150))

    async def _late_ticks(self) -> None:
        self._exchange.hold_back(self._lasting(1.0))

    async def _cut_feeds(self) -> None:
        self._exchange.cut()

    async def _set_clock(self) -> None:
        self._step_clock()

    async def _database_trouble(self) -> None:
        if self._postgres is not None:
            await asyncio.to_thread(self._postgres.crash)
            return
        # Another program that writes, as an operator's does: the server waits for it.
        with closing(sqlite3.connect(self._address, isolation_level=None, check_same_thread=False)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            await asyncio.sleep(min(6.0, self._lasting(1.0)))
            connection.execute("ROLLBACK")

    def _lasting(self, least_s: float) -> float:
        """Return how long a fault lasts, in seconds: short ones are as likely as long ones."""
        return least_s * math.exp(self._dice.uniform(0, math.log(self._settings.longest_s / least_s)))

    async def _stand_still(self, seconds: float) -> None:
        self.server.stop()
        await asyncio.sleep(seconds)
        self.server.go_on()

    def _step_clock(self) -> None:
        self._off_s = self._dice.uniform(-MOST_OFF_S, MOST_OFF_S)
        self.server.set_clock(self._off_s)

    async def _check_books(self) -> None:
        books = await asyncio.to_thread(read_books, self._address)
        self._closed = books.closed_by_ticks()
        self.result.wrong += [f"after kill {self.result.checks}: {each}" for each in wrong_books(books)]
        self.result.checks += 1

    async def _close(self) -> None:
        """Let every contract come to its end."""
        self._exchange.end_silences()
        # Ahead of where it ever was, so that simulated prices go on at once.
        self.server.set_clock(MOST_OFF_S + 1)
        deadline = time.monotonic() + CLOSING_S
        while (books := await asyncio.to_thread(read_books, self._address)).open() and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(2)
        self._closed = books.closed_by_ticks()

    def _audit(self) -> None:
        books, journal = read_books(self._address), read_journal(self._directory / "journal")
        self.result.ends = Counter(contract["status"] for contract in books.contracts)
        self.result.ticks = sum(len(recorded.ticks) for recorded in journal.values())
        self.result.wrong += wrong(books, journal, self.result.heard, self._exchange.made, INTERVAL_MS)
        self.result.wrong += [f"the server has logged {line}" for line in self.server.errors()]


async def run(settings: Settings, progress: Callable[[str], None] = lambda _: None, *, keep: bool = False) -> Result:
    """
    Run a kill test, and return what came of it.

    Args:
        settings: how much.
        progress: shows how far it is.
        keep: whether to keep all files where something was wrong.
    """
    # Not where files are kept in memory, as often in /tmp: commits are to wait for a disk.
    directory = Path(tempfile.mkdtemp(prefix="pricewire-kill-", dir=Path("/var/tmp")))
    test = KillTest(settings, directory, progress)
    try:
        result = await test.run()
    except BaseException:
        progress(f"the files are in {directory}")
        raise
    if result.wrong and keep:
        progress(f"the files are in {directory}")
    else:
        await asyncio.to_thread(remove, directory)
    return result


def shown(fault: Callable[[], Awaitable[None]]) -> str:
    """Return a fault's name for people."""
    return fault.__name__.strip("_").replace("_", " ")


def remove(directory: Path) -> None:
    """Remove a directory with all that is in it."""
    for parent, folders, files in os.walk(directory, topdown=False):
        for name in files:
            (Path(parent) / name).unlink()
        for name in folders:
            (Path(parent) / name).rmdir()
    directory.rmdir()
