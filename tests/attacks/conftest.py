"""The servers that attacks are tried against: with the hand-over, and as any other ASGI server would send."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pricewire.server.transport.handover import HandoverProtocol
from support.app_server import Scene

TRANSPORTS = {"handover": HandoverProtocol, "fallback": HttpToolsProtocol}


@pytest.fixture(params=TRANSPORTS, scope="session")
def http(request: pytest.FixtureRequest) -> type[asyncio.Protocol]:
    """The protocol class of uvicorn that a server is to use, of each kind in turn."""
    protocol: type[asyncio.Protocol] = TRANSPORTS[request.param]
    return protocol


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, http: type[asyncio.Protocol]) -> Iterator[Scene]:
    with Scene.open(tmp_path_factory, http=http) as scene:
        yield scene
