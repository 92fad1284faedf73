"""A Redis server of one's own."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import redis
from bench.servers.nats import free_ports
from redis.exceptions import ConnectionError as NotThere

from support.raw_server import PATIENCE


class RedisServer:
    """
    A server, which can be started again with the same port and data.

    Attributes:
        port: its port; with TLS, the one of that.
    """

    def __init__(self, directory: Path, *options: str) -> None:
        program = shutil.which("redis-server")
        assert program is not None, "tests/install-system-packages installs it"
        self.port = free_ports(1)[0]
        place = ["--bind", "127.0.0.1", "--dir", str(directory), "--appendonly", "yes", "--appendfsync", "always", "--logfile", "log"]
        self._command = [program, "--port", str(self.port), *place, *options]
        self._process: subprocess.Popen[bytes] | None = None
        self._password = options[options.index("--requirepass") + 1] if "--requirepass" in options else None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._process = subprocess.Popen(self._command)
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                with redis.Redis(port=self.port, password=self._password) as client:
                    client.ping()
                return
            except NotThere:
                assert time.monotonic() < deadline, "redis-server is not ready"
                time.sleep(0.02)

    def kill(self) -> None:
        """End it at once."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(PATIENCE)


@contextmanager
def redis_server(*options: str) -> Iterator[RedisServer]:
    """Run a server with options, ready when it yields."""
    with TemporaryDirectory(prefix="pricewire-redis-") as directory:
        server = RedisServer(Path(directory), *options)
        server.start()
        try:
            yield server
        finally:
            server.kill()
