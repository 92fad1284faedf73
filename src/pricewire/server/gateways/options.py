"""Makes what a process over NATS runs, from its options."""

from __future__ import annotations

import asyncio

from pricewire.bus.nats import NatsPlan, Role
from pricewire.bus.nats_connection import NatsAddress
from pricewire.server.gateways.bus_feed import BusFeed, feeds_of
from pricewire.server.gateways.gateway import Gateway
from pricewire.server.gateways.leader import NatsSetup
from pricewire.server.gateways.market_source import describe
from pricewire.server.leading import BusOptions
from pricewire.server.limits import Limits


def make_gateway(options: BusOptions, limits: Limits) -> Gateway:
    """
    Return the application of a gateway.

    Raises:
        BusError: the address of the bus cannot be one.
    """
    return Gateway(address_of(options), plan=NatsPlan(options.stream, options.replicas), limits=limits)


def make_setup(options: BusOptions, role: Role) -> NatsSetup:
    """
    Return the bus of a server with gateways, for a process that has a role of it.

    Raises:
        BusError: the address of the bus cannot be one.
    """
    return NatsSetup(address_of(options), NatsPlan(options.stream, options.replicas), role)


def find_market(options: BusOptions) -> list[BusFeed]:
    """
    Return the market that another process has as feeds, waiting for it.

    Raises:
        BusError: the address of the bus cannot be one.
    """
    return feeds_of(asyncio.run(describe(address_of(options), options.stream)))


def address_of(options: BusOptions) -> NatsAddress:
    """
    Return where NATS is.

    Raises:
        BusError: that cannot be an address.
    """
    servers = tuple(server.strip() for server in options.servers.split(","))
    return NatsAddress(servers, options.credentials, options.ca)
