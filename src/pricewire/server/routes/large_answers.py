"""Large answers: made, encoded and compressed in a thread, so that streams go on meanwhile."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, cast

import msgspec
from litestar import Response

from pricewire.server.auth.dependencies import AnyRequest
from pricewire.server.transport.asgi_types import Scope
from pricewire.server.transport.event_stream import accepts_gzip

Made = TypeVar("Made")

LARGE = 200
"""How many rows are worth a thread: they take a millisecond, and to pass them to a thread and back some 0.2."""

SMALLEST_GZIP = 1024
"""What is worth being compressed, in bytes: it fits into one packet or two."""

GZIP_LEVEL = 5
"""Ticks get to an eighth of their size at a third of the time that level 9 takes."""

# One thread of its own: more would only contend for the interpreter with the loop, and those of asyncio hash passwords.
THREAD = ThreadPoolExecutor(1, "pricewire-answers")


async def make(work: Callable[[], Made], rows: int) -> Made:
    """Return what a function returns, called in a thread where it works on many rows; it must touch nothing that changes on the loop."""
    return work() if rows < LARGE else await asyncio.get_running_loop().run_in_executor(THREAD, work)


async def answer(
    request: AnyRequest,
    body: Callable[[], Made],
    rows: int,
    *,
    encode: Callable[[Made], bytes] = msgspec.json.encode,
    media_type: str = "application/json",
    headers: Mapping[str, str] | None = None,
) -> Response[Any]:
    """
    Return an answer in JSON or another form, compressed where the reader takes that and it is worth it.

    Args:
        request: what is answered.
        body: makes what is encoded; it must touch nothing that changes on the loop.
        rows: how many rows it has.
        encode: returns it as bytes.
        media_type: what they are.
        headers: of the answer, beside those that say how it is encoded.
    """
    takes_gzip = accepts_gzip(cast("Scope", request.scope))

    def encoded() -> tuple[bytes, dict[str, str]]:
        data, own = encode(body()), {**(headers or {}), "vary": "Accept-Encoding"}
        if takes_gzip and len(data) >= SMALLEST_GZIP:
            return compressed(data), {**own, "content-encoding": "gzip"}
        return data, own

    content, all_headers = await make(encoded, rows)
    return Response(content, status_code=200, media_type=media_type, headers=all_headers)


def compressed(data: bytes) -> bytes:
    """Return data in gzip."""
    return gzip.compress(data, GZIP_LEVEL, mtime=0)
