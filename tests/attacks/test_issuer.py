"""An issuer that does not answer, or publishes what is no key, over the real interface: nobody else waits, and nothing fails."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pricewire.server.auth.jwks import IssuerKeys
from support.app_server import RULES, add_account, open_app_server, refused
from support.serving import Reader

PATHS = ("/v1/accounts", "/v1/market/instruments", "/sse?topic=ticks:R_100", "/protected/sse?topic=ticks:R_100")


@contextlib.contextmanager
def issuer(answer: bytes | None, may_end: threading.Event | None = None) -> Iterator[str]:
    """An issuer that answers each request with some bytes; with None it ends the connection once it may."""
    kept: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    kept.append(listener.accept()[0])
                    kept[-1].recv(65536)
                    if may_end is not None:
                        may_end.wait(60)
                    kept[-1].sendall(answer or b"")
                    kept[-1].shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/keys"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()
    for each in kept:
        each.close()


def token(account: str) -> str:
    claims = {"account": account, "scope": "read trade", "exp": time.time() + 600, "iss": RULES.issuer, "aud": RULES.audience}
    return jwt.encode(claims, Ed25519PrivateKey.generate(), algorithm="EdDSA", headers={"kid": "unknown"})


def test_while_an_issuer_does_not_answer_nobody_else_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pricewire.server.auth.jwks.TIMEOUT_S", 60.0)
    database = tmp_path / "pricewire.db"
    shown = {"Authorization": f"Bearer {token(add_account(database, 'alice').uuid)}", "Connection": "close"}
    may_end = threading.Event()
    with issuer(None, may_end) as url, open_app_server(database, keys=IssuerKeys(url)) as server, contextlib.ExitStack() as stack:
        storm = [stack.enter_context(Reader(server.url, path, headers=shown)) for path in PATHS * 10]
        assert httpx2.get(f"{server.url}/v1/market/products", timeout=60).status_code == 200
        storm[0].socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            storm[0].socket.recv(1)
        storm[0].socket.settimeout(60)
        may_end.set()
        for reader in storm:
            status, head = reader.read_head()
            assert (status, head["retry-after"]) == (503, "10")
            assert json.loads(reader.read_to_end())["error"]["code"] == "UNAVAILABLE"


def test_a_key_of_an_unknown_algorithm_makes_no_request_fail(tmp_path: Path) -> None:
    database = tmp_path / "pricewire.db"
    shown = {"Authorization": f"Bearer {token(add_account(database, 'alice').uuid)}"}
    public = jwt.algorithms.OKPAlgorithm.to_jwk(Ed25519PrivateKey.generate().public_key(), as_dict=True)
    keys = json.dumps({"keys": [{**public, "kid": "odd", "alg": "none"}, {**public, "kid": "good"}]}).encode()
    with issuer(b"HTTP/1.1 200 OK\r\n\r\n" + keys) as url, open_app_server(database, keys=IssuerKeys(url)) as server:
        for path in PATHS:
            refused(httpx2.get(server.url + path, headers=shown), 401, "UNAUTHORIZED")
