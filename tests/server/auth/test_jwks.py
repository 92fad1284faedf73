"""The keys of another issuer, from a real HTTP server."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pricewire.errors import InvalidTokenError, PricewireError
from pricewire.server.auth.jwks import FLOOR_S, FRESH_S, MAX_SIZE, IssuerKeys
from pricewire.server.auth.tokens import Tokens
from support.clocks import HandClock


class Issuer:
    """An issuer whose answer the test says."""

    def __init__(self) -> None:
        self.requests = 0
        self.status = 200
        self.body = b""
        self.may_answer = threading.Event()
        self.may_answer.set()
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.requests += 1
                issuer.may_answer.wait(60)
                self.send_response(issuer.status)
                self.send_header("content-length", str(len(issuer.body)))
                self.end_headers()
                self.wfile.write(issuer.body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/keys"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))

    def publish(self, *keys: dict[str, Any]) -> None:
        self.body = json.dumps({"keys": keys}).encode()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    issuer.thread.start()
    yield issuer
    issuer.may_answer.set()
    issuer.server.shutdown()
    issuer.thread.join()
    issuer.server.server_close()


def make(name: str) -> tuple[Ed25519PrivateKey, dict[str, Any]]:
    key = Ed25519PrivateKey.generate()
    return key, {**jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": name, "alg": "EdDSA"}


def signed(key: Ed25519PrivateKey, name: str) -> str:
    return jwt.encode({"account": "a", "exp": time.time() + 60}, key, algorithm="EdDSA", headers={"kid": name})


async def test_a_new_key_is_fetched_when_a_token_names_it(issuer: Issuer) -> None:
    clock = HandClock()
    keys = IssuerKeys(issuer.url, clock=clock)
    tokens = Tokens(keys)
    (first, shown), (second, shown_too) = make("first"), make("second")
    issuer.publish(shown)
    for _ in range(3):
        assert (await tokens.check(signed(first, "first"))).account == "a"
    assert issuer.requests == 1
    issuer.publish(shown, shown_too)
    clock.now += FLOOR_S
    assert (await tokens.check(signed(second, "second"))).account == "a"
    assert (await tokens.check(signed(first, "first"))).account == "a"
    assert issuer.requests == 2
    with pytest.raises(InvalidTokenError, match="signature"):
        await tokens.check(signed(first, "second"))
    await keys.aclose()


async def test_made_up_names_do_not_turn_into_a_storm(issuer: Issuer) -> None:
    clock = HandClock()
    keys = IssuerKeys(issuer.url, clock=clock)
    key, shown = make("one")
    issuer.publish(shown)
    for number in range(20):
        with pytest.raises(InvalidTokenError, match="does not publish"):
            await Tokens(keys).check(signed(key, f"made up {number}"))
    assert issuer.requests == 1
    clock.now += FLOOR_S
    with pytest.raises(InvalidTokenError):
        await keys.find("made up", "EdDSA")
    assert issuer.requests == 2
    await keys.aclose()


async def test_all_wait_for_one_fetch_and_who_gives_up_harms_nobody(issuer: Issuer) -> None:
    keys = IssuerKeys(issuer.url)
    _, shown = make("one")
    issuer.publish(shown)
    issuer.may_answer.clear()
    waiting = [asyncio.create_task(keys.find("one", "EdDSA")) for _ in range(50)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    issuer.may_answer.set()
    assert len({(await each).key_id for each in waiting[1:]}) == 1
    assert issuer.requests == 1
    await keys.aclose()


@pytest.mark.parametrize("fault", ["down", "error", "no JSON", "no keys", "huge"])
async def test_the_last_good_keys_are_kept_while_there_are_no_others(issuer: Issuer, fault: str) -> None:
    clock = HandClock()
    keys = IssuerKeys(issuer.url, clock=clock)
    key, shown = make("one")
    issuer.publish(shown)
    assert (await Tokens(keys).check(signed(key, "one"))).account == "a"
    if fault == "error":
        issuer.status = 500
    issuer.body = {"no JSON": b"<html>", "no keys": b'{"keys":[]}', "huge": b" " * (MAX_SIZE + 1) + issuer.body}.get(fault, issuer.body)
    if fault == "down":
        issuer.server.shutdown()
        issuer.server.server_close()
    clock.now += FRESH_S
    with pytest.raises(InvalidTokenError):
        await keys.find("another", "EdDSA")
    assert (await Tokens(keys).check(signed(key, "one"))).account == "a"
    await keys.aclose()


async def test_old_keys_are_fetched_again_and_nobody_waits_for_that(issuer: Issuer) -> None:
    clock = HandClock()
    keys = IssuerKeys(issuer.url, clock=clock)
    _, shown = make("one")
    _, other = make("other")
    issuer.publish(shown)
    await keys.find("one", "EdDSA")
    issuer.publish(other)
    clock.now += FRESH_S
    assert (await keys.find("one", "EdDSA")).key_id == "one"
    # Now it waits for the fetch that the last one began.
    assert (await keys.find("other", "EdDSA")).key_id == "other"
    assert issuer.requests == 2
    with pytest.raises(InvalidTokenError):
        await keys.find("one", "EdDSA")
    await keys.aclose()


async def test_a_secret_among_the_published_keys_is_none(issuer: Issuer) -> None:
    """Whoever can read the address knows it, too."""
    keys = IssuerKeys(issuer.url)
    _, shown = make("one")
    issuer.publish({"kty": "oct", "k": "cHVibGlzaGVkIHB1Ymxpc2hlZCBwdWJsaXNoZWQgcHVi", "kid": "secret", "alg": "HS256"}, shown)
    token = jwt.encode(
        {"account": "a", "exp": time.time() + 60}, b"published published published pub", algorithm="HS256", headers={"kid": "secret"}
    )
    with pytest.raises(InvalidTokenError, match="algorithm"):
        await Tokens(keys).check(token)
    with pytest.raises(InvalidTokenError):
        await keys.find("secret", "HS256")
    assert (await keys.find(None, "EdDSA")).key_id == "one", "a token need not name the only one"
    await keys.aclose()


async def test_without_a_name_two_keys_are_none(issuer: Issuer) -> None:
    keys = IssuerKeys(issuer.url)
    issuer.publish(make("one")[1], make("two")[1])
    with pytest.raises(InvalidTokenError):
        await keys.find(None, "EdDSA")
    await keys.aclose()


@pytest.mark.parametrize("url", ["http://issuer.example/keys", "file:///etc/passwd", "issuer.example", "http://127.0.0.1.example/"])
def test_keys_from_anybody_are_refused(url: str) -> None:
    with pytest.raises(PricewireError, match="https"):
        IssuerKeys(url)
