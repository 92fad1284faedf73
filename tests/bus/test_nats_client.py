"""The client of NATS, on a real server."""

from __future__ import annotations

import asyncio

from bench.servers.nats import nats_server

from pricewire.nats_client import TidyClient


async def test_who_waits_no_more_for_an_answer_to_a_ping_breaks_no_connection() -> None:
    failed: list[Exception] = []

    async def fail(error: Exception) -> None:
        failed.append(error)

    with nats_server() as server:
        client = TidyClient(needs_tls=False)
        await client.connect(server.url, error_cb=fail)
        for _ in range(3):
            waiting = asyncio.create_task(client.flush())
            # It has sent the ping then, and waits.
            await asyncio.sleep(0)
            waiting.cancel()
            await client.flush()
        assert (client.stats["reconnects"], failed) == (0, [])
        await client.close()
