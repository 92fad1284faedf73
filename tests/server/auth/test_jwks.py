"""The keys of another issuer, from a real HTTP server."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pricewire.errors import InvalidTokenError, PricewireError, UnavailableError
from pricewire.server.auth.jwks import FLOOR_S, FRESH_S, MAX_KEYS, MAX_SIZE, IssuerKeys, read_keys
from pricewire.server.auth.keys import encoded
from pricewire.server.auth.tokens import Tokens
from support.clocks import HandClock


class Issuer:
    """An issuer whose answer the test says."""

    def __init__(self) -> None:
        self.requests = 0
        self.status = 200
        self.body = b""
        self.headers: dict[str, str] = {}
        self.asked = threading.Event()
        self.may_answer = threading.Event()
        self.may_answer.set()
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.requests += 1
                issuer.asked.set()
                issuer.may_answer.wait(60)
                self.send_response(issuer.status)
                for name, value in ({"content-length": str(len(issuer.body))} | issuer.headers).items():
                    self.send_header(name, value)
                self.end_headers()
                with contextlib.suppress(ConnectionError):
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


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def keys(issuer: Issuer, clock: HandClock) -> AsyncIterator[IssuerKeys]:
    keys = IssuerKeys(issuer.url, clock=clock)
    yield keys
    await keys.aclose()


def make(name: str) -> tuple[Ed25519PrivateKey, dict[str, Any]]:
    key = Ed25519PrivateKey.generate()
    return key, {**jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": name, "alg": "EdDSA"}


def signed(key: Ed25519PrivateKey, name: str) -> str:
    return jwt.encode({"account": "a", "exp": time.time() + 60}, key, algorithm="EdDSA", headers={"kid": name})


async def test_a_new_key_is_fetched_when_a_token_names_it(issuer: Issuer, keys: IssuerKeys, clock: HandClock) -> None:
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


async def test_made_up_names_do_not_turn_into_a_storm(issuer: Issuer, keys: IssuerKeys, clock: HandClock) -> None:
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


async def test_all_wait_for_one_fetch_and_who_gives_up_harms_nobody(issuer: Issuer, keys: IssuerKeys) -> None:
    _, shown = make("one")
    issuer.publish(shown)
    issuer.may_answer.clear()
    waiting = [asyncio.create_task(keys.find("one", "EdDSA")) for _ in range(50)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    issuer.may_answer.set()
    assert len({(await each).key_id for each in waiting[1:]}) == 1
    assert issuer.requests == 1


@pytest.mark.parametrize("fault", ["down", "error", "redirect", "no JSON", "no set", "no keys", "huge", "too many", "compressed"])
async def test_the_last_good_keys_are_kept_while_others_are_missing(issuer: Issuer, keys: IssuerKeys, clock: HandClock, fault: str) -> None:
    key, shown = make("one")
    issuer.publish(shown)
    assert (await Tokens(keys).check(signed(key, "one"))).account == "a"
    if fault == "error":
        issuer.status = 500
    if fault == "redirect":
        issuer.status, issuer.headers = 302, {"location": f"{issuer.url}/others"}
    if fault == "compressed":
        issuer.headers = {"content-encoding": "gzip"}
    bodies = {
        "no JSON": b"<html>",
        "no set": b'[{"keys":[]}]',
        "no keys": b'{"keys":[]}',
        "huge": b" " * (MAX_SIZE + 1) + issuer.body,
        "too many": json.dumps({"keys": [{**shown, "kid": f"{number}"} for number in range(MAX_KEYS + 1)]}).encode(),
        # A bomb: 64 MB, of which nothing is looked at.
        "compressed": gzip.compress(bytes(64_000_000), 1),
    }
    issuer.body = bodies.get(fault, issuer.body)
    if fault == "down":
        issuer.server.shutdown()
        issuer.server.server_close()
    clock.now += FRESH_S
    with pytest.raises(UnavailableError):
        await keys.find("another", "EdDSA")
    assert (await Tokens(keys).check(signed(key, "one"))).account == "a"


async def test_old_keys_are_fetched_again_and_nobody_waits_for_that(issuer: Issuer, keys: IssuerKeys, clock: HandClock) -> None:
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


async def test_a_secret_among_the_published_keys_is_none(issuer: Issuer, keys: IssuerKeys) -> None:
    """Whoever can read the address knows it, too."""
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


async def test_without_a_name_two_keys_are_none(issuer: Issuer, keys: IssuerKeys) -> None:
    issuer.publish(make("one")[1], make("two")[1])
    with pytest.raises(InvalidTokenError):
        await keys.find(None, "EdDSA")


async def test_while_the_issuer_is_away_a_token_of_an_unknown_key_may_be_good(issuer: Issuer, keys: IssuerKeys, clock: HandClock) -> None:
    key, shown = make("one")
    issuer.status = 500
    # Also where it is not asked again so soon.
    for _ in range(3):
        with pytest.raises(UnavailableError):
            await Tokens(keys).check(signed(key, "one"))
    assert issuer.requests == 1
    issuer.status = 200
    issuer.publish(shown)
    clock.now += FLOOR_S
    assert (await Tokens(keys).check(signed(key, "one"))).account == "a"
    with pytest.raises(InvalidTokenError):
        await Tokens(keys).check(signed(key, "another"))


async def test_nobody_with_a_known_key_waits_for_a_fetch_that_others_cause(issuer: Issuer, keys: IssuerKeys, clock: HandClock) -> None:
    key, shown = make("one")
    issuer.publish(shown)
    await keys.find("one", "EdDSA")
    issuer.may_answer.clear()
    issuer.asked.clear()
    clock.now += FLOOR_S
    storm = [asyncio.create_task(keys.find(f"made up {number}", "EdDSA")) for number in range(100)]
    assert await asyncio.to_thread(issuer.asked.wait, 60)
    assert (await Tokens(keys).check(signed(key, "one"))).account == "a"
    assert not any(task.done() for task in storm)
    issuer.may_answer.set()
    assert {type(result) for result in await asyncio.gather(*storm, return_exceptions=True)} == {InvalidTokenError}
    assert issuer.requests == 2


async def test_an_answer_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pricewire.server.auth.jwks.TIMEOUT_S", 0.2)

    over = asyncio.Event()

    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.01)
        writer.close()
        over.set()

    server = await asyncio.start_server(trickle, "127.0.0.1", 0)
    keys = IssuerKeys(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    with pytest.raises(UnavailableError):
        await asyncio.wait_for(keys.find("one", "EdDSA"), 60)
    await keys.aclose()
    await asyncio.wait_for(over.wait(), 60)
    server.close()


def published(key: Any, name: str, **members: Any) -> dict[str, Any]:
    return {**jwt.algorithms.RSAAlgorithm.to_jwk(key, as_dict=True), "kid": name, "alg": "RS256", **members}


def test_keys_that_are_for_nothing_here_are_passed_over() -> None:
    private = rsa.generate_private_key(65537, 2048)
    public = private.public_key()
    numbers = public.public_numbers()
    slow = published(public, "slow", e=encoded((numbers.n - 2).to_bytes(256, "big")))
    long = published(public, "long", n=encoded(((1 << 16_384) - 1).to_bytes(2048, "big")))
    good = published(public, "good")
    strange: list[Any] = [
        *(slow, long, published(private, "private"), published(public, "for secrets", use="enc"), published(public, "x", kid=5)),
        *(
            published(public, "no number", n="!"),
            published(public, "even", e="Ag"),
            published(public, "nothing", n=None),
            {},
            None,
            [],
            "x",
        ),
        {"kty": "EC", "crv": "P-256", "x": encoded(b"x" * 32), "y": encoded(b"y" * 32), "kid": "not on the curve"},
        {"kty": "oct", "k": encoded(b"x" * 32), "kid": "secret", "alg": "HS256"},
        make("none")[1] | {"alg": "none"},
    ]
    for keys in ([*strange, good, good], [good, *strange]):
        assert [key.key_id for key in read_keys(json.dumps({"keys": keys}).encode())] == ["good"]
    nothing: Any
    for nothing in ({"keys": strange}, {"keys": {}}, [], 1, None):
        with pytest.raises(ValueError, match="key"):
            read_keys(json.dumps(nothing).encode())


async def test_two_keys_of_one_name_are_none(issuer: Issuer, keys: IssuerKeys) -> None:
    (first, shown), (_, other) = make("one"), make("one")
    issuer.publish(shown, other)
    with pytest.raises(InvalidTokenError):
        await Tokens(keys).check(signed(first, "one"))


@pytest.mark.parametrize("url", ["http://issuer.example/keys", "file:///etc/passwd", "issuer.example", "http://127.0.0.1.example/"])
def test_keys_from_anybody_are_refused(url: str) -> None:
    with pytest.raises(PricewireError, match="https"):
        IssuerKeys(url)
