"""uvicorn with the connection hand-over."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from typing import Any

import uvicorn

from pricewire.server.handover import HandoverProtocol, Handovers


class Server(uvicorn.Server):
    """
    uvicorn's server, which closes the streams that were handed over before it waits for the connections that are left.

    Args:
        config: what to serve, and where.
        on_started: called with the port once connections are accepted.
    """

    def __init__(self, config: uvicorn.Config, on_started: Callable[[int], None] | None = None) -> None:
        super().__init__(config)
        self.server_state: Handovers = Handovers()
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to accept connections."""
        await super().startup(sockets)
        if self.started and self._on_started is not None:
            self._on_started(self.servers[0].sockets[0].getsockname()[1])

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop: first the streams, then what uvicorn knows of."""
        for hub in self.server_state.hubs:
            hub.close()
        await super().shutdown(sockets)


def make_server(app: Any, *, on_started: Callable[[int], None] | None = None, **options: Any) -> Server:
    """
    Return a server for an ASGI application, with the hand-over, to be run by `await server.serve()` or `server.run()`.

    Args:
        app: the application, or where to import it from, as `module:attribute`.
        on_started: called with the port once connections are accepted.
        options: what `uvicorn.Config` takes: `host`, `port`, `ssl_certfile`, `log_level`, ….

    Raises:
        ValueError: several processes or reloading are asked for, which this server does not do.
    """
    for option in ("workers", "reload"):
        if options.get(option, 1) not in (None, False, 1):
            raise ValueError(f"{option}={options[option]} is not possible: streams live in the one process that is served from")
    return Server(uvicorn.Config(app, **{"http": HandoverProtocol, **options}), on_started)


def run(app: Any, **options: Any) -> None:
    """
    Serve an ASGI application until it is interrupted; its `EventStream`s cost no task.

    Args:
        app: the application, or where to import it from, as `module:attribute`.
        options: what `uvicorn.Config` takes: `host`, `port`, `ssl_certfile`, `log_level`, ….
    """
    # uvicorn raises it again once the server has stopped in an orderly way, which is what was asked for.
    with contextlib.suppress(KeyboardInterrupt):
        make_server(app, **options).run()
