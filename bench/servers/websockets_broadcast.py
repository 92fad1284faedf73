"""`broadcast` of the library websockets, on uvloop: how most Python services send to many WebSockets."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.http11 import Request, Response

from bench.readers.pool import Protocol
from bench.servers.asgi import HOST, PORT, AsgiPeer
from bench.workload import encoded_ticks


class WebsocketsBroadcast(AsgiPeer):
    """One frame for each message, made once for all connections; whoever reads slowly is not looked at."""

    name = "websockets"
    label = "websockets.broadcast"
    protocol: ClassVar[Protocol] = "websocket"

    def _start(self) -> None:
        self._start_module("bench.servers.websockets_broadcast")


async def main() -> None:
    """Serve; other requests than those for a WebSocket are commands."""
    connections: set[ServerConnection] = set()
    messages = encoded_ticks()

    async def obey(connection: ServerConnection, request: Request) -> Response | None:
        if "Upgrade" in request.headers:
            return None
        query = {name: int(values[0]) for name, values in parse_qs(urlsplit(request.path).query).items()}
        for _ in range(query.get("flushes", 0)):
            for _ in range(query["per_flush"]):
                broadcast(connections, next(messages).decode())
            # So that the loop writes them before it gets the next ones.
            await asyncio.sleep(0)
        if request.path == "/settle":
            gc.collect()
        return connection.respond(200, "{}")

    async def hold(connection: ServerConnection) -> None:
        connections.add(connection)
        try:
            await connection.send("open")
            await connection.wait_closed()
        finally:
            connections.discard(connection)

    listener = socket.create_server((os.environ[HOST], int(os.environ[PORT])), backlog=8192)
    # Without compression, as the others, and with its pings put off as Pricewire's heartbeats are. A command may take as long as it takes.
    async with serve(hold, sock=listener, process_request=obey, compression=None, ping_interval=None, open_timeout=None) as server:
        print(listener.getsockname()[1], flush=True)
        await server.wait_closed()


if __name__ == "__main__":
    uvloop.run(main())
