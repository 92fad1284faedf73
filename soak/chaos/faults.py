"""What happens to the processes and the network of a chaos test; each method returns when the cause is over, not its effects."""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import signal
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import httpx2
import nats
import nats.errors
import nats.js.errors
from bench.servers.nats import NatsServer

from soak.chaos.network import Link
from soak.chaos.processes import Process
from soak.chaos.published import ignore

BALLAST = "ballast"
"""The stream that takes NATS' room away."""

BALLAST_BYTES = 512 * 1024
"""The size of its messages, in bytes."""

READY_S = 60.0
"""How long a process may take to be ready in a rolling restart, in seconds, before the next one has its turn anyway."""


@dataclass
class System:
    """
    What can be troubled.

    Attributes:
        servers: of which one serves, and the others stand by.
        trading: those that share trading, where the servers have the market alone; none where they have all.
        gateways: the gateways.
        nodes: the NATS servers.
        bus: for each process the links to the NATS servers.
        front: what the clients connect to.
    """

    servers: list[Process]
    trading: list[Process]
    gateways: list[Process]
    nodes: list[NatsServer]
    bus: list[list[Link]]
    front: Link

    async def serving(self, client: httpx2.AsyncClient) -> Process | None:
        """Return the server that serves; None where none does now."""
        for server in self.servers:
            if await server.is_ready(client):
                return server
        return None


class Faults:
    """
    The faults.

    Args:
        system: what they trouble.
        dice: decides which, and how long.
        longest_s: how long one lasts at most, in seconds.
    """

    def __init__(self, system: System, dice: random.Random, longest_s: float) -> None:
        self._system = system
        self._dice = dice
        self._longest_s = longest_s
        # Those of the NATS servers that a fault has now.
        self._troubled: list[NatsServer] = []

    def all(self) -> list[tuple[Callable[[], Awaitable[None]], float]]:
        """Return the faults, and how likely each is beside the others."""
        return [
            (self.kill_gateway, 3),
            (self.stop_gateway, 2),
            (self.kill_server, 4),
            (self.stop_server, 3),
            (self.kill_node, 3),
            (self.stop_node, 2),
            (self.cut_bus, 2),
            (self.stall_bus, 2),
            (self.slow_bus, 2),
            (self.fill_disk, 2),
            (self.cut_clients, 2),
            (self.stall_clients, 1),
            (self.rolling_restart, 1),
        ]

    async def kill_gateway(self) -> None:
        """Kill a gateway."""
        self._dice.choice(self._system.gateways).send(signal.SIGKILL)

    async def stop_gateway(self) -> None:
        """Have a gateway stand still."""
        await self._stand_still(self._dice.choice(self._system.gateways))

    async def kill_server(self) -> None:
        """Kill the server that serves."""
        (await self._server()).send(signal.SIGKILL)

    async def stop_server(self) -> None:
        """Have the server that serves stand still, past its lease or not."""
        await self._stand_still(await self._server())

    async def kill_node(self) -> None:
        """Kill a NATS server, and start it again later."""
        with self._node() as node:
            await asyncio.to_thread(node.kill)
            await asyncio.sleep(self._lasting(0.1))
            node.start()
            await asyncio.to_thread(node.wait)

    async def stop_node(self) -> None:
        """Have a NATS server stand still."""
        with self._node() as node:
            node.send(signal.SIGSTOP)
            try:
                await asyncio.sleep(self._lasting(0.5))
            finally:
                node.send(signal.SIGCONT)

    @contextlib.contextmanager
    def _node(self) -> Iterator[NatsServer]:
        """Choose a NATS server that no other fault has: several happen at once."""
        node = self._dice.choice([each for each in self._system.nodes if each not in self._troubled])
        self._troubled.append(node)
        try:
            yield node
        finally:
            self._troubled.remove(node)

    async def cut_bus(self) -> None:
        """Cut some processes off the bus."""
        await self._trouble_bus(Link.cut)

    async def stall_bus(self) -> None:
        """Let nothing through between the bus and some processes; connections stay."""
        await self._trouble_bus(Link.stall)

    async def slow_bus(self) -> None:
        """Let little through between the bus and some processes."""
        pause_s = self._dice.uniform(0.005, 0.1)
        await self._trouble_bus(lambda link: link.slow(pause_s))

    async def fill_disk(self) -> None:
        """Take all the room that NATS has, and give it back later."""
        client = await nats.connect(
            [node.url for node in self._system.nodes],
            max_reconnect_attempts=-1,
            reconnect_time_wait=0,
            error_cb=ignore,
        )
        try:
            context = client.jetstream(timeout=5)
            with contextlib.suppress(nats.errors.Error, OSError):
                await context.add_stream(name=BALLAST, subjects=[BALLAST], num_replicas=len(self._system.nodes))
                while True:
                    await context.publish(BALLAST, bytes(BALLAST_BYTES))
            await asyncio.sleep(self._lasting(0.5))
            while True:
                try:
                    await context.delete_stream(BALLAST)
                    return
                except nats.js.errors.NotFoundError:
                    return
                except (nats.errors.Error, OSError):
                    await asyncio.sleep(0.1)
        finally:
            await client.close()

    async def cut_clients(self) -> None:
        """Cut some of the clients' connections."""
        self._system.front.drop(self._dice.uniform(0.1, 1.0), self._dice)

    async def stall_clients(self) -> None:
        """Let nothing through between clients and gateways."""
        self._system.front.stall()
        try:
            await asyncio.sleep(self._lasting(0.5))
        finally:
            self._system.front.heal()

    async def rolling_restart(self) -> None:
        """Restart every process in turn, as an operator does: gateways first, then those that stand by, then the one that serves."""
        async with httpx2.AsyncClient(timeout=5) as client:
            serving = await self._system.serving(client)
            standing_by = [server for server in self._system.servers if server is not serving]
            for process in (*self._system.gateways, *standing_by, *self._system.trading, *([] if serving is None else [serving])):
                starts = process.starts
                process.send(signal.SIGTERM)
                await process.ended()
                for _ in range(round(READY_S / 0.1)):
                    await asyncio.sleep(0.1)
                    if process.starts > starts and (process not in self._system.gateways or await process.is_ready(client)):
                        break

    async def _server(self) -> Process:
        """Return the server that serves, or any where none does; or one of those that share trading."""
        async with httpx2.AsyncClient(timeout=2) as client:
            serving = await self._system.serving(client) or self._dice.choice(self._system.servers)
        return self._dice.choice([serving, *self._system.trading])

    async def _stand_still(self, process: Process) -> None:
        process.send(signal.SIGSTOP)
        try:
            await asyncio.sleep(self._lasting(0.5))
        finally:
            process.send(signal.SIGCONT)

    async def _trouble_bus(self, trouble: Callable[[Link], None]) -> None:
        links = [link for links in self._dice.sample(self._system.bus, self._dice.randint(1, len(self._system.bus))) for link in links]
        for link in links:
            trouble(link)
        try:
            await asyncio.sleep(self._lasting(0.5))
        finally:
            for link in links:
                link.heal()

    def _lasting(self, least_s: float) -> float:
        """Return how long a fault lasts, in seconds: short ones are as likely as long ones."""
        return least_s * math.exp(self._dice.uniform(0, math.log(self._longest_s / least_s)))


def shown(fault: Callable[[], Awaitable[None]]) -> str:
    """Return a fault's name for people."""
    return fault.__name__.replace("_", " ")
