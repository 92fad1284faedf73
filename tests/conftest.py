"""A real Pricewire for the tests that talk to one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from feeds import HandFeed
from pricewire.market.simulated import SimulatedFeed
from pricewire.server.app import create_app
from pricewire.server.handover import HandoverProtocol
from serving import Serving

# The machines that run this are busy: how long an example takes says nothing.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.fixture
def feed() -> HandFeed:
    """The feed of GOLD that the test gives ticks to, by `server.call(feed.give, 1.0, 1.2, epoch_ms)`."""
    return HandFeed()


@pytest.fixture
def server(feed: HandFeed) -> Iterator[Serving]:
    """A server of GOLD and of the simulated instruments at twenty times their rate."""
    with Serving(create_app([feed, SimulatedFeed(seed=1, rate=20)], heartbeat=0.5), http=HandoverProtocol) as serving:
        yield serving
