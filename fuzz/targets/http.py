"""
HTTP requests and the hand-over: the bytes of a connection in pieces, and what happens between them.

Everything is real but the socket and the time: uvicorn's protocol with the hand-over, the application, the hub. Time passes when the input
says so, so that time-outs come at any place, and none of them has to be waited for.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator
from typing import Any

import uvicorn

from fuzz.finding import Finding, expect
from fuzz.targets.answers import read_answers
from pricewire.market.feed import make_tick
from pricewire.protocol.messages import Instrument, Tick
from pricewire.server.app import create_app
from pricewire.server.limits import Limits
from pricewire.server.transport.handover import HandoverProtocol, Handovers

GOLD = Instrument(id="GOLD", display_name="Gold", categories=["Commodities"], pip_size=2)

EVENTS = re.compile(rb"([\xf8-\xff])")
"""Bytes that no text has are what happens; all others are sent."""

TURNS = 8
"""How many turns of the loop the server gets between two events: enough to answer most requests."""

PATIENCE_S = 60.0
"""Whatever still runs after so many real seconds without a reader would never end: threads, on a busy machine, may take some."""


class StillLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def time(self) -> float:
        """Return the time, in seconds."""
        return self.now

    def turn(self, times: int = 1) -> None:
        """Run what is ready, and what becomes ready by that."""
        for _ in range(times):
            self.call_soon(self.stop)
            self.run_forever()

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and run what was due until then."""
        self.now += seconds
        self.turn(TURNS)


class HandFeed:
    """The feed of GOLD, whose ticks the input gives."""

    def __init__(self) -> None:
        self.instruments = [GOLD]
        self._ticks = asyncio.Queue[Tick]()
        self._given = 0

    def give(self) -> None:
        """Bring the next tick."""
        self._given += 1
        self._ticks.put_nowait(make_tick(GOLD, bid=1.0 + self._given % 100, ask=200.0, epoch_ms=1_700_000_000_000 + self._given))

    async def __aiter__(self) -> AsyncIterator[Tick]:
        while True:
            yield await self._ticks.get()


