"""The servers that attacks are tried against: with the hand-over, and as any other ASGI server would send."""

from __future__ import annotations

import asyncio

import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pricewire.server.transport.handover import HandoverProtocol

TRANSPORTS = {"handover": HandoverProtocol, "fallback": HttpToolsProtocol}


@pytest.fixture(params=TRANSPORTS, scope="session")
def http(request: pytest.FixtureRequest) -> type[asyncio.Protocol]:
    """The protocol class of uvicorn that a server is to use, of each kind in turn."""
    protocol: type[asyncio.Protocol] = TRANSPORTS[request.param]
    return protocol
