"""The benchmarks' pieces run, and every delivery is counted. Nothing here depends on how fast anything is."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

if sys.platform != "linux":
    pytest.skip("the benchmarks read Linux's /proc and use its epoll", allow_module_level=True)

import bench.fanout
import bench.memory
from bench.machine import Placement
from bench.readers.pool import Readers
from bench.report import Report, save
from bench.servers.floor import Floor
from bench.servers.nchan import Nchan
from bench.servers.peer import Peer
from bench.servers.pricewire import Fallback, Handover
from bench.servers.sse_starlette import SseStarlette
from bench.workload import EVENT_MARK, encoded_ticks

STREAMS = 50
PEERS: list[type[Peer]] = [Handover, Fallback, SseStarlette, Nchan, Floor]


@pytest.fixture(params=PEERS, ids=lambda kind: kind.name)
def peer(request: pytest.FixtureRequest) -> Iterator[Peer]:
    kind: type[Peer] = request.param
    if reason := kind.missing():
        pytest.skip(reason)
    placement = Placement(None, None)
    with Floor(placement, (1, 20)) if kind is Floor else kind(placement) as started:
        yield started


def test_every_stream_gets_every_event_once(peer: Peer) -> None:
    with Readers() as readers:
        readers.open("streams", peer.port, peer.path, STREAMS)
        peer.publish(3, 1)
        peer.publish(2, 20)
        counts = readers.wait("streams", 43)
    assert (counts.least, counts.most, counts.events, counts.closed) == (43, 43, 43 * STREAMS, 0)


def test_a_shortfall_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.readers.pool.DELIVERY_TIMEOUT", 0.5)
    with Handover(Placement(None, None)) as peer, Readers() as readers:
        readers.open("streams", peer.port, peer.path, STREAMS)
        peer.publish(2, 1)
        counts = readers.wait("streams", 3)
    assert (counts.least, counts.most) == (2, 2)


def test_what_lagging_streams_were_spared_is_not_waited_for() -> None:
    with Handover(Placement(None, None)) as peer, Readers() as readers:
        readers.open(peer.name, peer.port, peer.path, 3)
        contestant = bench.fanout.Contestant(peer)
        os.kill(readers._process.pid, signal.SIGSTOP)
        try:
            # Some 10 MB for each stream: more than the sockets' buffers hold.
            for _ in range(100):
                peer.publish(1, 500)
                contestant.sent += 500
        finally:
            os.kill(readers._process.pid, signal.SIGCONT)
        bench.fanout.wait(contestant, readers, 3)
        assert contestant.merged() > 0


def test_a_server_that_does_not_deliver_is_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.fanout, "PATIENCE", 0.2)
    monkeypatch.setattr(bench.fanout, "LOOK", 0.05)
    with Handover(Placement(None, None)) as peer, Readers() as readers:
        readers.open(peer.name, peer.port, peer.path, 3)
        contestant = bench.fanout.Contestant(peer, sent=1)
        bench.fanout.warm_up(contestant, readers, 3, 1, 0.0)
        for _ in range(3):
            bench.fanout.take_turn(contestant, readers, 3, 1)
        assert contestant.turns[1] == []
        assert bench.fanout.faults(contestant)[0].startswith("Pricewire, hand-over FAILED: 3 of 3 deliveries did not come")


@pytest.mark.parametrize(("per_flush", "chunks"), [(1, 4), (20, 2)])
def test_pricewire_flushes_what_was_published_at_once(per_flush: int, chunks: int) -> None:
    with Handover(Placement(None, None)) as peer, Readers() as readers:
        readers.open("streams", peer.port, peer.path, STREAMS)
        peer.publish(chunks, per_flush)
        counts = readers.wait("streams", chunks * per_flush)
        counters = peer.counters()
    assert counts.chunks == chunks * STREAMS
    assert counters["flushes"] == chunks
    assert counters["streams_lagged"] == 0


def test_an_event_has_its_mark_once() -> None:
    messages = encoded_ticks()
    assert all(next(messages).count(EVENT_MARK) == 1 for _ in range(100))


@pytest.mark.parametrize("name", ["fanout", "memory"])
def test_a_quick_run_makes_a_report(name: str, tmp_path: Path) -> None:
    placement = Placement(None, None)
    steps: list[str] = []
    report: Report
    if name == "fanout":
        report = bench.fanout.run(placement, bench.fanout.Settings(streams=40, rounds=1, cpu=0.0, judge=False), steps.append)
    else:
        report = bench.memory.run(placement, bench.memory.Settings(streams=40, warm=5, settling=0.05, judge=False), steps.append)
    assert [note for note in report.notes if "is left out" not in note] == []
    content: dict[str, Any] = json.loads(save(report, placement, quick=True, directory=tmp_path).read_text())
    expected = {kind.name for kind in PEERS if kind.missing() is None}
    assert set(content["servers"]) == (expected if name == "fanout" else expected - {"floor"})
    assert content["machine"]["cores"] >= 1
    assert shutil.which("nginx") is None or "nginx" in content["versions"]
    assert steps
