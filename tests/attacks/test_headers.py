"""Headers that say two things, over raw sockets, by both transports: the first of two does not count silently."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from support.app_server import TOKENS, add_account, open_app_server
from support.serving import Reader, Serving

BODY = b'{"instrument_id":"R_100","count":1}'


@dataclass
class Scene:
    server: Serving
    alice: str
    mallory: str


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, http: type[asyncio.Protocol]) -> Iterator[Scene]:
    database = tmp_path_factory.mktemp("headers") / "pricewire.db"
    tokens = [TOKENS.issue(add_account(database, name).uuid) for name in ("alice", "mallory")]
    with open_app_server(database, http=http) as server:
        yield Scene(server, *tokens)


def ask(server: Serving, method: str, path: str, *lines: str, body: bytes = b"") -> tuple[int, bytes]:
    """Make a request of these header lines; return the status and what follows the head, of a stream nothing."""
    reader = Reader.__new__(Reader)
    reader.socket, reader.received = socket.create_connection(("127.0.0.1", server.port), timeout=60), b""
    with reader:
        head = "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", "Connection: close", *lines, "", ""])
        reader.socket.sendall(head.encode() + body)
        status, _ = reader.read_head()
        return status, b"" if status == 200 and "sse" in path else reader.read_to_end()


def refusal(answer: tuple[int, bytes]) -> str:
    status, body = answer
    assert status == 400, body
    message: str = json.loads(body)["error"]["message"]
    return message


@pytest.mark.parametrize(
    "path", ["/v1/accounts", "/protected/sse?topic=ticks:R_100", "/sse?topic=ticks:R_100", "/healthz", "/no/such/path"]
)
def test_of_two_tokens_none_counts(scene: Scene, path: str) -> None:
    tokens = [f"Authorization: Bearer {scene.alice}", f"authorization: Bearer {scene.mallory}"]
    for lines in (tokens, tokens[::-1], [tokens[0]] * 2, [tokens[0], "Authorization: Basic YTpi"], [tokens[0], "X: y", "AUTHORIZATION:"]):
        assert refusal(ask(scene.server, "GET", path, *lines)) == "a request has one header Authorization; this one has 2"
    assert ask(scene.server, "GET", "/v1/accounts", tokens[0])[0] == 200


def test_of_two_places_to_go_on_from_none_counts(scene: Scene) -> None:
    path = "/sse?topic=ticks:R_100"
    assert "Last-Event-ID" in refusal(ask(scene.server, "GET", path, "Last-Event-ID: a-1", "Last-Event-ID: a-2"))


def test_a_body_has_one_type_and_one_length(scene: Scene) -> None:
    path, length = "/v1/market/instruments/ticks/history", f"Content-Length: {len(BODY)}"
    json_, form = "Content-Type: application/json", "Content-Type: application/x-www-form-urlencoded"
    assert ask(scene.server, "POST", path, json_, length, body=BODY)[0] == 200
    for types in ((json_, form), (form, json_)):
        assert "Content-Type" in refusal(ask(scene.server, "POST", path, *types, length, body=BODY))
    for other in (length, "Content-Length: 0", "Transfer-Encoding: chunked"):
        assert ask(scene.server, "POST", path, json_, length, other, body=BODY)[0] == 400


def test_a_page_has_one_origin(scene: Scene) -> None:
    assert "Origin" in refusal(ask(scene.server, "GET", "/v1/market/instruments", "Origin: https://a.example", "Origin: https://b.example"))


def test_lists_may_go_over_several_lines(scene: Scene) -> None:
    lines = [
        "Accept-Encoding: br",
        "Accept-Encoding: identity",
        "Cache-Control: no-cache",
        "Cache-Control: no-store",
        "Accept: a/b",
        "Accept: */*",
    ]
    assert ask(scene.server, "GET", "/v1/market/instruments", *lines)[0] == 200
