"""Access tokens: JSON Web Tokens of the issuers that the operator trusts, with what they grant."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import jwt
import msgspec

from pricewire.errors import InvalidTokenError, PricewireError
from pricewire.server.auth.grants import Action, Grant
from pricewire.server.auth.jwks import IssuerKeys
from pricewire.server.auth.tokens import LAST, MAX_SIZE, Token, seconds_of
from pricewire.server.mercure.configuration import IssuerSetup, MercureSetup, read_key, read_setup
from pricewire.server.mercure.matchers import EXACT, URI_TEMPLATE, URL_PATTERN, Matcher, read_matcher
from pricewire.server.mercure.texts import InvalidRequestError

LEEWAY_S = 10.0
"""How far the time from which on a token is valid may be off, in seconds: clocks that are synchronized differ by less."""

DETAIL_TYPES = ("https://mercure.rocks/authorization-detail", "mercure")
"""The type of the protocol's authorization details: as version 1.0 has it, and as the draft of August 2026 does."""

MOST_DETAILS = 100
MOST_TOPICS = 100
"""How many authorization details a token may have, and how many matchers each of them."""

ACTIONS = {"publish": Action.PUBLISH, "subscribe": Action.READ}


class Payload(msgspec.Struct, frozen=True):
    """
    What an issuer has others know of a subscriber.

    Attributes:
        matchers: of which subscriptions.
        json: what it is, as JSON.
    """

    matchers: tuple[Matcher, ...]
    json: bytes


@dataclass(frozen=True, slots=True)
class AccessToken:
    """
    What a valid access token says.

    Attributes:
        token: it, as the server knows all tokens.
        payloads: what others may know of the subscriber; the first one counts that is for a subscription.
    """

    token: Token
    payloads: tuple[Payload, ...] = ()

    def payload_of(self, matcher: Matcher) -> bytes | None:
        """Return what others may know of who has a subscription, as JSON; None for nothing."""
        return next((each.json for each in self.payloads if any(one.matches(matcher.text) for one in each.matchers)), None)


class Key(Protocol):
    """Where the key of an issuer comes from."""

    async def find(self, key_id: str | None, algorithm: str) -> Any:
        """
        Return the key for an algorithm.

        Raises:
            InvalidTokenError: there is none.
        """

    async def aclose(self) -> None:
        """Close its connections, if it has any."""


