"""Caddy, nginx and HAProxy, by the files of `deploy/proxies`, each in front of two gateways: streams, resuming, draining, HTTP/2."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
import trustme
from bench.servers.nats import free_ports

from support.gateway_scene import GatewayScene, gateway_scene
from support.metrics import metric, wait_until
from support.serving import PATIENCE, Serving

PROXIES = Path(__file__).parents[2] / "deploy" / "proxies"
TOPIC = "/sse?topic=ticks:GOLD"


@dataclass
class Proxy:
    """
    A proxy that runs.

    Attributes:
        url: where it listens, with TLS.
        context: what trusts its certificate.
    """

    url: str
    context: ssl.SSLContext

    def client(self, *, http2: bool = True) -> httpx2.Client:
        return httpx2.Client(base_url=self.url, verify=self.context, http2=http2, timeout=PATIENCE, trust_env=False)


class Certificate:
    """A certificate for localhost, in the files that the configurations name."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        issued = authority.issue_cert("localhost")
        self.chain, self.key, self.both = (folder / name for name in ("chain.pem", "key.pem", "both.pem"))
        issued.private_key_pem.write_to_path(self.key)
        issued.cert_chain_pems[0].write_to_path(self.chain)
        issued.private_key_and_cert_chain_pem.write_to_path(self.both)
        self.context = ssl.create_default_context()
        authority.configure_trust(self.context)


def replaced(name: str, changes: dict[str, str]) -> str:
    """Return a configuration with what a machine has of its own put in; each change has something to change."""
    text = (PROXIES / name).read_text()
    for before, after in changes.items():
        assert before in text, f"{name} does not have {before!r}"
        text = text.replace(before, after)
    return text


def program(name: str) -> str:
    """Return where a program is."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    assert found is not None, f"{name} is not installed"
    return found


@contextlib.contextmanager
def running(*command: str, folder: Path, **environment: str) -> Iterator[None]:
    """Run a program for the block; what it says is in its folder."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env={**os.environ, **environment})
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        finally:
            process.kill()
            process.wait()


@contextlib.contextmanager
def caddy(folder: Path, gateways: list[Serving]) -> Iterator[Proxy]:
    [port] = free_ports(1)
    # A name of this machine gets a certificate of an authority of Caddy's own.
    own = "{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n}\n"
    (folder / "Caddyfile").write_text(f"{own}import {PROXIES / 'Caddyfile'}\n")
    hosts = " ".join(f"127.0.0.1:{each.port}" for each in gateways)
    place = {"XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "HOME": str(folder)}
    with running(program("caddy"), "run", "--config", "Caddyfile", folder=folder, NAME=f"localhost:{port}", GATEWAYS=hosts, **place):
        root = folder / "caddy" / "pki" / "authorities" / "local" / "root.crt"
        wait_until(lambda: root.exists() and root.stat().st_size > 0)
        yield Proxy(f"https://localhost:{port}", ssl.create_default_context(cafile=root))


@contextlib.contextmanager
def nginx(folder: Path, gateways: list[Serving]) -> Iterator[Proxy]:
    [port], certificate = free_ports(1), Certificate(folder)
    changes = {f"gateway-{number}:8080": f"127.0.0.1:{each.port}" for number, each in enumerate(gateways, 1)}
    changes |= {"listen 443": f"listen 127.0.0.1:{port}", "server_name prices.example.com": "server_name localhost"}
    changes |= {"/etc/ssl/pricewire/chain.pem": str(certificate.chain), "/etc/ssl/pricewire/key.pem": str(certificate.key)}
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/error.log; events {{}}\n"
        f"http {{ access_log off; {paths}\n{replaced('nginx.conf', changes)} }}\n"
    )
    with running(program("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log"), folder=folder):
        yield Proxy(f"https://localhost:{port}", certificate.context)


@contextlib.contextmanager
def haproxy(folder: Path, gateways: list[Serving]) -> Iterator[Proxy]:
    [port], certificate = free_ports(1), Certificate(folder)
    changes = {f"gateway-{number}:8080 check port 9100": f"127.0.0.1:{each.port} check" for number, each in enumerate(gateways, 1)}
    changes |= {
        "bind :443": f"bind 127.0.0.1:{port}",
        "/etc/ssl/pricewire/both.pem": str(certificate.both),
        "maxconn 100000": "maxconn 100",
    }
    (folder / "haproxy.cfg").write_text(replaced("haproxy.cfg", changes))
    with running(program("haproxy"), "-f", "haproxy.cfg", folder=folder):
        yield Proxy(f"https://localhost:{port}", certificate.context)


