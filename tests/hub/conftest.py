"""A hub for the tests of hubs."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from pricewire.hub.hub import Hub


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    hub = Hub()
    yield hub
    hub.close()
