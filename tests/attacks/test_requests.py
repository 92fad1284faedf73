"""What attackers try, against the real application on a real socket: each is refused in the surface's form, and never with 500."""

from __future__ import annotations

import json
import logging
import secrets
import threading
import time
from decimal import Decimal
from typing import Any

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pricewire.server.auth.tokens import READ, TokenRules, Tokens
from pricewire.store.accounts import Account
from support.app_server import KEY, PASSWORD, RULES, TOKENS, Events, Scene, add_account, bearer, log_in, purchase, refused
from support.serving import Reader

BUY = "/v1/trading/contracts/buy"


@pytest.fixture(scope="module")
def mallory(scene: Scene) -> Account:
    """Another account of the same server."""
    return add_account(scene.database, "mallory")


def claims(principal: Account, **others: Any) -> dict[str, Any]:
    said = {"account": principal.uuid, "scope": "read trade", "exp": time.time() + 60, "iss": "pricewire", "aud": "tests", **others}
    return {name: value for name, value in said.items() if value is not None}


def hostile(account: Account) -> dict[str, str]:
    stranger = jwt.encode(claims(account), Ed25519PrivateKey.generate(), algorithm="EdDSA")
    return {
        "none": "",
        "garbage": "garbage",
        "garbage with dots": "a.b.c",
        "expired": KEY.sign(claims(account, exp=time.time() - 60)),
        "not yet valid": KEY.sign(claims(account, nbf=time.time() + 60)),
        "never expires": KEY.sign(claims(account, exp=None)),
        "wrong key": jwt.encode(claims(account), b"x" * 32, algorithm="HS256"),
        "wrong issuer": Tokens(KEY, TokenRules("other", RULES.audience)).issue(account.uuid),
        "no issuer": KEY.sign(claims(account, iss=None)),
        "wrong audience": Tokens(KEY, TokenRules(RULES.issuer, "other")).issue(account.uuid),
        "no audience": KEY.sign(claims(account, aud=None)),
        "alg none": jwt.encode(claims(account), "", algorithm="none"),
        "another algorithm": stranger,
        "another HMAC": jwt.encode(claims(account), b"the secret that the tests share." * 2, algorithm="HS512"),
        "no account": KEY.sign(claims(account, account=None)),
        "oversized": KEY.sign(claims(account, padding="x" * 9000)),
    }


NOBODY = Account(id="x", uuid="x", type="x", group="x", status="active", currency="USD", balance=Decimal(0), password_hash=None)
HOSTILE = list(hostile(NOBODY))

