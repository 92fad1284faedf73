"""The ring: whatever a process was doing when it was killed, the next one goes on from there."""

from __future__ import annotations

import asyncio
import errno
import os
import tempfile
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, NoReturn
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pricewire.bus import memory, ring
from pricewire.bus.frames import Frame, Published
from pricewire.bus.memory import MemoryBus
from pricewire.hub.delivery import Outcome
from pricewire.hub.hub import Hub
from pricewire.hub.log import LogLimits
from support.full_disk import full_disk
from support.manual_loop import advance, run, running_loop
from support.recorder import Recorder

TOPICS = ("a", "b", "c")

PUBLISH = st.tuples(st.just("publish"), st.sampled_from(TOPICS), st.sampled_from([None, "k", "l", "ends k"]))
ACTION = st.one_of(
    PUBLISH,
    PUBLISH,
    PUBLISH,
    st.tuples(st.just("join"), st.sets(st.sampled_from(TOPICS), min_size=1), st.sampled_from([0.0, 0.1])),
    st.tuples(st.just("leave"), st.integers(0, 9), st.none()),
    st.tuples(st.just("advance"), st.sampled_from([0.001, 0.03, 0.2]), st.none()),
    st.tuples(st.sampled_from(["notify", "forget"]), st.sampled_from(TOPICS), st.none()),
    st.tuples(st.just("restart"), st.sampled_from(["killed", "torn", "closed"]), st.integers(0, 60)),
)


class Record(NamedTuple):
    """What was published, as the test remembers it."""

    position: int
    topic: str
    seq: int
    key: str | None
    ends: str | None


class Life:
    """A process with a hub, and a bus on a folder."""

    def __init__(self, folder: Path, limits: LogLimits | None = None) -> None:
        self.folder = folder
        self.hub = Hub(limits=limits)
        self.bus = MemoryBus(self.hub, folder)
        self.opening: AbstractAsyncContextManager[None] | None = None

    async def begin(self) -> Life:
        self.opening = self.bus.open()
        await self.opening.__aenter__()
        return self

    def kill(self) -> int:
        """End as by SIGKILL: what is not with the operating system is lost. Return the position up to which it is."""
        written = self.bus._first - 1 if self.bus._gathering.records else self.hub.position
        assert self.bus._ring is not None
        self.bus._ring.close()
        self.bus._ring = None
        self.end()
        return written

    async def close(self) -> int:
        """End as by SIGTERM."""
        assert self.opening is not None
        await self.opening.__aexit__(None, None, None)
        self.end()
        return self.hub.position

    def end(self) -> None:
        if self.bus._handle is not None:
            self.bus._handle.cancel()
        # Its timers would go on in this process.
        self.hub.on_write = None
        self.hub.close()


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def newest(folder: Path) -> Path:
    return files(folder)[-1]


