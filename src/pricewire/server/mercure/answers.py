"""Answers of the hub that are no streams: errors as OAuth has them, texts, and JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from pricewire.errors import PricewireError
from pricewire.protocol.messages import error_body
from pricewire.server.http_errors import CODES
from pricewire.server.transport.asgi_types import Send

Headers = Iterable[tuple[bytes, bytes]]


class RefusedError(PricewireError):
    """
    A request that is refused.

    Attributes:
        status: of the response.
        headers: of the response, besides those of every one.
    """

    def __init__(self, status: int, message: str, headers: Headers = ()) -> None:
        super().__init__(message)
        self.status = status
        self.headers = list(headers)


class Challenges:
    """
    The errors of access tokens, with the header that says what is missing.

    Args:
        metadata_url: where the hub describes itself.

    Source: RFC 6750, section 3; RFC 9728, section 5.1.
    """

    def __init__(self, metadata_url: str) -> None:
        self._metadata_url = metadata_url

    def missing(self, message: str) -> RefusedError:
        """Return the error of a request that needs a token."""
        return self._refused(401, message)

    def invalid(self, message: str) -> RefusedError:
        """Return the error of a token that is not valid."""
        return self._refused(401, message, "invalid_token")

    def insufficient(self, message: str) -> RefusedError:
        """Return the error of a token that does not grant what is asked."""
        return self._refused(403, message, "insufficient_scope")

    def malformed(self, message: str) -> RefusedError:
        """Return the error of a token that is not sent as it has to be."""
        return self._refused(400, message, "invalid_request")

    def _refused(self, status: int, message: str, error: str = "") -> RefusedError:
        attributes = [f'error="{error}"'] if error else []
        attributes.append(f'resource_metadata="{self._metadata_url}"')
        return RefusedError(status, message, [(b"www-authenticate", f"Bearer {', '.join(attributes)}".encode())])


async def send_refusal(send: Send, refused: RefusedError, headers: Headers) -> None:
    """Send an error."""
    code = CODES.get(refused.status, "INTERNAL_ERROR" if refused.status >= 500 else "INVALID_PARAMETERS")
    body = msgspec.json.encode(error_body(code, str(refused)))
    await send_body(send, refused.status, body, "application/json", [*refused.headers, *headers])


async def send_json(send: Send, body: Any, headers: Headers, *, media_type: str = "application/json") -> None:
    """Send a document."""
    await send_body(send, 200, msgspec.json.encode(body), media_type, headers)


async def send_body(send: Send, status: int, body: bytes, media_type: str, headers: Headers = ()) -> None:
    """Send a response."""
    fields = [(b"content-type", media_type.encode()), (b"content-length", b"%d" % len(body)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body, "more_body": False})
