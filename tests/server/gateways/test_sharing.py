"""Two processes with trading share the accounts: one is killed or stopped, and nothing is lost, doubled or out of order."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
from bench.servers.nats import nats_server

from pricewire.bus.nats import PLACES, NatsPlan
from pricewire.store.accounts import Account
from pricewire.store.audit import Operator
from pricewire.store.cashier import Cashier
from pricewire.store.database import Database
from pricewire.trading.partitions import PARTITIONS, partition_of
from server.gateways.test_gateway import serve_gateway
from server.gateways.test_takeover import Process, buy, ended
from support.app_server import Events, add_account, bearer, log_in
from support.metrics import wait_until
from support.postgres import Postgres
from support.serving import PATIENCE, Serving


@dataclass
class Shared:
    """
    A server whose accounts several processes share.

    Attributes:
        bus: where NATS is.
        database: of all.
        folder: for the data of all.
        gateway: what clients talk to.
        leading: the first process with trading.
        processes: all that were started.
        accounts: two that are in even partitions, and two in odd ones, with their tokens.
    """

    bus: str
    database: str
    folder: Path
    gateway: Serving = field(init=False)
    leading: Process = field(init=False)
    processes: list[Process]
    accounts: list[tuple[Account, str]] = field(default_factory=list)

    def start(self, role: str, name: str, *options: str) -> Process:
        process = Process(role, self.folder / name, self.bus, *options)
        self.processes.append(process)
        return process

    def start_trading(self, name: str) -> Process:
        """Start one more process that shares the accounts, and wait until it does."""
        (self.folder / name).mkdir()
        first = self.folder / "trading-1" / "signing-key.pem"
        if first.exists():
            shutil.copy(first, self.folder / name)
        process = self.start("trading", name, "--database", self.database)
        process.until("ok")
        return process


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Shared]:
    database = postgres.make()
    processes: list[Process] = []
    with nats_server() as nats, ended(processes):
        shared = Shared(nats.url, database, tmp_path_factory.mktemp("shared"), processes)
        shared.start("market", "market", "--seed", "1")
        shared.leading = shared.start_trading("trading-1")
        found: dict[int, list[Account]] = {0: [], 1: []}
        for number in range(100):
            if min(map(len, found.values())) >= 2:
                break
            account = add_account(database, f"account-{number}")
            found[partition_of(account.uuid) % 2].append(account)
        with serve_gateway(nats, NatsPlan()) as shared.gateway:
            shared.accounts = [(each, log_in(shared.gateway, each.id)) for half in found.values() for each in half[:2]]
            yield shared


def follow(shared: Shared, path: str, token: str, stack: contextlib.ExitStack) -> Events:
    """Open a stream until it is answered, as a client does: while accounts change processes, it may be refused."""
    deadline = time.monotonic() + 2 * PATIENCE
    while time.monotonic() < deadline:
        stream = Events(shared.gateway, path, token)
        if stream.status == 200:
            return stack.enter_context(stream)
        with stream:
            assert stream.status == 503
        time.sleep(0.1)
    raise TimeoutError("no stream can be opened")


class Watched:
    """An account's stream, all that it has brought, and what was bought."""

    def __init__(self, shared: Shared, account: Account, token: str, stack: contextlib.ExitStack) -> None:
        self.account = account
        self._shared = shared
        self._token = token
        topics = f"topic=contracts:{account.uuid}&topic=balance:{account.uuid}"
        self._stream = follow(shared, f"/protected/sse?{topics}", token, stack)
        self._bought: list[str] = []

    def buy(self, key: str) -> None:
        self._bought += [buy(self._shared.gateway, self._token, f"{key}-{number}") for number in range(2)]

    def check(self) -> None:
        """Read the stream until all that was bought has ended: each is told once, in order, and so is the money."""
        seen: list[Any] = []
        left = set(self._bought)
        while left:
            seen.append(self._stream.until(lambda data: "seq" in data))
            if seen[-1]["event"] == "contract_settled":
                left.discard(seen[-1]["data"]["contract_id"])
        answer = httpx2.get(f"{self._shared.gateway.url}/v1/accounting/balance", headers=bearer(self._token), timeout=PATIENCE)
        balance = answer.json()["data"]["balance"]
        while not any(each["event"] == "balance" and each["data"]["balance"] == balance for each in seen):
            seen.append(self._stream.until(lambda data: "seq" in data))
        told = Counter(
            (each["event"], each["data"]["contract_id"]) for each in seen if each["event"] in ("contract_opened", "contract_settled")
        )
        assert told == Counter({(event, each): 1 for each in self._bought for event in ("contract_opened", "contract_settled")})
        for topic in {each["subscription_id"] for each in seen}:
            seqs = [each["seq"] for each in seen if each["subscription_id"] == topic]
            assert seqs == list(range(seqs[0], seqs[0] + len(seqs))), "none is left out, and none comes again"
        balances = [each["data"] for each in seen if each["event"] == "balance"]
        for before, after in itertools.pairwise(balances):
            assert Decimal(after["balance"]) - Decimal(before["balance"]) == Decimal(after["change"])


