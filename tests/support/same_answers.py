"""Requests to two servers, of which whoever asks should not be able to tell which is which."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import httpx2

from support.serving import PATIENCE, EventReader

JSON = {"content-type": "application/json"}

ORIGIN = {"origin": "https://other.example"}

OWN_HEADERS = frozenset({"date", "content-length", "connection", "keep-alive", "transfer-encoding"})
"""Those of a connection and of a body that has other numbers."""

OWN_VALUES = frozenset({"pricewire-stream", "pricewire-next-cursor", "retry-after"})
"""Headers whose values are another one each time."""

USUAL = "as it should be"

OF_PAGE = {("GET", "/"), ("GET", "/embed/{instrument_id:path}"), ("GET", "/assets/{name:str}"), ("GET", "/admin")}
"""The routes that there are where the page has been built."""


BY_GATEWAYS = {"/healthz", "/readyz", "/metrics"}
"""What gateways answer without the server. No page reads it, so they need not know of which origins it may."""

NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")


@dataclass(frozen=True)
class Case:
    """
    A request as the documentation has it. What stands in braces is filled in: `account`, `contract` and `stream` are a server's own.

    Attributes:
        method: of HTTP.
        route: the path as the application knows it.
        query: its parameters.
        body: its body, as JSON; None for none.
        token: which token it shows; empty for none.
        for_operators: whether it goes to the address for operators.
        path: the path, where it has parameters.
        headers: its headers besides.
        content: its body instead of JSON.
        status: of the answer where the page has been built.
        name: what is unusual about it.
    """

    method: str
    route: str
    query: str = ""
    body: Any = None
    token: str = ""
    for_operators: bool = False
    path: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    status: int = 200
    name: str = USUAL


TOPICS = "topic=ticks:R_100&topic=candles:R_100:60"
DETAILS = {"instrument_id": "R_100", "duration": 5, "duration_unit": "minutes", "stake": "10", "variant": "rise"}
ORDER = {"idempotency_key": "same", "product_id": "rise_fall", "proposal_details": DETAILS}
PROPOSAL = "product_id=rise_fall&instrument_id=R_100&duration=5&duration_unit=minutes&stake=10"
HISTORY = {"instrument_id": "R_100", "count": 5}

CASES = (
    Case("GET", "/"),
    Case("GET", "/embed/{instrument_id:path}", path="/embed/R_100"),
    Case("GET", "/assets/{name:str}", path="/assets/none.js", status=404),
    Case("GET", "/admin", for_operators=True),
    Case("GET", "/schema"),
    Case("GET", "/schema/{path:str}", path="/schema/other", status=404),
    Case("GET", "/schema/openapi.json", status=404),
    Case("GET", "/healthz"),
    Case("GET", "/readyz", for_operators=True),
    Case("GET", "/metrics", for_operators=True),
    Case("GET", "/v1/market/instruments"),
    Case("POST", "/v1/market/instruments/ticks/history", body=HISTORY),
    Case("POST", "/v1/market/instruments/candles/history", body={**HISTORY, "granularity": 60}),
    Case("GET", "/v1/market/instruments/ticks/stream", "instrument_id=R_100"),
    Case("GET", "/v1/market/instruments/candles/stream", "instrument_id=R_100&granularity=60"),
    Case("GET", "/v1/market/products"),
    Case("GET", "/v1/market/products/config", "product_id=rise_fall"),
    Case("GET", "/sse", TOPICS),
    Case("GET", "/sse", "action=instrument_price&instrument_id=R_100"),
    Case("GET", "/sse", "action=contract_price&duration=5m&instrument=R_100&trade_type=CALL&currency=USD&payout=20"),
    Case("GET", "/sse", "topic=ticks:R_100&fields=price"),
    Case("GET", "/v1/trading/proposal/stream", PROPOSAL),
    Case("PATCH", "/v1/streams/{stream_id:str}", path="/v1/streams/{stream}", body={"add": ["ticks:R_10"], "interval_ms": 250}),
    Case("POST", "/v1/publish", body={"topic": "news:economy", "data": 1}, token="demo", status=403),
    Case("GET", "/v1/topics", "topic=news:*", token="demo"),
    Case("GET", "/v1/topics/{topic:str}/log", path="/v1/topics/news:economy/log", token="demo", status=403),
    Case("POST", "/login", body={"account_id": "demo", "password": "demo"}),
    Case("POST", "/v1/tickets", token="demo"),
    Case("GET", "/v1/accounts", token="demo"),
    Case("GET", "/v1/accounting/balance", "account_uuid={account}", token="demo"),
    Case("GET", "/protected/sse", "topic=balance:{account}", token="demo"),
    Case("GET", "/v1/accounting/balance/stream", "account_uuid={account}", token="demo"),
    Case("POST", "/v1/trading/contracts/buy", body=ORDER, token="demo"),
    Case("GET", "/v1/trading/contracts/open/stream", token="demo"),
    Case("GET", "/v1/trading/contracts/open/stream", "contract_id={contract}&interval_ms=100", token="demo"),
    Case("GET", "/v1/trading/contracts/close/stream", "contract_id={contract}", token="demo"),
    Case("GET", "/v1/trading/contracts/close/stream", token="demo"),
    Case("GET", "/v1/trading/contracts/open/stream", "contract_id=none", token="demo", status=404),
    Case("POST", "/v1/trading/contracts/sell", "contract_id={contract}", token="demo"),
    Case("GET", "/v1/trading/contracts/close", "contract_id={contract}", token="demo"),
    Case("GET", "/v1/accounting/statement", "limit=2", token="demo"),
    Case("GET", "/v1/accounting/statement", "limit=2&format=csv", token="demo"),
    Case("GET", "/v1/accounting/profit_and_loss", token="demo"),
    # It would end the server, but for a token of an operator.
    Case("POST", "/v1/admin/drain", token="demo", for_operators=True, status=403),
    Case("POST", "/v1/logout", token="spent"),
)
"""Every route, in an order in which each can be asked for."""


def variants(case: Case) -> Iterator[Case]:
    """Yield a request, and the same with one thing about it that is unusual or wrong."""
    yield case
    yield replace(case, name="elsewhere", for_operators=not case.for_operators)
    yield replace(case, name="with a token that is none", token="false")
    if case.token:
        yield replace(case, name="without a token", token="")
    yield replace(case, name="with a parameter that there is not", query=f"{case.query}&nothing=1".removeprefix("&"))
    yield replace(case, name="without parameters", query="")
    yield replace(case, name="by HEAD", method="HEAD")
    yield replace(case, name="by DELETE", method="DELETE")
    yield replace(case, name="of another origin", headers=ORIGIN)
    asking = {**ORIGIN, "access-control-request-method": case.method, "access-control-request-headers": "authorization"}
    yield replace(case, name="before one of another origin", method="OPTIONS", body=None, headers=asking)
    yield replace(case, name="in gzip", headers={"accept-encoding": "gzip"})
    yield replace(case, name="with a slash behind", path=f"{case.path or case.route}/")
    if case.route.endswith(("/stream", "/sse")):
        yield replace(case, name="after an event that there was not", headers={"last-event-id": "other-1"})
    if case.method in ("POST", "PATCH"):
        yield replace(case, name="with a body that is no JSON", content=b"{")
        yield replace(case, name="with a body of another kind", content=b"[1]")
        yield replace(case, name="without a body", content=b"")
    if case.body is not None:
        # Where none is wanted, one process does not look at it; a gateway has to before it passes it on.
        yield replace(case, name="with a large body", content=b" " * 70_000)


class Asked:
    """
    A server, and what it has of its own.

    Args:
        url: where it is.
        admin: where its operators' address is.
    """

    def __init__(self, url: str, admin: str) -> None:
        self._urls = {False: url, True: admin}
        self._client = httpx2.Client(timeout=PATIENCE, trust_env=False)
        self._stream = EventReader(url, "/sse?topic=ticks:R_100")
        account = {"account_id": "demo", "password": "demo"}
        tokens = [self._client.post(f"{url}/login", json=account).json()["token"] for _ in range(2)]
        self._tokens = {"demo": tokens[0], "spent": tokens[1], "false": "a.b.c"}
        accounts = self._client.get(f"{url}/v1/accounts", headers={"authorization": f"Bearer {tokens[0]}"}).json()
        self.own = {"stream": self._stream.head["pricewire-stream"], "account": accounts["data"]["accounts"][0]["uuid"], "contract": ""}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._client.close()
        self._stream.socket.close()

    def answer(self, case: Case) -> tuple[int, dict[str, str], Any]:
        """Return the status, the headers that matter, and the body, or of a stream the first message."""
        place = case.path or case.route
        query = case.query
        for name, value in self.own.items():
            place, query = place.replace(f"{{{name}}}", value), query.replace(f"{{{name}}}", value)
        headers = {"accept-encoding": "identity", **case.headers}
        if case.token:
            headers["authorization"] = f"Bearer {self._tokens[case.token]}"
        content = case.content
        if content is None and case.body is not None:
            content = json.dumps(case.body).encode()
        if content is not None:
            headers |= JSON
        url = f"{self._urls[case.for_operators]}{place}" + (f"?{query}" if query else "")
        with self._client.stream(case.method, url, headers=headers, content=content) as response:
            is_stream = response.headers.get("content-type", "").startswith("text/event-stream") and case.method == "GET"
            body = first_message(response.iter_lines()) if is_stream else self._body(response)
            kept = {name: as_compared(name, value) for name, value in response.headers.items() if name not in OWN_HEADERS}
            return response.status_code, kept, body

    def _body(self, response: httpx2.Response) -> Any:
        response.read()
        text = response.text
        for name, value in self.own.items():
            text = text.replace(value, f"{{{name}}}") if value else text
        try:
            return json.loads(text)
        except ValueError:
            return text


def as_compared(name: str, value: str) -> str:
    """Return what is compared of a header."""
    if name in OWN_VALUES:
        return ""
    # The framework has the methods in any order.
    return ", ".join(sorted(value.split(", "))) if name == "allow" else value


def first_message(lines: Iterator[str]) -> Any:
    """Return the first message of a stream."""
    event = ""
    for line in lines:
        name, _, value = line.partition(": ")
        if name == "event":
            event = value
        elif name == "data" and event in ("", "message"):
            return json.loads(value)
        elif not line:
            event = ""
    raise AssertionError("the stream has ended without a message")


def difference(one: Any, other: Any, place: str = "$") -> str:
    """Return where the shapes of two values differ; empty where they do not. Null and an empty list say nothing of what may be there."""
    if one is None or other is None:
        return ""
    if isinstance(one, dict) and isinstance(other, dict):
        if one.keys() != other.keys():
            return f"{place}: {sorted(one)} and {sorted(other)}"
        return next((found for name in one if (found := difference(one[name], other[name], f"{place}.{name}"))), "")
    if isinstance(one, list) and isinstance(other, list):
        return difference(one[0], other[0], f"{place}[0]") if one and other else ""
    if type(one) is not type(other):
        return f"{place}: {one!r} and {other!r}"
    if isinstance(one, str) and (NUMBER.fullmatch(one) is None) != (NUMBER.fullmatch(other) is None):
        return f"{place}: {one!r} and {other!r}"
    return ""


def compared(servers: Sequence[Asked], case: Case) -> str:
    """Return how the answers to a request differ; empty where they do not."""
    one, other = (until_settled(server, case) for server in servers)
    for server, answer in zip(servers, (one, other), strict=True):
        if case.route.endswith("/buy") and case.name == USUAL:
            server.own["contract"] = answer[2]["data"]["contract_id"]
    if case.name == USUAL and one[0] != case.status and (case.method, case.route) not in OF_PAGE:
        return f"status {one[0]}: {one[2]}"
    if one[0] != other[0]:
        return f"status {one[0]} and {other[0]}: {str(one[2])[:200]} and {str(other[2])[:200]}"
    names = sorted(name for name in one[1] | other[1] if one[1].get(name) != other[1].get(name))
    if case.route in BY_GATEWAYS and case.method == "GET":
        names = [name for name in names if not name.startswith("access-control-")]
    if names:
        return "; ".join(f"{name}: {one[1].get(name)!r} and {other[1].get(name)!r}" for name in names)
    # Of several parameters that are missing, the framework names any.
    if one[0] < 400 or "Missing required query parameter" in str(one[2]):
        return difference(one[2], other[2])
    return "" if one[2] == other[2] else f"{one[2]} and {other[2]}"


def until_settled(server: Asked, case: Case) -> tuple[int, dict[str, str], Any]:
    """Return an answer. On a busy machine the market may seem closed between two ticks, and a contract waits for its entry."""
    deadline = time.monotonic() + PATIENCE
    while True:
        status, headers, body = server.answer(case)
        is_early = status == 409 and ("MARKET_CLOSED" in str(body) or "entry" in str(body))
        if not is_early or time.monotonic() > deadline:
            return status, headers, body
        time.sleep(0.05)
