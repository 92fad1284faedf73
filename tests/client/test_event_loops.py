"""Event loops that end while something is open, one after another, and two at once."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from pricewire.client.stream.event_source import EventSource
from pricewire.client.topics.subscription import Subscription
from pricewire.client.wire import connect
from pricewire.protocol.messages import Tick
from support.raw_server import PATIENCE
from support.serving import Serving

SCRIPT = """
import asyncio, gc, sys
import pricewire

url = sys.argv[1]
kept = []

async def a_subscription_that_is_held():
    wire = pricewire.connect(url)
    ticks = wire.ticks("R_10")
    kept.extend((wire, ticks))
    await anext(ticks)

async def a_subscription_that_nobody_holds():
    await anext(pricewire.connect(url).ticks("R_10"))

async def a_subscription_that_has_not_begun():
    wire = pricewire.connect(url)
    kept.extend((wire, wire.ticks("R_10")))

async def a_wait_before_the_next_attempt():
    waiting = asyncio.Event()
    wire = pricewire.connect(
        "http://127.0.0.1:1", on_error=lambda error: None, on_state=lambda state: state.wait is not None and waiting.set()
    )
    kept.extend((wire, wire.ticks("R_10")))
    await waiting.wait()

async def a_connection_with_callbacks():
    heard = asyncio.Event()
    pricewire.create_sse_connection({"topic": "ticks:R_10"}, base_url=url, on_message=lambda message: heard.set())
    await heard.wait()

async def a_task_that_reads():
    heard = asyncio.Event()
    source = pricewire.EventSource(url + "/sse?topic=ticks:R_10", on_message=lambda event: heard.set())
    kept.append(asyncio.create_task(source.run()))
    await heard.wait()

async def many_wires():
    wires = [pricewire.connect(url) for _ in range(30)]
    subscriptions = [wire.ticks("R_10") for wire in wires]
    kept.extend(wires + subscriptions)
    await asyncio.gather(*map(anext, subscriptions))

for main in (
    a_subscription_that_is_held, a_subscription_that_nobody_holds, a_subscription_that_has_not_begun, a_wait_before_the_next_attempt,
    a_connection_with_callbacks, a_task_that_reads, many_wires,
):
    asyncio.run(main())
    gc.collect()
    print(main.__name__, flush=True)
"""


def test_a_loop_that_ends_leaves_nothing_and_says_nothing(server: Serving) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT, server.url], capture_output=True, text=True, timeout=2 * PATIENCE, check=False
    )
    assert (done.returncode, done.stderr, len(done.stdout.splitlines())) == (0, "", 7)


def test_one_loop_after_another(server: Serving) -> None:
    wire, held = connect(server.url), connect(server.url)
    source = EventSource(f"{server.url}/sse?topic=ticks:R_10")
    held_ticks: list[Subscription[Tick]] = []

    async def read() -> str:
        async with asyncio.timeout(PATIENCE):
            async with wire.ticks("R_10") as ticks:
                await anext(source)
                tick = await anext(ticks)
            await source.aclose()
            return tick.instrument_id

    async def hold() -> None:
        held_ticks.append(held.ticks("R_10"))
        await anext(held_ticks[0])

    assert asyncio.run(read()) == "R_10"
    source = EventSource(f"{server.url}/sse?topic=ticks:R_10")
    # The subscription had ended before its loop did, so that another one can follow.
    assert asyncio.run(read()) == "R_10"
    asyncio.run(hold())
    with pytest.raises(RuntimeError, match="as its event loop has ended; make another one"):
        asyncio.run(hold())
    assert asyncio.run(anext(held_ticks[0], None)) is None


def test_two_loops_at_once(server: Serving) -> None:
    wire = connect(server.url)
    source = EventSource(f"{server.url}/sse?topic=ticks:R_10")
    begun, over = Event(), Event()
    subscriptions: list[Subscription[Tick]] = []

    async def own() -> int:
        async with asyncio.timeout(PATIENCE), wire, source, wire.ticks("R_10") as ticks:
            subscriptions.append(ticks)
            await anext(ticks)
            await anext(source)
            begun.set()
            await asyncio.to_thread(over.wait)
            # Undisturbed.
            await anext(source)
            return len(await ticks.collect(3))

    async def foreign() -> None:
        """What belongs to one loop is refused in the other at once: it would wait there until something else woke it."""
        with pytest.raises(RuntimeError, match="wire is in use in another event loop"):
            wire.ticks("R_25")
        with pytest.raises(RuntimeError, match="wire is in use in another event loop"):
            await wire.sell("c")
        with pytest.raises(RuntimeError, match="stream is open in another event loop"):
            # What had arrived already may come before.
            await source.run()
        with pytest.raises(RuntimeError, match="subscription was made in another event loop"):
            await subscriptions[0].collect(1_000_000)
        with pytest.raises(RuntimeError, match="subscription was made in another event loop"):
            await subscriptions[0].snapshot()

    with ThreadPoolExecutor(1) as threads:
        owning = threads.submit(asyncio.run, own())
        assert begun.wait(PATIENCE)
        try:
            asyncio.run(foreign())
        finally:
            over.set()
        assert owning.result(PATIENCE) == 3
