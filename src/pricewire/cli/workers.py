"""
`pricewire serve --workers N`: N gateways that share the port, around one process with market and trading, over a NATS server of their own.

    nats-server <──── server: market, trading, database
         ^
         └─────────── gateway-1 … gateway-N: the port

This process only supervises: it has no port, no market, no streams.
"""

from __future__ import annotations

import asyncio
import logging
import pickle
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2

from pricewire.cli.listening import has_terminal
from pricewire.cli.private_bus import PrivateBus
from pricewire.cli.processes import Processes
from pricewire.cli.supervisor import LOOK_S, Program, supervise
from pricewire.cli.worker_place import SERVER, Worker, gateway_names, socket_of
from pricewire.errors import BusError, PricewireError
from pricewire.server.gateways.options import probe_bus

FOLDER = "workers"
"""The folder in the data directory with the sockets of workers, and what the NATS server needs."""

END_S = 15.0
"""How long a worker without streams may take to end, in seconds; one with streams so much longer than its drain."""

MOST_PATH = 107
"""How long the path of a Unix socket may be, in bytes. Source: unix(7) of Linux."""

logger = logging.getLogger(__name__)
nats_logger = logging.getLogger("nats-server")


def run_workers(options: Mapping[str, Any], *, count: int, data_dir: Path, drain_seconds: float, on_ready: Callable[[], None]) -> None:
    """
    Run a server of several processes until it is interrupted.

    Args:
        options: those of `serve`, which each process gets but for what is its own.
        count: how many gateways there are to be.
        data_dir: the data directory.
        drain_seconds: how long streams may take to end.
        on_ready: called when all processes are ready.

    Raises:
        PricewireError: a process could not start, or something is missing.
    """
    if sys.platform != "linux":
        raise PricewireError("--workers needs Linux, which spreads connections over the processes that share a port")
    folder = data_dir / FOLDER
    names = gateway_names(count)
    longest = max((str(socket_of(folder, name)) for name in (SERVER, *names)), key=len)
    if len(longest.encode()) > MOST_PATH:
        raise PricewireError(f"--data-dir: {longest!r} is too long for a socket, whose path may have {MOST_PATH} bytes")
    bus = PrivateBus(folder)
    over_bus = Processes("all", bus.url, bus_ca=bus.certificate, bus_cert=bus.certificate, bus_key=bus.key)

    def program(name: str, processes: Processes, ready: str, grace_s: float) -> Program:
        worker = Worker(name, folder, count)
        return Program(
            name,
            [sys.executable, "-m", "pricewire.cli.worker"],
            is_ready=lambda: answers(worker.socket, ready),
            is_alive=lambda: answers(worker.socket, "/healthz"),
            grace_s=grace_s,
            reads=pickle.dumps({**options, "processes": processes, "worker": worker}),
        )

    nats_server = Program(
        "nats-server",
        bus.command,
        is_ready=lambda: is_reached(over_bus),
        is_alive=lambda: is_reached(over_bus),
        grace_s=END_S,
        on_line=log_nats,
    )
    # Not by whether prices come: with a feed that is down, it serves all the same.
    server = program(SERVER, over_bus, "/v1/market/instruments", END_S)
    gateways = [program(name, replace(over_bus, role="gateway", reuse_port=True), "/readyz", drain_seconds + END_S) for name in names]
    ended_by = asyncio.run(supervise([[nats_server], [server], gateways], on_ready, reloads=not has_terminal()))
    # As by a server of one process: whoever has started this one sees what has ended it.
    signal.signal(ended_by, signal.default_int_handler if ended_by == signal.SIGINT else signal.SIG_DFL)
    signal.raise_signal(ended_by)


async def answers(place: Path, path: str) -> bool:
    """Return whether the process at a Unix socket answers a request as a healthy one does."""
    try:
        # Without TLS: to read the certificates that the system trusts takes 40 ms.
        transport = httpx2.AsyncHTTPTransport(uds=str(place), verify=False)
        async with httpx2.AsyncClient(transport=transport, timeout=LOOK_S, trust_env=False) as client:
            return (await client.get(f"http://localhost{path}")).status_code == 200
    except (httpx2.HTTPError, OSError):
        return False


async def is_reached(over_bus: Processes) -> bool:
    """Return whether the NATS server can be used."""
    try:
        await probe_bus(over_bus.options(over_bus.bus or ""), LOOK_S)
    except BusError:
        return False
    return True


LEVELS = {"[WRN]": logging.WARNING, "[ERR]": logging.ERROR, "[FTL]": logging.CRITICAL}
"""The levels of a NATS server; its others tell what goes well."""


def log_nats(line: str) -> None:
    """Log what a NATS server has written."""
    level = next((level for mark, level in LEVELS.items() if mark in line), logging.DEBUG)
    nats_logger.log(level, "%s", line.partition("] ")[2].partition("] ")[2] or line)
