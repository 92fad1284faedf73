"""Real servers and proxies whose streams `pricewire verify` is tried on, each with the verdicts that are right for it."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.machine import Placement
from bench.servers.centrifugo import Centrifugo
from bench.servers.nats import free_ports
from bench.servers.nchan import Nchan
from fastapi import FastAPI

import pricewire
from support.metrics import wait_until
from support.serving import PATIENCE, Serving


@dataclass(frozen=True)
class Subject:
    """
    A stream that is tested.

    Attributes:
        name: what it is.
        port: where it listens, on this machine.
        path: its path and query.
        publish: makes an event that it brings.
        wrong: the rules that have to find something, where they can know.
        maybe: the rules that may find something, depending on the moment.
        named: what the advice has to name.
    """

    name: str
    port: int
    path: str
    publish: Callable[[], Awaitable[None]]
    wrong: frozenset[str] = frozenset()
    maybe: frozenset[str] = frozenset()
    named: str = ""


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Publish an event twice a second while the application runs."""

    async def publish() -> None:
        while True:
            add(app.state.hub)
            await asyncio.sleep(0.5)

    task = asyncio.create_task(publish())
    yield
    task.cancel()


def add(hub: pricewire.Hub) -> None:
    """Publish an event."""
    hub.publish("news", {"text": "as short as news are"}, key="news")


def make_app() -> FastAPI:
    """Make an application with a stream of ours."""
    app = FastAPI(lifespan=lifespan)
    app.state.hub = pricewire.Hub()

    @app.get("/news")
    async def news() -> pricewire.EventStream:
        return pricewire.EventStream(app.state.hub, ["news"])

    @app.post("/publish")
    async def publish() -> None:
        add(app.state.hub)

    return app


def publisher(url: str) -> Callable[[], Awaitable[None]]:
    """Return what publishes by a request."""

    def publish() -> None:
        with urllib.request.urlopen(urllib.request.Request(url, b"", method="POST"), timeout=PATIENCE):
            pass

    return lambda: asyncio.to_thread(publish)


def program(name: str) -> str | None:
    """Return where a program is; None where it is not installed."""
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")


@contextmanager
def running(command: list[str], folder: Path, port: int) -> Iterator[None]:
    """Run a program for the block, which begins when it listens."""
    environment = {**os.environ, "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "HOME": str(folder)}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=environment)
    try:
        wait_until(lambda: listens(port))
        yield
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        finally:
            process.kill()
            process.wait()


def listens(port: int) -> bool:
    with contextlib.suppress(OSError), contextlib.closing(__import__("socket").create_connection(("127.0.0.1", port), PATIENCE)):
        return True
    return False


NGINX = """
daemon off; pid {folder}/pid; {user}
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{server};
            proxy_http_version 1.1;
            {more}
        }}
    }}
}}
"""

HAPROXY = """
defaults
    mode http
    timeout connect 10s
    timeout client 1h
    timeout server 1h
frontend front
    bind 127.0.0.1:{port}
    default_backend back
    {more}
backend back
    {more}
    server one 127.0.0.1:{server}
"""

CADDY = """
{{
    admin off
    persist_config off
}}
http://localhost:{port}, http://127.0.0.1:{port} {{
    {outside}
    reverse_proxy 127.0.0.1:{server} {{
        {more}
    }}
}}
"""


@contextmanager
def nginx(folder: Path, server: int, more: str) -> Iterator[int]:
    """Serve by nginx in front of a server; yield its port."""
    [port] = free_ports(1)
    user = f"user {getpass.getuser()};" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port, server=server, more=more, user=user))
    found = program("nginx")
    assert found is not None, "it was looked for"
    with running([found, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")], folder, port):
        yield port


@contextmanager
def haproxy(folder: Path, server: int, more: str) -> Iterator[int]:
    """Serve by HAProxy in front of a server; yield its port."""
    [port] = free_ports(1)
    (folder / "haproxy.cfg").write_text(HAPROXY.format(port=port, server=server, more=more))
    found = program("haproxy")
    assert found is not None, "it was looked for"
    with running([found, "-f", "haproxy.cfg"], folder, port):
        yield port


@contextmanager
def caddy(folder: Path, server: int, more: str, outside: str = "") -> Iterator[int]:
    """Serve by Caddy in front of a server; yield its port."""
    [port] = free_ports(1)
    (folder / "Caddyfile").write_text(CADDY.format(port=port, server=server, more=more, outside=outside))
    found = program("caddy")
    assert found is not None, "it was looked for"
    with running([found, "run", "--config", "Caddyfile"], folder, port):
        yield port
