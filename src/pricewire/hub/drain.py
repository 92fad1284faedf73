"""Closing a hub in an orderly way: its streams end one after another, so that their readers do not all come back at once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from pricewire.hub.hub import Hub
from pricewire.protocol.stream_end import StreamEnd

STEP = 0.05
"""How often streams are ended meanwhile, in seconds."""

RESERVE = 0.2
"""The share of the time that is kept for what has been written to reach its readers."""


async def drain(hub: Hub, seconds: float, hurry: Callable[[], bool]) -> None:
    """
    Refuse new streams, end the open ones over a span of time, and close the hub.

    Each learns by `retry:` when to come back, at a time of its own within the same span; and why it ends by an event `error`, where it
    carries named events.

    Args:
        hub: the hub.
        seconds: how long it may take.
        hurry: says whether to end at once; asked repeatedly.
    """
    streams = hub.drain()
    random.shuffle(streams)
    total, loop = len(streams), asyncio.get_running_loop()
    began = loop.time()
    while streams and not hurry():
        share = (loop.time() - began) / (seconds * (1 - RESERVE)) if seconds > 0 else 1.0
        while streams and total - len(streams) < max(share * total, 1):
            retry = round(random.uniform(0, seconds) * 1000)  # noqa: S311 - spreads load, no secret
            hub.end(streams.pop(), StreamEnd.SERVER_DRAINING, retry=retry)
        if streams:
            await asyncio.sleep(min(STEP, seconds / 10))
    hub.close()
