"""The options for more than one process: what each one does, and the bus between them."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter

from pricewire.errors import PricewireError
from pricewire.market.feed import Feed
from pricewire.server.leading import BusOptions, BusSetup
from pricewire.server.limits import Limits

GROUP = Group("Several processes", help="Over NATS with JetStream; `pip install 'pricewire[nats]'` brings what it needs.", sort_key=5)


@Parameter(name="*", group=GROUP)
@dataclass(frozen=True)
class Processes:
    """
    What this process does, and the bus to the others.

    Attributes:
        role: `all` has the market, trading and streams. `market` has the feeds and the journal, and `trading` accounts, contracts and the
            database, with prices of the market over the bus. Of several of a role with the same bus one serves, and the others stand by.
            `gateway` has streams alone, and asks the others for everything else: no database, no keys, no feeds.
        bus: `nats://host:port`, or `tls://host:port`; those of a cluster with commas between them. A user and a password may stand before
            the host; then better set it as `PRICEWIRE_BUS`, which other users of the machine cannot see.
        bus_credentials: a file of credentials for NATS, as `nsc` makes it.
        bus_ca: certificates in PEM that those of NATS are checked with; by default those that the system trusts.
        bus_stream: the name of the stream in JetStream, which is made where it is missing; systems that share NATS have different ones.
        bus_replicas: how many NATS servers have a copy of it, where this process makes it: 3 in a cluster, so that one may fail.
        reuse_port: share the port with other processes on this machine that do the same; the system spreads connections over them.
    """

    role: Literal["all", "market", "trading", "gateway"] = "all"
    bus: str | None = None
    bus_credentials: Path | None = None
    bus_ca: Path | None = None
    bus_stream: str = "pw"
    bus_replicas: int = 1
    reuse_port: Annotated[bool, Parameter(negative=())] = False

    def check(self) -> None:
        """
        Check that the options fit together.

        Raises:
            PricewireError: they do not.
        """
        if self.role != "all" and self.bus is None:
            raise PricewireError(f"--role {self.role} needs --bus nats://host:port, where the other processes are")

    def gateway(self, limits: Limits) -> Any:
        """
        Return the application of a gateway.

        Raises:
            PricewireError: the package for NATS is missing, or the address cannot be one.
        """
        return over_nats().make_gateway(self._options(self.bus or ""), limits)

    def setup(self) -> BusSetup | None:
        """
        Return the bus of a server with gateways; None where it is alone.

        Raises:
            PricewireError: the package for NATS is missing, or the address cannot be one.
        """
        if self.bus is None:
            return None
        setup: BusSetup = over_nats().make_setup(self._options(self.bus), self.role)
        return setup

    def market_feeds(self) -> Sequence[Feed]:
        """
        Return the market of another process as feeds, waiting for it.

        Raises:
            PricewireError: the package for NATS is missing, or the address cannot be one.
        """
        feeds: Sequence[Feed] = over_nats().find_market(self._options(self.bus or ""))
        return feeds

    def _options(self, bus: str) -> BusOptions:
        return BusOptions(bus, self.bus_credentials, self.bus_ca, self.bus_stream, self.bus_replicas)


def over_nats() -> Any:
    """
    Return the module that makes what needs NATS: imported only where it is used, as its package need not be there.

    Raises:
        PricewireError: the package is missing.
    """
    try:
        return importlib.import_module("pricewire.server.gateways.options")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "nats":
            raise
        raise PricewireError("the package nats-py is missing: pip install 'pricewire[nats]'") from None


PROCESSES = Processes()
