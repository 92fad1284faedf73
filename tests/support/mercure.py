"""The hub of the Mercure protocol in tests: its configuration, access tokens, publishers and subscribers."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2
import jwt

from support.serving import PATIENCE, EventReader, Serving

HUB = "https://hub.example.com/.well-known/mercure"
PATH = "/.well-known/mercure"
ISSUER = "https://issuer.example.com"
SECRET = b"the secret of the issuer in tests"
ORIGIN = "https://app.example.com"
COOKIE = "__Secure-mercure_access_token"
TYPE = "https://mercure.rocks/authorization-detail"

SETUP = f"""
url = "{HUB}"
subscriptions = true
origins = ["{ORIGIN}"]

[[issuers]]
name = "{ISSUER}"
algorithms = ["HS256"]
secret_file = "secret"
"""


def write_setup(folder: Path, text: str = SETUP) -> Path:
    """Write the hub's configuration, and the secret that it names."""
    (folder / "secret").write_bytes(SECRET + b"\n")
    path = folder / "mercure.toml"
    path.write_text(text)
    return path


def detail(*actions: str, topics: list[Any], **more: Any) -> dict[str, Any]:
    """Return an authorization detail; a text among the topics is a name."""
    matchers = [{"match": each} if isinstance(each, str) else each for each in topics]
    return {"type": TYPE, "actions": list(actions), "topics": matchers, **more}


def pattern(text: str) -> dict[str, str]:
    """Return a URL pattern as a matcher of a token."""
    return {"match": text, "match_type": "urlpattern"}


def token(*details: dict[str, Any], headers: dict[str, Any] | None = None, secret: bytes = SECRET, **claims: Any) -> str:
    """Return an access token; a claim of None is left out."""
    usual: dict[str, Any] = {"iss": ISSUER, "aud": HUB, "exp": time.time() + 86_400, "authorization_details": list(details)}
    given = {name: value for name, value in {**usual, **claims}.items() if value is not None}
    return jwt.encode(given, secret, algorithm="HS256", headers={"typ": "at+jwt", **(headers or {})})


PUBLISHER = token(detail("publish", topics=["*"]))


def publish(server: Serving, topic: str | list[str], data: str = "", *, bearer: str | None = PUBLISHER, **fields: Any) -> httpx2.Response:
    """Publish an update."""
    headers = {} if bearer is None else {"authorization": f"Bearer {bearer}"}
    return httpx2.post(server.url + PATH, data={"topic": topic, "data": data, **fields}, headers=headers, timeout=PATIENCE, verify=False)


def get(server: Serving, path: str, bearer: str | None = None, **headers: str) -> httpx2.Response:
    """Ask for something that is no stream."""
    sent = {**headers, **({} if bearer is None else {"authorization": f"Bearer {bearer}"})}
    return httpx2.get(server.url + path, headers=sent, timeout=PATIENCE, verify=False)


def unique(text: str = "https://example.com/books/") -> str:
    """Return a topic that no other test has."""
    return text + secrets.token_hex(6)


@dataclass(frozen=True)
class Received:
    """An update as a subscriber has got it."""

    id: str
    data: str
    type: str = "message"
    retry: str = ""


class Subscriber(EventReader):
    """
    A subscriber's stream.

    Args:
        server: has the hub.
        parameters: names and values of the query.
        bearer: the token.
        headers: more of the request.
    """

    def __init__(
        self, server: Serving, *parameters: tuple[str, str], bearer: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        sent = {**(headers or {}), **({} if bearer is None else {"Authorization": f"Bearer {bearer}"})}
        super().__init__(server.url, f"{PATH}?{urlencode(parameters)}", headers=sent)

    def update(self) -> Received:
        """Return the next update."""
        fields: dict[str, list[str]] = {}
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            line = self.read_until(b"\n").decode().removesuffix("\n").removesuffix("\r")
            if not line and "data" in fields:
                names = {"id": "id", "event": "type", "retry": "retry"}
                given = {names[name]: values[-1] for name, values in fields.items() if name in names}
                return Received(data="\n".join(fields["data"]), **{"id": "", **given})
            name, _, value = line.partition(": ")
            fields.setdefault(name, []).append(value)
        raise TimeoutError("no update within a minute")
