"""Tries a bus once, and says what is there."""

from __future__ import annotations

import asyncio
import contextlib

import nats.errors
import nats.js.errors

from pricewire.bus.nats import NatsPlan
from pricewire.bus.nats_connection import NatsAddress, options_of
from pricewire.errors import BusError
from pricewire.nats_client import TidyClient


async def probe(address: NatsAddress, plan: NatsPlan, within_s: float) -> str:
    """
    Return what a bus is: the server that answers, and the stream.

    Args:
        address: where NATS is.
        plan: the stream of JetStream with the frames.
        within_s: how long it may take, in seconds.

    Raises:
        BusError: no server answers, or it cannot be used; the text says why.
    """
    failures: list[str] = []

    async def note(error: Exception) -> None:
        failures.append(str(error).removeprefix("nats: ") or type(error).__name__)

    client, options = TidyClient(needs_tls=address.needs_tls), options_of(address)
    try:
        async with asyncio.timeout(within_s):
            # Each server is tried, the next one at once.
            await client.connect(
                address.bare_servers, allow_reconnect=True, max_reconnect_attempts=1, reconnect_time_wait=0, error_cb=note, **options
            )
            try:
                return f"{address.shown}: nats-server {client.connected_server_version}, {await stream_of(client, plan)}"
            finally:
                await client.close()
    except (nats.errors.Error, OSError, TimeoutError) as error:
        with contextlib.suppress(nats.errors.Error, OSError, TimeoutError):
            await client.close()
        reasons = dict.fromkeys(failures) or [str(error) or "no answer"]
        raise BusError(f"{address.shown}: {'; '.join(reasons)}") from None


async def stream_of(client: TidyClient, plan: NatsPlan) -> str:
    """
    Return what the stream with the frames is.

    Raises:
        nats.errors.Error: there is no JetStream, or it may not be used.
    """
    try:
        info = await client.jetstream().stream_info(plan.stream)
    except nats.js.errors.NotFoundError:
        return f"the stream {plan.stream!r} is made at the start"
    replicas = info.config.num_replicas or 1
    other = f", not {plan.replicas} as --bus-replicas says" if replicas != plan.replicas else ""
    return f"the stream {plan.stream!r} with {info.state.messages} messages, on {replicas} servers{other}"
