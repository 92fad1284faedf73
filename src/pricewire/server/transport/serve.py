"""uvicorn with the connection hand-over."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any

from pricewire.extras import missing_extra

try:
    import uvicorn
except ImportError as error:
    raise missing_extra(error, "serving") from error

from pricewire.hub.drain import drain
from pricewire.server.client_address import Network
from pricewire.server.limits import Limits
from pricewire.server.transport.handover import HandoverProtocol, Handovers
from pricewire.server.transport.handshake import Handshake

DRAIN_SECONDS = 5.0
"""How long streams may take to end, in seconds: enough to spread some thousands of returning readers."""

OTHER_SERVERS = ("daphne", "granian", "gunicorn", "hypercorn", "uvicorn")
"""What may import a file that serves itself."""


class Server(uvicorn.Server):
    """uvicorn's server, which ends the streams in an orderly way before it stops to listen. `make_server` says what its arguments are."""

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        drain_seconds: float = DRAIN_SECONDS,
        on_started: Callable[[int], None] | None = None,
        limits: Limits | None = None,
        trusted_proxies: Sequence[Network] = (),
        admin: socket.socket | None = None,
        on_reload: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(config)
        self.server_state: Handovers = Handovers(limits, trusted_proxies)
        self._drain_seconds = drain_seconds
        self._on_started = on_started
        self._tls: ssl.SSLContext | None = None
        self._handshakes: set[Handshake] = set()
        self._admin = admin
        self._on_reload = on_reload
        self._is_reload_asked = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop; at the second signal, whichever it is, end at once. Closing a terminal may well bring two of its own."""
        if self.should_exit and sig != getattr(signal, "SIGHUP", None):
            self.force_exit = True
        super().handle_exit(sig, frame)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Have SIGHUP reload, or begin to stop the server as SIGINT and SIGTERM do, unless it is ignored, as by `nohup`."""
        with super().capture_signals():
            hangup = getattr(signal, "SIGHUP", None)
            if hangup is None or threading.current_thread() is not threading.main_thread() or signal.getsignal(hangup) == signal.SIG_IGN:
                yield
                return
            before = signal.signal(hangup, self.handle_exit if self._on_reload is None else self._ask_to_reload)
            try:
                yield
            finally:
                signal.signal(hangup, before)

    def _ask_to_reload(self, sig: int, frame: FrameType | None) -> None:
        self._is_reload_asked = True

    async def on_tick(self, counter: int) -> bool:
        """Do what signals have asked for, ten times a second; return whether to stop."""
        if self._is_reload_asked and self._on_reload is not None:
            self._is_reload_asked = False
            self._on_reload()
        return await super().on_tick(counter)

    def stop(self) -> None:
        """Begin to stop, as a signal would have it."""
        self.should_exit = True

    def reload_tls(self) -> None:
        """
        Read certificate and key again, for the connections from now on.

        Raises:
            OSError: one cannot be read, or they cannot be used.
        """
        if self._tls is not None and self.config.ssl_certfile is not None:
            self._tls.load_cert_chain(self.config.ssl_certfile, self.config.ssl_keyfile, lambda: "")

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to accept connections."""
        plain = self.config.http_protocol_class
        self._tls = self.config.ssl
        if self._tls is not None:
            self._count_handshakes(self._tls)
        await super().startup(sockets)
        if self.started and self._admin is not None:
            await self._listen_for_operators(self._admin, plain)
        if self.started and self._on_started is not None:
            name = self.servers[0].sockets[0].getsockname()
            self._on_started(name[1] if isinstance(name, tuple) else 0)

    async def _listen_for_operators(self, listener: socket.socket, protocol: Any) -> None:
        def create() -> asyncio.Protocol:
            created: asyncio.Protocol = protocol(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)
            return created

        self.servers.append(await asyncio.get_running_loop().create_server(create, sock=listener))

    def _count_handshakes(self, context: ssl.SSLContext) -> None:
        """Have uvicorn listen without TLS, with a protocol that begins it and then becomes uvicorn's."""
        state, inner = self.server_state, self.config.http_protocol_class

        def begin(**options: Any) -> Handshake:
            return Handshake(context, lambda: inner(**options), state.open_connections, state.limits, self._handshakes)

        self.config.ssl, self.config.http_protocol_class = None, begin  # type: ignore[assignment]

    def _log_started_message(self, listeners: Sequence[socket.SocketType]) -> None:
        self.config.ssl = self._tls
        super()._log_started_message(listeners)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop: first the streams, then what uvicorn knows of."""
        await asyncio.gather(*(drain(hub, self._drain_seconds, lambda: self.force_exit) for hub in self.server_state.hubs))
        for handshake in list(self._handshakes):
            handshake.make_room()
        await super().shutdown(sockets)


COLLECT_AFTER = (20_000, 20, 20)
"""
After how many new objects the garbage collector looks at the youngest, and after how often at older ones.

