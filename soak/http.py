"""Requests by hand, and the bodies of streams, for readers that do what no client library lets them do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

HOST = "127.0.0.1"


async def connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return a connection to the server."""
    return await asyncio.open_connection(HOST, port, limit=1 << 20)


def request(method: str, path: str, body: bytes = b"", headers: str = "") -> bytes:
    """Return a request, with the length of its body where it has one."""
    length = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
    return f"{method} {path} HTTP/1.1\r\nHost: {HOST}\r\n{length}{headers}\r\n".encode() + body


async def read_head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    """Return a response's status, and its headers with names in lower case."""
    status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
    return int(status.split()[1]), {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


async def chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Yield the chunks of a body until it ends. Source: RFC 9112, section 7.1."""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        yield (await reader.readexactly(size + 2))[:-2]


async def close(writer: asyncio.StreamWriter, *, at_once: bool = False) -> None:
    """Close a connection, by a reset where `at_once`."""
    if at_once:
        writer.transport.abort()
    else:
        writer.close()
    # What the server or the network still does to it does not matter any more.
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)
