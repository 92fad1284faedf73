"""The request of a stream: its headers, its redirects, and what the response has to look like."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Mapping

import httpx2

from pricewire.client.parsing import read_error
from pricewire.client.redaction import redacted
from pricewire.client.stream.decompress import ACCEPTED, plain_chunks
from pricewire.client.stream.reconnect import parse_date, parse_retry_after
from pricewire.client.urls import check_url, origin_of
from pricewire.errors import ClientError, ContentTypeError, HTTPStatusError

CONNECT_TIMEOUT = 10.0
"""How long a TCP or TLS connection may take to be made, in seconds."""

MAX_REDIRECTS = 20
"""How many redirects are followed in a row. Source: Fetch, section 4.4, "HTTP-redirect fetch", step 7."""

MAX_ERROR_BODY = 65536
"""How much of an error's body is read, in bytes."""

TIMEOUTS = httpx2.Timeout(None, connect=CONNECT_TIMEOUT, pool=CONNECT_TIMEOUT)
"""No time-out of the library's on reads: silence on a stream is judged by the heartbeat that the server announced."""

REDIRECTS = frozenset({301, 302, 303, 307, 308})

FIELD_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""What the name of a header field can be (RFC 9110, section 5.6.2, "token")."""

FIELD_VALUE = re.compile(rb"(?:[^\x00\s]+(?:[ \t]+[^\x00\s]+)*)?")
"""What the header field's value can hold on the wire (RFC 9110, section 5.5)."""

HARMLESS_HEADERS = frozenset(
    {"accept", "accept-encoding", "accept-language", "cache-control", "connection", "host", "last-event-id", "pragma", "user-agent"}
)
"""
The request headers, in lower case, that a redirect takes to another origin: what every browser would send there as well. Any other may be
meant for the eyes of one origin only, whatever its name. The id of the last event goes along as in browsers: it says where to resume.
"""

FINAL_FAILURES = (httpx2.UnsupportedProtocol, httpx2.InvalidURL, httpx2.TooManyRedirects)
"""Failures that the next attempt would only repeat."""

Headers = list[tuple[bytes, bytes]]


def build_headers(headers: Mapping[str, str] | None) -> Headers:
    """
    Return the request's headers: those of the standard, and the user's, which win.

    Raises:
        ValueError: a name is none, or a value holds a line break or another character that a header cannot have. The text does not
            repeat the value: it may be a token that was read with the line break at the end of its file.

    Source: WHATWG HTML, section 9.2.2, the constructor's steps 8 to 11: `Accept`, and the cache mode "no-store", for which Fetch
    (section 4.6, "HTTP-network-or-cache fetch") sends `Cache-Control: no-cache`.
    """
    fields = {b"accept": b"text/event-stream", b"cache-control": b"no-cache", b"accept-encoding": ACCEPTED.encode()}
    for name, value in (headers or {}).items():
        if FIELD_NAME.fullmatch(name) is None:
            raise ValueError(f"{name!r} cannot be the name of a header")
        fields[name.lower().encode()] = _encode_value(name, value)
    return list(fields.items())


def authorization_header(token: str) -> Headers:
    """
    Return the header with the bearer token.

    Raises:
        ValueError: the token holds a character that a header cannot have. The text does not repeat it.

    Source: RFC 6750, section 2.1.
    """
    return [(b"authorization", _encode_value("Authorization", f"Bearer {token}"))]


def _encode_value(name: str, value: str) -> bytes:
    encoded = value.strip(" \t").encode("utf-8", "surrogateescape")
    if FIELD_VALUE.fullmatch(encoded) is None:
        raise ValueError(f"the value of header {name!r} holds a character that a header cannot have, a line break for instance")
    return encoded


def last_event_id_header(last_event_id: str) -> Headers:
    """
    Return the header that resumes after an event, or none where there is no id, or one that no header can carry.

    Source: WHATWG HTML, section 9.2.3, "reestablish the connection", step 5.
    """
    value = last_event_id.strip(" \t").encode("utf-8", "surrogateescape")
    # A form feed, for instance, is allowed in an id and not in a header. Without the id the stream starts afresh, with it none would start.
    return [(b"last-event-id", value)] if value and FIELD_VALUE.fullmatch(value) else []


async def open_response(client: httpx2.AsyncClient, url: str, headers: Headers) -> httpx2.Response:
    """
    Send the request and follow redirects; return the response with its body unread. The caller closes it.

    The library would follow redirects as well, but read their bodies, which need not end, and send `Authorization` from `http` to
    `https`, which is another origin, and the user's other headers anywhere. A header left out does not come back with a later redirect.

    Raises:
        httpx2.HTTPError: there was no response.
        httpx2.InvalidURL: the address is none, or a redirect's.
    """
    request = client.build_request("GET", url, headers=headers, timeout=TIMEOUTS)
    with redacted():
        response = await client.send(request, stream=True, follow_redirects=False)
    for _ in range(MAX_REDIRECTS):
        following = response.next_request
        if response.status_code not in REDIRECTS or following is None:
            return response
        await response.aclose()
        try:
            check_url(str(following.url))
        except ValueError as error:
            raise httpx2.InvalidURL(f"redirected, but {error}") from None
        if origin_of(following.url) != origin_of(response.request.url):
            for name in set(following.headers) - HARMLESS_HEADERS:
                del following.headers[name]
        # An `auth` of the client's own was already turned into a header, which may or may not go along.
        with redacted():
            response = await client.send(following, stream=True, follow_redirects=False, auth=None)
    if response.status_code in REDIRECTS:
        await response.aclose()
        raise httpx2.TooManyRedirects(f"more than {MAX_REDIRECTS} redirects in a row", request=request)
    return response


def check_content_type(url: str, response: httpx2.Response) -> None:
    """
    Check that a response is an event stream, whatever parameters its content type has.

    Raises:
        ContentTypeError: it is something else.

    Source: WHATWG HTML, section 9.2.2, the constructor's step 15.
    """
    content_type = response.headers.get("content-type")
    if content_type is None or content_type.partition(";")[0].strip().lower() != "text/event-stream":
        raise ContentTypeError(url, content_type)


async def read_status_error(url: str, response: httpx2.Response) -> HTTPStatusError:
    """
    Return the error that a response of another status than 200 stands for, with the beginning of its body.

    Raises:
        httpx2.HTTPError: the connection broke meanwhile.
    """
    body = b""
    async with contextlib.aclosing(plain_chunks(response)) as chunks:
        async for chunk in chunks:
            body = (body + chunk)[:MAX_ERROR_BODY]
            if len(body) == MAX_ERROR_BODY:
                break
    return status_error(url, response, body)


def status_error(url: str, response: httpx2.Response, body: bytes = b"") -> HTTPStatusError:
    """Return the error that a response of another status than 200 stands for."""
    error = read_error(body)
    return HTTPStatusError(
        url,
        response.status_code,
        headers=response.headers,
        body=body,
        code=error.code if error else None,
        message=error.message if error else None,
    )


def retry_after(error: ClientError) -> float | None:
    """
    Return how long a refusal asks to wait, in seconds; None where it does not, or the error is another one.

    A date in it is compared with the response's own `Date`, where there is one: this machine's clock may be wrong by hours.
    """
    if not isinstance(error, HTTPStatusError) or (value := error.headers.get("retry-after")) is None:
        return None
    now = parse_date(error.headers.get("date", ""))
    return parse_retry_after(value, time.time() if now is None else now)
