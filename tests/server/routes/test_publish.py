"""Publishing by HTTP, and reading what was published."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import httpx2
import pytest

from pricewire.server.topic_rules import TopicRules, TopicSettings
from support.app_server import TOKENS, Events, Scene, bearer, refused

RULES = TopicRules({"news:*": TopicSettings(public=True), "news:internal:*": TopicSettings(), "latest:*": TopicSettings(key="it")})


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with Scene.open(tmp_path_factory, topic_rules=RULES) as opened:
        yield opened


def token(scene: Scene, *scopes: str, topics: Sequence[str] = ("*",)) -> str:
    return TOKENS.issue(scene.alice.uuid, frozenset(scopes), topics=topics)


def send(scene: Scene, body: Any, topics: Sequence[str] = ("*",), query: str = "") -> httpx2.Response:
    content = {"content": body} if isinstance(body, bytes) else {"json": body}
    return scene.post(f"/v1/publish{query}", token(scene, "publish", topics=topics), **content)


def ids_of(answer: httpx2.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    ids: list[str] = answer.json()["data"]["ids"]
    return ids


def test_what_is_published_reaches_who_reads_the_topic(scene: Scene) -> None:
    with Events(scene.server, "/sse?topic=news:a") as stream:
        (first,) = ids_of(send(scene, {"topic": "news:a", "data": {"headline": "up"}, "event": "headline"}))
        _, data = stream.next()
        assert data == {"event": "headline", "subscription_id": "news:a", "seq": 1, "data": {"headline": "up"}}
        second, third = ids_of(send(scene, [{"topic": "news:a", "data": 1}, {"topic": "news:a", "data": [2]}]))
        assert [stream.next()[1]["data"] for _ in range(2)] == [1, [2]]
        assert len({first, second, third}) == 3
    with Events(scene.server, "/sse?topic=news:a", headers={"Last-Event-ID": second}) as resumed:
        assert resumed.next()[1]["data"] == [2]


def test_a_key_supersedes_and_ends(scene: Scene) -> None:
    for key, data in (("a", 1), ("b", 2), ("a", 3)):
        ids_of(send(scene, {"topic": "news:keys", "data": data, "key": key}))
    with Events(scene.server, "/sse?topic=news:keys") as stream:
        assert [stream.next()[1]["data"] for _ in range(2)] == [2, 3]
    ids_of(send(scene, {"topic": "news:keys", "data": "over", "ends": "b"}))
    with Events(scene.server, "/sse?topic=news:keys") as stream:
        assert stream.next()[1]["data"] == 3


def test_a_topic_may_have_a_key_for_all_its_events(scene: Scene) -> None:
    ids_of(send(scene, [{"topic": "latest:x", "data": each} for each in range(3)]))
    with Events(scene.server, "/protected/sse?topic=latest:x", token(scene, "read")) as stream:
        assert stream.next()[1]["data"] == 2


def test_what_is_durable_is_answered_when_it_is_safe(scene: Scene) -> None:
    assert ids_of(send(scene, {"topic": "news:durable", "data": 1}, query="?durable=true"))
