"""Makes what a process over NATS runs, from its options."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pricewire.bus.nats import NatsPlan, Role
from pricewire.bus.nats_connection import NatsAddress
from pricewire.bus.probe import probe
from pricewire.hub.flush_pace import FlushPolicy
from pricewire.server.client_address import Network
from pricewire.server.gateways.bus_feed import BusFeed, feeds_of
from pricewire.server.gateways.gateway import Gateway
from pricewire.server.gateways.leader import NatsSetup
from pricewire.server.gateways.market_source import describe
from pricewire.server.leading import BusOptions
from pricewire.server.limits import Limits
from pricewire.server.telemetry.signals import Telemetry
from pricewire.server.topic_rules import TopicRules


def make_gateway(
    options: BusOptions,
    limits: Limits,
    flush: FlushPolicy,
    admin_port: int | None,
    telemetry: Telemetry | None,
    topic_rules: TopicRules,
    trusted_proxies: Sequence[Network],
) -> Gateway:
    """
    Return the application of a gateway.

    Args:
        options: the bus.
        limits: of one process.
        flush: how long events may wait for others to be written with.
        admin_port: the port for operators alone; None where there is none.
        telemetry: exports traces and metrics; None where nothing is exported.
        topic_rules: what holds for free topics.
        trusted_proxies: the networks of the proxies that are trusted to say who their client is.

    Raises:
        BusError: the address of the bus cannot be one.
    """
    plan = NatsPlan(options.stream, options.replicas)
    return Gateway(
        address_of(options),
        plan=plan,
        limits=limits,
        flush=flush,
        admin_port=admin_port,
        telemetry=telemetry,
        topic_rules=topic_rules,
        trusted_proxies=trusted_proxies,
    )


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


async def probe_bus(options: BusOptions, within_s: float) -> str:
    """
    Return what a bus is, as `probe` does.

    Args:
        options: the bus.
        within_s: how long it may take, in seconds.

    Raises:
        BusError: it cannot be reached or used.
    """
    return await probe(address_of(options), NatsPlan(options.stream, options.replicas), within_s)


def address_of(options: BusOptions) -> NatsAddress:
    """
    Return where NATS is.

    Raises:
        BusError: that cannot be an address.
    """
    servers = tuple(server.strip() for server in options.servers.split(","))
    return NatsAddress(servers, options.credentials, options.ca, options.certificate, options.key)
