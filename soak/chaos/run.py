"""Runs a chaos test: the processes and the network between them, those who read and trade, and what happens to all of these."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import secrets
import shutil
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import psycopg
from bench.servers.nats import NatsServer, free_ports, nats_cluster, nats_server
from bench.servers.postgres import PostgresServer

from pricewire.market.feeds.simulated.secret import local_secret
from pricewire.server.auth.keys import local_key
from pricewire.server.auth.tokens import Tokens
from pricewire.store.accounts import Account, Accounts
from pricewire.store.database import Database
from soak.chaos.audit import Followed, united, wrong_accounts, wrong_stream, wrong_ticks
from soak.chaos.faults import Faults, System, shown
from soak.chaos.network import Link
from soak.chaos.processes import Process
from soak.chaos.published import Publications, Recorder
from soak.chaos.readers import Reader, stay
from soak.kill.audit import wrong_answers
from soak.kill.books import read_books, wrong_books
from soak.kill.outcomes import read_journal, wrong_ends
from soak.kill.traders import PIPS, SIMULATED, STAKES, Heard, Trader
from soak.run import Control

NATS_BYTES = 256 * 1024 * 1024
"""How much room each NATS server has, in bytes."""

INTERVAL_MS = {name: 1000 if name.startswith("1HZ") else 2000 for name in SIMULATED}

TOLD_S = 5.0
"""From how long on it is shown why a reader was not live again sooner, in seconds."""

CLOSING_S = 120.0
"""How long the last contracts may take to end, in seconds."""

LIMITS = [
    *("--max-streams-per-address", "10000", "--new-streams-per-second", "10000", "--requests-per-second", "100000"),
    *("--max-connections-per-address", "10000", "--purchases-per-second", "100000", "--max-open-contracts", "100000"),
]
"""All clients come from one address here, and come back at once."""


@dataclass(frozen=True, slots=True)
class Settings:
    """
    How much is done.

    Attributes:
        seconds: for how long there are faults.
        nodes: how many NATS servers there are: 1 or 3.
        servers: how many processes have the market and trading; one of them serves.
        trading: how many share trading instead, so that the servers have the market alone; 0 for none.
        gateways: how many gateways there are.
        tick_readers: how many read ticks.
        account_readers: how many read positions and balances.
        traders: how many trade.
        seed: of what happens.
        pause_s: the time between two faults, on average, in seconds.
        longest_s: how long a fault lasts at most, in seconds.
        trader_pause_s: the time between two purchases of one trader, on average, in seconds.
        live_s: how long readers may take to be live again after a fault, in seconds.
    """

    seconds: float = 3600.0
    nodes: int = 3
    servers: int = 2
    trading: int = 0
    gateways: int = 2
    tick_readers: int = 500
    account_readers: int = 200
    traders: int = 50
    seed: int = 1
    pause_s: float = 3.0
    longest_s: float = 10.0
    trader_pause_s: float = 5.0
    live_s: float = 60.0


@dataclass(slots=True)
class Result:
    """
    What came of it.

    Attributes:
        wrong: what was wrong, in words.
        faults: what happened, and how often.
        live_s: after each fault the time until all readers of ticks had a new one, in seconds.
        late: the faults after which that took longer than it may.
        starts: how the connections began, and how many.
        events: how many events readers got.
        publications: what was published.
        ends: how the contracts ended, and how many.
        heard: what traders were answered.
        stalled: the longest that the machine kept this process waiting, in seconds.
    """

    wrong: list[str] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    live_s: list[float] = field(default_factory=list)
    starts: Counter[str] = field(default_factory=Counter)
    events: int = 0
    publications: Publications = field(default_factory=Publications)
    ends: Counter[str] = field(default_factory=Counter)
    heard: Heard = field(default_factory=Heard)
    stalled: float = 0.0

    def lines(self) -> list[str]:
        """Return what to show."""
        published = self.publications
        count = sum(map(len, published.events.values()))
        live = self.live_s or [0.0]
        return [
            f"faults      {', '.join(f'{count} {name}' for name, count in sorted(self.faults.items()))}",
            f"live again  after {statistics.median(live):.1f} s (median), {max(live):.1f} s (longest)",
            f"machine     stood still for {self.stalled:.1f} s at most",
            f"published   {count:,} events in {published.frames:,} frames, by {len({name for _, name in published.writers})} processes",
            f"received    {self.events:,} events; connections: {', '.join(f'{count:,} {kind}' for kind, count in self.starts.items())}",
            f"contracts   {', '.join(f'{count:,} {name}' for name, count in sorted(self.ends.items()))}",
            f"answers     {len(self.heard.bought):,} purchases, {len(self.heard.sold):,} sales; {self.heard.repeated:,} requests repeated",
            f"refused     {', '.join(f'{count} {name}' for name, count in self.heard.codes.most_common())}",
            f"wrong       {len(self.wrong)}",
        ]


class ChaosTest:
    """
    One test.

    Args:
        settings: how much.
        directory: an empty one, for all files.
        progress: shows how far it is.
    """

    def __init__(self, settings: Settings, directory: Path, progress: Callable[[str], None]) -> None:
        self.result = Result()
        self._settings = settings
        self._directory = directory
        self._progress = progress
        self._dice = random.Random(f"{settings.seed}/faults")
        self._system: System | None = None
        self._readers: list[Reader] = []
        self._traders: list[Trader] = []

    async def run(self) -> Result:
        """Run the test, and return what came of it."""
        postgres = await asyncio.to_thread(PostgresServer, "fsync=off", "max_connections=200")
        try:
            with psycopg.connect(postgres.address("postgres"), autocommit=True) as connection:
                connection.execute("CREATE DATABASE pricewire")
            address = postgres.address("pricewire")
            with self._nodes() as nodes:
                await self._trouble(address, nodes)
            await asyncio.to_thread(self._audit, address)
        finally:
            await asyncio.to_thread(postgres.stop)
        return self.result

    @contextlib.contextmanager
    def _nodes(self) -> Iterator[list[NatsServer]]:
        path = self._directory / "nats.conf"
        path.write_text(f"jetstream {{ max_file_store: {NATS_BYTES} }}\n")
        options = ("--config", str(path), "--no_advertise")
        if self._settings.nodes == 1:
            with nats_server(*options) as node:
                yield [node]
        else:
            with nats_cluster(*options) as nodes:
                yield nodes

    @contextlib.asynccontextmanager
    async def _processes(self, database: str, nodes: Sequence[NatsServer]) -> AsyncIterator[System]:
        """Run all processes, each with a network of its own to the bus."""
        settings = self._settings
        async with contextlib.AsyncExitStack() as stack:
            processes, links = [], []
            behind = settings.servers + settings.trading
            ports = free_ports(behind + settings.gateways)
            for number, port in enumerate(ports):
                own = [Link([node.port]) for node in nodes]
                for link in own:
                    await stack.enter_async_context(link.open())
                links.append(own)
                bus = ",".join(f"nats://127.0.0.1:{link.port}" for link in own)
                options = [*LIMITS, "--bus", bus, "--drain-seconds", "2"]
                if number < behind:
                    name, is_market = f"server-{number}", settings.trading and number < settings.servers
                    options += ["--bus-replicas", str(len(nodes)), "--data-dir", str(self._directory / name)]
                    options += ["--role", "market"] if is_market else ["--database", database]
                    if number >= settings.servers:
                        options += ["--role", "trading"]
                else:
                    name = f"gateway-{number - behind}"
                    options += ["--role", "gateway"]
                processes.append(Process(name, self._directory, port, options))
            front = Link(ports[behind:])
            await stack.enter_async_context(front.open())
            for process in processes:
                await stack.enter_async_context(process.supervised())
            first = settings.servers
            yield System(processes[:first], processes[first:behind], processes[behind:], list(nodes), links, front)

    async def _trouble(self, address: str, nodes: list[NatsServer]) -> None:
        tokens = await self._open_accounts(address)
        control, recorder = Control(), Recorder([node.url for node in nodes])
        self.result.publications = recorder.publications
        async with self._processes(address, nodes) as system:
            self._system = system
            tasks = [asyncio.create_task(control.run()), asyncio.create_task(recorder.run())]
            try:
                self._make_clients(tokens, system.front.port)
                reading = [asyncio.create_task(reader.run()) for reader in self._readers]
                tasks += reading
                await self._until_live(tasks)
                trading = [asyncio.create_task(trader.trade()) for trader in self._traders]
                await self._have_faults(Faults(system, self._dice, self._settings.longest_s), tasks + trading)
                for trader in self._traders:
                    trader.is_to_end = True
                await asyncio.gather(*trading)
                await self._close(address, tasks)
                for task in reading:
                    task.cancel()
                await asyncio.gather(*reading, return_exceptions=True)
                # They must not have got what is not known yet.
                await asyncio.wait_for(recorder.catch_up(), CLOSING_S)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                self.result.stalled = control.worst
        for process in (*system.servers, *system.trading, *system.gateways):
            self.result.wrong += process.errors()

    async def _open_accounts(self, address: str) -> list[tuple[Account, str]]:
        """Open accounts, and return each with a token; the servers get the same secrets."""
        first = self._directory / "server-0"
        first.mkdir(mode=0o700)
        tokens = Tokens(local_key(first))
        local_secret(first)
        for number in range(1, self._settings.servers + self._settings.trading):
            await asyncio.to_thread(shutil.copytree, first, self._directory / f"server-{number}")
        database = await Database.open(address)
        try:
            accounts = Accounts(database)
            found = []
            for number in range(max(1, self._settings.traders // 5)):
                currency = list(STAKES)[number % len(STAKES)]
                account = await accounts.add(f"trader{number}", currency=currency, balance=Decimal(STAKES[currency]) * 100_000)
                found.append((account, tokens.issue(account.uuid, lifetime=30 * 86_400)))
        finally:
            await database.close()
        return found

    def _make_clients(self, tokens: Sequence[tuple[Account, str]], port: int) -> None:
        settings, dice = self._settings, random.Random(f"{self._settings.seed}/clients")
        for number in range(settings.tick_readers):
            topics = sorted(f"ticks:{name}" for name in dice.sample(SIMULATED, dice.randint(1, 2)))
            self._readers.append(Reader(f"reader {number}", port, topics))
        for number in range(settings.account_readers):
            account, token = tokens[number % len(tokens)]
            topics = [f"balance:{account.uuid}", f"contracts:{account.uuid}"]
            self._readers.append(Reader(f"account reader {number}", port, topics, token))
        pips = {name: PIPS[name] for name in SIMULATED}
        for number in range(settings.traders):
            account, token = tokens[number % len(tokens)]
            name = f"{account.id}-{number}-{secrets.token_hex(4)}"
            pause_s, heard = settings.trader_pause_s, self.result.heard
            self._traders.append(
                Trader(name, account.uuid, account.currency, token, port=lambda: port, heard=heard, pause_s=pause_s, pips=pips)
            )

    async def _until_live(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        """Wait until every reader has begun, and has the first value of each of its topics."""
        began = time.monotonic()
        first = {topic: 1 for reader in self._readers for topic in reader.received.topics if not topic.startswith("contracts:")}
        patience_s = 2 * self._settings.live_s
        late = await stay(self._readers, first, began + patience_s)
        check(tasks)
        if late:
            raise TimeoutError(f"{len(late)} readers got nothing within {patience_s:g} s, for instance {late[0].received.name}")
        self._progress(f"everybody reads after {time.monotonic() - began:.1f} s")

    async def _have_faults(self, faults: Faults, tasks: Sequence[asyncio.Task[None]]) -> None:
        kinds = faults.all()
        began = time.monotonic()
        while time.monotonic() < began + self._settings.seconds or len(self.result.faults) < len(kinds):
            await asyncio.sleep(self._dice.expovariate(1 / self._settings.pause_s))
            missing = [fault for fault, _ in kinds if not self.result.faults[shown(fault)]]
            # Everything has happened once before anything is left to chance.
            chosen = missing[:1] or self._dice.choices(
                [fault for fault, _ in kinds], [weight for _, weight in kinds], k=self._dice.choice([1, 1, 1, 2])
            )
            for fault in chosen:
                self.result.faults[shown(fault)] += 1
            await asyncio.gather(*(fault() for fault in chosen))
            what = " and ".join(map(shown, chosen))
            slow = await self._live_again(what)
            check(tasks)
            self._progress(f"{time.monotonic() - began:5.0f} s: {what}: live again after {self.result.live_s[-1]:.1f} s{slow}")

    async def _live_again(self, fault: str) -> str:
        """Wait until every reader of ticks has got something from after a fault; return in words what took the last one long."""
        healed, patience_s = time.monotonic(), self._settings.live_s
        last = waiting = self._readers[: self._settings.tick_readers]
        while waiting and time.monotonic() < healed + patience_s:
            await asyncio.sleep(0.05)
            last, waiting = waiting, [reader for reader in waiting if reader.live_at <= healed]
        if waiting:
            self.result.wrong.append(f"{len(waiting)} readers were not live {patience_s:g} s after {fault}: {waiting[0].troubles(healed)}")
        self.result.live_s.append(time.monotonic() - healed)
        return f"; the last one: {last[0].troubles(healed)}" if self.result.live_s[-1] > TOLD_S and last else ""

    async def _close(self, address: str, tasks: Sequence[asyncio.Task[None]]) -> None:
        """Let every contract come to its end, and every reader get all that was published until then."""
        deadline = time.monotonic() + CLOSING_S
        while (await asyncio.to_thread(read_books, address)).open() and time.monotonic() < deadline:  # noqa: ASYNC110 - nothing tells it
            await asyncio.sleep(1)
        published = self.result.publications

        async def has_unpublished() -> bool:
            return any(wrong_accounts(await asyncio.to_thread(read_books, address), published))

        # What ended last leaves the database a while after, where a process has just taken over.
        while await has_unpublished() and time.monotonic() < deadline:  # noqa: ASYNC110 - nothing tells it
            await asyncio.sleep(1)
        await asyncio.sleep(2)
        newest = {topic: items[-1].seq for topic, items in published.events.items() if items}
        late = await stay(self._readers, newest, time.monotonic() + self._settings.live_s)
        self.result.wrong += [f"{reader.received.name} has not got the end of {reader.received.topics}" for reader in late]
        check(tasks)

    def _audit(self, address: str) -> None:
        result, published = self.result, self.result.publications
        books = read_books(address)
        journal, apart = united(
            [read_journal(self._directory / f"server-{number}" / "journal") for number in range(self._settings.servers)]
        )
        for topic, items in published.events.items():
            for item in items if topic.startswith("contracts:") else ():
                if item.name in ("contract_sold", "contract_settled"):
                    body = json.loads(item.json)
                    details = body["contract_details"]
                    status = "sold" if details["is_sold"] else "refunded" if details["is_refunded"] else "settled"
                    result.heard.ends[body["contract_id"]] = (status, details["bid_price"])
        result.ends = Counter(contract["status"] for contract in books.contracts)
        result.wrong += [*wrong_books(books), *wrong_answers(books, result.heard), *apart, *wrong_ends(books.contracts, journal)]
        result.wrong += [*wrong_stream(published), *wrong_accounts(books, published), *wrong_ticks(journal, published, INTERVAL_MS)]
        for reader in self._readers:
            received = reader.received
            result.events += len(received.seqs)
            result.starts.update(start.kind for start in received.starts)
            result.wrong += Followed(received, published).wrong()


def check(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Raise what has ended one of the tasks; none ends by itself."""
    for task in tasks:
        if task.done():
            task.result()


async def run(settings: Settings, progress: Callable[[str], None] = lambda _: None, *, keep: bool = False) -> Result:
    """
    Run a chaos test, and return what came of it.

    Args:
        settings: how much.
        progress: shows how far it is.
        keep: whether to keep all files where something was wrong.
    """
    directory = Path(tempfile.mkdtemp(prefix="pricewire-chaos-", dir=Path("/var/tmp")))
    try:
        result = await ChaosTest(settings, directory, progress).run()
    except BaseException:
        progress(f"the files are in {directory}")
        raise
    if result.wrong and keep:
        progress(f"the files are in {directory}")
    else:
        await asyncio.to_thread(shutil.rmtree, directory)
    return result
