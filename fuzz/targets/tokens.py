"""Tokens: any text, and any header and claims under a good signature."""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Coroutine
from typing import Any

from fuzz.finding import Finding, expect
from fuzz.source import Source
from pricewire.errors import InvalidTokenError
from pricewire.server.auth.keys import encoded, shared_secret
from pricewire.server.auth.tokens import Token, TokenRules, Tokens

SECRET = b"the secret that the fuzzers share."

RULES = (TokenRules(), TokenRules(issuer="pricewire", audience="fuzz"))

TOKENS = [Tokens(shared_secret(SECRET), rules) for rules in RULES]

HEADER = b'{"alg":"HS256"}'


def check(data: bytes) -> None:
    """
    Check a token: its first byte says under which rules, and whether the rest is the token, its claims, or its header and claims.

    With the right signature, whatever is believed names an account and an end; with any other, nothing is.
    """
    source = Source(data)
    tokens = source.choose(TOKENS)
    form = source.number() % 3
    text = source.rest()
    header, claims = (HEADER, text) if form == 1 else text.partition(b"\0")[::2]
    signed = form > 0
    try:
        token = run(tokens.check(sign(header, claims) if signed else text.decode("utf-8", "replace")))
    except InvalidTokenError:
        return
    expect(signed, "nothing is believed without a signature")
    expect(bool(token.account), "who is believed has an account")
    expect(math.isfinite(token.expires_at), f"a token has an end, not {token.expires_at}")
    expect(0 < len(token.id) <= 128, "a token has a short name")


def sign(header: bytes, claims: bytes) -> str:
    """Return a token with a good signature."""
    text = f"{encoded(header)}.{encoded(claims)}"
    return f"{text}.{encoded(hmac.digest(SECRET, text.encode(), hashlib.sha256))}"


def run(check: Coroutine[Any, Any, Token]) -> Token:
    """
    Run a check, which has nothing to wait for with a key that is at hand.

    Raises:
        InvalidTokenError: the token is not to be believed.
        Finding: the check waits.
    """
    try:
        check.send(None)
    except StopIteration as end:
        token: Token = end.value
        return token
    raise Finding("a check waits for nothing")
