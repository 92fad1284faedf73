"""The keys that tokens are signed and checked with, where this server signs: a key of its own, or a shared secret."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any, Protocol

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pricewire.errors import InvalidTokenError, PricewireError
from pricewire.secret_file import read_secret_file

KEY_FILE = "signing-key.pem"
"""The name of the local key's file in the data directory."""

MIN_SECRET = 32
"""The shortest secret, in bytes: as long as what HMAC-SHA256 makes of it. Source: RFC 7518, section 3.2."""


class KeySource(Protocol):
    """
    Where the keys come from that tokens are checked with.

    Attributes:
        algorithms: the only ones that a token of this source may name.
    """

    algorithms: tuple[str, ...]

    async def find(self, key_id: str | None, algorithm: str) -> jwt.PyJWK:
        """
        Return the key that a token names; each key is for one algorithm.

        Raises:
            InvalidTokenError: there is none.
        """

    async def aclose(self) -> None:
        """Close the source's connections, if it has any."""


class SigningKey:
    """
    A key that this server signs with.

    Args:
        key: the private key or the secret, to sign with.
        public: the key to check signatures with, as a JSON Web Key; tokens name it by its `kid`, if it has one.
    """

    def __init__(self, key: Ed25519PrivateKey | bytes, public: dict[str, Any]) -> None:
        self._key = key
        self._checks = jwt.PyJWK(public)
        self.algorithms: tuple[str, ...] = (self._checks.algorithm_name,)

    def __repr__(self) -> str:
        return f"SigningKey(for {self.algorithms[0]})"

    def sign(self, claims: dict[str, Any]) -> str:
        """Return a signed token with these claims."""
        named = {} if self._checks.key_id is None else {"kid": self._checks.key_id}
        return jwt.encode(claims, self._key, algorithm=self.algorithms[0], headers=named)

    async def find(self, key_id: str | None, algorithm: str) -> jwt.PyJWK:
        """Return the key, for a token that names it or no key; a key without a name is used for every token."""
        if self._checks.key_id is not None and key_id not in (None, self._checks.key_id):
            raise InvalidTokenError("the token is signed with a key that this server does not know")
        return self._checks

    async def aclose(self) -> None:
        """Do nothing: a local key has no connections."""


def local_key(directory: Path) -> SigningKey:
    """
    Return the key of a data directory, which is made on first use: Ed25519, in a file that only its owner may read.

    Raises:
        PricewireError: the file cannot be used, or others may read it.
    """
    path = directory / KEY_FILE
    try:
        key = serialization.load_pem_private_key(read_secret_file(path, new_key), password=None)
    except ValueError:
        raise PricewireError(f"{path} holds no key: remove it to have a new one made; tokens of the old one end with it") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise PricewireError(f"{path} holds another key than Ed25519: remove it to have one made")
    public = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    name = encoded(hashlib.sha256(public).digest()[:12])
    return SigningKey(key, {"kty": "OKP", "crv": "Ed25519", "x": encoded(public), "alg": "EdDSA", "kid": name})


def new_key() -> bytes:
    """Return a new key, in PEM."""
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def shared_secret(secret: bytes) -> SigningKey:
    """
    Return the key that is a secret shared with another issuer, for HMAC-SHA256.

    Raises:
        PricewireError: it is too short.
    """
    if len(secret) < MIN_SECRET:
        raise PricewireError(f"a shared secret of {len(secret)} bytes is too short; take {MIN_SECRET} random bytes or more")
    return SigningKey(secret, {"kty": "oct", "k": encoded(secret), "alg": "HS256"})


def encoded(data: bytes) -> str:
    """Return bytes in the base64url of JOSE. Source: RFC 7515, section 2."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
