"""Readers that come, go, stall, change, and attack; each does one thing after another, at random."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable

from soak.http import close, connect, read_head, request
from soak.server import INSTRUMENTS, instrument_name

Deed = Callable[[int, random.Random], Awaitable[None]]

DEED_S = 30.0
"""The longest that one of them takes, in seconds; what is not over then is cut off."""


def topics(dice: random.Random, most: int = 5) -> list[str]:
    """Return some topics."""
    names = dice.sample(range(INSTRUMENTS), dice.randint(1, most))
    kinds = ("ticks:{}", "candles:{}:60")
    return [dice.choice(kinds).format(instrument_name(number)) for number in names]


def stream_path(dice: random.Random) -> str:
    """Return what a stream is asked for by."""
    path = "/sse?" + "&".join(f"topic={topic}" for topic in topics(dice))
    return path + dice.choice(["", "", f"&interval_ms={dice.choice([50, 250, 1000])}", "&fields=bid"])


async def come_and_go(port: int, dice: random.Random) -> None:
    """Read a stream for a while, compressed or not, and leave with or without a word."""
    reader, writer = await connect(port)
    try:
        writer.write(request("GET", stream_path(dice), headers=dice.choice(["", "Accept-Encoding: gzip\r\n"])))
        ends_at = asyncio.get_running_loop().time() + dice.uniform(0, 5)
        while (left := ends_at - asyncio.get_running_loop().time()) > 0:
            async with asyncio.timeout(left + 0.1):
                if not await reader.read(65536):
                    return
    finally:
        await close(writer, at_once=dice.random() < 0.5)


async def stall(port: int, dice: random.Random) -> None:
    """Open a stream and read nothing of it."""
    reader, writer = await connect(port)
    try:
        writer.write(request("GET", stream_path(dice)))
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(dice.uniform(1, 10))
    finally:
        await close(writer, at_once=True)


async def change(port: int, dice: random.Random) -> None:
    """Open a stream and change it many times over another connection, also to what there is not."""
    reader, writer = await connect(port)
    try:
        writer.write(request("GET", stream_path(dice)))
        stream_id = (await read_head(reader))[1].get("pricewire-stream", "none")
        other_reader, other = await connect(port)
        try:
            for _ in range(dice.randint(1, 40)):
                body = {"add": topics(dice), "remove": topics(dice), "interval_ms": dice.choice([0, 100, 250, -1, None, "x"])}
                other.write(request("PATCH", f"/v1/streams/{stream_id}", json.dumps(body).encode()))
                _, headers = await read_head(other_reader)
                await other_reader.readexactly(int(headers.get("content-length", 0)))
                if headers.get("connection") == "close":
                    return
                async with asyncio.timeout(DEED_S):
                    await reader.read(65536)
        finally:
            await close(other)
    finally:
        await close(writer)


async def send_and_wait(port: int, dice: random.Random, *parts: bytes) -> None:
    """Send parts one after the other, and take what comes until it ends or the time is over."""
    reader, writer = await connect(port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(dice.choice([0, 0, 0.01]))
        async with asyncio.timeout(dice.uniform(0.1, 8)):
            while await reader.read(65536):
                pass
    finally:
        await close(writer, at_once=dice.random() < 0.3)


async def partial_request(port: int, dice: random.Random) -> None:
    """Begin a request and do not end it."""
    whole = request("GET", stream_path(dice))
    await send_and_wait(port, dice, whole[: dice.randrange(len(whole))])


async def unfinished_body(port: int, dice: random.Random) -> None:
    """Announce a body and send a part of it."""
    path = dice.choice(["/v1/streams/x", "/v1/market/instruments/ticks/history"])
    whole = request("PATCH" if "streams" in path else "POST", path, b"{" + b" " * dice.choice([10, 10_000, 1_000_000]))
    await send_and_wait(port, dice, whole[: len(whole) // 2])


async def bytes_after_a_stream(port: int, dice: random.Random) -> None:
    """Send bytes behind the request of a stream: in the same piece or later, a few or another request."""
    more = dice.choice([b"G", b"\0", b"\r\n", request("GET", "/healthz"), request("GET", stream_path(dice)), b"x" * 100_000])
    first = request("GET", stream_path(dice))
    await send_and_wait(port, dice, *([first + more] if dice.random() < 0.5 else [first, more]))


async def oversized(port: int, dice: random.Random) -> None:
    """Send too long an address, header, list of topics or body."""
    await send_and_wait(
        port,
        dice,
        dice.choice(
            [
                request("GET", "/" + "a" * 20_000),
                request("GET", "/healthz", headers=f"X: {'a' * 50_000}\r\n"),
                request("GET", "/sse?" + "&".join(f"topic=ticks:S{number}" for number in range(400))),
                request("PATCH", "/v1/streams/x", json.dumps({"add": ["ticks:S00"] * 50_000}).encode()),
                b"\x16\x03\x01" + bytes(500),
            ]
        ),
    )


DEEDS: tuple[Deed, ...] = (come_and_go, come_and_go, stall, change, partial_request, unfinished_body, bytes_after_a_stream, oversized)


async def misbehave(port: int, seed: int, done: dict[str, int]) -> None:
    """
    Do one thing after the other until cancelled.

    Args:
        port: where the server is.
        seed: of what is done.
        done: counts what was done.
    """
    dice = random.Random(seed)
    while True:
        deed = dice.choice(DEEDS)
        try:
            async with asyncio.timeout(DEED_S):
                await deed(port, dice)
        except (OSError, EOFError, TimeoutError, ValueError, asyncio.LimitOverrunError):
            # Refused, cut off, or answered with something else than a stream: as it should be.
            pass
        done[deed.__name__] = done.get(deed.__name__, 0) + 1
        await asyncio.sleep(dice.uniform(0, 1))
