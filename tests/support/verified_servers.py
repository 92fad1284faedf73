"""Real servers and proxies whose streams `pricewire verify` is tried on, each with the verdicts that are right for it."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.machine import Placement
from bench.servers.centrifugo import Centrifugo
from bench.servers.nats import free_ports
from bench.servers.nchan import Nchan
from bench.servers.peer import Peer
from fastapi import FastAPI

import pricewire
from support.metrics import wait_until
from support.serving import PATIENCE

QUIET = "quiet"
"""A topic of which nothing comes by itself."""


@dataclass(frozen=True)
class Subject:
    """
    A stream that is tested.

    Attributes:
        port: where it listens, on this machine.
        path: its path and query.
        publish: makes an event that it brings; None where it is to be silent.
    """

    port: int
    path: str
    publish: Callable[[], Awaitable[None]] | None


@dataclass(frozen=True)
class Kind:
    """
    A server, or one of ours behind a proxy, and the verdicts that are right for it.

    Attributes:
        start: starts it in a folder; with the port of our own server.
        wrong: for each rule that it breaks what the finding has to say, and what the advice.
        maybe: rules that find something depending on the moment.
        missing: why it cannot be tested here; empty where it can.
    """

    start: Callable[[Path, int], AbstractContextManager[Subject]]
    wrong: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    maybe: frozenset[str] = frozenset()
    missing: str = ""


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Publish an event of each topic twice a second while the application runs."""

    async def publish() -> None:
        while True:
            for topic in app.state.topics:
                add(app.state.hub, topic)
            await asyncio.sleep(0.5)

    task = asyncio.create_task(publish())
    yield
    task.cancel()


def add(hub: pricewire.Hub, topic: str) -> None:
    """Publish an event."""
    hub.publish(topic, {"text": "as short as news are"}, key=topic)


def make_app() -> FastAPI:
    """Make an application with a stream of ours for each topic that is asked for."""
    app = FastAPI(lifespan=lifespan)
    app.state.hub = pricewire.Hub()
    app.state.topics = set()

    @app.get("/news")
    async def news(topic: str) -> pricewire.EventStream:
        if topic != QUIET:
            app.state.topics.add(topic)
        return pricewire.EventStream(app.state.hub, [topic])

    @app.post("/publish")
    async def publish(topic: str) -> None:
        add(app.state.hub, topic)

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
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), PATIENCE).close()
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
        listen 127.0.0.1:{port}{tls};
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


def behind(name: str, topic: str, write: Callable[[Path, int, int], list[str]]) -> Kind:
    """
    Return one of our own streams behind a proxy.

    Args:
        name: of the program.
        topic: of the stream.
        write: writes the configuration into a folder, for the proxy's port and that of our server, and returns the arguments.
    """

    @contextmanager
    def start(folder: Path, server: int) -> Iterator[Subject]:
        [port] = free_ports(1)
        found = program(name)
        assert found is not None, "it was looked for"
        with running([found, *write(folder, port, server)], folder, port):
            publish = None if topic == QUIET else publisher(f"http://127.0.0.1:{server}/publish?topic={topic}")
            yield Subject(port, f"/news?topic={topic}", publish)

    return Kind(start, missing="" if program(name) else f"{name} is not installed")


