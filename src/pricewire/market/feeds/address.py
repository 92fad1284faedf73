"""The address of a feed: a URL, and after `#` the file with its options; what of it must not be logged."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from pricewire.errors import FeedError

VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

END_OF_SERVERS = re.compile("[/?]")
"""What ends the part of a URL with the user and the servers."""

SHORTEST = 4
"""The length from which on a value of a query may be a secret."""

HIDDEN = "…"
"""Stands where a secret was."""


@dataclass(frozen=True, slots=True)
class FeedAddress:
    """
    Where a feed is, and what its options are in.

    Attributes:
        url: the URL, with its secrets, and with the first of its servers alone.
        servers: its hosts, each with the port where one is given: `a:4222` and `b` of `nats://a:4222,b/prices`.
        file: the TOML file with the options.
        shown: the URL for people, without user, password and query.
        secrets: what is taken out of the texts of others, the longest first.
    """

    url: str = field(repr=False)
    servers: tuple[str, ...]
    file: Path
    shown: str
    secrets: tuple[str, ...] = field(repr=False)

    def hide(self, text: str) -> str:
        """Return a text without the secrets of the address."""
        for secret in self.secrets:
            text = text.replace(secret, HIDDEN)
        return text


def parse_address(spec: str, folder: Path | None = None) -> FeedAddress:
    """
    Return the address that a feed's name is.

    Args:
        spec: `URL#FILE`; `${NAME}` in it stands for a variable of the environment.
        folder: what the file's path is relative to; by default the working directory.

    Raises:
        FeedError: it has no host or no file, a variable is not set, or a port is no number.
    """
    expanded, used = expand(spec, "the address of a feed")
    url, _, file = expanded.partition("#")
    scheme, _, rest = url.partition("://")
    place = END_OF_SERVERS.split(rest, maxsplit=1)[0]
    user, at, named = place.rpartition("@")
    servers = tuple(named.split(","))
    try:
        # The parser knows addresses of one server: some versions refuse several.
        url = f"{scheme}://{user}{at}{servers[0]}{rest[len(place) :]}"
        parts = urlsplit(url)
        is_usable = all(each.hostname and each.port != 0 for each in (urlsplit(f"//{server}") for server in servers))
    except ValueError:
        parts, is_usable = urlsplit(""), False
    # The text itself is not shown: it may have a password in it.
    if not is_usable:
        raise FeedError("the address of a feed is SCHEME://HOST:PORT/PATH#FILE.toml, with a port from 1 to 65535")
    shown = f"{parts.scheme}://{','.join(servers)}{parts.path}"
    if not file:
        raise FeedError(f"feed {shown} needs a file that says which instruments it brings: {shown}#FILE.toml")
    # A value as short as that of `version=2` is no secret, and is in too many other texts.
    secrets = {value for _, value in parse_qsl(parts.query) if len(value) >= SHORTEST} | {parts.query, *used}
    for secret in (parts.username, parts.password):
        secrets |= {secret, unquote(secret)} if secret else set()
    known = tuple(sorted((secret for secret in secrets if secret), key=len, reverse=True))
    return FeedAddress(url, servers, (folder or Path()) / file, shown, known)


def expand(text: str, where: str) -> tuple[str, list[str]]:
    """
    Return a text with the values of the environment in place of each `${NAME}`, and these values.

    Args:
        text: the text.
        where: what it is part of, for the error.

    Raises:
        FeedError: a variable is not set.
    """
    used: list[str] = []

    def value(match: re.Match[str]) -> str:
        found = os.environ.get(match[1])
        if found is None:
            raise FeedError(f"{where} names ${{{match[1]}}}, and there is no such variable in the environment: set {match[1]}")
        used.append(found)
        return found

    return VARIABLE.sub(value, text), used