class Play:
    """
    Lives that follow one another on one folder, and all that was published in them.

    Args:
        folder: of the ring.
        is_short: whether old segments are removed as soon as they can be.
    """

    def __init__(self, folder: Path, is_short: bool) -> None:
        self.folder = folder
        self.is_short = is_short
        self.records: list[Record] = []
        self.streams: list[Recorder] = []
        # Of streams whose connection has broken.
        self.broken: list[Recorder] = []
        # Topics, and where: a later one may be lost in a restart, an earlier one not.
        self.forgotten: list[tuple[str, int]] = []

    async def play(self, actions: list[tuple[str, Any, Any]]) -> None:
        self.life = await Life(self.folder).begin()
        for action, what, more in [*actions, ("restart", "killed", 0)]:
            await self.act(action, what, more)
        await self.life.close()

    async def act(self, action: str, what: Any, more: Any) -> None:
        hub, bus = self.life.hub, self.life.bus
        if action == "publish":
            key, ends = (None, "k") if more == "ends k" else (more, None)
            event = bus.publish(what, len(self.records), key=key, ends=ends)
            assert event is not None
            self.records.append(Record(event.position, what, event.seq, key, ends))
        elif action == "notify":
            bus.notify(what, "stale", {})
        elif action == "forget":
            # One that streams have stays.
            if bus.forget(what):
                self.forgotten.append((what, hub.position))
        elif action == "advance":
            await advance(what)
        elif action == "join":
            self.streams.append(Recorder(hub, *what, interval=more))
        elif action == "leave" and self.streams:
            stream = self.streams.pop(what % len(self.streams))
            hub.leave(stream)
            self.broken.append(stream)
        elif action == "restart":
            await self.restart(what, more)

    async def restart(self, how: str, torn: int) -> None:
        """End a life in some way, begin the next, and compare."""
        self.broken += self.streams
        seen = max((position for stream in self.streams for position in positions(stream)), default=0)
        for stream in self.streams:
            self.life.hub.leave(stream)
        self.streams = []
        written = self.life.kill() if how != "closed" else await self.life.close()
        assert seen <= written, "nobody has seen what a SIGKILL loses"
        if how == "torn":
            tear(newest(self.folder), torn)
        self.records = [record for record in self.records if record.position <= written]
        self.forgotten = [(topic, position) for topic, position in self.forgotten if position <= written]
        past = ring.read(self.folder)
        assert past is not None
        first = past.oldest.first
        assert first == 1 or self.is_short
        before, self.life = self.life, await Life(self.folder).begin()
        hub = self.life.hub
        assert (hub.boot, hub.position) == (before.hub.boot, written)
        for topic in TOPICS:
            known = [record for record in self.records if record.topic == topic and record.position > self.forgotten_at(topic)]
            assert [(event.position, event.seq, event.key) for event in hub.recent_events(topic)] == [
                (record.position, record.seq, record.key) for record in known if record.position >= first
            ]
            assert [event.position for event in hub.latest_events(topic)] == current(known)
        broken, self.broken = self.broken, []
        for stream in broken:
            expected = before.hub.start(stream.confirmed, stream.decoder.last_event_id).outcome
            self.come_back(stream, first - 1, expected if written == before.hub.position and not self.is_short else None)

    def forgotten_at(self, topic: str) -> int:
        """Return where a topic was forgotten last; 0 where it never was."""
        return max((position for name, position in self.forgotten if name == topic), default=0)

    def come_back(self, before: Recorder, floor: int, expected: Outcome | None) -> None:
        """Have a stream resume, as it would have in the process before, if the ring reaches back that far."""
        last = before.decoder.last_event_id
        if not last:
            return
        at = int(last.partition("-")[2])
        topics = before.confirmed
        after = Recorder(self.life.hub, *topics, interval=before.interval, last_event_id=last)
        is_forgotten = any(at < self.forgotten_at(topic) for topic in topics)
        if at >= floor:
            assert after.start.outcome is (Outcome.RESET if is_forgotten else Outcome.RESUMED)
        assert expected in (after.start.outcome, None)
        if after.start.outcome is Outcome.RESUMED:
            missed = [record for record in self.records if record.topic in topics and record.position > at]
            kept = [record for record in missed if before.interval == 0 or not is_superseded(record, missed)]
            assert positions(after) == [record.position for record in kept]
        self.streams.append(after)


def positions(stream: Recorder) -> list[int]:
    return [int(event.last_event_id.partition("-")[2]) for event in stream.events if event.type == "message" and event.last_event_id]


def is_superseded(record: Record, records: list[Record]) -> bool:
    """Return whether a later event has the same key, or ends it."""
    later = [each for each in records if each.topic == record.topic and each.position > record.position]
    return record.key is not None and any(record.key in (each.key, each.ends) for each in later)


def current(records: list[Record]) -> list[int]:
    """Return where the newest event of each key is that has not ended."""
    kept: dict[str, int] = {}
    for record in records:
        if record.key is not None:
            kept[record.key] = record.position
        if record.ends is not None:
            kept.pop(record.ends, None)
    return sorted(kept.values())


def tear(path: Path, count: int) -> None:
    """Add the first bytes of a frame that was being written when the process was killed."""
    with tempfile.TemporaryDirectory() as folder:
        other = ring.Ring(Path(folder), "00", 0, 0, [])
        begin = newest(Path(folder)).stat().st_size
        other.write(Frame(1, [Published("a", 1, None, "message", None, b"1")]))
        other.close()
        frame = newest(Path(folder)).read_bytes()[begin:]
    with path.open("ab") as file:
        file.write(frame[: min(count, len(frame) - 1)])


