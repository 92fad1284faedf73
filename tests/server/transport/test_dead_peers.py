"""A peer that is gone without a word - its battery, its tunnel - is noticed and freed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pricewire.hub.hub import Hub
from pricewire.server.transport import handover
from pricewire.server.transport.event_stream import EventStream
from support.serving import Serving

# Of this process alone: the tests may run twice on a machine at the same time.
HERE, THERE = (f"10.213.{os.getpid() % 256}.{number}" for number in (1, 2))
# The kernel takes 15 characters.
LINK_HERE, LINK_THERE = (f"pw{os.getpid()}{end}" for end in "ab")

CLIENT = """
import socket, sys
stream = socket.create_connection((sys.argv[1], int(sys.argv[2])))
stream.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
stream.recv(100)
print("open", flush=True)
sys.stdin.read()
"""


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """Another machine, as far as the network goes, behind a link that can be cut."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("a network of our own takes root and iproute2")
    name = f"pricewire-{os.getpid()}"
    try:
        ip("netns", "add", name)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespaces here: {error.stderr}")
    try:
        ip("link", "add", LINK_HERE, "type", "veth", "peer", "name", LINK_THERE, "netns", name)
        ip("address", "add", f"{HERE}/30", "dev", LINK_HERE)
        ip("link", "set", LINK_HERE, "up")
        ip("-n", name, "address", "add", f"{THERE}/30", "dev", LINK_THERE)
        ip("-n", name, "link", "set", LINK_THERE, "up")
        yield name
    finally:
        ip("netns", "delete", name)


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_a_peer_whose_link_is_cut_is_freed(elsewhere: str, loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "PEER_TIMEOUT", 3)
    hub = Hub(heartbeat=0.5)

    async def stream(request: Request) -> Response:
        return EventStream(hub, ["a"])

    app = Starlette(routes=[Route("/", stream)])
    with Serving(app, host=HERE, http=handover.HandoverProtocol, loop=loop) as serving:
        command = ["ip", "netns", "exec", elsewhere, sys.executable, "-c", CLIENT, HERE, str(serving.port)]
        client = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            assert client.stdout is not None
            assert client.stdout.readline() == "open\n"
            assert serving.call(lambda: hub.streams) == 1
            ip("-n", elsewhere, "link", "set", LINK_THERE, "down")
            # Only heartbeats are written: no price has to come for the loss to be noticed.
            while serving.call(lambda: hub.streams):
                pass
            assert client.poll() is None, "it never said that it left"
        finally:
            client.kill()
            client.communicate()
