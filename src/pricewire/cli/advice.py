"""What to do about an error, for whoever typed the command."""

from __future__ import annotations

from urllib.parse import urlsplit

from pricewire.errors import ClientError, ConnectError, ContentTypeError, HTTPStatusError

ADDRESS = "http://127.0.0.1:8080"
"""Where `pricewire serve` serves, where nothing else is said."""


def explain(error: Exception) -> str:
    """Return what an error means to a person: the server's own words where there are some."""
    return error.message if isinstance(error, HTTPStatusError) and error.message else str(error)


def advise(error: Exception, url: str) -> str:
    """
    Return what an error means to a person, and what to do about it.

    Args:
        error: what went wrong.
        url: the address that was given by `--url`.
    """
    return explain(error) + remedy(error, url)


def remedy(error: Exception, url: str) -> str:
    """Return what to do about an error, to be put after its text; empty where it says that itself."""
    if not isinstance(error, ClientError):
        return ""
    if isinstance(error, ConnectError):
        return f"; is a server running there? `pricewire serve` starts one at {ADDRESS}, --url names another"
    if isinstance(error, ContentTypeError) or (isinstance(error, HTTPStatusError) and error.status in (404, 405) and error.code is None):
        return f"; --url {url} is no address of Pricewire: give the server's alone, such as {ADDRESS}"
    if isinstance(error, HTTPStatusError) and error.status == 404 and urlsplit(url).path not in ("", "/"):
        return f"; --url {url} has the path {urlsplit(url).path!r}: give the server's address alone, unless a proxy serves Pricewire there"
    if isinstance(error, HTTPStatusError) and error.status == 401:
        return "; give a token by PRICEWIRE_TOKEN or --token"
    return ""
