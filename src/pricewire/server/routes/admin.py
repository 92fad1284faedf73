"""What operators ask the server to do."""

from __future__ import annotations

import logging
from collections.abc import Callable

from litestar import post
from litestar.di import NamedDependency
from litestar.types import ControllerRouterHandler

from pricewire.protocol.admin_messages import Draining
from pricewire.protocol.messages import Data
from pricewire.server.auth.dependencies import SECURITY, Principal
from pricewire.server.routes.accounts import PROTECTED
from pricewire.server.services import Services

logger = logging.getLogger(__name__)


def admin_routes(stop: Callable[[], None] | None) -> list[ControllerRouterHandler]:
    """Return the routes for operators; `stop` has the server begin to stop, None where nothing here can."""
    if stop is None:
        return []

    @post("/v1/admin/drain", status_code=202, responses=PROTECTED, security=SECURITY)
    async def drain(services: NamedDependency[Services], operator: NamedDependency[Principal]) -> Data[Draining]:
        """
        Stop the server as SIGTERM does: its streams end one after another, each told when to come back; then the process ends.

        Requires the scope `admin`. Whatever runs the process may start it again.
        """
        logger.warning("the server is drained, as an operator asks with a token of account %s", operator.token.account)
        stop()
        return Data(Draining(services.publisher.hub.streams))

    return [drain]
