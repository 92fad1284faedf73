"""The servers under TLS 1.3: Pricewire as `pricewire serve` has it with a certificate, and nginx with nchan."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

from bench.readers.pool import Protocol
from bench.servers.asgi import HOST
from bench.servers.nchan import Nchan
from bench.servers.pricewire import Handover, commanded
from bench.workload import TOPIC
from pricewire.bus.memory import MemoryBus
from pricewire.hub.event import plain
from pricewire.hub.flush_pace import FlushPolicy
from pricewire.hub.hub import Hub
from pricewire.server.transport.asgi_types import Receive, Scope, Send
from pricewire.server.transport.event_stream import EventStream
from pricewire.server.transport.serve import make_server


def missing_openssl() -> str | None:
    """Return why no certificate can be made; None where one can."""
    return None if shutil.which("openssl") else "there is no openssl, which makes the certificate"


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate of an elliptic curve for a few days; return it and its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc", "-days", "3"]
    command += ["-subj", "/CN=localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


class HandoverTls(Handover):
    """Pricewire under TLS; it is told what to do at a port without."""

    name = "pricewire_tls"
    label = "Pricewire, TLS"
    protocol: ClassVar[Protocol] = "https"

    @classmethod
    def missing(cls) -> str | None:
        """Say so where no certificate can be made."""
        return missing_openssl()

    def _start(self) -> None:
        process = self._spawn([sys.executable, "-m", "bench.servers.tls", *map(str, make_certificate(self.directory))], {HOST: self.host})
        self.port, self.command_port = self._read_port(process), self._read_port(process)


class NchanTls(Nchan):
    """nginx with nchan under TLS; it is published to at a port without."""

    name = "nchan_tls"
    label = "nchan, TLS"
    protocol: ClassVar[Protocol] = "https"

    @classmethod
    def missing(cls) -> str | None:
        """Say so where nginx or the module is not installed, or no certificate can be made."""
        return super().missing() or missing_openssl()

    def _listen(self) -> list[socket.socket]:
        by_tls, without = self._listener(), self._listener()
        self.port, self._command_port = (listener.getsockname()[1] for listener in (by_tls, without))
        return [by_tls, without]

    def _listen_directives(self) -> str:
        certificate, key = make_certificate(self.directory)
        files = f"ssl_certificate {certificate}; ssl_certificate_key {key}; ssl_protocols TLSv1.3;"
        by_tls, without = (f"listen {self.host}:{port}" for port in (self.port, self._command_port))
        return f"{by_tls} ssl backlog=2048; {without} backlog=2048; {files}"


def main(certificate: str, key: str) -> None:
    """Serve, and say on the standard output at which port by TLS, and at which without."""
    hub = Hub(heartbeat=3600.0, flush=FlushPolicy(max_interval=0.0))

    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        await EventStream(hub, [TOPIC], form=plain)(scope, receive, send)

    by_tls, without = (socket.create_server((os.environ[HOST], 0), backlog=8192) for _ in range(2))
    for listener in (by_tls, without):
        print(listener.getsockname()[1], flush=True)
    files: dict[str, Any] = {"ssl_certfile": certificate, "ssl_keyfile": key}
    application = commanded(stream, hub, MemoryBus(hub, None))
    server = make_server(application, admin=[without], log_level="warning", access_log=False, lifespan="off", **files)
    server.run(sockets=[by_tls])


if __name__ == "__main__":
    main(*sys.argv[1:])