def play(actions: list[tuple[str, Any, Any]], *, is_short: bool = False) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        # When frames are written depends on the clock; it is to be the test's.
        mock.patch.object(memory, "time", SimpleNamespace(monotonic=lambda: running_loop().time())),
        mock.patch.object(ring, "SEGMENT_BYTES", 600 if is_short else 1 << 20),
        mock.patch.object(ring, "KEEP_S", -1.0 if is_short else 300.0),
        mock.patch.object(memory, "TOPICS_AT_ONCE", 1 if is_short else 100),
    ):
        run(Play(Path(folder) / "bus", is_short).play(actions))


ONE = [("publish", "a", "k"), ("advance", 0.03, None)]
FORGOTTEN_TWICE = [
    *(("publish", "b", None), ("forget", "b", None)) * 2,
    ("join", {"a"}, 0.0),
    *(("publish", "b", None), ("forget", "b", None)),
]
FORGOTTEN_WITHOUT_EVENTS = [
    *(("publish", "b", "k"), ("join", {"a"}, 0.0), ("leave", 0, None), ("forget", "a", None), ("join", {"b", "a"}, 0.0)),
]
KILLED_BEFORE_ANYBODY_SAW_IT = [
    *(("join", {"a"}, 0.0), *ONE, ("publish", "a", "k"), ("restart", "torn", 20), ("publish", "a", None), ("advance", 0.03, None)),
]
QUIET_SINCE_LONG = [("publish", "b", "k"), ("publish", "c", None), *(ONE * 12), ("restart", "killed", 0), *(ONE * 12)]


@settings(max_examples=100, deadline=None)
@given(st.lists(ACTION, max_size=40))
@example(KILLED_BEFORE_ANYBODY_SAW_IT)
@example(FORGOTTEN_TWICE)
@example(FORGOTTEN_WITHOUT_EVENTS)
def test_the_next_process_knows_what_was_published_and_every_stream_goes_on(actions: list[tuple[str, Any, Any]]) -> None:
    play(actions)


@settings(max_examples=100, deadline=None)
@given(st.lists(ACTION, max_size=60))
@example(QUIET_SINCE_LONG)
def test_what_is_current_is_kept_however_short_the_ring_is(actions: list[tuple[str, Any, Any]]) -> None:
    play(actions, is_short=True)


async def published(folder: Path, *messages: Any, key: str | None = "k") -> str:
    """Live, publish something, and be killed; return the last id."""
    life = await Life(folder).begin()
    for message in messages:
        life.bus.publish("a", message, key=key)
        life.bus._commit()
    last = f"{life.hub.boot}-{life.hub.position}"
    life.kill()
    return last


async def resumed(folder: Path, last: str) -> tuple[Outcome, list[Any]]:
    """Live again; return how a stream comes back, and what it gets."""
    life = await Life(folder).begin()
    stream = Recorder(life.hub, "a", last_event_id=last)
    result = stream.start.outcome, stream.messages
    life.kill()
    return result


async def test_old_segments_are_removed_by_age_and_by_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ring, "SEGMENT_BYTES", 10_000)
    monkeypatch.setattr(ring, "KEEP_BYTES", 50_000)
    life = await Life(tmp_path).begin()
    life.bus.publish("quiet", "since long", key="k")
    for number in range(300):
        life.bus.publish("a", [number, "x" * 1000], key="k")
        life.bus._commit()
    assert 40_000 < life.bus.size == sum(path.stat().st_size for path in files(tmp_path)) < 80_000
    monkeypatch.setattr(ring, "KEEP_S", 0.0)
    for number in range(300, 320):
        life.bus.publish("a", [number, "x" * 1000], key="k")
        life.bus._commit()
    assert life.bus.size < 40_000
    life.kill()
    life = await Life(tmp_path).begin()
    assert life.hub.latest("quiet") == ["since long"]
    assert life.hub.latest("a") == [[319, "x" * 1000]]
    life.kill()


async def test_many_short_lives_do_not_keep_every_segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Too short to write what a segment has to tell of those before it.
    for _ in range(20):
        await published(tmp_path)
    monkeypatch.setattr(ring, "KEEP_S", 0.0)
    monkeypatch.setattr(ring, "SEGMENT_BYTES", 1)
    await published(tmp_path, *range(10))
    assert len(files(tmp_path)) < 6


