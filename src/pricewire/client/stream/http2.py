"""
HTTP/2: telling the server that a stream is given up, and giving up a connection that is dead.

The library only forgets a stream that is not read to its end: the server goes on sending for as long as the connection lasts, and what it
sends is never acknowledged. And it would send the next request over a connection whose peer is gone. It has no public call for either, so
its own parts are looked for; where they are not found, nothing is done.

Source: RFC 9113, section 6.4, "RST_STREAM".
"""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2

CANCEL = 8
"""The error code of a stream that is no longer needed. Source: RFC 9113, section 7."""

RESET_TIMEOUT = 1.0
"""How long it may take to hand the reset to the kernel, in seconds: a peer that reads nothing is not waited for."""


async def reset_stream(response: httpx2.Response) -> None:
    """Have the server end the stream of a response, where it is one of HTTP/2."""
    connection, stream_id = _connection_of(response), response.extensions.get("stream_id")
    if connection is None or stream_id is None:
        return
    try:
        async with asyncio.timeout(RESET_TIMEOUT):
            connection._h2_state.reset_stream(stream_id, CANCEL)
            await connection._write_outgoing_data(response.request)
    except Exception:  # noqa: S110 - it has ended already, or the connection has: nothing is left to reset
        pass


async def give_up(response: httpx2.Response) -> None:
    """Close a response that was not read to its end."""
    try:
        await reset_stream(response)
    finally:
        await response.aclose()


async def close_connection(response: httpx2.Response) -> None:
    """Close the connection that a response came by, with all its other streams, where it is one of HTTP/2."""
    connection = _connection_of(response)
    if connection is not None:
        await connection.aclose()


def _connection_of(response: httpx2.Response) -> Any:
    """Return the library's HTTP/2 connection, out of the layers around the body; None where there is none."""
    part: Any = response.stream
    while part is not None:
        connection = getattr(part, "_connection", None)
        if hasattr(connection, "_h2_state"):
            return connection
        part = getattr(part, "_stream", None) or getattr(part, "_httpcore_stream", None)
    return None
