"""The options for more than one process: what each one does, and the bus between them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Group, Parameter

from pricewire.errors import PricewireError

if TYPE_CHECKING:
    from pricewire.bus.nats import NatsPlan
    from pricewire.bus.nats_connection import NatsAddress
    from pricewire.server.gateways.gateway import Gateway
    from pricewire.server.gateways.leader import NatsSetup
    from pricewire.server.limits import Limits

GROUP = Group("Several processes", help="Over NATS with JetStream; `pip install 'pricewire[nats]'` brings what it needs.", sort_key=5)

WITHOUT_NATS = "the package nats-py is missing: pip install 'pricewire[nats]'"


@Parameter(name="*", group=GROUP)
@dataclass(frozen=True)
class Processes:
    """
    What this process does, and the bus to the others.

    Attributes:
        role: `all` has the market, trading and streams; of several with the same bus one serves, and the others stand by. `gateway` has
            streams alone, and asks the other one for everything else: no database, no keys, no feeds.
        workers: how many gateways share the port, around one process with the market and trading: for streams that one core cannot carry.
            They are supervised, with a NATS server of their own. 0: everything in one process.
        bus: `nats://host:port`, or `tls://host:port`; those of a cluster with commas between them. A user and a password may stand before
            the host; then better set it as `PRICEWIRE_BUS`, which other users of the machine cannot see.
        bus_credentials: a file of credentials for NATS, as `nsc` makes it.
        bus_ca: certificates in PEM that those of NATS are checked with; by default those that the system trusts.
        bus_stream: the name of the stream in JetStream, which is made where it is missing; systems that share NATS have different ones.
        bus_replicas: how many NATS servers have a copy of it, where this process makes it: 3 in a cluster, so that one may fail.
        reuse_port: share the port with other processes on this machine that do the same; the system spreads connections over them.
    """

    role: Literal["all", "gateway"] = "all"
    workers: int = 0
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
        if self.role == "gateway" and self.bus is None:
            raise PricewireError("--role gateway needs --bus nats://host:port, where the other processes are")
        if self.workers < 0:
            raise PricewireError(f"--workers {self.workers}: give 0 or more")
        if self.workers and (self.role != "all" or self.bus is not None):
            raise PricewireError("--workers starts all processes and a bus by itself: leave out --role and --bus")

    def gateway(self, limits: Limits) -> Gateway:
        """
        Return the application of a gateway.

        Raises:
            PricewireError: the package for NATS is missing, or the address cannot be one.
        """
        try:
            from pricewire.server.gateways.gateway import Gateway
        except ModuleNotFoundError:
            raise PricewireError(WITHOUT_NATS) from None
        address, plan = self._bus()
        return Gateway(address, plan=plan, limits=limits)

    def setup(self) -> NatsSetup | None:
        """
        Return the bus of a server with gateways; None where it is alone.

        Raises:
            PricewireError: the package for NATS is missing, or the address cannot be one.
        """
        if self.bus is None:
            return None
        try:
            from pricewire.server.gateways.leader import NatsSetup
        except ModuleNotFoundError:
            raise PricewireError(WITHOUT_NATS) from None
        return NatsSetup(*self._bus())

    def _bus(self) -> tuple[NatsAddress, NatsPlan]:
        from pricewire.bus.nats import NatsPlan
        from pricewire.bus.nats_connection import NatsAddress

        servers = tuple(server.strip() for server in (self.bus or "").split(","))
        return NatsAddress(servers, self.bus_credentials, self.bus_ca), NatsPlan(self.bus_stream, self.bus_replicas)


PROCESSES = Processes()