@pytest.mark.parametrize("place", [0, 40, -1, -30, -60])
async def test_a_damaged_byte_makes_streams_begin_anew_rather_than_miss_something(
    tmp_path: Path, place: int, caplog: pytest.LogCaptureFixture
) -> None:
    last = await published(tmp_path, 1, 2, 3)
    data = bytearray(newest(tmp_path).read_bytes())
    data[place] ^= 0x10
    newest(tmp_path).write_bytes(data)
    assert await resumed(tmp_path, last) == (Outcome.RESET, [])
    assert "is not used" in caplog.text
    assert "streams that come back get a reset" in caplog.text
    # The damaged one is gone, and the next process goes on with the new one.
    last = await published(tmp_path, 4)
    assert await resumed(tmp_path, last) == (Outcome.RESUMED, [])


async def test_what_is_before_a_damaged_segment_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ring, "SEGMENT_BYTES", 1)
    life = await Life(tmp_path).begin()
    ids = []
    for number in range(12):
        life.bus.publish("a", number, key="k")
        life.bus._commit()
        ids.append(f"{life.hub.boot}-{life.hub.position}")
    life.kill()
    paths = files(tmp_path)
    assert len(paths) > 4
    paths[1].write_bytes(paths[1].read_bytes()[:-3] + b"xxx")
    life = await Life(tmp_path).begin()
    assert life.hub.start(["a"], ids[0]).outcome is Outcome.RESET
    assert life.hub.start(["a"], ids[9]).outcome is Outcome.RESUMED
    assert life.hub.latest("a") == [11]
    life.kill()
    assert paths[0] not in files(tmp_path)


async def test_a_segment_that_is_missing_is_a_hole(tmp_path: Path) -> None:
    ids = [await published(tmp_path, number) for number in range(5)]
    files(tmp_path)[1].unlink()
    assert await resumed(tmp_path, ids[0]) == (Outcome.RESET, [4])
    assert await resumed(tmp_path, ids[4]) == (Outcome.RESUMED, [])
    # Without one that tells of those before it, the last one alone is of no use.
    for path in files(tmp_path)[:-1]:
        path.unlink()
    assert await resumed(tmp_path, ids[4]) == (Outcome.RESET, [])


async def test_the_first_line_is_all_that_a_new_segment_may_have(tmp_path: Path) -> None:
    last = await published(tmp_path, 1)
    path = newest(tmp_path)
    for size in (0, 1, 30):
        path.with_name(f"{int(path.stem) + 1:012d}.frames").write_bytes(path.read_bytes()[:size])
        assert await resumed(tmp_path, last) == (Outcome.RESUMED, []), size


async def test_after_a_boot_of_the_machine_streams_begin_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    last = await published(tmp_path / "bus", 1, 2)
    (tmp_path / "boot_id").write_text("another")
    monkeypatch.setattr(ring, "MACHINE", tmp_path / "boot_id")
    assert await resumed(tmp_path / "bus", last) == (Outcome.RESET, [])
    last = await published(tmp_path / "bus", 3)
    assert await resumed(tmp_path / "bus", last) == (Outcome.RESUMED, [])
    # Where the system does not say, it may have been booted.
    monkeypatch.setattr(ring, "MACHINE", tmp_path / "missing")
    assert await resumed(tmp_path / "bus", last) == (Outcome.RESET, [])


async def test_a_full_disk_stops_no_price_and_makes_the_next_process_begin_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    life = await Life(tmp_path).begin()
    life.bus.publish("a", 1, key="k")
    life.bus._commit()
    last = f"{life.hub.boot}-{life.hub.position}"
    stream = Recorder(life.hub, "a")
    with full_disk(life.bus.size + 40):
        life.bus.publish("a", 2, key="k")
        await asyncio.sleep(0.1)
    assert stream.messages == [1, 2]
    assert life.bus.failure == f"the ring {tmp_path} cannot be written: No space left on device"
    assert life.bus.failure in caplog.text
    life.bus.publish("a", 3, key="k")
    await asyncio.sleep(0.1)
    assert stream.messages == [1, 2, 3]
    assert files(tmp_path) == []
    assert await resumed(tmp_path, last) == (Outcome.RESET, [])


async def test_a_ring_that_cannot_be_removed_is_removed_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "REMOVE_AGAIN_S", 0.01)
    life = await Life(tmp_path).begin()
    life.bus.publish("a", 1)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", raising(OSError(errno.EIO, "Input/output error")))
        patch.setattr(Path, "unlink", raising(OSError(errno.EROFS, "Read-only file system")))
        life.bus._commit()
        await asyncio.sleep(0.05)
        assert len(files(tmp_path)) == 1
    async with asyncio.timeout(60):
        while files(tmp_path):  # noqa: ASYNC110 - a file has no event
            await asyncio.sleep(0.01)
    await life.close()


