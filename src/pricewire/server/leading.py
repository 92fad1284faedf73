"""What the application asks of a bus between several processes; where there is none, nothing of NATS is imported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from pricewire.market.feed import Feed
from pricewire.server.limits import Admission
from pricewire.server.publisher import Publisher
from pricewire.server.services import Services
from pricewire.server.stream_opener import StreamOpener
from pricewire.server.transport.asgi_types import Receive, Scope, Send


@dataclass(frozen=True, slots=True)
class BusOptions:
    """
    The bus, as a process is told of it.

    Attributes:
        servers: the addresses, with commas between them.
        credentials: a file of credentials; None for none.
        ca: a file of certificates; None for those that the system trusts.
        certificate: a file with the certificate that this process shows; None for none.
        key: the file of its private key.
        stream: the name of the stream with the frames.
        replicas: how many servers have a copy of it.
    """

    servers: str = field(repr=False)
    credentials: Path | None = None
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    stream: str = "pw"
    replicas: int = 1


@runtime_checkable
class Leader(Protocol):
    """Says whether this process serves: of several that could, one has the market and trading."""

    @property
    def failure(self) -> str:
        """Why this process does not serve now; empty while it does."""

    def running(self) -> AbstractAsyncContextManager[None]:
        """Stand by until no other process serves, then serve, within the block."""

    async def refuses(self, scope: Scope, send: Send) -> bool:
        """
        Refuse a request while this process does not answer such; return whether it was refused.

        Args:
            scope: of the request.
            send: of ASGI.
        """

    async def passes_on(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """
        Have another process answer a request, if it has the account that this is for; return whether it was so.

        Args:
            scope: of the request.
            receive: of ASGI.
            send: of ASGI.
        """

    @property
    def remote_streams(self) -> Counter[str]:
        """How many streams of each endpoint gateways hold."""

    def metrics(self) -> dict[str, tuple[str, float]]:
        """Return what is counted, and what it is, by the names of metrics."""


class BusSetup(Protocol):
    """The bus of a server that gateways belong to."""

    def make_publisher(self, feeds: Sequence[Feed], **options: Any) -> Publisher:
        """Return what publishes to the bus; the options are those of `Publisher`."""

    def lead(
        self, application: Any, publisher: Publisher, services: Services, admission: Admission, opener: Callable[[], StreamOpener]
    ) -> Leader:
        """
        Have an application answer gateways, and its publisher publish to the bus.

        Args:
            application: the ASGI application.
            publisher: of the market.
            services: the market, and trading.
            admission: counts streams.
            opener: checks the topics of streams.
        """
