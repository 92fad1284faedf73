"""
By which names the server is reached: requests for another host are refused.

A page of any site can have its own name point to an address of its visitor's network ("DNS rebinding"). To the browser the server there is
of the page's origin then, and nothing of what `--origin` says holds. But the browser still sends the page's name as `Host`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import ip_address

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from pricewire.errors import PricewireError
from pricewire.server.http_errors import send_problem

HOST = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*)\]|(?P<name>[A-Za-z0-9._-]{1,255}))(?::[0-9]{0,5})?")
"""What `Host` can be. Source: RFC 9110, section 7.2."""

NAME = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")
"""A host's name in lower case."""

ORIGIN = re.compile(r"https?://(?:\[(?P<v6>[0-9a-f:.]+)\]|(?P<name>[a-z0-9_-]+(?:\.[a-z0-9_-]+)*))(?::[0-9]{1,5})?")
"""An origin as browsers send it. Source: RFC 6454, section 6.2."""

ANY = "*"
"""Stands for all names, as an origin does."""

Refusal = tuple[int, str, str]
"""How a request is refused: the status, the code, the message."""


class HostNames:
    """
    Refuses requests by their `Host`, before anything else looks at them; without names, all are accepted.

    Addresses and `localhost` are always accepted: no site can have them point elsewhere. What a proxy says in `X-Forwarded-Host` counts for
    nothing, as anybody can send it.
    """

    def __init__(self, app: ASGIApp, names: Iterable[str] | None) -> None:
        self._app = app
        self._names = None if names is None else frozenset(names)
        # Almost all requests are for the same few hosts.
        self._refusal = lru_cache(maxsize=256)(self._look_at)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that is not for this server, and pass on any other."""
        if scope["type"] == ScopeType.HTTP:
            hosts = [value for name, value in scope["headers"] if name == b"host"]
            refusal = self._refusal(hosts[0]) if len(hosts) == 1 else not_one(len(hosts))
            if refusal is not None:
                # What follows on the connection is for another host too.
                await send_problem(send, *refusal, {"connection": "close"})
                return
        await self._app(scope, receive, send)

    def _look_at(self, value: bytes) -> Refusal | None:
        match = HOST.fullmatch(value.decode("latin-1"))
        if match is None:
            return 400, "INVALID_PARAMETERS", "the header Host is neither a name nor an address"
        name = (match["v6"] or match["name"].removesuffix(".")).lower()
        if self._names is None or name in self._names or name == "localhost" or is_address(name):
            return None
        message = f"this server is not {name[:100]!r}; if it is to be, start it with --host-name {name[:100]}"
        return 421, "MISDIRECTED_REQUEST", message


def not_one(count: int) -> Refusal:
    """Return the refusal of a request with no `Host`, or several. Source: RFC 9112, section 3.2."""
    return 400, "INVALID_PARAMETERS", f"a request has one header Host; this one has {count or 'none'}"


def is_address(text: str) -> bool:
    """Return whether a text is an IP address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def accepted_names(host_names: Sequence[str] | None, origins: Sequence[str]) -> frozenset[str] | None:
    """
    Return the names that a server is reached by; None for all.

    Args:
        host_names: those that were given, `*` for all; None where none were.
        origins: the origins whose pages may use the server, `*` for all: their hosts are accepted too, and no other, where some are given.

    Raises:
        PricewireError: a name or an origin cannot be one.
    """
    hosts = [origin_host(origin) for origin in origins]
    names = [host_name(text) for text in host_names or []]
    if ANY in names or (host_names is None and ANY in hosts):
        return None
    return frozenset(name for name in (*names, *hosts) if name != ANY)


def host_name(text: str) -> str:
    """
    Return a host's name in the form in which names are compared.

    Raises:
        PricewireError: it is none.
    """
    name = text.lower().removesuffix(".")
    if name == ANY or is_address(name.removeprefix("[").removesuffix("]")) or NAME.fullmatch(name):
        return name
    raise PricewireError(f"host name {text!r} is none: give the name alone, such as prices.example.com, or * for any")


def origin_host(text: str) -> str:
    """
    Return the host of an origin; `*` for `*`.

    Raises:
        PricewireError: it is no origin as browsers send it, so that no page would match.
    """
    if text == ANY:
        return ANY
    match = ORIGIN.fullmatch(text)
    if match is None:
        raise PricewireError(
            f"origin {text!r} is none: give scheme, host and, where it is not the usual one, port, in lower case and without a path, "
            "such as https://example.com; or * for any"
        )
    return match["name"] or match["v6"]
