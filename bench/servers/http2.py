"""The servers by HTTP/2, each under TLS: Pricewire behind Caddy, as `docs/deployment.md` has it, and nginx's own with nchan."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

from bench.readers.pool import Protocol
from bench.servers.asgi import HOST
from bench.servers.pricewire import Handover, commanded
from bench.servers.tls import NchanTls, make_certificate, missing_openssl
from bench.workload import TOPIC
from pricewire.bus.memory import MemoryBus
from pricewire.hub.event import plain
from pricewire.hub.flush_pace import FlushPolicy
from pricewire.hub.hub import Hub
from pricewire.server.transport.asgi_types import Receive, Scope, Send
from pricewire.server.transport.event_stream import EventStream
from pricewire.server.transport.serve import make_server

CADDYFILE = """
{{
    admin off
    auto_https off
    default_sni localhost
}}
https://localhost:{port} {{
    bind {host}
    tls {certificate} {key}
    reverse_proxy {host}:{server}
}}
"""


class BehindCaddy(Handover):
    """Pricewire behind Caddy, both on the server's core; it is told what to do without the proxy."""

    name = "pricewire_caddy"
    label = "Pricewire behind Caddy, HTTP/2"
    protocol: ClassVar[Protocol] = "http2"

    @classmethod
    def missing(cls) -> str | None:
        """Say so where Caddy is not installed, or no certificate can be made."""
        return missing_openssl() or (None if shutil.which("caddy") else "there is no caddy")

    def _start(self) -> None:
        files = [self.directory, *make_certificate(self.directory)]
        process = self._spawn([sys.executable, "-m", "bench.servers.http2", *map(str, files)], {HOST: self.host})
        self.port, self.command_port = self._read_port(process), self._read_port(process)
        self._await_port()


class NchanHttp2(NchanTls):
    """nginx with nchan by HTTP/2."""

    name = "nchan_http2"
    label = "nchan, HTTP/2"
    protocol: ClassVar[Protocol] = "http2"

    def _listen_directives(self) -> str:
        return super()._listen_directives().replace(" ssl ", " ssl http2 ", 1)


def main(folder: str, certificate: str, key: str) -> None:
    """Serve behind a Caddy of our own; say on the standard output at which port that is, and at which there is no proxy."""
    host = os.environ[HOST]
    with socket.create_server((host, 0)) as free:
        port: int = free.getsockname()[1]
    listener = socket.create_server((host, 0), backlog=8192)
    server: int = listener.getsockname()[1]
    caddyfile = Path(folder) / "Caddyfile"
    caddyfile.write_text(CADDYFILE.format(host=host, port=port, certificate=certificate, key=key, server=server))
    # The server lets the signal that ended it end the process, which would leave the other one behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    # A child, so that its time is counted with ours, and its memory.
    variables = {**os.environ, "HOME": folder, "XDG_DATA_HOME": folder, "XDG_CONFIG_HOME": folder}
    caddy = subprocess.Popen(
        ["caddy", "run", "--config", str(caddyfile)], env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for number in (port, server):
            print(number, flush=True)
        hub = Hub(heartbeat=3600.0, flush=FlushPolicy(max_interval=0.0))

        async def stream(scope: Scope, receive: Receive, send: Send) -> None:
            await EventStream(hub, [TOPIC], form=plain)(scope, receive, send)

        application = commanded(stream, hub, MemoryBus(hub, None))
        make_server(application, log_level="warning", access_log=False, lifespan="off").run(sockets=[listener])
    finally:
        caddy.terminate()
        caddy.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