A tick makes thousands of events that all stay in logs for a while; by default it would go through them after each 700. What the server
itself drops has no cycles.
"""


def keep_from_collector() -> None:
    """
    Exclude all objects of now from garbage collections, and have fewer of them; called once, when a process that only serves has started.

    They are no garbage, and to go through them holds the loop for some 30 ms.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


def make_server(
    app: Any,
    *,
    drain_seconds: float = DRAIN_SECONDS,
    on_started: Callable[[int], None] | None = None,
    limits: Limits | None = None,
    trusted_proxies: Sequence[Network] = (),
    admin: socket.socket | None = None,
    on_reload: Callable[[], None] | None = None,
    **options: Any,
) -> Server:
    """
    Return a server for an ASGI application, with the hand-over, to be run by `await server.serve()` or `server.run()`.

    Args:
        app: the application, or where to import it from, as `module:attribute`.
        drain_seconds: how long the streams may take to end when the server stops.
        on_started: called with the port once connections are accepted.
        limits: how long and how slow a request may be, and how many connections there may be.
        trusted_proxies: the networks of proxies in front: their connections have no limit for their address.
        admin: another socket to serve at, without TLS: the application tells by the address what is asked for there.
        on_reload: called at SIGHUP, which begins to stop the server where this is None.
        options: what `uvicorn.Config` takes: `host`, `port`, `ssl_certfile`, `log_level`, ….

    Raises:
        ValueError: several processes or reloading are asked for, which this server does not do.
    """
    if options.get("workers") not in (None, 1) or options.get("reload"):
        raise ValueError("workers and reload are not possible: streams live in the one process that is served from")
    # Thousands of readers that were cut connect at once; what overflows uvicorn's own 2,048 tries again a second later or more.
    config = uvicorn.Config(app, **{"http": HandoverProtocol, "backlog": 8192, **options})
    return Server(
        config,
        drain_seconds=drain_seconds,
        on_started=on_started,
        limits=limits,
        trusted_proxies=trusted_proxies,
        admin=admin,
        on_reload=on_reload,
    )


def importing_server() -> str | None:
    """Return the name of the server that imports the module which calls; None where none does."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package in OTHER_SERVERS:
            return package
        frame = frame.f_back
    return None


def run(app: Any, **options: Any) -> None:
    """
    Serve an ASGI application until it is interrupted; its `EventStream`s cost no task.

        if __name__ == "__main__":
            pricewire.run(app)

    With the condition, `uvicorn module:app` and other servers can serve the same file.

    Args:
        app: the application, or where to import it from, as `module:attribute`.
        options: what `make_server` and `uvicorn.Config` take: `drain_seconds`, `limits`, `host`, `port`, `ssl_certfile`, `log_level`, ….

    Raises:
        RuntimeError: another server is importing the application, and would wait for this one.
    """
    if (server := importing_server()) is not None:
        raise RuntimeError(
            f'pricewire.run was called while {server} imports the application: write `if __name__ == "__main__":` before it, '
            "so that it runs only where the file itself is run"
        )
    # uvicorn raises it again once the server has stopped in an orderly way, which is what was asked for.
    with contextlib.suppress(KeyboardInterrupt):
        make_server(app, **options).run()
