"""Tokens: JSON Web Tokens for an account, with scopes and an expiry time."""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jwt

from pricewire.errors import InvalidTokenError, InvalidTopicError
from pricewire.protocol.free_topics import check_pattern
from pricewire.server.auth.grants import Grant, grants_of
from pricewire.server.auth.keys import KeySource, SigningKey

READ = "read"
"""The scope of streams and of requests that change nothing."""

TRADE = "trade"
"""The scope of buying and selling."""

ADMIN = "admin"
"""The scope of the topic `admin` and of what operators do. No login gives it."""

PUBLISH = "publish"
"""The scope of publishing to free topics, those of the claim `topics`. No login gives it."""

TOPICS = "topics"
"""The claim with the free topics that a token is for: a list of names, and of beginnings of names with a `*` at their end."""

MAX_SIZE = 8192
"""The longest token, in bytes: an issuer's with many claims has 2,000, and a request's headers have 16 KiB in all."""

MOST_KNOWN = 10_000
"""How many tokens that were checked are remembered: to check a signature again costs a quarter of what a request does."""

GENERATION = "pricewire_generation"
"""
The claim with the account's generation, in this server's own tokens.

A time would not do: a login that has read the old password may end after the change, and clocks differ.
"""

ACCOUNT = re.compile(r"[!-~]{1,64}")
"""How an account may be named in a token."""

LAST = 253_402_300_799
"""The last second that has a date, in seconds since 1970: the end of the year 9999."""

LIFETIME_S = 3600.0
"""
How long a token of a login is valid by default, in seconds; `PATCH /v1/streams/{id}` with a newer one prolongs a stream.
"""

MAX_HOURS = 8760.0
"""The longest lifetime that the operator may give a token, in hours: a year."""


@dataclass(frozen=True, slots=True)
class Token:
    """
    What a valid token claims.

    Attributes:
        account: the account's `uuid`; None for a token of a protocol that has no accounts.
        scopes: what it is for, `read` and `trade` among them.
        id: what it is revoked by.
        expires_at: when it expires, in seconds since 1970.
        grants: what it allows to be done with topics that not everybody may read.
        generation: the account's when this server issued it; None for a token of another issuer.
        issued_at: when it was issued, in seconds since 1970; None where it does not say.
    """

    account: str | None
    scopes: frozenset[str]
    id: str
    expires_at: float
    grants: tuple[Grant, ...] = ()
    generation: int | None = None
    issued_at: float | None = None


@dataclass(frozen=True, slots=True)
class TokenRules:
    """
    What a token must claim to be accepted.

    Attributes:
        issuer: what its `iss` has to be; None where that does not matter.
        audience: what its `aud` has to contain; None refuses a token with an `aud`, which is for somebody else.
        leeway: how far its times may be off, in seconds: clocks that are synchronized differ by less.
    """

    issuer: str | None = None
    audience: str | None = None
    leeway: float = 10.0


FAULTS: dict[type[jwt.PyJWTError], str] = {
    jwt.ExpiredSignatureError: "the token has expired",
    jwt.ImmatureSignatureError: "the token is not valid yet",
    jwt.InvalidIssuerError: "the token is of another issuer",
    jwt.InvalidAudienceError: "the token is for another audience",
    jwt.InvalidSignatureError: "the token's signature is not right",
    jwt.InvalidAlgorithmError: "the token is signed by an algorithm that is not accepted",
}
"""The messages about bad tokens. PyJWT's own would tell what the server expects, and what the token contains."""