def nginx(topic: str, more: str, *, tls: str = "") -> Kind:
    """
    Return one of our own streams behind nginx.

    Args:
        topic: of the stream.
        more: directives in its location.
        tls: what makes it speak TLS.
    """
    user = f"user {getpass.getuser()};" if os.geteuid() == 0 else ""

    def write(folder: Path, port: int, server: int) -> list[str]:
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port, server=server, more=more, user=user, tls=tls))
        return ["-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]

    return behind("nginx", topic, write)


def haproxy(topic: str, more: str) -> Kind:
    """Return one of our own streams behind HAProxy, with some directives in its backend."""

    def write(folder: Path, port: int, server: int) -> list[str]:
        (folder / "haproxy.cfg").write_text(HAPROXY.format(port=port, server=server, more=more))
        return ["-f", "haproxy.cfg"]

    return behind("haproxy", topic, write)


def caddy(topic: str, more: str, outside: str = "") -> Kind:
    """Return one of our own streams behind Caddy, with some directives within `reverse_proxy`, and some beside it."""

    def write(folder: Path, port: int, server: int) -> list[str]:
        (folder / "Caddyfile").write_text(CADDY.format(port=port, server=server, more=more, outside=outside))
        return ["run", "--config", "Caddyfile"]

    return behind("caddy", topic, write)


def peer(kind: type[Peer]) -> Kind:
    """Return the stream of another server."""

    @contextmanager
    def start(folder: Path, server: int) -> Iterator[Subject]:
        with kind(Placement(None, None)) as running_peer:
            yield Subject(running_peer.port, running_peer.path, lambda: asyncio.to_thread(running_peer.publish, 1, 1))

    return Kind(start, missing=kind.missing() or "")


@contextmanager
def alone(folder: Path, server: int) -> Iterator[Subject]:
    """Yield one of our own streams, with nothing before it."""
    yield Subject(server, "/news?topic=alone", publisher(f"http://127.0.0.1:{server}/publish?topic=alone"))


GZIP = "gzip on; gzip_types text/event-stream; gzip_min_length 0; gzip_proxied any; proxy_set_header Accept-Encoding '';"

KINDS: dict[str, Kind] = {
    "ours": Kind(alone),
    "nchan": replace(
        peer(Nchan),
        wrong={
            "caching": ("nothing says", "add_header Cache-Control no-store"),
            "accept": ("gets 403", "nchan: "),
            "cors-preflight": ("authorization, last-event-id", "nchan: "),
            "cors": ("with its visitor's cookies", "nchan_access_control_allow_credentials off"),
        },
        # It answers HEAD with the next message, or never.
        maybe=frozenset({"head-request"}),
    ),
    "centrifugo": replace(
        peer(Centrifugo),
        wrong={"line-ends": ("lines end in different ways", "Centrifugo"), "ids": ("no event has an id", "Centrifugo")},
    ),
    "nginx": nginx("nginx", ""),
    # By itself buffering does no harm to what comes as chunks: nginx passes on what it has when nothing more is there.
    "nginx that buffers": nginx("nginx-buffers", "proxy_ignore_headers X-Accel-Buffering;"),
    "nginx that compresses": nginx("nginx-gzip", GZIP),
    "nginx that buffers what it compresses": replace(
        nginx("nginx-gzip-buffers", f"{GZIP} proxy_ignore_headers X-Accel-Buffering;"),
        wrong={"compressed": ("got no answer", "`gzip off;` in the location")},
    ),
    "nginx that ends silent streams": replace(
        nginx(QUIET, "proxy_read_timeout 2s;"), wrong={"keeps-open": ("at the same age", "`proxy_read_timeout` is 60 s")}
    ),
    "haproxy": haproxy("haproxy", ""),
    "haproxy that compresses": haproxy(
        "haproxy-gzip",
        "compression algo gzip\n    compression type text/event-stream\n    http-response set-header Cache-Control no-store",
    ),
    "caddy": caddy("caddy", ""),
    # Caddy passes event streams on at once, whatever this says.
    "caddy that flushes seldom": caddy("caddy-flush", "flush_interval 30s"),
    "caddy that compresses": caddy(
        "caddy-gzip",
        "header_up Accept-Encoding identity\nheader_down Cache-Control no-store",
        "encode gzip {\nmatch header Content-Type text/event-stream*\n}",
    ),
    "caddy that buffers": replace(caddy("caddy-buffers", "response_buffers 1MiB"), wrong={"status": ("no answer within", "more of it")}),
}
"""All of them, by what one would call them."""
