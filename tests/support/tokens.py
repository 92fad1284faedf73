"""Tokens and their providers, for the tests of the client."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable


def jwt(claims: object) -> str:
    """Return a token whose signature nobody verifies."""
    part = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{part}.c2ln"


def provider_of(*answers: str) -> Callable[[], Awaitable[str]]:
    """Return a provider that brings one token after another, each at the loop's next turn."""
    coming = iter(answers)

    async def provider() -> str:
        await asyncio.sleep(0)
        return next(coming)

    return provider
