"""One stream never harms another: whatever raises, at whichever call, all others get every event, in order, once."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, NoReturn
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.test_accounts import CHOSEN, PACES, TOPICS, WANTED, Play
from pricewire.hub.compression import GzipGroup, PlainGroup
from pricewire.hub.drain import drain
from pricewire.hub.event import Event, envelope
from pricewire.hub.hub import Hub
from pricewire.hub.log import LogLimits
from pricewire.hub.streams import Stream
from pricewire.protocol.stream_end import StreamEnd
from support.manual_loop import advance, on_manual_loop, run
from support.recorder import Recorder

CALLS = ("write", "end", "abort", "unsent", "under_way", "piles_up", "queues", "frame", "form", "on_close")
"""What a hub calls of a stream's, and what can raise."""


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Keep the tracebacks of the failures out of the output."""
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


class Failing(Recorder):
    """A stream of which one call raises, after so many that succeed."""

    def __init__(self, hub: Hub, call: str, after: int, *topics: str, **options: Any) -> None:
        self.call, self.after, self.failed, self.closes = call, after, False, 0
        # An attribute, so that each has a frame of its own, and so a group of its own.
        self.frame = self.framed  # type: ignore[method-assign]
        super().__init__(hub, *topics, form=self.form, on_close=self.closing, **options)

    def fail_at(self, call: str) -> None:
        """Raise where the time of this call has come; from then on nothing of the stream may be called but what ends it."""
        if call == self.call:
            self.after -= 1
            if self.after < 0:
                self.failed = True
                raise OSError(f"{call} failed")

    def form(self, event: Event, merged: int) -> bytes:
        self.fail_at("form")
        return envelope(event, merged)

    def framed(self, data: bytes) -> bytes:
        self.fail_at("frame")
        return data

    def write(self, data: bytes) -> None:
        assert not self.aborted
        assert not (self.failed and self.call == "write"), "what has failed is not called again"
        self.fail_at("write")
        super().write(data)

    def end(self, data: bytes) -> None:
        self.fail_at("end")
        Recorder.write(self, data)
        self.ended = True

    def abort(self) -> None:
        super().abort()
        self.fail_at("abort")

    def unsent(self) -> int:
        self.fail_at("unsent")
        return super().unsent()

    def under_way(self) -> int:
        self.fail_at("under_way")
        return super().under_way()

    def piles_up(self, size: int) -> bool:
        self.fail_at("piles_up")
        return super().piles_up(size)

    def queues(self) -> bool:
        self.fail_at("queues")
        return super().queues()

    def closing(self) -> None:
        self.closes += 1
        self.fail_at("on_close")


class Comrade(Failing):
    """One that fails in the same group as others: only what is its own can."""

    def __init__(self, hub: Hub, call: str, after: int, *topics: str, **options: Any) -> None:
        self.call, self.after, self.failed, self.closes = call, after, False, 0
        Recorder.__init__(self, hub, *topics, on_close=self.closing, **options)


class FailingGzip(GzipGroup):
    """A compression that fails."""

    def encode(self, data: bytes, streams: int) -> NoReturn:
        raise MemoryError


class FailingPlain(PlainGroup):
    """No compression, and it fails."""

    def encode(self, data: bytes, streams: int) -> NoReturn:
        raise MemoryError


FAILURE = st.tuples(WANTED, st.sampled_from(CALLS), st.integers(0, 4), st.booleans())
ACTION = st.one_of(
    st.tuples(st.just("publish"), st.sampled_from(TOPICS), st.sampled_from([None, "k", "l", "ends k"])),
    st.tuples(st.just("publish"), st.sampled_from(TOPICS), st.sampled_from([None, "k", "l", "ends k"])),
    st.tuples(st.just("join"), CHOSEN, WANTED),
    st.tuples(st.just("failing"), CHOSEN, FAILURE),
    st.tuples(st.just("failing"), CHOSEN, FAILURE),
    st.tuples(st.sampled_from(["pause", "refresh", "resume", "wait", "cut", "reconnect", "end"]), CHOSEN, st.none()),
    st.tuples(st.just("coder"), CHOSEN, st.none()),
    st.tuples(st.just("change"), CHOSEN, WANTED),
    st.tuples(st.just("advance"), st.sampled_from([0.001, 0.03, 0.1, 0.4]), st.none()),
)


@settings(max_examples=200)
@given(st.lists(ACTION, max_size=50), st.sampled_from([1000, 2]))
def test_whatever_one_stream_does_all_others_get_every_event(actions: list[tuple[str, Any, Any]], count: int) -> None:
    """Random publishes, joins, pauses, changes, cuts and resumes, among streams that fail at any call, and groups whose coder does."""
    run(FailingPlay(count).play(actions))


class FailingPlay(Play):
    """A play in which some streams fail; the others are held against the model."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        # At two heartbeats a second, as they are written too.
        self.hub = Hub(limits=LogLimits(count=count), heartbeat=0.5)
        self.failing: list[Failing] = []

    async def play(self, actions: list[tuple[str, Any, Any]]) -> None:
        for action, what, more in actions:
            everybody = [*self.streams, *self.failing]
            if action == "publish":
                self.publish(what, more)
            elif action == "advance":
                await advance(what)
            elif action == "join":
                self.streams.append(Recorder(self.hub, *more[0], interval=more[1], compress=what % 2 == 1))
                self.steady.add(self.streams[-1])
            elif action == "failing":
                (topics, interval), call, after, is_alone = more
                kind = Failing if is_alone else Comrade
                self.failing.append(kind(self.hub, call, after, *topics, interval=interval, compress=what % 2 == 1))
            elif action == "reconnect" and self.cut:
                self.reconnect(self.cut.pop())
            elif action == "coder" and everybody:
                await self.break_coder(everybody[what % len(everybody)])
            elif everybody:
                self.disturb(action, everybody[what % len(everybody)], more)
        for stream in [*self.streams, *self.failing]:
            stream.waiting = 0
            self.hub.resume(stream)
        for topic in TOPICS:
            self.publish(topic, None)
        for _ in range(30):
            await advance(0.1)
        for stream in self.streams:
            self.account(stream)
        for each in self.failing:
            self.check(each)
        await self.stop()

    async def stop(self) -> None:
        """End what is left, and see that nothing of it stays."""
        await drain(self.hub, 0.0, lambda: False)
        assert all(stream.ended for stream in self.streams)
        for each in self.failing:
            assert each.ended or each.aborted
            self.check(each)
        assert self.hub.streams == 0
        assert list(self.hub.groups) == []

    def disturb(self, action: str, stream: Recorder, wanted: tuple[set[str], float]) -> None:
        if isinstance(stream, Failing) and (action == "cut" or self.hub.find(stream.id) is None):
            # What has failed has gone; to be sure, the hub is told of it again.
            self.hub.leave(stream)
            stream.aborted = True
        elif action == "end":
            self.hub.end(stream, StreamEnd.SERVER_DRAINING)
            assert self.hub.find(stream.id) is None
            assert stream.ended or stream.aborted
            self.streams = [each for each in self.streams if each is not stream]
        elif action == "wait":
            self.steady.discard(stream)
            stream.waiting = 0 if stream.waiting else 1_000_000
        else:
            super().disturb(action, stream, wanted)

    async def break_coder(self, stream: Stream) -> None:
        """Have the compression of a group fail: its streams are ended, with a checksum that is right, and no others."""
        group = stream.group
        if group is None or not group.members:
            return
        doomed = [*group.members, *group.lagging]
        coder = FailingPlain()
        if isinstance(group.coder, GzipGroup):
            coder = FailingGzip()  # type: ignore[assignment]
            coder.crc, coder.size = group.coder.crc, group.coder.size  # type: ignore[attr-defined]
        group.coder = coder
        self.publish(group.topics[0].name, None)
        # The time between flushes is measured by a clock that the test does not move.
        for _ in range(10_000):
            await advance(0.1)
            if all(isinstance(each, Recorder) and (each.ended or each.aborted) for each in doomed):
                break
        else:
            pytest.fail("the streams of a group whose coder fails go on")
        self.streams = [each for each in self.streams if each not in doomed]

    def check(self, stream: Failing) -> None:
        """Check that a stream has gone once it has failed, and that this was told once."""
        is_in = self.hub.find(stream.id) is not None
        if stream.failed and stream.call not in ("abort", "on_close"):
            assert not is_in
            assert stream.ended or stream.aborted
        assert stream.closes == 0 if is_in else stream.closes <= 1


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("interval", PACES)
@on_manual_loop
async def test_a_write_that_raises_ends_that_stream_alone(interval: float, compress: bool) -> None:
    hub = Hub(heartbeat=0.5)
    before = [Recorder(hub, "a", interval=interval, compress=compress) for _ in range(3)]
    failing = Comrade(hub, "write", 1, "a", interval=interval, compress=compress)
    after = [Recorder(hub, "a", interval=interval, compress=compress) for _ in range(3)]
    beside = Recorder(hub, "a", "b", interval=interval, compress=compress)
    for number in range(5):
        hub.publish("a", number)
        await advance(0.3)
    for stream in [*before, *after, beside]:
        assert stream.messages == list(range(5))
    assert failing.aborted
    assert failing.closes == 1
    assert hub.streams == 7
    hub.close()
    assert all(stream.ended for stream in [*before, *after, beside])


