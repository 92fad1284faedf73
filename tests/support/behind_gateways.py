"""A server behind two gateways that share a port, in the place of one process: what uses its address has to see no difference."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
from bench.servers.nats import nats_server

from pricewire.bus.nats import NatsPlan
from pricewire.bus.nats_connection import NatsAddress
from pricewire.server.gateways.gateway import Gateway
from pricewire.server.gateways.leader import NatsSetup
from pricewire.server.leading import BusSetup
from pricewire.server.limits import Limits
from support.metrics import wait_until
from support.serving import PATIENCE, Serving

is_wanted = False
"""Whether servers are to be behind gateways: the option `--gateways` of the tests."""

numbers = itertools.count()


@contextlib.contextmanager
def serving(
    make_app: Callable[[BusSetup | None], Any], *, heartbeat: float, limits: Limits | None = None, **options: Any
) -> Iterator[Serving]:
    """
    Serve an application, where that is wanted behind two gateways; then its `url` and `port` are those of the gateways.

    Args:
        make_app: returns the application for a bus.
        heartbeat: after so many seconds of silence a stream gets a comment.
        limits: of each process.
        options: those of `Serving`.
    """
    if not is_wanted:
        with Serving(make_app(None), **options) as server:
            yield server
        return
    with contextlib.ExitStack() as stack:
        nats = stack.enter_context(nats_server())
        address, plan = NatsAddress((nats.url,)), NatsPlan(f"behind-{next(numbers)}")
        server = stack.enter_context(Serving(make_app(NatsSetup(address, plan))))
        one, other = (Gateway(address, plan=plan, heartbeat=heartbeat, limits=limits) for _ in range(2))
        first = stack.enter_context(Serving(one, reuse_port=True, **options))
        # The system spreads connections over both.
        second = stack.enter_context(Serving(other, port=first.port, reuse_port=True, **options))
        wait_until(lambda: not (one.failure or other.failure))
        wait_until(lambda: httpx2.get(f"{first.url}/v1/market/instruments", timeout=PATIENCE).status_code == 200)
        server.url, server.port, server.gateways = first.url, first.port, [first, second]
        yield server
