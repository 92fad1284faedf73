"""Requests for another host than this server, as a page sends whose name was made to point here: over real sockets, by both transports."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from pricewire.errors import PricewireError
from pricewire.market.feeds.simulated.feed import SimulatedFeed
from pricewire.server.app import create_app
from pricewire.server.host_names import accepted_names
from pricewire.server.transport.handover import HandoverProtocol
from support.serving import Serving

PATHS = ("/", "/healthz", "/metrics", "/schema", "/sse?topic=ticks:R_100", "/v1/market/instruments", "/no/such/path")

OURS = (
    *("127.0.0.1", "127.0.0.1:8080", "192.0.2.7:80", "[::1]", "[::1]:8080", "[2001:db8::7]", "0.0.0.0"),
    *("localhost", "localhost:9000", "LocalHost", "localhost.", "prices.example", "PRICES.example:443", "page.example", "page.example."),
)
FOREIGN = (
    *("attacker.example", "attacker.example:8080", "prices.example.attacker.example", "xprices.example", "localhost.attacker.example"),
    # What a browser would have turned into an address before it asked for it.
    *("127.1", "2130706433", "0x7f000001", "127.0.0.1.attacker.example", "example"),
)
BROKEN = (
    "",
    "a b",
    "prices.example/",
    "user@prices.example",
    "prices.example:x",
    "prices.example:123456",
    "[::1",
    "::1",
    "[prices]",
    "ü",
    "a,b",
    "%31",
)


@pytest.fixture(scope="module")
def server(http: type[asyncio.Protocol]) -> Iterator[Serving]:
    app = create_app([SimulatedFeed(seed=1)], origins=["https://page.example"], host_names=["Prices.example"])
    with Serving(app, http=http) as serving:
        yield serving


def ask(server: Serving, path: str, *lines: str, method: str = "GET", version: str = "1.1") -> tuple[int, dict[str, Any]]:
    """Make a request of these header lines and no others; return the status, and the body where it is an error."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall("\r\n".join([f"{method} {path} HTTP/{version}", *lines, "", ""]).encode("latin-1"))
        received = b""
        while b"\r\n\r\n" not in received:
            data = connection.recv(65536)
            assert data, received
            received += data
        head, _, body = received.partition(b"\r\n\r\n")
        status = int(head.split()[1])
        while status >= 400 and (data := connection.recv(65536)):
            body += data
    return status, json.loads(body) if body and status in (400, 421) else {}


@pytest.mark.parametrize("host", OURS)
def test_what_is_ours_is_answered(server: Serving, host: str) -> None:
    for path in ("/healthz", "/sse?topic=ticks:R_100"):
        assert ask(server, path, f"Host: {host}", "Connection: close")[0] == 200


def test_a_target_that_names_a_host_counts_instead_of_the_header(server: Serving, http: type[asyncio.Protocol]) -> None:
    # Other servers pass neither on: there the header counts, which no browser sends otherwise than the target.
    target_counts = http is HandoverProtocol
    for port in ("", ":8080"):
        ours, foreign = f"http://localhost{port}/healthz", f"http://attacker.example{port}/healthz"
        assert ask(server, foreign, "Host: localhost", "Connection: close")[0] == (421 if target_counts else 200)
        assert ask(server, ours, "Host: attacker.example", "Connection: close")[0] == (200 if target_counts else 421)
        assert ask(server, ours)[0] == 400


@pytest.mark.parametrize("host", FOREIGN)
def test_a_foreign_host_is_refused(server: Serving, host: str) -> None:
    status, body = ask(server, "/healthz", f"Host: {host}")
    assert (status, body["error"]["code"]) == (421, "MISDIRECTED_REQUEST")
    assert "--host-name" in body["error"]["message"]


@pytest.mark.parametrize("path", PATHS)
def test_it_is_refused_whatever_it_asks_for_and_whoever_says_otherwise(server: Serving, path: str) -> None:
    foreign = (
        "Host: attacker.example",
        "X-Forwarded-Host: prices.example",
        "Forwarded: host=prices.example",
        "Origin: https://page.example",
    )
    assert ask(server, path, *foreign)[0] == 421
    for method in ("POST", "PATCH", "OPTIONS", "DELETE"):
        assert ask(server, path, *foreign, "Access-Control-Request-Method: GET", method=method)[0] == 421


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_there_is_one_host(server: Serving, version: str) -> None:
    for lines in ([], ["Host: prices.example", "Host: prices.example"], ["Host: prices.example", "host: attacker.example"]):
        for path in ("/healthz", "/sse?topic=ticks:R_100"):
            assert ask(server, path, *lines, version=version)[0] == 400


@pytest.mark.parametrize("host", BROKEN)
def test_a_host_that_is_none_is_a_mistake(server: Serving, host: str) -> None:
    status, body = ask(server, "/healthz", f"Host: {host}")
    assert (status, body["error"]["code"]) == (400, "INVALID_PARAMETERS")


def test_without_names_any_host_is_answered_but_one_there_has_to_be(http: type[asyncio.Protocol]) -> None:
    with Serving(create_app([]), http=http) as server:
        assert ask(server, "/healthz", "Host: whatever.example", "Connection: close")[0] == 200
        assert ask(server, "/healthz")[0] == 400


def test_which_names_are_accepted() -> None:
    page = ["https://page.example:8443"]
    assert accepted_names(None, ["*"]) is None
    assert accepted_names([], ["*"]) == frozenset()
    assert accepted_names(None, page) == frozenset({"page.example"})
    assert accepted_names(["Prices.Example."], [*page, "http://[::1]:80"]) == frozenset({"prices.example", "page.example", "::1"})
    assert accepted_names(["*"], page) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.com",
        "https://",
        "https://a b",
        "ftp://a",
        "https://a/",
        "https://a/b",
        "https://A",
        "null",
        "https://a:x",
        "https://*.a",
    ],
)
def test_an_origin_is_what_a_browser_sends(text: str) -> None:
    with pytest.raises(PricewireError, match=r"https://example\.com"):
        create_app([], origins=[text])


@pytest.mark.parametrize("text", ["", "https://a", "a/b", "a:80", "a b", ".", "*.a"])
def test_a_host_name_is_a_name_alone(text: str) -> None:
    with pytest.raises(PricewireError, match="the name alone"):
        create_app([], host_names=[text])
