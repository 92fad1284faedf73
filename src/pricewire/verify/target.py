"""The address that is tested, and the requests that are sent to it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urljoin, urlsplit

from pricewire.errors import PricewireError

PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Target:
    """
    An address of `http` or `https`.

    Attributes:
        scheme: `http` or `https`.
        host: the name or number of the host.
        port: the port.
        path: the path and the query, as they are requested.
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def is_tls(self) -> bool:
        return self.scheme == "https"

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine, by its name."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost" or self.host.endswith(".localhost")

    @property
    def authority(self) -> str:
        """The value of the header Host."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def shown(self) -> str:
        """The address as it is shown: without its query, where secrets may stand."""
        return f"{self.scheme}://{self.authority}{self.path.partition('?')[0]}"

    @property
    def parameters(self) -> frozenset[str]:
        """The names in the query."""
        return frozenset(name for name, _ in parse_qsl(self.path.partition("?")[2], keep_blank_values=True))

    def follow(self, location: str) -> Target:
        """
        Return where a redirection leads to.

        Raises:
            PricewireError: it is no address of http or https.
        """
        return parse_target(urljoin(f"{self.scheme}://{self.authority}{self.path}", location))

    def request(self, method: str, headers: Iterable[tuple[str, str]], *, query: str = "") -> bytes:
        """
        Return a request without a body.

        Args:
            method: the method.
            headers: the header fields beside Host.
            query: what is added to the query.
        """
        path = f"{self.path}{'&' if '?' in self.path else '?'}{query}" if query else self.path
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.authority}", *(f"{name}: {value}" for name, value in headers)]
        # Ids go as UTF-8, as browsers send them. Source: WHATWG HTML, section 9.2.4.
        return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n"


def parse_target(url: str) -> Target:
    """
    Return the target that an address names.

    Raises:
        PricewireError: it is none of http or https with a host. The text does not repeat it: it may hold a secret.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise PricewireError(f"the stream's address is invalid: {error}") from None
    if parts.scheme not in PORTS or not parts.hostname:
        raise PricewireError("the stream's address does not begin with http:// or https:// and a host")
    if parts.username is not None:
        raise PricewireError("the stream's address has a user in it; give it by --header 'Authorization: Basic …'")
    try:
        host = parts.hostname.encode("idna").decode() if ":" not in parts.hostname else parts.hostname
    except UnicodeError:
        raise PricewireError("the stream's address is invalid: its host cannot be one") from None
    safe = "/%!$&'()*+,;=:@~?[]-._"
    path = quote(parts.path or "/", safe=safe) + (f"?{quote(parts.query, safe=safe)}" if parts.query else "")
    return Target(parts.scheme, host, PORTS[parts.scheme] if port is None else port, path)


def merged(usual: Mapping[str, str], given: Iterable[tuple[str, str]], without: Iterable[str] = ()) -> list[tuple[str, str]]:
    """
    Return header fields: the usual ones, or what is given instead.

    Args:
        usual: names and values.
        given: what has been asked for; a name replaces a usual one.
        without: names in lower case that are left out.
    """
    given = list(given)
    names = {name.lower() for name, _ in given}
    left_out = set(without)
    every = [*((name, value) for name, value in usual.items() if name.lower() not in names), *given]
    return [(name, value) for name, value in every if name.lower() not in left_out]


def parse_header(text: str) -> tuple[str, str]:
    """
    Return a header field of a text, `Name: value`.

    Raises:
        PricewireError: it is none.
    """
    name, colon, value = text.partition(":")
    if not colon or not name.strip() or not name.isascii() or any(mark in text for mark in "\r\n\0"):
        raise PricewireError(f"a header is written 'Name: value', and not as the one whose name is {name.strip()[:40]!r}")
    return name.strip(), value.strip()
