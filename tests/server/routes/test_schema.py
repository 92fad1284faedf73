"""The schema is made once, and sent small, or not at all to who has it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx2
import pytest
from litestar import Litestar

from pricewire.market.feeds.simulated.feed import SimulatedFeed
from pricewire.server.app import create_app
from pricewire.server.routes import schema
from support.serving import Reader, Serving


def test_the_schema_is_made_and_compressed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def counted(app: Litestar, make: Callable[[Litestar], object] = schema.representations) -> object:
        made.append(app)
        return make(app)

    monkeypatch.setattr(schema, "representations", counted)
    with Serving(create_app([SimulatedFeed(seed=1)])) as server:

        async def ask() -> list[httpx2.Response]:
            async with httpx2.AsyncClient(timeout=60) as client:
                return await asyncio.gather(*(client.get(f"{server.url}/schema") for _ in range(10)))

        answers = asyncio.run(ask())
        assert all(answer.json()["openapi"].startswith("3.1") for answer in answers)
        assert len(made) == 1
        with Reader(server.url, "/schema", headers={"Accept-Encoding": "gzip", "Connection": "close"}) as reader:
            head = reader.read_head()[1]
            assert len(reader.read_to_end()) == int(head["content-length"]) < len(answers[0].content) / 5
        assert head["content-encoding"] == "gzip"
        plain = httpx2.get(f"{server.url}/schema", headers={"Accept-Encoding": "identity"})
        assert plain.content == answers[0].content
        assert plain.headers["vary"] == "Accept-Encoding"


def test_who_has_the_schema_gets_no_other() -> None:
    with Serving(create_app([SimulatedFeed(seed=1)])) as server:
        tags = {}
        for coding in ("identity", "gzip"):
            tag = tags[coding] = httpx2.get(f"{server.url}/schema", headers={"Accept-Encoding": coding}).headers["etag"]
            for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
                answer = httpx2.get(f"{server.url}/schema", headers={"Accept-Encoding": coding, "If-None-Match": known})
                assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
            for other in ('"x"', "x", tag.strip('"'), '""'):
                answer = httpx2.get(f"{server.url}/schema", headers={"Accept-Encoding": coding, "If-None-Match": other})
                assert answer.status_code == 200
        assert tags["identity"] != tags["gzip"]


@pytest.mark.parametrize("path", ["/schema/openapi.json", "/schema/openapi.yaml", "/schema/x", "/schema/schema"])
def test_there_is_nothing_below_the_schema(path: str) -> None:
    with Serving(create_app([SimulatedFeed(seed=1)])) as server:
        answer = httpx2.get(server.url + path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")
