"""A shortcut for publishing: who publishes all day is not to pay for the framework with each message."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import cast

import msgspec
from litestar.enums import ScopeType
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp, HTTPReceiveMessage, HTTPScope, Receive, Scope, Send

from pricewire.errors import BusError, FencedError, PricewireError
from pricewire.protocol.messages import Data, Publication
from pricewire.server.auth.tokens import PUBLISH, Token
from pricewire.server.http_errors import bus_problem, send_problem
from pricewire.server.publish_limits import MAX_BODY, PUBLISH_PATH
from pricewire.server.publishing import Publishing
from pricewire.server.services import Services
from pricewire.server.single_headers import SINGLE

logger = logging.getLogger(__name__)

QUERIES = {b"": False, b"durable=true": True}
"""The queries that are usual, and whether what is published is to be durable."""

JSON = (b"content-type", b"application/json")
NO_STORE = (b"cache-control", b"no-store")


class PublishShortcut:
    """
    Answers requests to publish that are as usual: of a token that was checked before, with a body in which nothing is wrong. All others go
    the framework's way, which says what is wrong with them.

    What is checked is the same, and in the same order: the token, the body's form, each message. What is left out is how many requests the
    client's address makes: its token says that it may publish, and one that does not is counted.

    Args:
        app: the framework's way.
        services: checks tokens.
        publishing: checks messages, and publishes them.
    """

    def __init__(self, app: ASGIApp, services: Services, publishing: Publishing) -> None:
        self._app = app
        self._services = services
        self._publishing = publishing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Publish, or pass a request on."""
        if scope["type"] != ScopeType.HTTP or scope["path"] != PUBLISH_PATH or (token := self._token(scope)) is None:
            await self._app(scope, receive, send)
            return
        read: list[HTTPReceiveMessage] = []
        body = await whole(receive, read)
        messages = None if body is None else self._checked(token, body)
        if messages is None:
            await self._app(scope, again(read, receive), send)
            return
        scope["path_template"] = PUBLISH_PATH
        try:
            published = await self._publishing.publish(messages, durable=QUERIES[scope["query_string"]])
        except (BusError, FencedError) as error:
            # Some of it may be published: the framework's way would do that again.
            logger.warning("POST %s: %s", PUBLISH_PATH, error)
            await send_problem(send, *bus_problem())
            return
        answer = msgspec.json.encode(Data(published))
        headers = [JSON, (b"content-length", b"%d" % len(answer)), NO_STORE]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer, "more_body": False})

    def _token(self, scope: HTTPScope) -> Token | None:
        """Return the token of a request that is as usual; None for any other."""
        auth = self._services.auth
        if auth is None or scope["method"] != "POST" or scope["query_string"] not in QUERIES:
            return None
        found = b""
        seen = set[bytes]()
        for name, value in scope["headers"]:
            if name in SINGLE:
                if name in seen or name in UNUSUAL:
                    return None
                seen.add(name)
                if name == b"authorization":
                    if value[:7].lower() != b"bearer ":
                        return None
                    found = value
        token = auth.known(found[7:].strip().decode("latin-1")) if found else None
        return token if token is not None and PUBLISH in token.scopes else None

    def _checked(self, token: Token, body: bytes) -> Sequence[Publication] | None:
        """Return the messages of a body; None where something is wrong with one."""
        try:
            messages = self._publishing.read(body)
            self._publishing.check(token, messages)
        except (PricewireError, HTTPException):
            return None
        return messages


UNUSUAL = frozenset({b"origin", b"transfer-encoding", b"last-event-id"})
"""The headers of requests that go the framework's way: those of pages get headers in their answers, and publishers send no others."""


async def whole(receive: Receive, read: list[HTTPReceiveMessage]) -> bytes | None:
    """Return a request's body; None where it ends before its end, or is too long. What is read is noted."""
    body = b""
    while True:
        message = cast("HTTPReceiveMessage", await receive())
        read.append(message)
        if message["type"] != "http.request":
            return None
        body += message["body"]
        if len(body) > MAX_BODY:
            return None
        if not message["more_body"]:
            return body


def again(read: Sequence[HTTPReceiveMessage], receive: Receive) -> Receive:
    """Return what brings messages that were read once more, then the next ones."""
    coming = list(read)

    async def replay() -> HTTPReceiveMessage:
        return coming.pop(0) if coming else cast("HTTPReceiveMessage", await receive())

    return replay
