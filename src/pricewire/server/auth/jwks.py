"""The keys of another issuer, fetched from the address where it publishes them."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from pricewire.errors import InvalidTokenError, PricewireError, UnavailableError

logger = logging.getLogger(__name__)

ALGORITHMS = ("EdDSA", "ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
"""Only those with a public key: who knows a public key could sign by HMAC with it. Source: RFC 8725, section 3.1."""

FLOOR_S = 10.0
"""The shortest time between two fetches, in seconds: tokens with made-up key names must not flood the issuer with requests."""

FRESH_S = 600.0
"""After so many seconds the keys are fetched again, so that a withdrawn key is not accepted for ever."""

TIMEOUT_S = 5.0
"""How long a fetch may take, in seconds."""

MAX_SIZE = 256 * 1024
"""The largest set of keys, in bytes; usual ones have a few thousand."""

MAX_KEYS = 100
"""The most keys of a set; usual ones have two or three."""

MAX_RSA_BITS = 8192
"""The longest key of RSA, in bits: to check a signature with it takes 0.3 ms, and four times as long with one twice as long."""

MAX_RSA_EXPONENT = 2**32
"""The largest public exponent of RSA; 65,537 is usual, and one as long as the key has each signature take a hundred times as long."""

HEADERS = {"accept": "application/json", "accept-encoding": "identity"}
"""What a fetch asks for: what is compressed could become any size."""

RETRY_AFTER_S = 10
"""When to come again while the issuer is away, in seconds: it is not asked before."""


class IssuerKeys:
    """
    The keys behind an address, kept while they are fresh, and longer while the issuer is down.

    A token that names an unknown key has the set fetched again: issuers publish a new key shortly before they use it. However many requests
    wait for a fetch, there is one at a time.

    Args:
        url: where the issuer publishes its keys, as a JWK Set; `https`, unless it is on this machine.
        clock: returns the time in seconds.

    Raises:
        PricewireError: the address is none of these.

    Source: RFC 7517, section 5.
    """

    algorithms: tuple[str, ...] = ALGORITHMS

    def __init__(self, url: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        try:
            parts = urlsplit(url)
            if not parts.hostname or parts.port == 0:
                raise ValueError
        except ValueError:
            raise PricewireError(f"keys cannot be fetched from {url!r}: give an https address") from None
        if parts.scheme != "https" and (parts.scheme != "http" or parts.hostname not in ("localhost", "127.0.0.1", "::1")):
            raise PricewireError(f"keys from {url!r} could be anybody's: give an https address")
        self._url = url
        self._clock = clock
        self._client = httpx2.AsyncClient(timeout=TIMEOUT_S)
        self._keys: list[jwt.PyJWK] = []
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        # Whether it answered the last time.
        self._is_away = False
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, key_id: str | None, algorithm: str) -> jwt.PyJWK:
        """
        Return the key of a name and an algorithm; without a name, the only one of the algorithm.

        Raises:
            InvalidTokenError: the issuer has none.
            UnavailableError: it is not known, and the issuer does not say.
        """
        now = self._clock()
        key = self._known(key_id, algorithm)
        if key is None:
            if self._fetching is not None or now - self._tried_at >= FLOOR_S:
                # Shielded: one request may be cancelled while others still wait.
                await asyncio.shield(self._fetch(now))
                key = self._known(key_id, algorithm)
        elif now - self._fetched_at >= FRESH_S and now - self._tried_at >= FLOOR_S:
            self._fetch(now)
        if key is None and self._is_away:
            # It may be good: who is told that it is not would throw it away.
            raise UnavailableError("the issuer of the token does not answer; try again", RETRY_AFTER_S)
        if key is None:
            raise InvalidTokenError("the token is signed with a key that its issuer does not publish")
        return key

    async def aclose(self) -> None:
        """Cancel a fetch that is under way, and close the connections."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait([self._fetching])
        await self._client.aclose()

    def _known(self, key_id: str | None, algorithm: str) -> jwt.PyJWK | None:
        fitting = [key for key in self._keys if key.algorithm_name == algorithm and key_id in (None, key.key_id)]
        return fitting[0] if len(fitting) == 1 else None

    def _fetch(self, now: float) -> asyncio.Task[None]:
        """Begin to fetch the keys, unless that is under way already."""
        if self._fetching is None:
            self._tried_at = now
            self._fetching = asyncio.create_task(self._refresh(), name="issuer's keys")
        return self._fetching

    async def _refresh(self) -> None:
        try:
            async with asyncio.timeout(TIMEOUT_S), self._client.stream("GET", self._url, headers=HEADERS) as response:
                response.raise_for_status()
                if "content-encoding" in response.headers:
                    raise ValueError("compressed")
                text = bytearray()
                async for part in response.aiter_raw():
                    text += part
                    if len(text) > MAX_SIZE:
                        raise ValueError(f"more than {MAX_SIZE} bytes")
            self._keys = read_keys(bytes(text))
            self._fetched_at = self._clock()
            self._is_away = False
        except (httpx2.HTTPError, OSError, ValueError, RecursionError) as error:
            # The known keys stay valid: an issuer that cannot be reached must not log everybody out.
            self._is_away = True
            reason = f"{type(error).__name__}: {error}" if isinstance(error, ValueError) else type(error).__name__
            logger.warning("the keys of %s cannot be fetched (%s); the known ones stay in use", self._url, reason)
        finally:
            self._fetching = None


def read_keys(text: bytes) -> list[jwt.PyJWK]:
    """
    Return the keys of a set that tokens may be signed with; others, and what is none, are passed over.

    Raises:
        ValueError: it is no set of keys, is too large, or has no such key.

    Source: RFC 7517, section 5.
    """
    content = json.loads(text)
    published = content.get("keys") if isinstance(content, dict) else None
    if not isinstance(published, list):
        raise ValueError("no set of keys")
    if len(published) > MAX_KEYS:
        raise ValueError(f"{len(published)} keys, more than {MAX_KEYS}")
    found: list[jwt.PyJWK] = []
    seen: list[dict[str, Any]] = []
    for each in published:
        # Some list the same key twice; two keys of one name are none, as nobody can tell which is meant.
        if isinstance(each, dict) and each not in seen and (key := read_key(each)) is not None:
            seen.append(each)
            found.append(key)
    if not found:
        raise ValueError("no key that tokens may be signed with")
    return found


def read_key(published: dict[str, Any]) -> jwt.PyJWK | None:
    """Return a key that tokens may be signed with; None where it is none, or not for that."""
    if published.get("alg") not in (None, *ALGORITHMS) or not isinstance(published.get("kid"), str | None):
        return None
    # A private key that is published is anybody's.
    if published.get("use", "sig") != "sig" or "d" in published:
        return None
    try:
        key = jwt.PyJWK(published)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError, OverflowError):
        return None
    if isinstance(key.key, RSAPublicKey) and (key.key.key_size > MAX_RSA_BITS or key.key.public_numbers().e > MAX_RSA_EXPONENT):
        return None
    return key if key.algorithm_name in ALGORITHMS else None
