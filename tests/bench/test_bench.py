"""The benchmarks' pieces run, and every delivery is counted. Nothing here depends on how fast anything is."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

if sys.platform != "linux":
    pytest.skip("the benchmarks read Linux's /proc and use its epoll", allow_module_level=True)

import bench.compare
import bench.fanout
import bench.latency
import bench.memory
from bench.fanout import KINDS
from bench.machine import Placement, PlacementError
from bench.process import no_compiler
from bench.readers.frames import Frames
from bench.readers.pool import Readers
from bench.report import Report, save
from bench.servers.application import WholeApplication
from bench.servers.floor import Floor
from bench.servers.http2 import BehindCaddy, NchanHttp2
from bench.servers.nchan import Nchan
from bench.servers.peer import Peer
from bench.servers.pricewire import Handover
from bench.servers.pricewire_mercure import MercureStreams
from bench.servers.tls import HandoverTls, NchanTls
from bench.servers.workers import Workers
from bench.workload import EVENT_MARK, encoded_ticks, number_of

STREAMS = 50


@pytest.fixture(
    params=[*KINDS, WholeApplication, MercureStreams, HandoverTls, NchanTls, BehindCaddy, NchanHttp2], ids=lambda kind: kind.name
)
def peer(request: pytest.FixtureRequest) -> Iterator[Peer]:
    kind: type[Peer] = request.param
    if reason := kind.missing():
        pytest.skip(reason)
    placement = Placement(None, None)
    with Floor(placement, (1, 20)) if kind is Floor else kind(placement) as started:
        yield started


def test_every_stream_gets_every_event_once(peer: Peer) -> None:
    with Readers() as readers:
        readers.open("streams", peer.port, peer.path, STREAMS, protocol=peer.protocol)
        peer.publish(3, 1)
        peer.publish(2, 20)
        counts = readers.wait("streams", 43)
    assert (counts.least, counts.most, counts.events, counts.closed, counts.lost) == (43, 43, 43 * STREAMS, 0, 0)


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


class Lossy(Peer):
    """Sends to two streams; what it does with the second event of the second one is its `way`."""

    name = "lossy"
    label = "lossy"
    way = ""

    def publish(self, flushes: int, per_flush: int) -> None:
        for number in range(1, flushes * per_flush + 1):
            message = b"data: " + next(self._messages) + b"\n\n"
            for which, connection in enumerate(self._connections):
                if (number, which) != (2, 1):
                    connection.sendall(message)
                elif self.way == "close":
                    self._connections.pop().close()

    def settle(self) -> None:
        pass

    def accept(self) -> None:
        connection, _ = self._listener.accept()
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        self._connections.append(connection)

    def counters(self) -> dict[str, int]:
        return {}

    def _start(self) -> None:
        self._messages = encoded_ticks()
        self._connections: list[socket.socket] = []
        self._listener = socket.create_server((self.host, 0))
        self.port = self._listener.getsockname()[1]
        self.pid = os.getpid()

    def _stop(self) -> None:
        for each in (self._listener, *self._connections):
            each.close()


@pytest.mark.parametrize(
    ("way", "text"), [("lose", "1 of 6 deliveries did not come: 1 streams lost"), ("close", "2 of 6 .* come: 0 .* some, 1 were closed")]
)
def test_what_cannot_come_any_more_is_not_waited_for(way: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.fanout, "LOOK", 0.05)
    with Lossy(Placement(None, None)) as peer, Readers() as readers, ThreadPoolExecutor(1) as pool:
        peer.way = way
        for _ in range(2):
            accepted = pool.submit(peer.accept)
            readers.open(peer.name, peer.port, peer.path, 1)
            accepted.result()
        peer.publish(3, 1)
        with pytest.raises(bench.fanout.DeliveryError, match=text):
            bench.fanout.wait(bench.fanout.Contestant(peer, sent=3), readers, 2)


def test_a_server_that_gathers_is_named() -> None:
    turn = bench.fanout.Turn(flushes=100, cpu_seconds=1.0, expected=100, delivered=100, merged=0, bytes=1, chunks=50, uneven=False)
    contestant = bench.fanout.Contestant(Handover(Placement(None, None)))
    contestant.turns[1] = [turn]
    assert bench.fanout.gathering(contestant) == ["Pricewire, hand-over gathers: 2.0 events per chunk at 1 per flush"]
    contestant.turns[1] = [replace(turn, chunks=100)]
    assert bench.fanout.gathering(contestant) == []


def test_servers_and_readers_share_no_core() -> None:
    assert Placement.choose(1, {0, 1}) == Placement(frozenset({1}), frozenset({0}))
    many = Placement.choose(3, range(8))
    assert (many, many.cores) == (Placement(frozenset({5, 6, 7}), frozenset(range(5))), 3)
    alone = Placement.choose(1, {4})
    assert (alone, alone.cores) == (Placement(None, None), 1)
    for cores, of in ((2, {0, 1}), (0, {0, 1}), (2, {0})):
        with pytest.raises(PlacementError, match=f"--cores {cores}"):
            Placement.choose(cores, of)


@pytest.mark.parametrize("step", [1, 3, 70_000])
def test_messages_are_taken_out_of_the_frames_of_a_websocket(step: int) -> None:
    contents = [b"a", b"b" * 125, b"c" * 126, b"d" * 65_535, b"e" * 65_536]
    data = b"\x89\x04ping"
    for content in contents:
        size = len(content)
        long = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2) if size < 65_536 else b"\x7f" + size.to_bytes(8)
        data += b"\x81" + long + content
    frames = Frames()
    assert b"".join(frames.feed(data[start : start + step]) for start in range(0, len(data), step)) == b"".join(contents)
    assert frames.chunks == len(contents)


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


def test_an_event_says_which_it_is() -> None:
    messages = encoded_ticks()
    text = b"id: 1\ndata: " + next(messages) + b"\n\ndata: " + next(messages) + b"\n\n"
    assert number_of(text) == 2
    assert number_of(text + next(messages)[:40]) == 0, "cut off"
    assert number_of(b"") == 0


@pytest.mark.parametrize("name", ["fanout", "memory", "compare"])
def test_a_quick_run_makes_a_report(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    placement = Placement(None, None)
    steps: list[str] = []
    report: Report
    if name == "fanout":
        report = bench.fanout.run(placement, bench.fanout.Settings(streams=40, rounds=1, cpu=0.0, judge=False), steps.append)
    elif name == "memory":
        report = bench.memory.run(placement, bench.memory.Settings(streams=40, warm=5, settling=0.05, judge=False), steps.append)
    elif reason := no_compiler():
        pytest.skip(reason)
    else:
        # Three are enough to see that it has them all: the others are in `fanout` and `memory`.
        monkeypatch.setattr(bench.compare, "KINDS", (Handover, Nchan, Floor))
        monkeypatch.setattr(bench.latency, "KINDS", (Handover, Nchan))
        # A busy machine keeps up with nothing.
        monkeypatch.setattr(bench.latency, "BEHIND_MS", 60_000.0)
        report = bench.compare.run(placement, bench.compare.QUICK, steps.append)
    assert [note for note in report.notes if "is left out" not in note and "gathers" not in note] == []
    content: dict[str, Any] = json.loads(save(report, placement, quick=True, directory=tmp_path).read_text())
    expected: dict[str, set[type[Peer]]]
    expected = {"fanout": set(KINDS) - {Workers}, "memory": set(bench.memory.KINDS), "compare": {Handover, Nchan, Floor}}
    assert set(content["servers"]) == {kind.name for kind in expected[name] if kind.missing() is None}
    assert content["machine"]["cores"] >= 1
    assert shutil.which("nginx") is None or "nginx" in content["versions"]
    assert steps
    if name == "compare":
        (table,) = report.tables
        assert "-" not in table.rows[0][1:], "of Pricewire everything is known"
