"""Access tokens: by which keys they count."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from pricewire.errors import InvalidTokenError, PricewireError
from pricewire.server.auth.grants import Action
from pricewire.server.mercure.access_tokens import AccessToken, AccessTokens
from pricewire.server.mercure.configuration import IssuerSetup, MercureSetup
from support.mercure import HUB, SECRET, TYPE

KEYS: dict[str, Any] = {
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "RS256": rsa.generate_private_key(65537, 2048),
}

GRANT = {"type": TYPE, "actions": ["publish", "subscribe"], "topics": [{"match": "a"}]}


def pem(algorithm: str) -> bytes:
    public: bytes = KEYS[algorithm].public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return public


def issuer(folder: Path, name: str, algorithm: str, **more: Any) -> IssuerSetup:
    path = folder / f"{name.rpartition('/')[2]}-{algorithm}"
    if algorithm == "HS256":
        path.write_bytes(SECRET)
        return IssuerSetup(name, (algorithm,), secret_file=str(path), **more)
    path.write_bytes(pem(algorithm))
    return IssuerSetup(name, (algorithm,), key_file=str(path), **more)


def signed(key: Any, algorithm: str, name: str = "https://a", **headers: Any) -> str:
    claims = {"iss": name, "aud": HUB, "exp": time.time() + 3600, "authorization_details": [GRANT]}
    return jwt.encode(claims, key, algorithm=algorithm, headers={"typ": "at+jwt", **headers})


async def checked(issuers: list[IssuerSetup], text: str) -> AccessToken:
    return await AccessTokens(MercureSetup(HUB, tuple(issuers))).check(text)


@pytest.mark.parametrize("algorithm", KEYS)
async def test_keys_of_each_kind_are_accepted(tmp_path: Path, algorithm: str) -> None:
    token = await checked([issuer(tmp_path, "https://a", algorithm)], signed(KEYS[algorithm], algorithm))
    assert {grant.action for grant in token.token.grants} == {Action.PUBLISH, Action.READ}


async def test_only_algorithms_of_the_list_count(tmp_path: Path) -> None:
    trusted = [issuer(tmp_path, "https://a", "RS256")]
    none = jwt.encode({"iss": "https://a", "aud": HUB, "exp": time.time() + 60}, "", algorithm="none", headers={"typ": "at+jwt"})
    # Who knows the public key signs by HMAC with it.
    header, payload, _ = signed(SECRET, "HS256").split(".")
    forged = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(f"{header}.{payload}".encode(), pem("RS256"))
    confused = f"{header}.{payload}.{jwt.utils.base64url_encode(forged).decode()}"
    for text in (none, signed(KEYS["RS256"], "PS256"), signed(KEYS["ES256"], "ES256"), confused):
        with pytest.raises(InvalidTokenError):
            await checked(trusted, text)


async def test_keys_that_a_token_brings_count_for_nothing(tmp_path: Path) -> None:
    stranger = ec.generate_private_key(ec.SECP256R1())
    brought = jwt.algorithms.ECAlgorithm.to_jwk(stranger.public_key(), as_dict=True)
    text = signed(stranger, "ES256", jwk=brought, jku="https://evil.example.com/keys", x5u="https://evil.example.com/certificate")
    with pytest.raises(InvalidTokenError):
        await checked([issuer(tmp_path, "https://a", "ES256")], text)


async def test_a_key_is_bound_to_its_issuer(tmp_path: Path) -> None:
    trusted = [issuer(tmp_path, "https://a", "EdDSA"), issuer(tmp_path, "https://b", "ES256")]
    for name, algorithm, is_right in (("https://a", "EdDSA", True), ("https://b", "ES256", True), ("https://b", "EdDSA", False)):
        text = signed(KEYS[algorithm], algorithm, name)
        if is_right:
            assert (await checked(trusted, text)).token.grants
        else:
            with pytest.raises(InvalidTokenError):
                await checked(trusted, text)


async def test_an_issuer_may_have_several_keys(tmp_path: Path) -> None:
    trusted = [issuer(tmp_path, "https://a", "EdDSA"), issuer(tmp_path, "https://a", "ES256")]
    for algorithm in ("EdDSA", "ES256"):
        assert (await checked(trusted, signed(KEYS[algorithm], algorithm))).token.grants


async def test_a_key_may_be_for_one_action_alone(tmp_path: Path) -> None:
    trusted = [issuer(tmp_path, "https://a", "HS256", actions=("publish",)), issuer(tmp_path, "https://a", "ES256", actions=("subscribe",))]
    publisher = await checked(trusted, signed(SECRET, "HS256"))
    reader = await checked(trusted, signed(KEYS["ES256"], "ES256"))
    assert [grant.action for grant in publisher.token.grants] == [Action.PUBLISH]
    assert [grant.action for grant in reader.token.grants] == [Action.READ]


def test_a_key_that_does_not_fit_is_told_of_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(pem("RS256"))
    with pytest.raises(PricewireError, match="none for ES256"):
        AccessTokens(MercureSetup(HUB, (IssuerSetup("https://a", ("ES256",), key_file=str(path)),)))
