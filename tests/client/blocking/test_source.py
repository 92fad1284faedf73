from __future__ import annotations

import gc
import queue
import threading

import pytest

from pricewire import sync
from pricewire.client.stream.reconnect import ReadyState, State
from pricewire.errors import HTTPStatusError
from pricewire.protocol.messages import InstrumentPrice
from support.feeds import HandFeed
from support.serving import PATIENCE, Serving

START = 1_796_000_000_000


def test_events(server: Serving, feed: HandFeed) -> None:
    server.call(feed.give, 1.0, 1.2, START)
    heard: list[str] = []
    with sync.EventSource(f"{server.url}/sse?topic=ticks:GOLD") as source:
        remove = source.on("message", lambda event: heard.append(event.data))
        event = next(source)
        remove()
        assert heard == [event.data]
        assert (source.ready_state, source.last_event_id) == (ReadyState.OPEN, event.last_event_id)
        assert source.headers["pricewire-start"] == "snapshot"
        assert source.url.endswith("GOLD")
        closing = threading.Timer(0.05, source.close)
        closing.start()
        source.run()
        closing.join()
    assert list(source) == []
    assert source.state.state is State.CLOSED


def test_failures_reach_the_reader(server: Serving) -> None:
    with sync.EventSource(f"{server.url}/nowhere", on_error=lambda _: None) as source, pytest.raises(HTTPStatusError):
        next(source)
    with pytest.raises(TypeError, match="unexpected"):
        sync.EventSource(server.url, colour="red")


def test_callbacks(server: Serving, feed: HandFeed) -> None:
    server.call(feed.give, 1.0, 1.2, START)
    heard: queue.Queue[InstrumentPrice] = queue.Queue()
    parameters = {"action": "instrument_price", "instrument_id": "GOLD"}
    cleanup = sync.create_sse_connection(parameters, base_url=server.url, on_message=heard.put)
    assert heard.get(timeout=PATIENCE).instrument_id == "GOLD"
    states = [cleanup.state.state]
    cleanup()
    cleanup.wait_closed()
    assert [*states, cleanup.state.state] == [State.OPEN, State.CLOSED]

    closed = threading.Event()
    started = threading.Event()

    def close(_: object) -> None:
        assert started.wait(PATIENCE)
        second.close()
        closed.set()

    second = sync.create_sse_connection(parameters, base_url=server.url, on_message=close)
    started.set()
    assert closed.wait(PATIENCE)
    second.wait_closed()
    with pytest.raises(ValueError, match="address"):
        sync.create_sse_connection({}, base_url="nonsense", on_message=print)


def test_a_connection_that_nobody_holds_goes_on(server: Serving, feed: HandFeed) -> None:
    server.call(feed.give, 1.0, 1.2, START)
    heard: queue.Queue[InstrumentPrice] = queue.Queue()
    sync.create_sse_connection(
        {"action": "instrument_price", "instrument_id": "GOLD"},
        base_url=server.url,
        on_message=heard.put,
        on_error=lambda _: None,
        reconnect_attempts=0,
    )
    gc.collect()
    heard.get(timeout=PATIENCE)
    server.call(feed.give, 1.0, 1.3, START + 1)
    assert heard.get(timeout=PATIENCE).ask == 1.3
