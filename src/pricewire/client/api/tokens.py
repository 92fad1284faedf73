"""Tokens: a fixed one, or one from a provider that is asked again when the server no longer takes it."""

from __future__ import annotations

import asyncio
import base64
import binascii
import inspect
import time
from collections.abc import Awaitable, Callable

import msgspec

from pricewire.client.api.renewal import renew_after
from pricewire.client.stream.request import authorization_header
from pricewire.client.tasks import is_cancelled
from pricewire.errors import TokenError

Token = str | Callable[[], Awaitable[str]]
"""A token, or an asynchronous function without arguments that returns a fresh one."""

PROVIDER_TIMEOUT = 30.0
"""How long a provider may take, in seconds: while it is asked nothing is connected."""


class Claims(msgspec.Struct, frozen=True):
    """
    What a client reads of a JWT.

    Attributes:
        exp: when it expires, in seconds since 1970; None: never.
        iat: when it was issued, likewise; None where it does not say.
        account: the account that it is for; None where it does not say.
    """

    exp: float | None = None
    iat: float | None = None
    account: str | None = None


class Credentials:
    """
    The token of requests. Shared by all clients of the same identity, so that the provider is asked once for all of them.

    Attributes:
        can_refresh: whether there is a provider to ask for another token.

    Raises:
        TypeError: it is neither.
    """

    def __init__(self, token: Token) -> None:
        if not isinstance(token, str) and not callable(token):
            raise TypeError(f"token is a {type(token).__name__}; it is a string or an asynchronous function that returns one")
        self._provider = None if isinstance(token, str) else token
        self._token = token if isinstance(token, str) else None
        # When the token is to be renewed, in seconds on the monotonic clock; None: not before the server says so.
        self._renew_at: float | None = None
        self._asking = asyncio.Lock()
        self.can_refresh = self._provider is not None

    def __repr__(self) -> str:
        return f"<Credentials {'of a provider' if self.can_refresh else 'of a fixed token'}>"

    async def get(self) -> str:
        """
        Return the token; the provider is asked where there is none yet.

        Raises:
            TokenError: the provider failed, or is no asynchronous function that returns a token.
        """
        return await self.refresh(None) if self._token is None else self._token

    def reject(self, token: str) -> None:
        """Note that the server takes a token no longer: the provider is asked for another one when it is needed."""
        if self.can_refresh and self._token == token:
            self._token = None

    def renewal_wait(self, token: str) -> float | None:
        """Return how long to wait before a token is renewed, in seconds; 0 where it was replaced or rejected already, None: for ever."""
        if token != self._token:
            return 0.0
        return None if self._renew_at is None else max(self._renew_at - time.monotonic(), 0.0)

    async def refresh(self, after: str | None) -> str:
        """
        Return another token than a rejected one; the same where there is no other.

        Of many that wait, the first asks the provider, and the others get what it brought.

        Args:
            after: the token that was rejected or is about to expire; None: there was none.

        Raises:
            TokenError: the provider failed, or is no asynchronous function that returns a token.
        """
        async with self._asking:
            if self._provider is not None and self._token in (None, after):
                self._token = await _ask(self._provider)
                claims = claims_of(self._token)
                wait = renew_after(claims.exp, claims.iat, time.time())
                self._renew_at = None if wait is None else time.monotonic() + wait
            # Without a provider there has been a token from the beginning.
            return self._token or ""


async def _ask(provider: Callable[[], Awaitable[str]]) -> str:
    scope = asyncio.timeout(PROVIDER_TIMEOUT)
    try:
        async with scope:
            answer: object = provider()
            if inspect.isawaitable(answer):
                answer = await answer
    except (Exception, asyncio.CancelledError) as error:  # whatever it is, the next attempt may bring a token
        if isinstance(error, asyncio.CancelledError) and is_cancelled():
            raise
        # Its text is not repeated: it may hold the request by which the provider proves who asks.
        detail = f"none came within {PROVIDER_TIMEOUT:g} s" if scope.expired() else f"it raised {type(error).__name__}"
        raise TokenError(detail) from error
    if not isinstance(answer, str):
        what = "None" if answer is None else type(answer).__name__
        raise TokenError(f"it returned {what}; it is an asynchronous function that returns a string", is_final=True)
    if not answer:
        raise TokenError("it returned an empty string", is_final=True)
    try:
        authorization_header(answer)
    except ValueError:
        raise TokenError(
            "what it returned holds a character that a header cannot have, a line break for instance; return the token alone", is_final=True
        ) from None
    return answer


def account_of(token: str) -> str | None:
    """Return the `uuid` of the account that a token is for; None where it is no JWT, or does not say."""
    return claims_of(token).account


def claims_of(token: str) -> Claims:
    """
    Return what a token says, as far as it can be read. Nothing is verified: that is for the server.

    Source: RFC 7519, section 4.1.4, "exp", and 4.1.6, "iat".
    """
    parts = token.split(".")
    if len(parts) != 3:
        return Claims()
    try:
        payload = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        return msgspec.json.decode(payload, type=Claims)
    except (binascii.Error, ValueError, RecursionError):
        return Claims()
