"""The options for more than one process: what each one does, and the bus between them."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter

from pricewire.errors import PricewireError
from pricewire.hub.flush_pace import FlushPolicy
from pricewire.market.feed import Feed
from pricewire.server.client_address import Network
from pricewire.server.leading import BusOptions, BusSetup
from pricewire.server.limits import Limits
from pricewire.server.telemetry.signals import Telemetry
from pricewire.server.topic_rules import TopicRules

OPTIONS = "pricewire.server.gateways.options"
"""What makes gateways, and the bus of a server with gateways."""

MOST_WORKERS = 256
"""How many gateways one process starts at most: a typing error, not a machine, has more."""

GROUP = Group("Several processes", help="Over NATS with JetStream; `pip install 'pricewire[nats]'` brings what it needs.", sort_key=5)


@Parameter(name="*", group=GROUP)
@dataclass(frozen=True)
class Processes:
    """
    What this process does, and the bus to the others.

    Attributes:
        role: `all` has the market, trading and streams. `market` has the feeds and the journal, and `trading` accounts, contracts and the
            database, with prices of the market over the bus. Several with `trading` and the same bus share the accounts; of several of
            another role one serves, and the others stand by.
            `gateway` has streams alone, and asks the others for everything else: no database, no keys, no feeds.
        bus: `nats://host:port`, or `tls://host:port`; those of a cluster with commas between them. A user and a password, or a token, may
            stand before the host; then better set it as `PRICEWIRE_BUS`, which other users of the machine cannot see.
        bus_credentials: a file of credentials for NATS, as `nsc` makes it, or of the seed of an NKEY.
        bus_ca: certificates in PEM that those of NATS are checked with; by default those that the system trusts.
        bus_stream: the name of the stream in JetStream, which is made where it is missing; systems that share NATS have different ones.
        bus_replicas: how many NATS servers have a copy of it, where this process makes it: 3 in a cluster, so that one may fail.
        bus_cert: the certificate chain in PEM that this process shows to NATS, where that asks for one.
        bus_key: its private key, in PEM.
        reuse_port: share the port with other processes on this machine that do the same; the system spreads connections over them.
        workers: run so many gateways, which share the port, around one process with market and trading, over a NATS server of their own: to
            use more than one core. Linux only.
    """

    role: Literal["all", "market", "trading", "gateway"] = "all"
    bus: str | None = None
    bus_credentials: Path | None = None
    bus_ca: Path | None = None
    bus_cert: Path | None = None
    bus_key: Path | None = None
    bus_stream: str = "pw"
    bus_replicas: int = 1
    reuse_port: Annotated[bool, Parameter(negative=())] = False
    workers: int | None = None

    def check(self) -> None:
        """
        Check that the options fit together.

        Raises:
            PricewireError: they do not.
        """
        if self.role != "all" and self.bus is None:
            raise PricewireError(f"--role {self.role} needs --bus nats://host:port, where the other processes are")
        if self.workers is None:
            return
        if not 1 <= self.workers <= MOST_WORKERS:
            raise PricewireError(
                f"--workers {self.workers}: give a number from 1 to {MOST_WORKERS}, that of the processor's cores for instance"
            )
        if self.role != "all" or self.bus is not None or self.reuse_port:
            raise PricewireError(
                "--workers brings a bus and gateways of its own, so --role, --bus and --reuse-port do not go with it; "
                "over another bus, start each gateway by --role gateway --reuse-port"
            )

    def gateway(
        self,
        limits: Limits,
        flush: FlushPolicy,
        admin_port: int | None,
        telemetry: Telemetry | None,
        topic_rules: TopicRules,
        trusted_proxies: Sequence[Network],
    ) -> Any:
        """
        Return the application of a gateway.

        Args:
            limits: of one process.
            flush: how long events may wait for others to be written with.
            admin_port: the port for operators alone; None where there is none.
            telemetry: exports traces and metrics; None where nothing is exported.
            topic_rules: what holds for free topics.
            trusted_proxies: the networks of the proxies that are trusted to say who their client is.

        Raises:
            PricewireError: the package for NATS is missing, or the address cannot be one.
        """
        options = self.options(self.bus or "")
        return over_nats(OPTIONS).make_gateway(options, limits, flush, admin_port, telemetry, topic_rules, trusted_proxies)

    def setup(self) -> BusSetup | None:
        """
        Return the bus of a server with gateways; None where it is alone.

        Raises:
            PricewireError: the package for NATS is missing, or the address cannot be one.
        """
        if self.bus is None:
            return None
        setup: BusSetup = over_nats(OPTIONS).make_setup(self.options(self.bus), self.role)
        return setup

    def market_feeds(self) -> Sequence[Feed]:
        """
        Return the market of another process as feeds, waiting for it.

        Raises:
            PricewireError: the package for NATS is missing, or the address cannot be one.
        """
        feeds: Sequence[Feed] = over_nats(OPTIONS).find_market(self.options(self.bus or ""))
        return feeds

    def options(self, bus: str) -> BusOptions:
        """Return what a process is told of a bus."""
        return BusOptions(
            bus,
            credentials=self.bus_credentials,
            ca=self.bus_ca,
            certificate=self.bus_cert,
            key=self.bus_key,
            stream=self.bus_stream,
            replicas=self.bus_replicas,
        )


def over_nats(module: str) -> Any:
    """
    Return a module that needs NATS: imported only where it is used, as its package need not be there.

    Args:
        module: its name.

    Raises:
        PricewireError: the package is missing.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "nats":
            raise
        raise PricewireError("the package nats-py is missing: pip install 'pricewire[nats]'") from None


PROCESSES = Processes()