class Tokens:
    """Checks tokens, and issues them where the key is the server's own."""

    def __init__(self, keys: KeySource, rules: TokenRules | None = None) -> None:
        self._keys = keys
        self._rules = rules or TokenRules()
        self._jwt = jwt.PyJWT({"enforce_minimum_key_length": True})
        # Tokens of this server that were checked before, by their text.
        self._known: dict[str, Token] = {}

    @property
    def can_issue(self) -> bool:
        """Whether the key is the server's own."""
        return isinstance(self._keys, SigningKey)

    def issue(
        self,
        account: str,
        scopes: frozenset[str] = frozenset({READ, TRADE}),
        *,
        topics: Sequence[str] = (),
        lifetime: float = LIFETIME_S,
        generation: int | None = None,
    ) -> str:
        """
        Return a token for an account.

        Args:
            account: the account's `uuid`.
            scopes: what it is for.
            topics: the free topics that it may read with the scope `read`, and publish to with `publish`: names and patterns.
            lifetime: how long it is valid, in seconds.
            generation: the account's, read no later than its password: the token ends with the next one. Without it, a change of the
                account ends the token by the time of its issue, like one of another issuer.

        Raises:
            InvalidTokenError: the keys are those of another issuer, who alone can make tokens.
        """
        if not isinstance(self._keys, SigningKey):
            raise InvalidTokenError("tokens of this server come from another issuer: log in there")
        now = time.time()
        claims: dict[str, Any] = {"account": account, "scope": " ".join(sorted(scopes)), "jti": secrets.token_hex(16)}
        claims |= {"iat": int(now), "nbf": int(now), "exp": now + lifetime}
        if topics:
            claims[TOPICS] = list(topics)
        if generation is not None:
            claims[GENERATION] = generation
        if self._rules.issuer is not None:
            claims["iss"] = self._rules.issuer
        if self._rules.audience is not None:
            claims["aud"] = self._rules.audience
        return self._keys.sign(claims)

    def known(self, text: str) -> Token | None:
        """Return what a token says that this server has issued and checked before, and that is still valid; None for any other."""
        known = self._known.get(text)
        return known if known is not None and known.expires_at > time.time() - self._rules.leeway else None

    async def check(self, text: str) -> Token:
        """
        Return what a token says.

        Raises:
            InvalidTokenError: it is not valid.

        Source: RFC 8725, "JSON Web Token Best Current Practices".
        """
        if len(text) > MAX_SIZE:
            raise InvalidTokenError(f"the token is longer than {MAX_SIZE} bytes")
        if (known := self.known(text)) is not None:
            return known
        try:
            header = jwt.get_unverified_header(text)
            algorithm = header.get("alg")
            if algorithm not in self._keys.algorithms:
                raise jwt.InvalidAlgorithmError
            key = await self._keys.find(header.get("kid"), algorithm)
            claims = self._jwt.decode(
                text,
                key,
                algorithms=[algorithm],
                issuer=self._rules.issuer,
                audience=self._rules.audience,
                leeway=self._rules.leeway,
                options={"require": self._required()},
            )
            token = self._read(claims, text)
            # Another issuer may use the claim of the generation for something else, and may withdraw its keys.
            return self._keep(text, replace(token, generation=generation_of(claims))) if self.can_issue else token
        except jwt.PyJWTError as error:
            fault = next((fault for kind, fault in FAULTS.items() if isinstance(error, kind)), "the token cannot be read")
        except (ValueError, TypeError, OverflowError, RecursionError):
            fault = "the token cannot be read"
        # Without its cause, which would show the token in a traceback.
        raise InvalidTokenError(fault)

    def _keep(self, text: str, token: Token) -> Token:
        if len(self._known) >= MOST_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[text] = token
        return token

    def _required(self) -> list[str]:
        configured = {"iss": self._rules.issuer, "aud": self._rules.audience}
        return ["exp", *(name for name, value in configured.items() if value is not None)]

    @staticmethod
    def _read(claims: dict[str, Any], text: str) -> Token:
        account, scope = claims.get("account"), claims.get("scope", "")
        if not isinstance(account, str) or ACCOUNT.fullmatch(account) is None:
            raise InvalidTokenError("the token names no account: its claim 'account' is missing or none")
        times = {name: seconds_of(claims[name]) for name in ("exp", "nbf", "iat") if name in claims}
        if not isinstance(scope, str | list):
            raise ValueError(scope)
        scopes = scope.split() if isinstance(scope, str) else [each for each in scope if isinstance(each, str)]
        grants = grants_of(account, scopes, patterns_of(claims.get(TOPICS, [])))
        name = claims.get("jti")
        if not isinstance(name, str) or not 0 < len(name) <= 128:
            # The hash of what is signed, not of the signature, which can be written in more than one way.
            name = hashlib.sha256(text.rpartition(".")[0].encode()).hexdigest()
        return Token(account, frozenset(scopes), name, times["exp"], grants, issued_at=times.get("iat"))


def patterns_of(claim: object) -> list[str]:
    """
    Return the topics in a claim.

    Raises:
        InvalidTokenError: it is no list of names and patterns.
    """
    if not isinstance(claim, list) or not all(isinstance(each, str) for each in claim):
        raise InvalidTokenError(f"the token's claim {TOPICS!r} is no list of texts")
    try:
        for each in claim:
            check_pattern(each)
    except InvalidTopicError:
        raise InvalidTokenError(f"the token's claim {TOPICS!r} has something that is no topic and no pattern") from None
    return claim


def generation_of(claims: dict[str, Any]) -> int | None:
    """
    Return the account's generation in a token of this server; None if it has none.

    Raises:
        ValueError: the claim is not a whole number.
    """
    generation = claims.get(GENERATION)
    if generation is not None and (not isinstance(generation, int) or isinstance(generation, bool)):
        raise ValueError(generation)
    return generation


def seconds_of(value: object) -> float:
    """
    Return the time in a claim, in seconds since 1970.

    Raises:
        ValueError: it is no number, or has no date. Source: RFC 7519, section 2, "NumericDate".
    """
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= LAST:
        raise ValueError(value)
    return float(value)
