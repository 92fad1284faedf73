"""Which tokens are believed."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from pricewire.errors import InvalidTokenError
from pricewire.server.auth.keys import KEY_FILE, SigningKey, local_key, shared_secret
from pricewire.server.auth.tokens import MAX_SIZE, TokenRules, Tokens

SECRET = shared_secret(b"s" * 32)
TOKENS = Tokens(SECRET)


def claims(**others: Any) -> dict[str, Any]:
    return {"account": "a", "scope": "read trade", "exp": time.time() + 60, "jti": "one", **others}


async def test_a_token_says_whose_it_is_what_for_and_until_when() -> None:
    token = await TOKENS.check(SECRET.sign(claims(exp=4_000_000_000)))
    assert (token.account, token.id, token.expires_at) == ("a", "one", 4_000_000_000.0)
    assert token.scopes == {"read", "trade"}


async def test_an_issued_token_is_good_for_an_hour_and_each_has_an_id_of_its_own() -> None:
    first, second = [await TOKENS.check(TOKENS.issue("a")) for _ in range(2)]
    assert first.id != second.id
    assert 3590 < first.expires_at - time.time() <= 3600
    assert first.scopes == {"read", "trade"}


DAY = 86_400
"""In seconds: whenever the test runs after it was collected."""


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"exp": time.time() - DAY}, "expired"),
        ({"nbf": time.time() + DAY}, "not valid yet"),
        ({"iat": time.time() + DAY}, "not valid yet"),
        ({"aud": "other"}, "another audience"),
        ({"exp": float("inf")}, "cannot be read"),
        ({"exp": "soon"}, "cannot be read"),
        ({"exp": None}, "cannot be read"),
        ({"account": ""}, "names no account"),
        ({"account": ["a"]}, "names no account"),
        ({"account": None}, "names no account"),
        ({"scope": 7}, "cannot be read"),
        ({"jti": {"no": "text"}}, "cannot be read"),
    ],
)
async def test_a_token_that_says_something_wrong_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidTokenError, match=message):
        await TOKENS.check(SECRET.sign(claims(**changed)))


async def test_clocks_may_differ_a_little() -> None:
    assert (await TOKENS.check(SECRET.sign(claims(exp=time.time() - 5, nbf=time.time() + 5)))).account == "a"


@pytest.mark.parametrize("without", ["exp", "iss", "aud"])
async def test_what_is_configured_has_to_be_there(without: str) -> None:
    tokens = Tokens(SECRET, TokenRules("https://issuer.example", "pricewire"))
    said = claims(iss="https://issuer.example", aud=["pricewire", "more"])
    assert (await tokens.check(SECRET.sign(said))).account == "a"
    assert (await tokens.check(tokens.issue("a"))).account == "a"
    with pytest.raises(InvalidTokenError):
        await tokens.check(SECRET.sign({name: value for name, value in said.items() if name != without}))
    with pytest.raises(InvalidTokenError, match="another"):
        await tokens.check(SECRET.sign({**said, without: "x"} if without != "exp" else {**said, "iss": "x"}))


async def test_scopes_are_a_text_or_a_list_and_none_give_nothing() -> None:
    assert (await TOKENS.check(SECRET.sign(claims(scope=["read", 5])))).scopes == {"read"}
    without = {name: value for name, value in claims().items() if name != "scope"}
    assert (await TOKENS.check(SECRET.sign(without))).scopes == frozenset()


async def test_a_token_without_an_id_is_named_by_what_is_signed() -> None:
    without = {name: value for name, value in claims().items() if name != "jti"}
    first, second = SECRET.sign(without), SECRET.sign({**without, "exp": 4_000_000_000})
    assert (await TOKENS.check(first)).id == (await TOKENS.check(first)).id
    assert (await TOKENS.check(first)).id != (await TOKENS.check(second)).id
    assert (await TOKENS.check(SECRET.sign({**without, "jti": "x" * 129}))).id != "x" * 129


def encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def unsigned() -> str:
    return f"{encoded({'alg': 'none', 'typ': 'JWT'})}.{encoded(claims())}."


FORGED: dict[str, Callable[[], str]] = {
    "nothing": lambda: "",
    "garbage": lambda: "garbage",
    "dots": lambda: "..",
    "too long": lambda: "a" * (MAX_SIZE + 1),
    "not ASCII": lambda: "ä.ö.ü",
    "none": unsigned,
    "None in capitals": lambda: unsigned().replace(encoded({"alg": "none", "typ": "JWT"}), encoded({"alg": "NONE"})),
    "another algorithm": lambda: jwt.encode(claims(), b"s" * 64, algorithm="HS512"),
    "another key": lambda: jwt.encode(claims(), b"t" * 32, algorithm="HS256"),
    "no algorithm": lambda: f"{encoded({})}.{encoded(claims())}.AAAA",
    "algorithm is no text": lambda: f"{encoded({'alg': ['HS256']})}.{encoded(claims())}.AAAA",
    "header is no object": lambda: f"{encoded('HS256')}.{encoded(claims())}.AAAA",
    "header nested deeply": lambda: f"{base64.urlsafe_b64encode(b'[' * 5000).decode().rstrip('=')}.{encoded(claims())}.AAAA",
    "a critical extension": lambda: jwt.encode(claims(), b"s" * 32, algorithm="HS256", headers={"crit": ["exp"], "exp": 1}),
    "claims are no object": lambda: jwt.api_jws.encode(b"[1]", b"s" * 32, algorithm="HS256"),
    "claims nested deeply": lambda: jwt.api_jws.encode(b'{"a":' * 1000, b"s" * 32, algorithm="HS256"),
}


@pytest.mark.parametrize("name", FORGED)
async def test_a_forged_token_is_refused_and_not_shown(name: str) -> None:
    text = FORGED[name]()
    with pytest.raises(InvalidTokenError) as raised:
        await TOKENS.check(text)
    assert raised.value.__cause__ is None
    assert not text or text[:20] not in str(raised.value)


async def test_a_public_key_is_no_secret(tmp_path: Path) -> None:
    """Algorithm confusion: an attacker signs with HMAC, and for its secret takes the public key."""
    tokens = Tokens(local_key(tmp_path))
    key = serialization.load_pem_private_key((tmp_path / KEY_FILE).read_bytes(), None)
    assert isinstance(key, Ed25519PrivateKey)
    formats = [
        (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
        (serialization.Encoding.Raw, serialization.PublicFormat.Raw),
    ]
    for encoding, form in formats:
        secret = key.public_key().public_bytes(encoding, form)
        head, said = encoded({"alg": "HS256", "typ": "JWT"}), encoded(claims())
        signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(f"{head}.{said}".encode(), secret)
        forged = f"{head}.{said}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
        with pytest.raises(InvalidTokenError, match="algorithm"):
            await tokens.check(forged)


async def test_a_key_that_the_token_brings_along_is_not_used(tmp_path: Path) -> None:
    other = Ed25519PrivateKey.generate()
    own = jwt.algorithms.OKPAlgorithm.to_jwk(other.public_key(), as_dict=True)
    forged = jwt.encode(claims(), other, algorithm="EdDSA", headers={"jwk": own, "jku": "https://attacker.example/keys"})
    with pytest.raises(InvalidTokenError, match="signature"):
        await Tokens(local_key(tmp_path)).check(forged)


@settings(max_examples=150)
@given(place=st.integers(0, 10_000), letter=st.characters(max_codepoint=0x2FF))
async def test_a_token_with_another_letter_is_refused(place: int, letter: str) -> None:
    text = SECRET.sign(claims(exp=4_000_000_000))
    place %= text.rindex(".")
    if text[place] == letter:
        return
    with pytest.raises(InvalidTokenError):
        await TOKENS.check(text[:place] + letter + text[place + 1 :])


@settings(max_examples=150)
@given(st.text(max_size=300))
async def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidTokenError):
        await TOKENS.check(text)


def test_only_a_key_of_ones_own_issues(tmp_path: Path) -> None:
    class Elsewhere:
        algorithms: tuple[str, ...] = ("ES256",)

        async def find(self, key_id: str | None, algorithm: str) -> jwt.PyJWK:
            raise InvalidTokenError("unknown")

        async def aclose(self) -> None: ...

    assert isinstance(local_key(tmp_path), SigningKey)
    assert not Tokens(Elsewhere()).can_issue
    with pytest.raises(InvalidTokenError, match="another issuer"):
        Tokens(Elsewhere()).issue("a")
