"""The hub's topic that carries the updates of the Mercure protocol, and what has to be known of it where that is not loaded."""

from __future__ import annotations

from importlib import import_module

from pricewire.hub.log import LogLimits
from pricewire.hub.streams import Router
from pricewire.protocol.free_topics import UPDATES

UPDATES_LOG = LogLimits(count=10_000, age=3600.0)
"""How far an update may be behind for a subscriber to resume from it: all updates are of one topic, in one order."""


def router_of(name: str) -> Router | None:
    """Return what decides which streams get an event of a topic; the protocol's modules are loaded with its first update or stream."""
    if name != UPDATES:
        return None
    router: Router = import_module("pricewire.server.mercure.router").UpdateRouter()
    return router
