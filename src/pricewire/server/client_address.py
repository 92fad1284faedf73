"""
Who a request comes from, also through proxies.

A proxy puts the address of its client into `Forwarded` or `X-Forwarded-For`, and so can anybody else. So a header is trusted only from an
address that the operator has named as a proxy, and of what it lists only the part that such proxies have added: from the right.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from pricewire.errors import PricewireError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

NAME = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
QUOTED = r'"(?:[^"\\]|\\.)*"'
PAIR = re.compile(rf"({NAME})=({NAME}|{QUOTED})")
"""One `name=value`. Source: RFC 7239, section 4."""

ITEMS = {separator: re.compile(rf'(?:[^"{separator}]|{QUOTED})*') for separator in ",;"}
"""What stands before the next separator outside of quotes. No two ways to match the same text, so that no text takes long."""

NODE = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*)\]|(?P<v4>[0-9.]+))(?::(?:[0-9]{1,5}|_[A-Za-z0-9._-]+))?")
"""An address with or without a port, which may be hidden. Source: RFC 7239, section 6."""


def parse_network(text: str) -> Network:
    """
    Return the network that a text names: `10.0.0.0/8`, `2001:db8::/32`, or one address.

    Raises:
        PricewireError: it names none.
    """
    try:
        return ip_network(text.strip())
    except ValueError as error:
        raise PricewireError(f"trusted proxy {text!r} is neither an address nor a network such as 10.0.0.0/8: {error}") from None


def client_address(peer: str | None, headers: Iterable[tuple[bytes, bytes]], trusted: Sequence[Network]) -> Address | None:
    """
    Return the address of the client, or of the last proxy on the way to it that can be trusted.

    Where both headers are there, a proxy has added to one and passed the other on, and nobody can tell which. They are trusted where they
    agree. Otherwise somebody is lying, and the request counts as the proxy's own.

    Args:
        peer: the address that the connection comes from, as the scope of ASGI has it; None where it has none (a Unix socket).
        headers: the request's, with names in lower case.
        trusted: the networks of the proxies that are believed.

    Returns:
        the address; None where the peer has none.
    """
    nearest = parse_address(peer) if peer else None
    if nearest is None or not is_trusted(nearest, trusted):
        return nearest
    ways: dict[bytes, list[Address | None]] = {}
    for name, value in headers:
        if name == b"forwarded":
            ways.setdefault(name, []).extend(forwarded(value.decode("latin-1")))
        elif name == b"x-forwarded-for":
            ways.setdefault(name, []).extend(x_forwarded_for(value.decode("latin-1")))
    found = {walk(nearest, hops, trusted) for hops in ways.values()}
    return found.pop() if len(found) == 1 else nearest


def walk(nearest: Address, hops: Sequence[Address | None], trusted: Sequence[Network]) -> Address:
    """
    Return the first address from the right that is no trusted proxy.

    Args:
        nearest: the proxy that the connection comes from.
        hops: whom the proxies had their connections from, the nearest last; None where one does not say.
        trusted: the networks of the proxies that are believed.
    """
    for hop in reversed(hops):
        if hop is None:
            # The trail ends here. What stands further left may be anybody's.
            return nearest
        nearest = hop
        if not is_trusted(hop, trusted):
            break
    return nearest


def forwarded(value: str) -> Iterator[Address | None]:
    """
    Yield whom each proxy had its connection from, by one line of `Forwarded`; None where that cannot be read, or is hidden.

    Source: RFC 7239, sections 4 and 6.
    """
    for element in split(value, ","):
        if element is None:
            yield None
        elif element:
            yield forwarded_for(element)


def forwarded_for(element: str) -> Address | None:
    """Return whom one proxy had its connection from, by its element of `Forwarded`; None where that cannot be read, or is hidden."""
    nodes = []
    for part in split(element, ";"):
        pair = PAIR.fullmatch(part) if part is not None else None
        if pair is None and part != "":
            return None
        if pair is not None and pair[1].lower() == "for":
            nodes.append(pair[2])
    # A parameter may not come twice in one element.
    return parse_node(unquoted(nodes[0])) if len(nodes) == 1 else None


def split(text: str, separator: str) -> Iterator[str | None]:
    """Yield what stands between separators outside of quotes, without the spaces around; None, and no more, from an unclosed quote on."""
    place = 0
    while place <= len(text):
        match = ITEMS[separator].match(text, place)
        end = match.end() if match is not None else place
        if end < len(text) and text[end] != separator:
            yield None
            return
        yield text[place:end].strip(" \t")
        place = end + 1


def x_forwarded_for(value: str) -> Iterator[Address | None]:
    """Yield whom each proxy had its connection from, by one line of `X-Forwarded-For`; None where that cannot be read."""
    for each in value.split(","):
        if text := each.strip():
            yield parse_address(text) or parse_node(text)


def parse_node(text: str) -> Address | None:
    """Return the address of a node, whose port does not matter; None for `unknown` and hidden ones. Source: RFC 7239, section 6."""
    match = NODE.fullmatch(text)
    return parse_address(match["v6"] or match["v4"]) if match is not None else None


@lru_cache(10_000)
def parse_address(text: str) -> Address | None:
    """Return the address that a text is, an IPv4 address for one mapped to IPv6 (`::ffff:192.0.2.1`); None where it is none."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def unquoted(value: str) -> str:
    """Return what a quoted string holds. Source: RFC 9110, section 5.6.4."""
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


def is_trusted(address: Address, trusted: Sequence[Network]) -> bool:
    """Return whether an address belongs to one of some networks."""
    return any(address in network for network in trusted)


def limit_key(address: Address) -> Address | IPv6Network:
    """
    Return what counts as one client: an IPv4 address, or the /64 network of an IPv6 address, as every line and every server gets that many.

    Source: RFC 6177, section 2.
    """
    return IPv6Network((int(address) >> 64 << 64, 64)) if isinstance(address, IPv6Address) else address
