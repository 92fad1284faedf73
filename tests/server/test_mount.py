"""A hub of one's own, mounted in the frameworks' applications and used by the client, with the hand-over and without."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import litestar
import msgspec
import pytest
import uvicorn
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Mount

import pricewire
from pricewire.errors import HTTPStatusError
from pricewire.hub.hub import Hub
from pricewire.server.mount import MAX_CHANGE, StreamRequest, Streams
from pricewire.server.transport.handover import HandoverProtocol
from pricewire.server.transport.serve import Server
from support.serving import EventReader, Serving

HEADERS = {"content-type": "application/json"}


def in_fastapi(streams: Streams) -> Any:
    app = FastAPI()
    app.mount("/live", streams)
    return app


def in_starlette(streams: Streams) -> Any:
    return Starlette(routes=[Mount("/app", routes=[Mount("/live", streams)])])


def in_litestar(streams: Streams) -> Any:
    return litestar.Litestar(route_handlers=[litestar.asgi("/live", is_mount=True, copy_scope=True)(streams)])


APPLICATIONS: dict[str, tuple[Callable[[Streams], Any], str]] = {
    "fastapi": (in_fastapi, "/live"),
    "starlette": (in_starlette, "/app/live"),
    "litestar": (in_litestar, "/live"),
    "alone": (lambda streams: streams, ""),
}


def may_read(request: StreamRequest, topic: str) -> bool:
    """Let everybody read the news, and each account its orders: its token is its name."""
    return topic.startswith("news") or (request.token is not None and topic == f"orders:{request.token}")


async def may_publish(request: StreamRequest, topic: str) -> bool:
    await asyncio.sleep(0)
    return request.token == "editor" and topic.startswith("news")


class Headline(msgspec.Struct):
    text: str


@asynccontextmanager
async def connected(url: str, **options: Any) -> AsyncIterator[pricewire.Wire]:
    async with asyncio.timeout(60), pricewire.connect(url, **options) as wire:
        yield wire


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


@pytest.fixture
def hub() -> Hub:
    return Hub()


@pytest.fixture
def serving(hub: Hub) -> Iterator[Serving]:
    """The application alone."""
    app = pricewire.streams(hub, may_read=may_read, may_publish=may_publish, topics_per_stream=3)
    with Serving(app, http=HandoverProtocol) as serving:
        yield serving


@pytest.mark.parametrize("server", [Server, uvicorn.Server], ids=["handover", "send"])
@pytest.mark.parametrize("name", APPLICATIONS)
async def test_the_client_works_on_it_in_full(name: str, server: type[uvicorn.Server], hub: Hub) -> None:
    make, path = APPLICATIONS[name]
    options: dict[str, Any] = {"http": HandoverProtocol} if server is not uvicorn.Server else {}
    app = make(pricewire.streams(hub, may_read=may_read, may_publish=may_publish))
    with Serving(app, server_class=server, **options) as serving:
        serving.call(hub.publish, "news", Headline("one"), key="news")
        async with connected(serving.url + path, token="7") as wire:
            news = wire.topic("news", type=Headline)
            assert await anext(news) == Headline("one")
            opened = hub.counters.streams_opened
            orders = wire.topic("orders:7", type=dict[str, int], interval=0.01)
            await until(lambda: "orders:7" in hub.topics)
            serving.call(hub.publish, "orders:7", {"id": 1}, key="1")
            assert await anext(orders) == {"id": 1}
            assert hub.counters.streams_opened == opened, "the open stream was changed"
            with pytest.raises(HTTPStatusError) as error:
                await anext(wire.topic("orders:8", type=dict[str, int]))
            assert (error.value.status, error.value.code) == (403, "FORBIDDEN")
            serving.call(hub.publish, "news", Headline("two"), key="news")
            assert await anext(news) == Headline("two")
        answer = httpx2.post(
            f"{serving.url}{path}/v1/publish", json={"topic": "news", "data": {"text": "three"}}, headers={"authorization": "Bearer editor"}
        )
        assert answer.json() == {"data": {"ids": [f"{hub.boot}-{hub.position}"]}}


def test_a_stream_resumes_and_says_how_it_starts(serving: Serving, hub: Hub) -> None:
    serving.call(hub.publish, "news", 1, key="news")
    with EventReader(serving.url, "/sse?topic=news&interval_ms=0") as reader:
        assert (reader.head["pricewire-start"], reader.head["pricewire-heartbeat"]) == ("snapshot", "15")
        assert reader.next()[1]["data"] == 1
        last = reader.last_id
    serving.call(hub.publish, "news", 2, key="news")
    with EventReader(serving.url, "/sse?topic=news", headers={"Last-Event-ID": last}) as reader:
        assert reader.head["pricewire-start"] == "resumed"
        assert reader.next()[1]["data"] == 2


@pytest.mark.parametrize(
    ("path", "token", "status", "message"),
    [
        ("/sse", None, 400, "give topic=…, which may be repeated"),
        ("/sse?topic=", None, 400, "topic '' has 0 characters; a name has 1 to 256"),
        ("/sse?topic=" + "x" * 257, None, 400, "a name has 1 to 256"),
        ("/sse?topic=news1&topic=news2&topic=news3&topic=news4", None, 400, "4 topics exceed the limit of 3 for one stream"),
        ("/sse?topic=news&interval_ms=-1", None, 400, "interval_ms is '-1'; it is a whole number of milliseconds"),
        ("/sse?topic=news&interval_ms=9999999999", None, 400, "interval_ms"),
        ("/sse?topic=orders:7", None, 401, "you may not read topic 'orders:7' without a token"),
        ("/sse?topic=news&topic=orders:7", "8", 403, "you may not read topic 'orders:7'"),
        ("/protected/sse?topic=news", None, 401, "this needs a token"),
        ("/elsewhere", None, 404, "there is no '/elsewhere' here; streams are at /sse?topic=…"),
    ],
)
def test_what_is_refused(serving: Serving, hub: Hub, path: str, token: str | None, status: int, message: str) -> None:
    answer = httpx2.get(serving.url + path, headers={} if token is None else {"authorization": f"Bearer {token}"})
    assert answer.status_code == status
    assert message in answer.json()["error"]["message"]
    assert ("www-authenticate" in answer.headers) == (status == 401)
    assert hub.topics == []


def test_methods_and_bodies_that_are_refused(serving: Serving) -> None:
    def refused(method: str, path: str, **options: Any) -> tuple[int, str]:
        answer = httpx2.request(method, serving.url + path, **options)
        return answer.status_code, answer.json()["error"]["message"]

    assert refused("POST", "/sse?topic=news") == (405, "POST is not for this path, which takes GET and HEAD")
    assert refused("GET", "/v1/streams/1")[0] == 405
    assert refused("PATCH", "/v1/streams/1", json={})[0] == 404
    assert refused("PATCH", "/v1/streams/1", content="{}")[0] == 415
    assert refused("PATCH", "/v1/streams/1", content="{", headers=HEADERS)[0] == 400
    assert refused("PATCH", "/v1/streams/1", content=" " * (MAX_CHANGE + 1), headers=HEADERS)[0] == 413
    assert refused("PATCH", "/v1/streams/1", json={"add": "news"})[1] == "the body: Expected `array`, got `str` - at `$.add`"
    assert refused("POST", "/v1/publish", json={"topic": "news", "data": 1})[0] == 401
    editor = {"authorization": "Bearer editor"}
    assert refused("POST", "/v1/publish", json=[{"topic": "news", "data": 1}, {"topic": "sport", "data": 1}], headers=editor)[0] == 403
    assert "unknown field `topics`" in refused("POST", "/v1/publish", json={"topics": "news", "data": 1}, headers=editor)[1]
    with Serving(pricewire.streams(Hub(), may_read=pricewire.everyone)) as closed:
        assert httpx2.post(f"{closed.url}/v1/publish", json={"topic": "a", "data": 1}).status_code == 404


def test_several_messages_are_published_or_none(serving: Serving, hub: Hub) -> None:
    messages = [{"topic": "news", "data": {"n": n}, "key": "k", "event": "headline", "ends": "old"} for n in range(3)]
    answer = httpx2.post(f"{serving.url}/v1/publish", json=messages, headers={"authorization": "Bearer editor"})
    assert len(set(answer.json()["data"]["ids"])) == 3
    with EventReader(serving.url, "/sse?topic=news") as reader:
        assert reader.next()[1] == {"event": "headline", "subscription_id": "news", "seq": 3, "data": {"n": 2}}
        assert reader.last_id == answer.json()["data"]["ids"][-1]


def test_a_stream_is_changed_by_who_may_read_all_of_it(serving: Serving) -> None:
    with EventReader(serving.url, "/protected/sse?topic=orders:7", headers={"Authorization": "Bearer 7"}) as reader:
        url = f"{serving.url}/v1/streams/{reader.head['pricewire-stream']}"
        assert httpx2.patch(url, json={"add": ["news"]}).status_code == 401
        assert httpx2.patch(url, json={"remove": ["orders:7"], "add": ["news"]}, headers={"authorization": "Bearer 8"}).status_code == 403
        own = {"authorization": "Bearer 7"}
        assert httpx2.patch(url, json={"remove": ["orders:7"]}, headers=own).status_code == 400
        assert httpx2.patch(url, json={"add": ["news1", "news2", "news3"]}, headers=own).status_code == 400
        state = {"topics": ["news", "orders:7"], "interval_ms": 250, "expires_at": None, "names": {}}
        assert httpx2.patch(url, json={"add": ["news"], "interval_ms": 250}, headers=own).json() == {"data": state}
        assert reader.next() == ("changed", state)
    assert httpx2.patch(url, json={}, headers=own).status_code in (200, 404)


async def test_a_stream_ends_when_its_permission_has_ended_and_goes_on_with_a_new_token(hub: Hub) -> None:
    valid = {"old"}
    tokens = iter(["old", "new"])

    async def provider() -> str:
        token = next(tokens)
        valid.add(token)
        return token

    app = pricewire.streams(hub, may_read=lambda request, topic: request.token in valid, recheck=0.05)
    with Serving(app, http=HandoverProtocol) as serving:
        async with connected(serving.url, token=provider) as wire:
            numbers = wire.topic("a", type=int)
            serving.call(hub.publish, "a", 1, key="k")
            assert await anext(numbers) == 1
            valid.remove("old")
            await until(lambda: hub.counters.streams_opened == 2)
            serving.call(hub.publish, "a", 2, key="k")
            assert await anext(numbers) == 2
            assert next(tokens, None) is None


async def test_an_open_stream_survives_a_failure_of_may_read(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    asked = 0

    def fail_again(request: StreamRequest, topic: str) -> bool:
        nonlocal asked
        asked += 1
        if asked > 1:
            raise OSError("the database is away")
        return True

    app = pricewire.streams(hub, may_read=fail_again, recheck=0.01)
    with Serving(app, http=HandoverProtocol) as serving, EventReader(serving.url, "/sse?topic=a") as reader:
        await until(lambda: asked > 2)
        serving.call(hub.publish, "a", 1)
        assert reader.next()[1]["data"] == 1
    assert "may_read failed for an open stream" in caplog.text


def test_the_framework_answers_what_may_read_raises(hub: Hub) -> None:
    def refuse(request: StreamRequest, topic: str) -> bool:
        raise HTTPException(402, f"{request.headers['x-plan']} may not, {request.query['topic']}")

    with Serving(in_starlette(pricewire.streams(hub, may_read=refuse))) as serving:
        answer = httpx2.get(f"{serving.url}/app/live/sse?topic=a", headers={"X-Plan": "free"})
    assert (answer.status_code, answer.text) == (402, "free may not, ['a']")


async def test_websockets_are_refused() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    await pricewire.streams(Hub(), may_read=pricewire.everyone)({"type": "websocket", "path": "/sse"}, receive, send)
    assert [message["type"] for message in sent] == ["websocket.close"]


def test_nothing_is_kept_of_streams_that_have_ended(hub: Hub) -> None:
    app = pricewire.streams(hub, may_read=pricewire.everyone)
    with Serving(app, http=HandoverProtocol) as serving:
        for _ in range(3):
            with EventReader(serving.url, "/sse?topic=a") as reader:
                serving.call(hub.publish, "a", 1)
                json.dumps(reader.next())
        httpx2.head(f"{serving.url}/sse?topic=a")
        while serving.call(lambda: hub.streams):
            pass
        assert app._requests == {}