async def test_a_folder_that_cannot_be_used_stops_no_price(tmp_path: Path) -> None:
    (tmp_path / "bus").write_text("no folder")
    life = await Life(tmp_path / "bus").begin()
    assert "cannot be written" in life.bus.failure
    life.bus.publish("a", 1, key="k")
    life.bus.notify("a", "stale", {})
    assert Recorder(life.hub, "a").messages == [1]
    assert life.bus.size == 0
    await life.close()


async def test_what_cannot_be_written_stops_no_price(tmp_path: Path) -> None:
    life = await Life(tmp_path).begin()
    stream = Recorder(life.hub, "a")
    life.bus.publish("a", 1)
    life.bus.publish("a", 2, key="\ud800")
    await asyncio.sleep(0.1)
    assert stream.messages == [1, 2]
    assert "surrogates not allowed" in life.bus.failure
    assert files(tmp_path) == []
    await life.close()


async def test_what_is_published_past_the_bus_gives_the_ring_up(tmp_path: Path) -> None:
    life = await Life(tmp_path).begin()
    life.bus.publish("a", 1)
    life.hub.publish("a", 2)
    life.bus._commit()
    assert "1 events were published past the bus" in life.bus.failure
    await life.close()


async def test_the_limits_of_a_topics_log_hold_for_what_comes_back(tmp_path: Path) -> None:
    last = await published(tmp_path, *range(10))
    life = await Life(tmp_path, LogLimits(count=4)).begin()
    assert [event.json for event in life.hub.recent_events("a")] == [b"6", b"7", b"8", b"9"]
    boot, _, position = last.partition("-")
    assert life.hub.start(["a"], f"{boot}-{int(position) - 4}").outcome is Outcome.RESUMED
    assert life.hub.start(["a"], f"{boot}-{int(position) - 5}").outcome is Outcome.RESET
    life.kill()
    life = await Life(tmp_path, LogLimits(age=0.0)).begin()
    assert life.hub.recent_events("a") == []
    assert life.hub.latest("a") == [9]
    assert life.hub.start(["a"], last).outcome is Outcome.RESUMED, "it has missed nothing"
    assert life.hub.start(["a"], f"{boot}-{int(position) - 1}").outcome is Outcome.RESET
    life.kill()


async def test_topics_that_nobody_comes_back_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await published(tmp_path, 1)
    monkeypatch.setattr(memory, "LINGER_S", 0.0)
    began, ended = list[str](), list[str]()
    hub = Hub(limits=LogLimits(linger=0.0), on_first_stream=began.append, on_last_stream=ended.append)
    bus = MemoryBus(hub, tmp_path)
    async with bus.open():
        other = Recorder(hub, "other")
        async with asyncio.timeout(60):
            while ended != ["a"]:  # noqa: ASYNC110 - a list has no event
                await asyncio.sleep(0.01)
        Recorder(hub, "a")
        assert began == ["other", "a"]
        hub.leave(other)
        hub.close()


async def test_who_publishes_a_topic_is_told_of_its_first_stream_after_a_restart(tmp_path: Path) -> None:
    last = await published(tmp_path, 1)
    began, ended = list[str](), list[str]()
    hub = Hub(limits=LogLimits(linger=0.0), on_first_stream=began.append, on_last_stream=ended.append)
    bus = MemoryBus(hub, tmp_path)
    async with bus.open():
        stream = Recorder(hub, "a", last_event_id=last)
        assert (stream.start.outcome, began) == (Outcome.RESUMED, ["a"])
        hub.leave(stream)
        assert ended == ["a"]
        stream = Recorder(hub, "a")
        last = f"{hub.boot}-{hub.position}"
        hub.drain()
        hub.leave(stream)
        assert ended == ["a", "a"]
        assert not bus.forget("a")
        hub.close()
    assert await resumed(tmp_path, last) == (Outcome.RESUMED, [])


def raising(error: OSError) -> Callable[..., NoReturn]:
    def fail(*_: object, **__: object) -> NoReturn:
        raise error

    return fail