@pytest.fixture
def scene() -> Iterator[GatewayScene]:
    with gateway_scene(drain_seconds=1) as scene:
        yield scene


@pytest.fixture(params=[caddy, nginx, haproxy], ids=lambda each: each.__name__)
def proxy(request: pytest.FixtureRequest, scene: GatewayScene, tmp_path: Path) -> Iterator[Proxy]:
    with request.param(tmp_path, scene.gateways) as proxy:
        with proxy.client() as client:
            wait_until(lambda: answers(client))
        yield proxy


def answers(client: httpx2.Client) -> bool:
    """Return whether a request is answered."""
    try:
        return client.get("/v1/market/instruments").status_code == 200
    except httpx2.HTTPError:
        return False


class Collector:
    """
    Reads a stream by a proxy, and again after its end, as a client does.

    Attributes:
        seqs: the numbers of the events.
        starts: how each stream began.
        ends: the codes of the errors that streams ended with.
    """

    def __init__(self, proxy: Proxy) -> None:
        self.seqs: list[int] = []
        self.starts: list[str] = []
        self.ends: list[str] = []
        self.is_over = threading.Event()
        self._proxy = proxy
        self._last_id = ""
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Collector:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_over.set()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        with self._proxy.client() as client:
            while not self.is_over.is_set():
                headers = {"Last-Event-ID": self._last_id} if self._last_id else {}
                # What comes of a proxy that has no gateway for a moment is tried again.
                with contextlib.suppress(httpx2.HTTPError), client.stream("GET", TOPIC, headers=headers) as answer:
                    if answer.status_code == 200:
                        assert answer.http_version == "HTTP/2"
                        self.starts.append(answer.headers["pricewire-start"])
                        self._read(answer)

    def _read(self, answer: httpx2.Response) -> None:
        fields: dict[str, str] = {}
        for line in answer.iter_lines():
            if self.is_over.is_set():
                return
            name, _, value = line.partition(": ")
            if line:
                fields[name] = value
                continue
            if "data" in fields:
                self._take(fields, json.loads(fields["data"]))
            fields = {}

    def _take(self, fields: dict[str, str], data: dict[str, Any]) -> None:
        if "event" not in fields:
            self.seqs.append(data["seq"])
            self._last_id = fields["id"]
        elif fields["event"] == "error":
            self.ends.append(data["error"]["code"])


def test_a_gateway_drains_behind_a_proxy_and_nobody_notices(scene: GatewayScene, proxy: Proxy) -> None:
    over = threading.Event()

    def tick() -> None:
        while not over.is_set():
            scene.tick()
            time.sleep(0.02)

    ticking = threading.Thread(target=tick)
    ticking.start()
    try:
        with Collector(proxy) as collected, proxy.client() as client:
            wait_until(lambda: len(collected.seqs) > 5)
            [holder] = [each for each in scene.gateways if metric(each.url, "pricewire_streams")]
            holder.begin_to_stop()
            while len(collected.starts) < 2:
                assert answers(client), "requests are answered throughout"
            holder.stop()
            before = len(collected.seqs)
            for _ in range(20):
                assert answers(client), "requests are answered throughout"
            wait_until(lambda: len(collected.seqs) > before + 5)
    finally:
        over.set()
        ticking.join()
    assert collected.starts[0] == "snapshot"
    assert set(collected.starts[1:]) == {"resumed"}
    assert collected.ends == ["SERVER_DRAINING"] * (len(collected.starts) - 1)
    assert collected.seqs == list(range(collected.seqs[0], collected.seqs[0] + len(collected.seqs)))


def test_what_a_proxy_passes_on(scene: GatewayScene, proxy: Proxy) -> None:
    # Each stream is counted for the client that the proxy has seen, whatever that says of itself.
    with proxy.client(http2=False) as client:
        lying = {"Forwarded": "for=192.0.2.1", "X-Forwarded-For": "192.0.2.2"}
        with client.stream("GET", TOPIC, headers=lying) as answer:
            assert answer.status_code == 200
            # Each event as it comes: the heartbeat, after half a second of silence, would come with the end otherwise.
            lines = answer.iter_lines()
            assert next(lines).startswith("id: ")
            assert next(line for line in lines if line == ":") == ":"
        wait_until(lambda: sum(metric(each.url, "pricewire_streams") for each in scene.gateways) == 0)
    with proxy.client() as client:
        refused = client.get("/sse?topic=ticks:NOTHING")
        assert refused.status_code == 404
        assert refused.json()["error"]["code"] == "NOT_FOUND"
