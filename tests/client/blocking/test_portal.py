"""The portal: what waits for the loop when it ends."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor

import pytest

from pricewire.client.blocking.portal import Portal, PortalClosedError
from support.serving import PATIENCE


async def nothing() -> None:
    """There is nothing to end."""


def test_who_waits_in_another_thread_hears_that_the_loop_has_ended() -> None:
    portal = Portal(nothing)
    is_waiting = threading.Event()

    async def wait() -> None:
        is_waiting.set()
        await asyncio.Event().wait()

    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(portal.call, wait)
        assert is_waiting.wait(PATIENCE)
        portal.close()
        with pytest.raises(CancelledError):
            waiting.result(PATIENCE)
    with pytest.raises(PortalClosedError):
        portal.call(nothing)