PROTECTED = [
    "/v1/accounts",
    "/v1/accounting/balance/stream",
    "/v1/trading/contracts/open/stream",
    "/v1/trading/contracts/close/stream",
    "/protected/sse?topic=ticks:R_100",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_token_that_is_not_good_opens_nothing(scene: Scene, name: str) -> None:
    token = hostile(scene.alice)[name]
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    for path in PROTECTED:
        answer = scene.get(path, headers=headers)
        message = refused(answer, 401, "UNAUTHORIZED")
        challenge = answer.headers["www-authenticate"]
        assert challenge.startswith('Bearer realm="pricewire"')
        assert ('error="invalid_token"' in challenge) == (name != "none")
        assert not token or token[:30] not in message + challenge
    if token:
        # It need not be there, but what is there has to be good.
        refused(scene.get("/sse?topic=ticks:R_100", headers=headers), 401, "UNAUTHORIZED")
        refused(scene.get("/v1/market/instruments", headers=headers), 401, "UNAUTHORIZED")
    refused(scene.ask_to_buy(None, json=purchase("x"), headers=headers), 401, "UNAUTHORIZED")
    for path in (f"/v1/trading/contracts/sell?contract_id={'0' * 32}", "/v1/logout", "/v1/tickets"):
        refused(scene.post(path, headers=headers), 401, "UNAUTHORIZED")


@pytest.mark.parametrize("scheme", ["Basic", "Token", "Bearer"])
def test_what_is_no_bearer_token_is_none(scene: Scene, scheme: str) -> None:
    assert scene.get("/v1/accounts", headers={"Authorization": f"{scheme} YTpi"}).status_code == 401
    assert scene.get("/v1/accounts", headers={"Authorization": scheme}).status_code == 401


def test_a_token_for_looking_trades_nothing(scene: Scene) -> None:
    token = TOKENS.issue(scene.alice.uuid, frozenset({READ}))
    assert scene.get("/v1/accounts", token).status_code == 200
    answer = scene.ask_to_buy(token, json=purchase("looking"))
    assert "'trade'" in refused(answer, 403, "FORBIDDEN")
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
    refused(scene.post(f"/v1/trading/contracts/sell?contract_id={'0' * 32}", token), 403, "FORBIDDEN")
    refused(scene.get("/v1/accounts", TOKENS.issue(scene.alice.uuid, frozenset())), 403, "FORBIDDEN")


def test_the_account_of_another_is_out_of_reach(scene: Scene, mallory: Account) -> None:
    bought = scene.ask_to_buy(scene.alice, json=purchase("mine")).json()["data"]
    contract_id, uuid = bought["contract_id"], scene.alice.uuid
    for topic in ("balance", "contracts", "open_contracts", "closed_contracts"):
        refused(scene.get(f"/protected/sse?topic={topic}:{uuid}", mallory), 403, "FORBIDDEN")
        refused(scene.get(f"/sse?topic={topic}:{uuid}", mallory), 403, "FORBIDDEN")
        refused(scene.get(f"/sse?topic={topic}:{uuid}"), 401, "UNAUTHORIZED")
    for path in PROTECTED[1:4]:
        refused(scene.get(f"{path}?account_uuid={uuid}", mallory), 403, "FORBIDDEN")
    for kind in ("open", "close"):
        refused(scene.get(f"/v1/trading/contracts/{kind}/stream?contract_id={contract_id}", mallory), 404, "NOT_FOUND")
    refused(scene.post(f"{BUY}?account_uuid={uuid}", mallory, json=purchase("theirs")), 403, "FORBIDDEN")
    refused(scene.post(f"/v1/trading/contracts/sell?contract_id={contract_id}", mallory), 404, "NOT_FOUND")
    refused(scene.post(f"/v1/trading/contracts/sell?contract_id={contract_id}&account_uuid={uuid}", mallory), 403, "FORBIDDEN")
    accounts = scene.get("/v1/accounts", mallory).json()["data"]["accounts"]
    assert [account["id"] for account in accounts] == ["mallory"]


def test_an_idempotency_key_of_another_account_tells_nothing(scene: Scene, mallory: Account) -> None:
    first = scene.ask_to_buy(scene.alice, json=purchase("shared")).json()["data"]
    second = scene.ask_to_buy(mallory, json=purchase("shared")).json()["data"]
    assert first["contract_id"] != second["contract_id"]
    assert scene.ask_to_buy(scene.alice, json=purchase("shared")).json()["data"]["contract_id"] == first["contract_id"]


def test_the_stream_of_another_is_not_changed(scene: Scene, mallory: Account) -> None:
    uuid = scene.alice.uuid
    with Events(scene.server, "/protected/sse?topic=ticks:R_100", scene.alice) as stream:
        url = f"{scene.server.url}/v1/streams/{stream.head['pricewire-stream']}"
        refused(httpx2.patch(url, json={}), 401, "UNAUTHORIZED")
        refused(httpx2.patch(url, json={}, headers=bearer(mallory)), 403, "FORBIDDEN")
        refused(httpx2.patch(url, json={"add": [f"balance:{mallory.uuid}"]}, headers=bearer(scene.alice)), 403, "FORBIDDEN")
        assert httpx2.patch(url, json={"add": [f"balance:{uuid}"]}, headers=bearer(scene.alice)).status_code == 200
    with Events(scene.server, "/sse?topic=ticks:R_100") as stream:
        url = f"{scene.server.url}/v1/streams/{stream.head['pricewire-stream']}"
        # A stream that lives by no token would outlive this one.
        refused(httpx2.patch(url, json={"add": [f"balance:{uuid}"]}, headers=bearer(scene.alice)), 401, "UNAUTHORIZED")


@pytest.mark.parametrize("name", ["token", "access_token", "Authorization", "jwt", "id_token"])
def test_a_token_in_an_address_is_refused_and_not_logged(scene: Scene, caplog: pytest.LogCaptureFixture, name: str) -> None:
    token = TOKENS.issue(scene.alice.uuid)
    with caplog.at_level(logging.DEBUG):
        for path in ("/protected/sse?topic=ticks:R_100&", "/sse?topic=ticks:R_100&", "/v1/accounts?"):
            message = refused(scene.get(f"{path}{name}={token}"), 400, "INVALID_PARAMETERS")
            assert "ends up in logs" in message
            assert token not in message
    ours = [record for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert all(token not in record.getMessage() for record in ours)


def test_headers_are_not_injected(scene: Scene) -> None:
    for value in ("x%0d%0aSet-Cookie:%20a=b", "x%0aX-Injected:%20y"):
        for path in (f"/sse?topic={value}", f"/sse?action={value}", f"/v1/trading/proposal/stream?product_id={value}", f"/{value}"):
            answer = scene.get(path)
            assert answer.status_code in (400, 404)
            assert not {"set-cookie", "x-injected"} & {name.lower() for name in answer.headers}
    with Reader(scene.server.url, "/sse?topic=ticks:R_100", headers={"Last-Event-ID": "1\r\nX-Injected: y"}) as reader:
        assert "x-injected" not in reader.read_head()[1]


def test_a_ticket_is_good_for_one_stream_however_many_try_at_once(scene: Scene, mallory: Account) -> None:
    ticket = scene.post("/v1/tickets", scene.alice).json()["data"]["ticket"]
    path = f"/protected/sse?topic=balance:{scene.alice.uuid}&ticket={ticket}"
    statuses: list[int] = []

    def attempt() -> None:
        with Reader(scene.server.url, path) as reader:
            statuses.append(reader.read_head()[0])

    threads = [threading.Thread(target=attempt) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] + [401] * 9
    ticket = scene.post("/v1/tickets", mallory).json()["data"]["ticket"]
    refused(scene.get(f"/protected/sse?topic=balance:{scene.alice.uuid}&ticket={ticket}"), 403, "FORBIDDEN")
    refused(scene.get("/protected/sse?topic=ticks:R_100&ticket=made-up"), 401, "UNAUTHORIZED")
    assert scene.get(f"/v1/accounts?ticket={ticket}").status_code == 401, "a ticket is for streams"


BODIES: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"account_id=alice",
    "no UTF-8": b'{"account_id": "\xff\xfe", "password": "x"}',
    "a list": b"[]",
    "wrong types": b'{"account_id": 1, "password": {"$ne": ""}}',
    "nested deeply": b'{"account_id":' * 4500,
    "a lone surrogate": b'{"account_id": "alice", "password": "\\ud800"}',
    "a NUL": b'{"account_id": "al\\u0000ice", "password": "x"}',
    "too long a password": b'{"account_id": "alice", "password": "%b"}' % (b"x" * 2000),
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("path", ["/login", BUY])
def test_a_body_that_is_none_is_a_mistake_of_the_client(scene: Scene, name: str, path: str) -> None:
    refused(scene.post(path, scene.alice, content=BODIES[name], headers={"Content-Type": "application/json"}), 400, "INVALID_PARAMETERS")


STAKES: list[Any] = ["-5", "0", "NaN", "sNaN", "Infinity", "1e400", "1e-400", "9" * 5000, "10.001", 1e308, -1, True, None, {}, ""]

NONSENSE: list[dict[str, Any]] = [
    *({"stake": value} for value in STAKES),
    *({"payout": value} for value in ("NaN", "sNaN", "Infinity", "1e999", "9" * 400)),
    *({"duration": value} for value in (0, -1, 2**63, 10**30, 1.5, "x")),
    {"variant": "touch"},
    {"variant": "x"},
    {"instrument_id": "'; --"},
    {"barrier": "+1"},
    {"barrier": "x"},
    {"duration_unit": "years"},
]


@pytest.mark.parametrize("details", NONSENSE, ids=lambda details: str(details)[:40])
def test_a_purchase_of_nonsense_is_refused(scene: Scene, details: dict[str, Any]) -> None:
    body = json.dumps(purchase(secrets.token_hex(8), **details))
    answer = scene.ask_to_buy(scene.alice, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 404), answer.text
    assert answer.json()["error"]["code"] in ("INVALID_PARAMETERS", "NOT_FOUND")


@pytest.mark.parametrize("key", ["", "x" * 129, "a\u0000b", "a b", "ü"])
def test_an_idempotency_key_is_plain(scene: Scene, key: str) -> None:
    refused(scene.ask_to_buy(scene.alice, json=purchase(key)), 400, "INVALID_PARAMETERS")


@pytest.mark.parametrize("contract_id", ["", "x%00", "%ff", "' or 1=1 --", "x" * 65, "../../etc"])
def test_a_contract_id_is_plain(scene: Scene, contract_id: str) -> None:
    refused(scene.post(f"/v1/trading/contracts/sell?contract_id={contract_id}", scene.alice), 400, "INVALID_PARAMETERS")
    refused(scene.get(f"/v1/trading/contracts/open/stream?contract_id={contract_id}", scene.alice), 400, "INVALID_PARAMETERS")


def test_passwords_are_not_tried_through(scene: Scene) -> None:
    add_account(scene.database, "victim")

    def attempt(name: str, password: str) -> httpx2.Response:
        return scene.post("/login", json={"account_id": name, "password": password})

    messages = {refused(attempt(name, "guess"), 401, "UNAUTHORIZED") for name in ("victim", "nobody")}
    assert len(messages) == 1, "whether there is such an account is not told"
    # Ten at once and one more every 12 s, in which a busy machine may check only a few.
    answer = next(answer for _ in range(100) if (answer := attempt("victim", "guess")).status_code != 401)
    refused(answer, 429, "RATE_LIMIT_EXCEEDED")
    assert 1 <= int(answer.headers["retry-after"]) <= 20
    refused(attempt("victim", PASSWORD), 429, "RATE_LIMIT_EXCEEDED")
    assert log_in(scene.server, "alice"), "others log in"