@on_manual_loop
async def test_a_heartbeat_that_raises_ends_that_stream_alone() -> None:
    hub = Hub(heartbeat=0.5)
    failing, healthy = Comrade(hub, "write", 0, "a"), Recorder(hub, "a")
    other = Recorder(hub, "b")
    for _ in range(10):
        await advance(0.25)
    assert failing.aborted
    assert healthy.bytes == other.bytes
    assert healthy.bytes.count(b":\n") >= 4, "there are heartbeats after the failure"
    hub.close()


@pytest.mark.parametrize("call", ["piles_up", "queues"])
@on_manual_loop
async def test_slow_streams_are_looked_at_after_one_has_failed(call: str) -> None:
    hub = Hub(heartbeat=0.5)
    failing, slow = Comrade(hub, call, 0, "a"), Recorder(hub, "a")
    failing.waiting = slow.waiting = 1_000_000
    hub.publish("a", 1, key="k")
    for _ in range(4):
        await advance(0.25)
    assert failing.aborted
    assert hub.lagging == 1
    slow.waiting = 0
    hub.publish("a", 2, key="k")
    await advance(0.01)
    assert slow.messages[-1] == 2
    hub.close()


@on_manual_loop
async def test_a_publisher_that_cannot_begin_ends_the_stream_that_asked_and_is_asked_again() -> None:
    is_broken = True
    asked: list[str] = []

    def on_first_stream(topic: str) -> None:
        asked.append(topic)
        if is_broken and topic == "b":
            raise OSError("cannot begin")

    hub = Hub(on_first_stream=on_first_stream)
    healthy = Recorder(hub, "a")
    failing = Recorder(hub, "a", "b", "c")
    assert failing.aborted
    assert hub.streams == 1
    is_broken = False
    late = Recorder(hub, "b")
    assert asked == ["a", "b", "b"]
    hub.publish("a", 1)
    hub.publish("b", 2)
    await advance(0.0)
    assert (healthy.messages, late.messages) == ([1], [2])
    hub.close()


@on_manual_loop
async def test_a_publisher_that_cannot_stop_harms_nobody() -> None:
    def on_last_stream(topic: str) -> None:
        raise OSError("cannot stop")

    hub = Hub(on_last_stream=on_last_stream, heartbeat=0.5)
    hub.leave(Recorder(hub, "a"))
    healthy = Recorder(hub, "b")
    with mock.patch("pricewire.hub.hub.time.monotonic", return_value=1e12):
        await advance(0.5)
    for _ in range(4):
        await advance(0.5)
    assert healthy.bytes.count(b":\n") >= 4
    hub.close()
