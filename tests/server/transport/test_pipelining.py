"""A stream with another request behind it ends with its connection, whichever way it is served."""

from __future__ import annotations

import logging

import pytest

from pricewire.server.app import create_app
from support.feeds import HandFeed
from support.metrics import metric, wait_until
from support.serving import Reader, Serving

STREAM = "/sse?topic=ticks:GOLD"


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_a_stream_before_another_request_ends_with_its_connection(feed: HandFeed, loop: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    app = create_app([feed], heartbeat=0.05)
    with Serving(app, loop=loop, log_config=None) as server:
        with Reader(server.url, STREAM, headers={"X": "the first\r\n\r\nGET /readyz HTTP/1.1\r\nHost: 127.0.0.1"}) as reader:
            assert reader.read_head()[0] == 200
            reader.read_until(b":\n")
            assert metric(server.url, "pricewire_streams") == 1
        # Where nothing is read while a request waits, it is noticed at a heartbeat that the peer has gone.
        wait_until(lambda: metric(server.url, "pricewire_streams") == 0)
    assert caplog.records == []
