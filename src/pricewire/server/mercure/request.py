"""A request to the hub: its parameters, its body, and the token that comes with it."""

from __future__ import annotations

from functools import cached_property
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from pricewire.server.mercure.answers import RefusedError
from pricewire.server.mercure.texts import parse_form
from pricewire.server.transport.asgi_types import Receive, Scope

FORM = "application/x-www-form-urlencoded"


class HubRequest:
    """
    A request.

    Attributes:
        scope: as ASGI has it.
    """

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    @property
    def method(self) -> str:
        """The method of HTTP."""
        return str(self.scope["method"])

    @property
    def raw_path(self) -> str:
        """The path as it was sent, with its encodings."""
        raw: bytes = self.scope.get("raw_path") or str(self.scope["path"]).encode()
        return raw.partition(b"?")[0].decode("latin-1")

    def header(self, name: bytes) -> str | None:
        """Return a header of the request, which ids are sent in as UTF-8; None where it has none."""
        values = [bytes(value).decode("utf-8", "replace") for each, value in self.scope["headers"] if each == name]
        return ", ".join(values) if values else None

    @cached_property
    def query(self) -> list[tuple[str, str]]:
        """The parameters of the address; raises `InvalidRequestError` where they are no UTF-8."""
        return parse_form(self.scope.get("query_string", b""))

    @property
    def origin(self) -> str | None:
        """The origin of the page that sends the request, as the browser says it; None where it does not say it."""
        return self.header(b"origin")

    @property
    def source_origin(self) -> str | None:
        """The origin of the page, from `Referer` where `Origin` is missing."""
        if self.origin is not None:
            return self.origin
        parts = urlsplit(self.header(b"referer") or "")
        return f"{parts.scheme}://{parts.netloc}" if parts.netloc else None

    @property
    def bearer(self) -> str | None:
        """The token of the header `Authorization`; None where there is none, or it is of another scheme: that is for a proxy in front."""
        scheme, _, token = (self.header(b"authorization") or "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else None

    def cookie(self, name: str) -> str | None:
        """Return a cookie; None where there is none."""
        try:
            found = SimpleCookie(self.header(b"cookie") or "").get(name)
        except CookieError:
            return None
        return None if found is None else found.value

    async def form(self, receive: Receive, limit: int) -> bytes:
        """
        Return the request's body, which is a form.

        Raises:
            RefusedError: it is something else, or longer than a limit in bytes, or does not come whole.
        """
        kind = (self.header(b"content-type") or "").partition(";")[0].strip().lower()
        if kind != FORM:
            raise RefusedError(415, f"the body is {kind or 'of no type'}; send it as {FORM}", [(b"accept", FORM.encode())])
        body = b""
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise RefusedError(400, "the request ended within its body")
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > limit:
                raise RefusedError(413, f"the body exceeds the limit of {limit} bytes", [(b"connection", b"close")])
        return body