class FixedKey:
    """A key or a secret in a file."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    async def find(self, key_id: str | None, algorithm: str) -> bytes:
        """Return it."""
        return self._key

    async def aclose(self) -> None:
        """Do nothing: it has no connections."""


class AccessTokens:
    """
    Checks access tokens.

    Args:
        setup: has the issuers, and what tokens must be for.

    Raises:
        PricewireError: a key cannot be read, or keys cannot be fetched from an address.

    Source: RFC 9068; RFC 9396; RFC 8725; the protocol, "Token Validation".
    """

    def __init__(self, setup: MercureSetup) -> None:
        self._setup = setup
        self._keys: list[tuple[IssuerSetup, Key]] = [(each, _key_of(each)) for each in setup.issuers]
        self._jwt = jwt.PyJWT({"enforce_minimum_key_length": True})

    async def aclose(self) -> None:
        """Close the connections to issuers."""
        for _, key in self._keys:
            await key.aclose()

    async def check(self, text: str) -> AccessToken:
        """
        Return what a token says.

        Raises:
            InvalidTokenError: it is not valid.
            UnavailableError: its issuer does not answer.
        """
        if len(text) > MAX_SIZE:
            raise InvalidTokenError(f"the token is longer than {MAX_SIZE} bytes")
        try:
            header = jwt.get_unverified_header(text)
            claims, issuer = await self._verified(text, header)
            return self._read(claims, issuer, text)
        except (jwt.PyJWTError, InvalidRequestError, InvalidTokenError, ValueError, TypeError, OverflowError, RecursionError):
            # Nobody is told why, and no traceback shows the token.
            fault = "the token is not valid"
        raise InvalidTokenError(fault)

    async def _verified(self, text: str, header: dict[str, Any]) -> tuple[dict[str, Any], IssuerSetup]:
        """Return the claims, signed by an issuer that is trusted, and this issuer."""
        if "crit" in header:
            raise InvalidTokenError("the token has an extension that is not known")
        is_access = has_type(header)
        if not is_access and not self._setup.speaks_0_x:
            raise InvalidTokenError("the token is no access token")
        # It only says which keys to try: the signature has to be of the issuer that it names.
        named = jwt.decode(text, options={"verify_signature": False}).get("iss")
        for issuer, key in self._keys:
            algorithm = header.get("alg")
            if algorithm not in issuer.algorithms or (named != issuer.name and (is_access or named is not None)):
                continue
            try:
                found = await key.find(header.get("kid"), str(algorithm))
                return self._decoded(text, found, str(algorithm), issuer.name if is_access else None), issuer
            except (jwt.PyJWTError, InvalidTokenError):
                # The issuer may have another key.
                continue
        raise InvalidTokenError("no trusted key has signed the token")

    def _decoded(self, text: str, key: Any, algorithm: str, issuer: str | None) -> dict[str, Any]:
        """Return the claims; an `issuer` of None is for tokens of 0.x, which say of themselves what they like."""
        if issuer is None:
            return self._jwt.decode(text, key, algorithms=[algorithm], leeway=LEEWAY_S, options={"verify_aud": False, "verify_sub": False})
        options: Any = {"require": ["exp", "aud", "iss"]}
        return self._jwt.decode(
            text, key, algorithms=[algorithm], issuer=issuer, audience=self._setup.url, leeway=LEEWAY_S, options=options
        )

    def _read(self, claims: dict[str, Any], issuer: IssuerSetup, text: str) -> AccessToken:
        expires_at = seconds_of(claims["exp"]) if "exp" in claims else float(LAST)
        if expires_at <= time.time():
            raise InvalidTokenError("the token has expired")
        if "authorization_details" in claims:
            grants, payloads = details_of(claims["authorization_details"], self._setup.url)
        elif self._setup.speaks_0_x and "mercure" in claims:
            grants, payloads = claim_of(claims["mercure"], self._setup.url)
        else:
            grants, payloads = [], []
        allowed = {ACTIONS[action] for action in issuer.actions}
        kept = tuple(sorted({grant for grant in grants if grant.action in allowed}, key=lambda each: (each.action, each.kind, each.text)))
        # What is signed, as a signature can be written in more than one way.
        name = hashlib.sha256(text.rpartition(".")[0].encode()).hexdigest()
        return AccessToken(Token(None, frozenset(), name, expires_at, kept), tuple(payloads) if Action.READ in allowed else ())


def checked_setup(path: Path) -> MercureSetup:
    """
    Return what a file says, once its keys have been read, too.

    Raises:
        PricewireError: the file or a key cannot be read, or is none.
    """
    setup = read_setup(path)
    for issuer in setup.issuers:
        if issuer.jwks_url is None:
            _key_of(issuer)
    return setup


def has_type(header: dict[str, Any]) -> bool:
    """Return whether a token is an access token by its header. Source: RFC 9068, section 4; RFC 7515, section 4.1.9."""
    return str(header.get("typ", "")).lower().removeprefix("application/") == "at+jwt"


def is_access_token(text: str) -> bool:
    """Return whether a token says that it is an access token, and not one of the server's own."""
    try:
        return has_type(jwt.get_unverified_header(text))
    except jwt.PyJWTError:
        return False


