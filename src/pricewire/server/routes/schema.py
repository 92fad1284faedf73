"""The schema of the HTTP surface: made, encoded and compressed once."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from litestar import Litestar, Request, Response, Router
from litestar.exceptions import NotFoundException
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.serialization import encode_json

from pricewire.server.auth.dependencies import refuse_token_in_address
from pricewire.server.routes.large_answers import THREAD, compressed
from pricewire.server.transport.asgi_types import Scope
from pricewire.server.transport.event_stream import accepts_gzip

PATH = "/schema"

MEDIA_TYPE = "application/vnd.oai.openapi+json"

TAG = re.compile(r'(?:W/)?("[^"]*")|(\*)')
"""One of the tags of `If-None-Match`. Source: RFC 9110, section 13.1.2."""


@dataclass(frozen=True, slots=True)
class Representation:
    """The schema as it is sent, with its headers, the tag among them."""

    content: bytes
    headers: Mapping[str, str]

    def is_known_to(self, request: Request[Any, Any, Any]) -> bool:
        """Return whether the reader has it already."""
        return any(tag == self.headers["etag"] or any_ for tag, any_ in TAG.findall(request.headers.get("if-none-match", "")))


class SchemaAnswer:
    """Answers requests for the schema, instead of the framework, which would also compute and encode it for other paths below."""

    def __init__(self) -> None:
        self._made: tuple[Representation, Representation] | None = None

    async def __call__(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        """
        Return the schema, or that it has not changed.

        Raises:
            NotFoundException: the request is for something below it.
        """
        # As before all other requests, where this one takes the place of that check.
        refuse_token_in_address(request)
        if request.scope["path"].rstrip("/") != PATH:
            raise NotFoundException
        made = self._made
        if made is None:
            # It takes some 100 ms.
            made = await asyncio.get_running_loop().run_in_executor(THREAD, self._make, request.app)
        chosen = made[accepts_gzip(cast("Scope", request.scope))]
        if chosen.is_known_to(request):
            return Response(b"", status_code=304, headers=chosen.headers)
        return Response(chosen.content, status_code=200, media_type=MEDIA_TYPE, headers=chosen.headers)

    def _make(self, app: Litestar) -> tuple[Representation, Representation]:
        """Make both in the thread, once also for those who have asked meanwhile."""
        if self._made is None:
            self._made = representations(app)
        return self._made


def representations(app: Litestar) -> tuple[Representation, Representation]:
    """Return an application's schema plain, and compressed."""
    content = encode_json(app.openapi_schema.to_schema())
    digest = hashlib.sha256(content).hexdigest()[:16]
    common = {"vary": "Accept-Encoding", "cache-control": "no-cache"}
    plain = Representation(content, {**common, "etag": f'"{digest}"'})
    return plain, Representation(compressed(content), {**common, "etag": f'"{digest}-gzip"', "content-encoding": "gzip"})


def schema_router() -> Router:
    """Return what the framework puts its own routes of the schema on, all of which `SchemaAnswer` comes before."""
    return Router(PATH, route_handlers=[], before_request=SchemaAnswer(), include_in_schema=False)


RENDERER = JsonRenderPlugin(path="/")
"""Says to the framework that the schema is served at the router's own path."""