class Wire(asyncio.Transport):
    """A transport in memory; it behaves as those of sockets do, also where it is closed."""

    def __init__(self, loop: asyncio.AbstractEventLoop, protocol: asyncio.Protocol) -> None:
        super().__init__({"peername": ("192.0.2.1", 50000), "sockname": ("192.0.2.2", 8080)})
        self._loop = loop
        self._protocol = protocol
        self.written = bytearray()
        self._closing = False
        self._ended = False
        self._reading = True
        self._waiting: list[bytes] = []
        protocol.connection_made(self)

    def send(self, data: bytes) -> None:
        """Have the peer send bytes, which come in when the protocol reads."""
        self._waiting.append(data)
        while self._waiting and self._reading and not self._closing:
            self._protocol.data_received(self._waiting.pop(0))

    def hang_up(self) -> None:
        """Have the peer say that it sends no more."""
        if not self._closing and not self._protocol.eof_received():
            self.close()

    def hold(self, held: bool) -> None:
        """Have the peer take nothing more, or take everything again."""
        if not self._closing:
            (self._protocol.pause_writing if held else self._protocol.resume_writing)()

    def lose(self) -> None:
        """Cut the connection, unless it is closed already."""
        self.abort()

    def write(self, data: Any) -> None:
        """Note what is written; after the end of a closed connection it goes nowhere."""
        expect(not self._ended, f"nothing is written after the end of what is sent: {bytes(data)[:100]!r}")
        if not self._closing:
            self.written += data

    def write_eof(self) -> None:
        """Note that nothing more is sent."""
        self._ended = True

    def can_write_eof(self) -> bool:
        """Say that it can, as TCP does."""
        return True

    def close(self) -> None:
        """Close; the protocol hears of it in the next turn of the loop."""
        if not self._closing:
            self._closing = True
            self._loop.call_soon(self._gone)

    def abort(self) -> None:
        """Close at once."""
        self.close()

    def is_closing(self) -> bool:
        """Return whether it is closed."""
        return self._closing

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Bring what comes to another protocol from now on."""
        assert isinstance(protocol, asyncio.Protocol)
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol."""
        return self._protocol

    def pause_reading(self) -> None:
        """Keep back what the peer sends."""
        self._reading = False

    def resume_reading(self) -> None:
        """Bring what was kept back, in the next turn of the loop."""
        self._reading = True
        self._loop.call_soon(self.send, b"")

    def is_reading(self) -> bool:
        """Return whether what comes is brought to the protocol."""
        return self._reading

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Do nothing: the input says when the buffer is full."""

    def get_write_buffer_size(self) -> int:
        """Return that nothing waits."""
        return 0

    def _gone(self) -> None:
        self._protocol.connection_lost(None)


class Complaints(logging.Handler):
    """Keeps what is logged as an error, and what the loop reports."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep errors, and whatever has a traceback."""
        if record.levelno >= logging.ERROR or record.exc_info:
            self.found.append(logging.Formatter().format(record))

    def from_loop(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Keep what an event loop could tell nobody else."""
        error = context.get("exception")
        trace = "" if error is None else logging.Formatter().formatException((type(error), error, error.__traceback__))
        self.found.append(f"{context.get('message')}\n{trace}")


class Scene:
    """A server without sockets, for all inputs of a process."""

    def __init__(self) -> None:
        self.loop = StillLoop()
        asyncio.set_event_loop(self.loop)
        self.complaints = Complaints()
        self.loop.set_exception_handler(self.complaints.from_loop)
        logging.getLogger().addHandler(self.complaints)
        self.feed = HandFeed()
        self.methods: list[str] = []
        self.state = Handovers()
        # What limits how fast streams may start goes by the real time.
        self.app = create_app([self.feed], limits=Limits(new_streams_per_second=1e9), heartbeat=5)
        self.config = uvicorn.Config(
            self._noting, log_config=None, access_log=False, proxy_headers=False, lifespan="off", interface="asgi3", ws="none"
        )
        self.config.load()
        self._lifespan = self.app.lifespan()
        self.loop.run_until_complete(self._lifespan.__aenter__())

    async def _noting(self, scope: Any, receive: Any, send: Any) -> None:
        self.methods.append(scope["method"])
        await self.app(scope, receive, send)

    def connect(self) -> Wire:
        """Return a new connection."""
        self.methods.clear()
        self.complaints.found.clear()
        return Wire(self.loop, HandoverProtocol(self.config, self.state, {}, self.loop))

    def clear(self) -> None:
        """
        Let everything end that the connection began.

        Raises:
            Finding: something goes on.
        """
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if not self.state.tasks and not self.state.connections and not any(hub.streams for hub in self.state.hubs):
                return
            self.loop.turn()
        raise Finding(f"a connection that has ended leaves nothing: {self.state.tasks}, {self.state.connections}")


SCENES: list[Scene] = []
"""The one of this process, made when it is first needed."""


def check(data: bytes) -> None:
    """Have a peer send the input; what it is answered has to be HTTP, without a failure of the server."""
    if not SCENES:
        SCENES.append(Scene())
    # Taken away until all has gone well: what an input has broken must not be blamed on the next one.
    scene = SCENES.pop()
    wire = scene.connect()
    for part in EVENTS.split(data):
        if EVENTS.fullmatch(part) is None:
            wire.send(part)
        else:
            happen(part[0], scene, wire)
    scene.loop.turn(TURNS)
    scene.loop.pass_time(30)
    wire.lose()
    scene.loop.turn()
    scene.clear()
    scene.loop.pass_time(60)
    expect(not scene.complaints.found, "no failure is logged:\n" + "\n".join(scene.complaints.found))
    for status in read_answers(bytes(wire.written), scene.methods):
        expect(status != 500, f"nothing that is sent makes the server fail: {bytes(wire.written)!r}")
    SCENES.append(scene)


def happen(event: int, scene: Scene, wire: Wire) -> None:
    """Let one thing happen."""
    if event == 0xFF:
        scene.loop.turn(TURNS)
    elif event == 0xFE:
        scene.loop.pass_time(1)
    elif event == 0xFD:
        scene.loop.pass_time(30)
    elif event == 0xFC:
        scene.feed.give()
        scene.loop.turn(TURNS)
    elif event == 0xFB:
        wire.hold(True)
    elif event == 0xFA:
        wire.hold(False)
    elif event == 0xF9:
        wire.hang_up()
    else:
        scene.loop.turn()
