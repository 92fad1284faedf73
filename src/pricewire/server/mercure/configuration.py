"""What the operator says of the hub of the Mercure protocol, in a file of TOML."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec

from pricewire.errors import PricewireError
from pricewire.server.auth.keys import MIN_SECRET

Role = Literal["publish", "subscribe"]

ALGORITHMS = frozenset(
    {"EdDSA", "ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "HS256", "HS384", "HS512"}
)
"""The algorithms that an issuer may be allowed."""

COOKIE = "__Secure-mercure_access_token"
"""The name of the cookie that browsers send an access token in."""


class IssuerSetup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    An issuer of access tokens, and a key of its. One with several keys is there several times.

    Attributes:
        name: what its tokens have as `iss`.
        algorithms: what its tokens may be signed by.
        key_file: where its public key is, as PEM; one of the three is given.
        secret_file: where the secret is that is shared with it, for HMAC.
        jwks_url: where it publishes its keys.
        actions: what tokens that are signed with this key may be for.
        is_authorization_server: whether clients are told to get tokens there.
    """

    name: Annotated[str, msgspec.Meta(min_length=1)]
    algorithms: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    key_file: str | None = None
    secret_file: str | None = None
    jwks_url: str | None = None
    actions: tuple[Role, ...] = ("publish", "subscribe")
    is_authorization_server: bool = False


class MercureSetup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    The hub.

    Attributes:
        url: where clients reach it: what relative topics and patterns are resolved against, and what tokens have as `aud`.
        issuers: whose access tokens count, besides the server's own tokens.
        anonymous: whether who has no token may subscribe, to what is not private.
        origins: the origins whose pages may send the cookie.
        cookie: its name.
        subscriptions: whether it tells who subscribes to what.
        speaks_0_x: whether clients of Mercure 0.x may come: they say `topic=`, and their tokens have the claim `mercure`.
    """

    url: str
    issuers: tuple[IssuerSetup, ...] = ()
    anonymous: bool = True
    origins: tuple[str, ...] = ()
    cookie: Annotated[str, msgspec.Meta(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")] = COOKIE
    subscriptions: bool = False
    speaks_0_x: bool = False

    @property
    def path(self) -> str:
        """The path of the hub's URL."""
        return urlsplit(self.url).path

    @property
    def origin(self) -> str:
        """The origin of the hub's URL."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"


def read_setup(path: Path) -> MercureSetup:
    """
    Return what a file says; the files that it names are looked for beside it.

    Raises:
        PricewireError: the file, or one that it names, cannot be read, or has something else.
    """
    try:
        setup = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), MercureSetup)
    except OSError as error:
        raise PricewireError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise PricewireError(f"{path}: {error}") from None
    check(setup, str(path))
    folder = path.parent
    issuers = []
    for each in setup.issuers:
        key = None if each.key_file is None else str(folder / each.key_file)
        secret = None if each.secret_file is None else str(folder / each.secret_file)
        issuers.append(msgspec.structs.replace(each, key_file=key, secret_file=secret))
    return msgspec.structs.replace(setup, issuers=tuple(issuers))


def check(setup: MercureSetup, place: str) -> None:
    """
    Check what the types do not say.

    Raises:
        PricewireError: something cannot be.
    """
    parts = urlsplit(setup.url)
    if parts.scheme not in ("https", "http") or not parts.hostname or len(parts.path) < 2 or parts.path.endswith("/"):
        raise PricewireError(f"{place}: url {setup.url!r} is not like https://hub.example.com/.well-known/mercure")
    if parts.query or parts.fragment:
        raise PricewireError(f"{place}: url {setup.url!r} has a query or a fragment; give it without")
    for origin in setup.origins:
        found = urlsplit(origin)
        if origin != f"{found.scheme}://{found.netloc}" or not found.netloc:
            raise PricewireError(f"{place}: origin {origin!r} is not like https://example.com; '*' would let every page use the cookie")
    for each in setup.issuers:
        if sum(source is not None for source in (each.key_file, each.secret_file, each.jwks_url)) != 1:
            raise PricewireError(f"{place}: issuer {each.name!r} needs one of key_file, secret_file and jwks_url")
        strange = sorted(set(each.algorithms) - ALGORITHMS)
        if strange:
            raise PricewireError(f"{place}: issuer {each.name!r} has the algorithm {strange[0]!r}; take of {', '.join(sorted(ALGORITHMS))}")
        is_shared = {algorithm.startswith("HS") for algorithm in each.algorithms}
        if is_shared != {each.secret_file is not None}:
            raise PricewireError(f"{place}: issuer {each.name!r}: algorithms HS256, HS384 and HS512 go with secret_file, and no others do")


def read_key(path: str, *, is_secret: bool) -> bytes:
    """
    Return a key or a secret; a line break at its end is none of it.

    Raises:
        PricewireError: it cannot be read, or is too short for a secret.
    """
    try:
        found = Path(path).read_bytes()
    except OSError as error:
        raise PricewireError(f"{path}: {error.strerror}") from None
    if not is_secret:
        return found
    secret = found.rstrip(b"\r\n")
    if len(secret) < MIN_SECRET:
        raise PricewireError(f"{path}: a secret of {len(secret)} bytes is too short; take {MIN_SECRET} random bytes or more")
    return secret
