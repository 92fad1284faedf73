"""How often one address may ask a gateway for what that answers itself; the server counts what is passed on to it."""

from __future__ import annotations

from typing import Any

from litestar.utils.path import normalize_path

from pricewire.server.limits import Admission
from pricewire.server.request_rate import RequestRate
from pricewire.server.transport.asgi_types import Receive, Scope, Send

OWN_PATHS = frozenset({"/metrics", "/readyz"})
"""What is counted here. Whether the process lives, `/healthz` says as often as anybody asks."""


class OwnRate:
    """
    Lets each address ask for what a gateway answers itself so often; see `RequestRate`.

    Args:
        app: answers.
        admission: counts.
    """

    def __init__(self, app: Any, admission: Admission) -> None:
        self._app = app
        self._limited: Any = RequestRate(app, admission)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        is_own = scope["type"] == "http" and normalize_path(scope["path"]) in OWN_PATHS
        await (self._limited if is_own else self._app)(scope, receive, send)
