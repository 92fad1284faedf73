"""uvicorn with the connection hand-over."""

from __future__ import annotations

import socket
from typing import Any

import uvicorn

from pricewire.server.handover import HandoverProtocol, Handovers


class Server(uvicorn.Server):
    """uvicorn's server, which closes the streams that were handed over before it waits for the connections that are left."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.server_state: Handovers = Handovers()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop: first the streams, then what uvicorn knows of."""
        for hub in self.server_state.hubs:
            hub.close()
        await super().shutdown(sockets)


def make_server(app: Any, **options: Any) -> Server:
    """
    Return a server for an ASGI application, with the hand-over, to be run by `await server.serve()`.

    Args:
        app: the application, or where to import it from, as `module:attribute`.
        options: what `uvicorn.Config` takes: `host`, `port`, `ssl_certfile`, `log_level`, ….
    """
    return Server(uvicorn.Config(app, **{"http": HandoverProtocol, **options}))


def run(app: Any, **options: Any) -> None:
    """
    Serve an ASGI application until it is interrupted; its `EventStream`s cost no task.

    Args:
        app: the application, or where to import it from, as `module:attribute`.
        options: what `uvicorn.Config` takes: `host`, `port`, `ssl_certfile`, `log_level`, ….
    """
    make_server(app, **options).run()
