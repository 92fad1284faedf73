"""What operators ask for: liveness and readiness."""

from __future__ import annotations

from litestar import Response, get
from litestar.di import NamedDependency

from pricewire.protocol.messages import ErrorBody
from pricewire.protocol.stream_end import StreamEnd
from pricewire.server.http_errors import problem
from pricewire.server.leading import Leader
from pricewire.server.services import Services


@get("/healthz", media_type="text/plain")
async def liveness() -> str:
    """Answer, which shows that the process lives."""
    return "ok\n"


@get("/readyz", media_type="text/plain")
async def readiness(services: NamedDependency[Services], leader: NamedDependency[Leader | None]) -> Response[str] | Response[ErrorBody]:
    """
    Answer 200 where prices are coming or all markets are closed by their hours.

    It is 503 where none are, the server stands by or is stopping, or its bus is away.
    """
    if services.publisher.hub.is_draining:
        return problem(503, "the server is stopping", StreamEnd.SERVER_DRAINING.name)
    if leader is not None and leader.failure:
        return problem(503, leader.failure, "NOT_READY")
    if services.publisher.market.is_ready():
        return Response("ok\n", media_type="text/plain")
    return problem(503, "no feed brings prices at the moment", "NOT_READY")
