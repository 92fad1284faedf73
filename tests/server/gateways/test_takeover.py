"""The market is killed and trading stopped for a while, in processes of their own with others that stand by: nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
from bench.servers.nats import free_ports, nats_server

from pricewire.bus.nats import NatsPlan
from pricewire.bus.nats_connection import NatsAddress, connected
from server.gateways.test_gateway import serve_gateway
from support.app_server import Events, add_account, bearer, log_in, purchase
from support.serving import PATIENCE, Reader, Serving


class Process:
    """
    A process of `pricewire serve`.

    Args:
        role: its role.
        folder: its data directory.
        bus: where NATS is.
        options: further options.
    """

    def __init__(self, role: str, folder: Path, bus: str, *options: str) -> None:
        (self.port,) = free_ports(1)
        folder.mkdir(exist_ok=True)
        self._log = folder / "log"
        command = [sys.executable, "-m", "pricewire", "serve", "--role", role, "--bus", bus, "--port", str(self.port)]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen([*command, "--data-dir", str(folder), *options], stdout=log, stderr=log, cwd=folder)

    def until(self, text: str) -> None:
        """Wait until `/readyz` says something."""
        deadline = time.monotonic() + 2 * PATIENCE
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(httpx2.HTTPError):
                if text in httpx2.get(f"http://127.0.0.1:{self.port}/readyz", timeout=PATIENCE).text:
                    return
            time.sleep(0.1)
        raise TimeoutError(self._log.read_text())

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)


@contextlib.contextmanager
def ended(processes: list[Process]) -> Iterator[None]:
    try:
        yield
    finally:
        for each in processes:
            each.kill()


def test_a_bus_that_has_lost_everything_is_made_anew_by_who_served(tmp_path: Path) -> None:
    plan = NatsPlan()
    processes: list[Process] = []

    async def lose() -> None:
        async with connected(NatsAddress((nats.url,)), "operator") as client:
            for name in (plan.stream, f"KV_{plan.bucket}"):
                await client.jetstream(timeout=PATIENCE).delete_stream(name)

    with nats_server() as nats, ended(processes):
        processes.append(Process("all", tmp_path, nats.url, "--seed", "1"))
        processes[0].until("ok")
        with serve_gateway(nats, plan) as gateway, Reader(gateway.url, "/sse?topic=ticks:1HZ100V") as stream:
            stream.read_until(b"\n\n")
            asyncio.run(lose())
            # In an orderly way, so that whoever supervises it starts it again.
            assert processes[0].process.wait(PATIENCE) == -signal.SIGTERM
            processes.append(Process("all", tmp_path, nats.url, "--seed", "1"))
            processes[1].until("ok")
            stream.read_until(b"event: error")
            with Reader(gateway.url, "/sse?topic=ticks:1HZ100V") as again:
                again.read_until(b'"event":"tick"')


def buy(gateway: Serving, token: str, key: str) -> str:
    """Buy by repeating the request until it is answered, as a client does; return the contract's id."""
    order = purchase(key, instrument_id="1HZ100V", duration=1, duration_unit="ticks")
    deadline = time.monotonic() + 2 * PATIENCE
    while time.monotonic() < deadline:
        answer = httpx2.post(f"{gateway.url}/v1/trading/contracts/buy", json=order, headers=bearer(token), timeout=PATIENCE)
        if answer.status_code == 200:
            contract_id: str = answer.json()["data"]["contract_id"]
            return contract_id
        assert answer.status_code in (409, 503), answer.text
        time.sleep(0.1)
    raise TimeoutError("nothing can be bought")


def test_whoever_is_killed_another_goes_on(tmp_path: Path) -> None:
    database = tmp_path / "pricewire.db"
    account = add_account(database, "alice").uuid
    plan = NatsPlan()
    processes: list[Process] = []
    with nats_server() as nats, ended(processes):

        def start(role: str, name: str, *options: str) -> Process:
            process = Process(role, tmp_path / name, nats.url, *options)
            processes.append(process)
            return process

        trades = ("--database", str(database))
        market = start("market", "market-1", "--seed", "1")
        trading = start("trading", "trading-1", *trades)
        trading.until("ok")
        (tmp_path / "trading-2").mkdir()
        shutil.copy(tmp_path / "trading-1" / "signing-key.pem", tmp_path / "trading-2")
        start("market", "market-2", "--seed", "1").until("stands by")
        start("trading", "trading-2", *trades).until("ok")
        with serve_gateway(nats, plan) as gateway:
            token = log_in(gateway, "alice")
            topics = f"topic=contracts:{account}&topic=balance:{account}&topic=ticks:1HZ100V"
            with Events(gateway, f"/protected/sse?{topics}", token) as stream:
                bought = [buy(gateway, token, f"before-{number}") for number in range(3)]
                market.kill()
                bought += [buy(gateway, token, f"market-{number}") for number in range(3)]
                # It believes that it serves when it goes on, and has what it was about to do.
                trading.process.send_signal(signal.SIGSTOP)
                bought += [buy(gateway, token, f"trading-{number}") for number in range(3)]
                trading.process.send_signal(signal.SIGCONT)
                trading.process.wait(PATIENCE)
                seen: list[Any] = []
                open_contracts = set(bought)
                while open_contracts:
                    seen.append(stream.until(lambda data: "seq" in data))
                    if seen[-1]["event"] == "contract_settled":
                        open_contracts.remove(seen[-1]["data"]["contract_id"])
        told = Counter(
            (each["event"], each["data"]["contract_id"]) for each in seen if each["event"] in ("contract_opened", "contract_settled")
        )
        assert set(told.values()) == {1}
        assert {contract_id for event, contract_id in told if event == "contract_opened"} == set(bought)
        for topic in {each["subscription_id"] for each in seen}:
            seqs = [each["seq"] for each in seen if each["subscription_id"] == topic]
            assert seqs == list(range(seqs[0], seqs[0] + len(seqs))), "none is left out"
        ticks = [int(each["data"]["epoch_ms"]) for each in seen if each["event"] == "tick"]
        assert ticks == list(range(ticks[0], ticks[-1] + 1000, 1000)), "the next market has told those of the time in between"
