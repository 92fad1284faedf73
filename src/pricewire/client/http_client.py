"""The HTTP clients that Pricewire makes itself, where the user gives none."""

from __future__ import annotations

import asyncio
import os
import ssl
import threading
import urllib.request

import httpx2

from pricewire.client.arguments import check_type
from pricewire.client.stream.request import TIMEOUTS
from pricewire.client.urls import public_url
from pricewire.errors import ConnectError

certificates: dict[tuple[str | None, str | None], ssl.SSLContext] = {}
"""What was loaded, by the environment variables that say what to load."""

loading = threading.Lock()


def _renew_lock() -> None:
    """Have a lock that nobody holds: the thread that did so when the process forked stayed behind."""
    global loading
    loading = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def check_http_client(client: object) -> None:
    """
    Check that a value is an asynchronous client, or None.

    Raises:
        TypeError: it is something else.
    """
    check_type("http_client", client, (httpx2.AsyncClient, type(None)), "an httpx2.AsyncClient, or None")


async def new_client(url: str, *, keep_alive: bool = True) -> httpx2.AsyncClient:
    """
    Return a new HTTP client, which the caller closes.

    It has connections and cookies of its own. The certificates are loaded once for all clients of the process, in a thread: they take up to
    200 ms and 0.9 MB each time.

    Args:
        url: what it is for; named in errors.
        keep_alive: whether connections are kept after a response.

    Raises:
        ConnectError: a proxy of the environment cannot be used, or the certificates cannot be loaded. Another attempt would not help.
    """
    try:
        trusted = certificates.get(_key())
        if trusted is None:
            trusted = await asyncio.to_thread(_load)
    except (OSError, ValueError) as error:
        raise ConnectError(
            public_url(url), f"the certificates cannot be loaded: {error}; SSL_CERT_FILE and SSL_CERT_DIR say where they are"
        ) from None
    try:
        # Streams are many and stay open: a limit would have the last ones wait for ever.
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None if keep_alive else 0)
        # For a proxy that is spoken to by TLS the library would load others, with each connection, on the loop.
        mounts = {
            f"{scheme}://": httpx2.AsyncHTTPTransport(verify=trusted, limits=limits, proxy=httpx2.Proxy(proxy, ssl_context=trusted))
            for scheme, proxy in urllib.request.getproxies().items()
            if scheme in ("http", "https", "all") and proxy.lower().startswith("https://")
        }
        return httpx2.AsyncClient(timeout=TIMEOUTS, verify=trusted, limits=limits, mounts=mounts)
    except ImportError:
        raise ConnectError(
            public_url(url), "the environment names a SOCKS proxy, which needs another package: pip install 'httpx2[socks]'"
        ) from None
    except (ValueError, httpx2.InvalidURL):
        # The text would repeat the proxy's address, which can hold a password.
        raise ConnectError(
            public_url(url),
            "a proxy in HTTP_PROXY, HTTPS_PROXY or ALL_PROXY cannot be used; its address begins with http://, https:// or socks5://",
        ) from None


def _key() -> tuple[str | None, str | None]:
    return os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")


def _load() -> ssl.SSLContext:
    with loading:
        key = _key()
        if key not in certificates:
            certificates[key] = httpx2.create_ssl_context()
        return certificates[key]
