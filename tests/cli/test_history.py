"""`--history`: what was imported is served over HTTP and by the client, beside the prices of now."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import numpy as np
import pytest
from bench.servers.nats import nats_server

import pricewire
from pricewire.bus.nats import NatsPlan
from pricewire.cli.history import History
from pricewire.errors import PricewireError
from pricewire.market.candles import rows_of_ticks
from pricewire.market.feeds.replay.recordings import read_recordings
from pricewire.protocol.messages import Candle, Tick
from server.gateways.test_gateway import serve_gateway
from server.gateways.test_takeover import Process, ended
from support.command import environment, served
from support.command import pricewire as run
from support.recorded import SMALL
from support.serving import PATIENCE


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a server that replays a recording now, whose past it has as well."""
    data = str(tmp_path_factory.mktemp("history"))
    imported = run("import", str(SMALL.eurusd), "--data-dir", data)
    assert imported.returncode == 0, imported.stderr
    assert f"{SMALL.eurusd_rows} ticks of EURUSD; 1 days have changed" in imported.stderr
    exported = run("export", "--instrument", "EURUSD", "--data-dir", data)
    assert len(exported.stdout.splitlines()) == SMALL.eurusd_rows + 1
    assert exported.stdout.splitlines()[1].startswith("2024-01-02T22:00:00.065Z,EURUSD,1.09450,1.09478,")
    with subprocess.Popen(
        [sys.executable, "-m", "pricewire", "export", "--instrument", "EURUSD", "--data-dir", data],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    ) as left:
        assert left.stdout is not None
        assert left.stderr is not None
        left.stdout.close()
        assert left.stderr.read() == b"", "whoever read it has enough"
    with served("--port", "0", "--history", "--data-dir", data, "--feed", f"replay:{SMALL.eurusd}") as (url, _):
        yield url


def recorded() -> tuple[list[int], list[int]]:
    (recording,) = read_recordings(SMALL.eurusd)
    return recording.ticks.epoch_ms.tolist(), recording.ticks.price.tolist()


async def test_the_client_has_ticks_and_candles_of_the_archive(server: str) -> None:
    epochs, prices = recorded()
    async with pricewire.connect(server) as wire:
        ticks: list[Tick] = await wire.history("EURUSD", from_epoch_ms=epochs[0], to_epoch_ms=epochs[-1])
        candles: list[Candle] = await wire.history("EURUSD", granularity=300, from_epoch_ms=epochs[0], to_epoch_ms=epochs[-1])
    assert [tick.epoch_ms for tick in ticks] == epochs
    assert [int(tick.price.scaleb(5)) for tick in ticks] == prices
    rows = rows_of_ticks(np.array(epochs), np.array(prices), 300_000).tolist()
    assert [[each.open_epoch_ms, *(int(p.scaleb(5)) for p in (each.open, each.high, each.low, each.close))] for each in candles] == rows


def test_pages_go_back_through_the_archive(server: str) -> None:
    epochs, _ = recorded()
    body = {"instrument_id": "EURUSD", "to_epoch_ms": epochs[9], "count": 4}
    ticks = httpx2.post(f"{server}/v1/market/instruments/ticks/history", json=body).json()["data"]["ticks"]
    assert [int(tick["epoch_ms"]) for tick in ticks] == epochs[6:10]


def test_histories_at_a_gateway_are_those_of_the_process_with_trading(tmp_path: Path) -> None:
    trading, epochs = tmp_path / "trading", recorded()[0]
    imported = run("import", str(SMALL.eurusd), "--data-dir", str(trading))
    assert imported.returncode == 0, imported.stderr
    processes: list[Process] = []
    with nats_server() as nats, ended(processes):
        processes.append(Process("market", tmp_path / "market", nats.url, "--feed", f"replay:{SMALL.eurusd}"))
        processes.append(Process("trading", trading, nats.url, "--history"))
        processes[-1].until("ok")
        with serve_gateway(nats, NatsPlan()) as gateway:
            body = {"instrument_id": "EURUSD", "to_epoch_ms": epochs[9], "count": 4}
            answer = httpx2.post(f"{gateway.url}/v1/market/instruments/ticks/history", json=body, timeout=PATIENCE)
            assert [int(tick["epoch_ms"]) for tick in answer.json()["data"]["ticks"]] == epochs[6:10]


@pytest.mark.parametrize("wrong", [History(history_days=3), History(history=True, history_days=0.5), History(True, float("nan"))])
def test_options_that_contradict_each_other_are_refused(wrong: History, tmp_path: Path) -> None:
    with pytest.raises(PricewireError, match="goes with --history"):
        wrong.archive(tmp_path)
    assert History().archive(tmp_path) is None
