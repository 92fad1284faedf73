"""Addresses: which ones can be requested, and how much of one may be shown."""

from __future__ import annotations

import re
from urllib.parse import unquote

import httpx2

from pricewire.client.arguments import check_type

FORBIDDEN_IN_HOST = re.compile(r"""[\x00-\x20"#%/<>?@\\^`{|}\x7f]""")
"""What the name of a host cannot hold, and the library would ask the name servers for again and again."""


def origin_of(url: httpx2.URL) -> str:
    """
    Return the origin of an address, serialised: `https://example.com`, with the port only where it is not the scheme's own.

    Source: WHATWG HTML, section 7.1.1, "serialization of an origin".
    """
    host = f"[{url.host}]" if ":" in url.host else url.host
    return f"{url.scheme}://{host}" if url.port is None else f"{url.scheme}://{host}:{url.port}"


def public_url(url: str) -> str:
    """Return an address for logs and errors: without user, password, query and fragment, where secrets stand."""
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL:
        return "an invalid address"
    return origin_of(parsed) + parsed.path


def check_url(url: str) -> None:
    """
    Check that a value is an absolute address of `http` or `https`.

    Raises:
        TypeError: it is no string.
        ValueError: it is something else, or its host or port cannot be one. The text does not repeat it: an address can hold a password or
            a ticket.

    Source: WHATWG URL, section 3.1, "forbidden domain code point".
    """
    check_type("url", url, str, "a string")
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL as error:
        raise ValueError(f"the stream's address is invalid: {error}") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError("the stream's address does not begin with http:// or https:// and a host")
    forbidden = FORBIDDEN_IN_HOST.search(unquote(parsed.host))
    if forbidden is not None or "%" in parsed.host:
        raise ValueError(f"the stream's address is invalid: the name of its host holds {forbidden[0] if forbidden else '%'!r}")
    labels = parsed.host.removesuffix(".").split(".")
    if ":" not in parsed.host and not all(0 < len(label) < 64 for label in labels):
        raise ValueError("the stream's address is invalid: a part of its host's name is empty or longer than 63 characters")
    if parsed.port is not None and not 0 < parsed.port < 65536:
        raise ValueError(f"the stream's address is invalid: its port is {parsed.port}; a port is from 1 to 65535")
