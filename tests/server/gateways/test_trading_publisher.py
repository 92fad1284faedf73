"""Which topics the process with trading publishes for streams."""

from __future__ import annotations

from typing import Any, cast

import pytest

from pricewire.protocol.free_topics import UPDATES
from pricewire.server.gateways.trading_publisher import TradingPublisher


@pytest.mark.parametrize("topic", [UPDATES, "news:economy"])
def test_nobody_is_told_of_streams_of_what_comes_from_outside(topic: str) -> None:
    publisher = TradingPublisher([], cast("Any", None))
    publisher._first_stream(topic)
    assert not publisher._streamed
    publisher._last_stream(topic)
