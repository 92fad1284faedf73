"""Draining: every stream ends once, with a reason and a time to come back, within the time that it may take."""

from __future__ import annotations

import asyncio

import pytest

from pricewire.hub.drain import drain
from pricewire.hub.hub import Hub
from support.recorder import Recorder


@pytest.mark.parametrize("seconds", [0.0, 0.3])
async def test_streams_end_with_a_reason_and_a_time(seconds: float) -> None:
    hub = Hub()
    streams = [Recorder(hub, "a", compress=number % 2 == 1) for number in range(50)]
    hub.publish("a", "promised")
    await drain(hub, seconds, lambda: False)
    assert hub.streams == 0
    for stream in streams:
        assert stream.ended
        assert stream.messages == ["promised"]
        assert [event.type for event in stream.events] == ["message", "error"]
        assert stream.decoder.retry is not None
        assert 0 <= stream.decoder.retry <= seconds * 1000
    if seconds:
        assert len({stream.decoder.retry for stream in streams}) > 10, "they do not come back together"


@pytest.mark.parametrize("compress", [False, True])
async def test_who_takes_every_event_for_data_gets_no_other(compress: bool) -> None:
    hub = Hub()
    streams = [Recorder(hub, "a", control=False, compress=compress) for _ in range(3)]
    hub.publish("a", "promised")
    hub.notify("a", "stale", {})
    await drain(hub, 0.1, lambda: False)
    late = Recorder(hub, "a", control=False, compress=compress)
    for stream in [*streams, late]:
        assert stream.ended
        assert [event.type for event in stream.events] == ["message"] * (stream is not late)
    assert all(stream.decoder.retry is not None for stream in streams)
    assert all(compress or stream.bytes.rpartition(b"\n\n")[2].startswith(b"retry: ") for stream in streams), "a line, and no event"


async def test_streams_end_one_after_another_and_publishing_goes_on() -> None:
    hub = Hub()
    streams = [Recorder(hub, "a") for _ in range(20)]
    draining = asyncio.create_task(drain(hub, 1.0, lambda: False))
    open_streams = []
    while not draining.done():
        open_streams.append(hub.streams)
        hub.publish("a", len(open_streams))
        await asyncio.sleep(0.02)
    await draining
    assert open_streams == sorted(open_streams, reverse=True)
    assert len(set(open_streams)) > 5
    longest = max(stream.messages[-1] for stream in streams if stream.messages)
    assert longest > 10, "who is still there goes on"
    refused = Recorder(hub, "a")
    assert refused.ended


async def test_hurry_ends_all_at_once() -> None:
    hub = Hub()
    streams = [Recorder(hub, "a") for _ in range(20)]
    asked = 0

    def hurry() -> bool:
        nonlocal asked
        asked += 1
        return asked > 2

    await drain(hub, 1000.0, hurry)
    assert all(stream.ended for stream in streams)