@contextlib.contextmanager
def watching(shared: Shared) -> Iterator[list[Watched]]:
    with contextlib.ExitStack() as stack:
        yield [Watched(shared, account, token, stack) for account, token in shared.accounts]


def move(shared: Shared, account: Account) -> Decimal:
    """Give an account money, as `pricewire account` does, and return its balance."""

    async def work() -> Decimal:
        opened = await Database.open(shared.database)
        balance = await Cashier(opened).deposit(account.id, Decimal("1.25"), Operator("bo", "asked for"))
        await opened.close()
        return balance

    return asyncio.run(work())


def buy_all(watched: list[Watched], key: str) -> None:
    with ThreadPoolExecutor(len(watched)) as threads:
        list(threads.map(lambda each: each.buy(key), watched))


def check_all(watched: list[Watched]) -> None:
    with ThreadPoolExecutor(len(watched)) as threads:
        list(threads.map(lambda each: each.check(), watched))


def test_another_process_goes_on_with_the_accounts_of_one_that_is_killed(shared: Shared) -> None:
    other = shared.start_trading("killed")
    with watching(shared) as watched:
        buy_all(watched, "before")
        other.kill()
        buy_all(watched, "after")
        check_all(watched)


def test_a_deposit_while_its_account_has_no_process_reaches_a_stream_that_names_no_account(shared: Shared) -> None:
    other = shared.start_trading("away")
    with contextlib.ExitStack() as stack:
        streams = [follow(shared, "/protected/sse?topic=balance:*", token, stack) for _, token in shared.accounts]

        def move_all() -> None:
            moved = [move(shared, account) for account, _ in shared.accounts]
            for stream, balance in zip(streams, moved, strict=True):
                while Decimal(stream.until(lambda data: data.get("event") == "balance")["data"]["balance"]) != balance:
                    pass

        move_all()
        other.kill()
        move_all()


def test_a_request_of_an_account_of_another_process_is_passed_on_however_many_slashes_it_has(shared: Shared) -> None:
    other = shared.start_trading("slashes")

    def is_answered(path: str, token: str) -> bool:
        return httpx2.get(f"{shared.gateway.url}{path}", headers=bearer(token), timeout=PATIENCE).status_code == 200

    for path in ("//v1/accounting/balance", "/v1//accounting///balance//"):
        for _, token in shared.accounts:
            # A moment before, the account may still have been another one's.
            wait_until(partial(is_answered, path, token))
    other.kill()


def test_one_that_was_stopped_for_a_while_does_nothing_with_accounts_that_are_another_ones(shared: Shared) -> None:
    other = shared.start_trading("stopped")
    with watching(shared) as watched:
        buy_all(watched, "first")
        # It is about to write and to publish, and believes that it may when it goes on.
        other.process.send_signal(signal.SIGSTOP)
        buy_all(watched, "stopped")
        other.process.send_signal(signal.SIGCONT)
        buy_all(watched, "awake")
        other.until("ok")
        buy_all(watched, "shared")
        shared.leading.kill()
        buy_all(watched, "alone")
        check_all(watched)
    assert other.process.poll() is None, "it has joined the others again, and has all accounts in the end"


def test_there_are_partitions_for_all_processes() -> None:
    assert PLACES <= PARTITIONS
