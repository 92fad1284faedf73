"""The benchmarks of the hub under load run, and every event is accounted for. Nothing here depends on how fast anything is."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

if sys.platform != "linux":
    pytest.skip("the benchmarks read Linux's /proc and use its epoll", allow_module_level=True)

from bench.link import no_link
from bench.machine import Placement
from bench.process import no_compiler
from bench.readers.auditor import Auditor
from bench.readers.body import Body
from bench.report import Report, save
from bench.servers.nchan import Nchan
from bench.servers.peer import Peer
from bench.servers.pricewire import Handover, HandoverGzip
from bench.servers.sse_starlette import SseStarlette
from bench.workload import Load, choices

from bench import compression, fanout, idle, latency, mercure, restart, slow_link, slow_readers, storm, trading_floor
from pricewire.hub.compression import GzipGroup, GzipStream
from pricewire.server.transport.handover import ChunkedStream

ANYWHERE = Placement(None, None)

LOAD = Load(topics=20, rate=400, rounds=10)

needs_compiler = pytest.mark.skipif(no_compiler() is not None, reason=str(no_compiler()))


def figures(report: Report, directory: Path) -> dict[str, Any]:
    """Return what a report leaves in its file, which has nothing to complain of."""
    assert [note for note in report.notes if "left out" not in note] == []
    content: dict[str, Any] = json.loads(save(report, ANYWHERE, quick=True, directory=directory).read_text())
    return content


@needs_compiler
@pytest.mark.parametrize("kind", [Handover, SseStarlette, Nchan], ids=lambda kind: kind.name)
def test_the_auditor_accounts_for_every_event(kind: type[Peer]) -> None:
    if reason := kind.missing():
        pytest.skip(reason)
    with kind(ANYWHERE) as server, Auditor() as auditor:
        targets = [server.target(topics) for topics in choices(30, 5, LOAD.topics)]
        auditor.open("streams", server.port, targets, 5)
        server.steady(LOAD)
        audit = auditor.wait("streams", LOAD.rounds, 10)
        short = auditor.wait("streams", LOAD.rounds + 1, 0.2)
    assert (audit.streams, audit.events + audit.merged, audit.faults) == (30, 30 * 5 * LOAD.rounds, 0)
    assert short.behind == 30 * 5, "what has not come is seen"


@needs_compiler
def test_the_auditor_sees_what_is_merged() -> None:
    with Handover(ANYWHERE, steady=True) as server, Auditor() as auditor:
        auditor.open("streams", server.port, [server.target(topics, 0.1) for topics in choices(10, 5, LOAD.topics)], 5)
        server.steady(Load(LOAD.topics, LOAD.rate, 1))
        auditor.wait("streams", 1, 10)
        auditor.mark("streams")
        server.steady(LOAD)
        audit = auditor.wait("streams", LOAD.rounds + 1, 10)
    assert audit.merged > 0
    assert (audit.events + audit.merged, audit.faults) == (10 * 5 * LOAD.rounds, 0)


def test_the_protocol_mercure_beside_our_own_streams_makes_a_report(tmp_path: Path) -> None:
    settings = mercure.Settings(fanout.Settings(streams=10, rounds=1, cpu=0.01, judge=False), shops=10, rounds=1, times=1, judge=False)
    content = figures(mercure.run(ANYWHERE, settings, lambda step: None), tmp_path)
    assert {"pricewire_mercure", "pricewire_sse"} <= set(content["servers"])
    assert {label: len(cost) for label, cost in content["topics"]["cost"].items()} == {"names": 2, "patterns": 2}


@needs_compiler
def test_latency_under_an_open_load_makes_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A busy machine keeps up with nothing.
    monkeypatch.setattr(latency, "BEHIND_MS", 60_000.0)
    settings = latency.Settings((latency.Ladder(20, (20, 50)),), seconds=0.2, rounds=2, judge=False)
    report = latency.run(ANYWHERE, settings, lambda step: None)
    (ladder,) = figures(report, tmp_path)["ladders"]
    assert set(ladder["servers"]) == {kind.name for kind in (Handover, Nchan, SseStarlette) if kind.missing() is None}
    for server in ladder["servers"].values():
        assert [len(turns) for turns in server["rates"].values()] == [2, 2]
        for turn in server["rates"]["50"]:
            assert turn["audit"]["events"] + turn["audit"]["merged"] == turn["expected"] == 20 * 10


@needs_compiler
def test_who_is_behind_has_no_turn_at_a_higher_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "BEHIND_MS", 0.0)
    settings = latency.Settings((latency.Ladder(3, (20, 50)),), seconds=0.1, rounds=2)
    report = latency.run(ANYWHERE, settings, lambda step: None)
    assert {row[2] for row in report.tables[0].rows} == {"20"}
    assert any(note.startswith("Pricewire, hand-over, 3 streams, 20 events/s: behind, by") for note in report.notes)
    assert "Pricewire, hand-over, 3 streams, 50 events/s: left out, as it was behind at a lower rate" in report.notes
    assert not any("expected" in note for note in report.notes), "nchan does not keep up"


@needs_compiler
def test_a_trading_floor_makes_a_report(tmp_path: Path) -> None:
    floors = tuple(
        trading_floor.Floor(name, streams=20, load=LOAD, each=5, interval=interval, groups=groups)
        for name, interval, groups in (("every tick", 0.0, None), ("paced", 0.1, 4))
    )
    content = figures(trading_floor.run(ANYWHERE, trading_floor.Settings(floors, judge=False), print), tmp_path)
    for floor in content["floors"].values():
        for server in floor["servers"].values():
            assert server["expected"] == 20 * 5 * LOAD.rounds
            assert server["audit"]["events"] + server["audit"]["merged"] == server["expected"]


@needs_compiler
def test_a_restart_makes_a_report(tmp_path: Path) -> None:
    load = Load(topics=20, rate=400, rounds=20)
    settings = restart.Settings(streams=40, load=load, calm=0.2, restarts=1, events=100, rounds=1, judge=False)
    content = figures(restart.run(ANYWHERE, settings, print), tmp_path)
    assert [(each["end"], each["resumed"], each["reset"], each["faults"]) for each in content["restarts"]] == [
        ("SIGTERM", 40, 0, 0),
        ("SIGKILL", 40, 0, 0),
    ]


@needs_compiler
def test_a_storm_makes_a_report(tmp_path: Path) -> None:
    settings = storm.Settings(streams=40, load=Load(topics=20, rate=400, rounds=20), calm=0.2, cuts=2, apart=0.1)
    content = figures(storm.run(ANYWHERE, settings, print), tmp_path)
    for server in content["servers"].values():
        audit = server["audit"]
        assert (audit["events"], audit["lost"], audit["doubled"], audit["behind"]) == (40 * 4 * 20, 0, 0, 0)


@needs_compiler
def test_slow_readers_make_a_report(tmp_path: Path) -> None:
    settings = slow_readers.Settings(good=20, slow=5, each=5, load=Load(topics=20, rate=400, rounds=10), rounds=1, judge=False)
    content = figures(slow_readers.run(ANYWHERE, settings, print), tmp_path)
    for turn in content["servers"]["pricewire"]["with"]:
        assert turn["audit"]["events"] == 20 * 5 * 10


@needs_compiler
def test_idle_streams_make_a_report(tmp_path: Path) -> None:
    settings = idle.Settings(streams=40, heartbeat=0.3, seconds=1.0, judge=False)
    content = figures(idle.run(ANYWHERE, settings, print), tmp_path)
    assert all(wish["audit"]["bytes"] > 0 and wish["audit"]["events"] == 0 for wish in content["wishes"].values())


def test_compression_makes_a_report(tmp_path: Path) -> None:
    settings = compression.Settings(streams=20, rounds=1, cpu=0.0, memory=compression.QUICK.memory, judge=False)
    content = figures(compression.run(ANYWHERE, settings, print), tmp_path)
    sizes = content["bytes_per_update"]
    assert all(sizes["shared gzip"][title] < size for title, size in sizes["plain"].items())
    for server in content["servers"].values():
        assert all(turn["delivered"] == turn["expected"] for turn in server["turns"])


def test_a_slow_link_makes_a_report(tmp_path: Path) -> None:
    if reason := no_link():
        pytest.skip(reason)
    content = figures(slow_link.run(ANYWHERE, slow_link.Settings(seconds=1, judge=False), print), tmp_path)
    fast = content["servers"][HandoverGzip.name]
    assert len(fast["ages"]) + fast["merged"] == fast["published"]
    assert all(server["lost"] == 0 for server in content["servers"].values())


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("compress", [False, True])
def test_a_body_is_the_same_in_any_pieces(size: int, compress: bool) -> None:
    events = [b"data: %d\n\n" % number for number in range(50)]
    group, stream = GzipGroup(), GzipStream()
    stream.enter(group)
    parts = [stream.begin(), *(group.encode(event, 1) for event in events)] if compress else events
    coding = b"Content-Encoding: gzip\r\n" if compress else b""
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + coding + b"\r\n" + b"".join(map(ChunkedStream.frame, parts))
    body = Body()
    text = b"".join(body.feed(data[start : start + size]) for start in range(0, len(data), size))
    assert text == b"".join(events)
    assert body.chunks == len(parts)
    assert body.wire == len(data) - data.index(b"\r\n\r\n") - 4
