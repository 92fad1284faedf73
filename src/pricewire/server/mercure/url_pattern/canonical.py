"""The fixed texts of a URL pattern's components, in the form in which parsed URLs have them."""

from __future__ import annotations

import re

from ada_url import URL

from pricewire.server.mercure.url_pattern.tokens import InvalidPatternError

IPV6 = re.compile(r"[0-9a-fA-F\[\]:]*")


def protocol(text: str) -> str:
    """Return a protocol; like all here, raises `InvalidPatternError` where no URL can have the text."""
    return _parsed(f"{text}://dummy.test").protocol.removesuffix(":") if text else text


def username(text: str) -> str:
    """Return a user's name."""
    return _with("username", text)


def password(text: str) -> str:
    """Return a password."""
    return _with("password", text)


def hostname(text: str) -> str:
    """Return a host's name."""
    return _with("hostname", text)


def opaque_hostname(text: str) -> str:
    """Return the name of a host of a scheme that is not special."""
    if not text:
        return text
    url = _parsed("dummy://dummy.test")
    return _set(url, "hostname", text)


def ipv6_hostname(text: str) -> str:
    """Return an address of IPv6, or a part of one."""
    if IPV6.fullmatch(text) is None:
        raise InvalidPatternError(f"{text!r} is no part of an address of IPv6")
    return text.lower()


def port(text: str) -> str:
    """Return a port."""
    if not text:
        return text
    # Of a scheme that has no default, which would be left out.
    return _set(_parsed("dummy://dummy.test"), "port", text)


def pathname(text: str) -> str:
    """Return a path, or a part of one."""
    if not text:
        return text
    if text.startswith("/"):
        return _with("pathname", text)
    # So that it is not taken for the path's beginning.
    path = _with("pathname", f"/-{text}")
    if not path.startswith("/-"):
        raise InvalidPatternError(f"{text!r} goes up from the middle of a path")
    return path[2:]


def opaque_pathname(text: str) -> str:
    """Return the path of a URL that has no hierarchy, such as `data:`."""
    if not text:
        return text
    # Nothing in it is taken for the path's beginning or end; a query would not be of the path.
    return _parsed(f"dummy:-{re.split('[?#]', text)[0]}-").pathname[1:-1]


def search(text: str) -> str:
    """Return a query."""
    return _with("search", f"?{text}").removeprefix("?") if text else text


def hash_(text: str) -> str:
    """Return a fragment."""
    return _with("hash", f"#{text}").removeprefix("#") if text else text


def _parsed(text: str) -> URL:
    try:
        return URL(text)
    except ValueError:
        raise InvalidPatternError(f"{text!r} cannot be parsed as a URL") from None


def _with(name: str, text: str) -> str:
    return _set(_parsed("https://dummy.test"), name, text) if text else text


def _set(url: URL, name: str, text: str) -> str:
    try:
        setattr(url, name, text)
    except ValueError:
        raise InvalidPatternError(f"{text!r} cannot be the {name} of a URL") from None
    value: str = getattr(url, name)
    return value