def _key_of(issuer: IssuerSetup) -> Key:
    if issuer.jwks_url is not None:
        return IssuerKeys(issuer.jwks_url)
    path = issuer.secret_file or issuer.key_file
    assert path is not None, "an issuer has one of the three"  # noqa: S101
    key = read_key(path, is_secret=issuer.secret_file is not None)
    for algorithm in issuer.algorithms:
        try:
            jwt.get_algorithm_by_name(algorithm).prepare_key(key)
        except (jwt.PyJWTError, ValueError, TypeError):
            raise PricewireError(f"{path}: the key is none for {algorithm}, which issuer {issuer.name!r} signs by") from None
    return FixedKey(key)


def details_of(claim: object, base: str) -> tuple[list[Grant], list[Payload]]:
    """
    Return what the authorization details of a token grant, and what they have others know.

    Raises:
        InvalidTokenError: one of the protocol's is wrong: then none of them counts.
        InvalidRequestError: a matcher is wrong.

    Source: the protocol, "Authorization Details".
    """
    if not isinstance(claim, list):
        raise InvalidTokenError("authorization_details is no list")
    details = []
    for each in claim:
        if not isinstance(each, dict):
            raise InvalidTokenError("an authorization detail is no object")
        if each.get("type") in DETAIL_TYPES:
            details.append(each)
    if len(details) > MOST_DETAILS:
        raise InvalidTokenError("the token has too many authorization details")
    grants: list[Grant] = []
    payloads: list[Payload] = []
    for detail in details:
        actions, topics = detail.get("actions"), detail.get("topics")
        if not isinstance(actions, list) or not actions or not all(isinstance(each, str) for each in actions):
            raise InvalidTokenError("the actions of an authorization detail are no texts")
        if not isinstance(topics, list) or not 0 < len(topics) <= MOST_TOPICS:
            raise InvalidTokenError("the topics of an authorization detail are none, or too many")
        matchers = [_matcher_of(each, base) for each in topics]
        grants += [matcher.grant(ACTIONS[action]) for action in actions if action in ACTIONS for matcher in matchers]
        if "payload" in detail:
            if not isinstance(detail["payload"], dict):
                raise InvalidTokenError("the payload of an authorization detail is no object")
            if "subscribe" in actions:
                payloads.append(Payload(tuple(matchers), msgspec.json.encode(detail["payload"])))
    return grants, payloads


def _matcher_of(entry: object, base: str) -> Matcher:
    if not isinstance(entry, dict) or not isinstance(entry.get("match"), str):
        raise InvalidTokenError("a topic of an authorization detail has no match")
    kind = entry.get("match_type", EXACT)
    if kind not in (EXACT, URL_PATTERN):
        raise InvalidTokenError("a topic of an authorization detail is of an unknown type")
    return read_matcher(kind, entry["match"], base)


def claim_of(claim: object, base: str) -> tuple[list[Grant], list[Payload]]:
    """
    Return what the claim of a token of 0.x grants.

    Raises:
        InvalidTokenError: it is no such claim.
        InvalidRequestError: a selector is wrong.
    """
    if not isinstance(claim, dict):
        raise InvalidTokenError("the claim mercure is no object")
    grants: list[Grant] = []
    for name, action in ACTIONS.items():
        selectors = claim.get(name) or []
        if not isinstance(selectors, list) or not all(isinstance(each, str) for each in selectors) or len(selectors) > MOST_TOPICS:
            raise InvalidTokenError("the claim mercure has selectors that are no texts, or too many")
        grants += [each.grant(action) for each in selectors_of(selectors, base)]
    if "payload" not in claim:
        return grants, []
    everything = read_matcher(EXACT, "*", base)
    return grants, [Payload((everything,), msgspec.json.encode(claim["payload"]))]


def selectors_of(selectors: Iterable[str], base: str) -> Sequence[Matcher]:
    """
    Return the matchers of 0.x: each is a URI template, or the topic itself.

    Raises:
        InvalidRequestError: one is not allowed.
    """
    return [read_matcher(URI_TEMPLATE if "{" in text else EXACT, text, base) for text in selectors]
