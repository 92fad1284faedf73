"""Publishing by HTTP, and reading what was published."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import httpx2
import pytest

from pricewire.server.limits import Limits
from pricewire.server.topic_rules import TopicRules, TopicSettings
from support.app_server import TOKENS, Events, Scene, refused
from support.serving import Raw

REQUESTS = 800
"""How many requests an address may make at once, and hardly more later: as many as the tests of this file need."""

LIMITS = Limits(free_topics=3000, requests_per_second=0.01, streams_per_address=REQUESTS // 4)

RULES = TopicRules({"news:*": TopicSettings(public=True), "news:internal:*": TopicSettings(), "latest:*": TopicSettings(key="it")})


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with Scene.open(tmp_path_factory, topic_rules=RULES, limits=LIMITS) as opened:
        yield opened


def token(scene: Scene, *scopes: str, topics: Sequence[str] = ("*",)) -> str:
    return TOKENS.issue(scene.alice.uuid, frozenset(scopes), topics=topics)


def send(scene: Scene, body: Any, topics: Sequence[str] = ("*",), query: str = "", **headers: str) -> httpx2.Response:
    content = {"content": body} if isinstance(body, bytes) else {"json": body}
    return scene.post(f"/v1/publish{query}", token(scene, "publish", topics=topics), headers=headers, **content)


def ids_of(answer: httpx2.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    ids: list[str] = answer.json()["data"]["ids"]
    return ids


def topics_until(stream: Events, last: str) -> set[str]:
    """Return the topics of the events up to one of a topic."""
    seen = set[str]()
    while last not in seen:
        seen.add(stream.until(lambda data: "seq" in data)["subscription_id"])
    return seen


def topics_in(answer: httpx2.Response) -> list[str]:
    return [each["topic"] for each in answer.json()["data"]["topics"]]


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


BAD: dict[str, tuple[Any, int, str]] = {
    "no body": (b"", 400, "body"),
    "no JSON": (b"{", 400, "body"),
    "no message": (b"[]", 400, "no message"),
    "no object": (b"1", 400, "object"),
    "no topic": ({"data": 1}, 400, "topic"),
    "no data": ({"topic": "news:a"}, 400, "data"),
    "unknown member": ({"topic": "news:a", "data": 1, "retain": True}, 400, "retain"),
    "NaN": (b'{"topic":"news:a","data":[NaN]}', 400, "body"),
    "huge exponent": (b'{"topic":"news:a","data":1e999}', 400, "body"),
    "no UTF-8": (b'{"topic":"news:a","data":"\xff"}', 400, "body"),
    "half a pair": (b'{"topic":"news:a","data":"\\ud800"}', 400, "body"),
    "deep": (b'{"topic":"news:a","data":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, "deep"),
    "control character": (b'{"topic":"news:a","data":"\n"}', 400, "body"),
    "line break in a topic": ({"topic": "news:a\nb", "data": 1}, 400, "cannot be seen"),
    "NUL in a topic": ({"topic": "news:\0", "data": 1}, 400, "cannot be seen"),
    "direction in a topic": ({"topic": "news:\u202e", "data": 1}, 400, "cannot be seen"),
    "space in a topic": ({"topic": "news: a", "data": 1}, 400, "space"),
    "surrogate in a topic": (b'{"topic":"news:\\ud800","data":1}', 400, ""),
    "no name": ({"topic": "", "data": 1}, 400, "0 characters"),
    "long name": ({"topic": "n" * 257, "data": 1}, 400, "257 characters"),
    "pattern": ({"topic": "news:*", "data": 1}, 400, "patterns"),
    "line break in an event": ({"topic": "news:a", "data": 1, "event": "a\nb"}, 400, "event"),
    "empty key": ({"topic": "news:a", "data": 1, "key": ""}, 400, "key"),
    "surrogate in a key": (b'{"topic":"news:a","data":1,"key":"\\ud800"}', 400, ""),
    "key and end": ({"topic": "news:a", "data": 1, "key": "a", "ends": "b"}, 400, "exclude"),
    "too large": ({"topic": "news:a", "data": "x" * 262_144}, 400, "262144"),
    "body too large": (b'{"topic":"news:a","data":"' + b"x" * 1_048_576 + b'"}', 413, "1048576"),
    "second of two": ([{"topic": "news:a", "data": 1}, {"topic": "news:a"}], 400, "data"),
    "too many topics": ([{"topic": f"many:{each}", "data": 1} for each in range(3001)], 429, "3000 topics"),
    **{
        f"own topic {name}": ({"topic": name, "data": 1}, 400, "own")
        for name in (
            "ticks:R_100",
            "TICKS:R_100",
            "ticks",
            "candles:R_100:60",
            "account:1",
            "balance:x",
            "admin",
            "proposal:x",
            "contracts:",
        )
    },
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_refused_and_nothing_of_it_is_published(scene: Scene, case: str) -> None:
    body, status, message = BAD[case]
    # Twice: the first time the token is new to the server.
    for _ in range(2):
        answer = send(scene, body)
        code = {400: "INVALID_PARAMETERS", 413: "REQUEST_TOO_LARGE", 429: "RATE_LIMIT_EXCEEDED"}[status]
        assert message in refused(answer, status, code)
    with Events(scene.server, "/sse?topic=news:a") as stream:
        ids_of(send(scene, {"topic": "news:a", "data": "only this"}))
        assert stream.next()[1]["data"] == "only this"


def test_what_is_published_is_shown_as_it_was_sent_on_one_line(scene: Scene) -> None:
    with Events(scene.server, "/sse?topic=news:raw") as stream:
        ids_of(send(scene, b'{"topic": "news:raw", "data": {\r\n "a": 1.10,\n "a": 12345678901234567890.5, "\\u2028": "\\n"\r}}'))
        stream.read_until(b"data: ")
        line = stream.read_until(b"\n")
    assert line.rstrip().endswith(b'"data":{ "a": 1.10, "a": 12345678901234567890.5, "\\u2028": "\\n"}}')


def test_who_may_publish_what(scene: Scene) -> None:
    message = {"topic": "news:a", "data": 1}
    refused(scene.post("/v1/publish", json=message), 401, "UNAUTHORIZED")
    refused(scene.post("/v1/publish", token(scene, "read", "trade", "admin"), json=message), 403, "FORBIDDEN")
    for topics in (["news:b"], ["news"], ["new:*"], ["NEWS:*"], []):
        assert "news:a" in refused(send(scene, message, topics), 403, "FORBIDDEN")
    for topics in (["news:a"], ["news:*"], ["x", "n*"]):
        ids_of(send(scene, message, topics))
    both = [message, {"topic": "chat", "data": 1}]
    assert "chat" in refused(send(scene, both, ["news:*"]), 403, "FORBIDDEN")
    for topics in (["ticks:*"], ["balance:*"], [f"balance:{scene.alice.uuid}"]):
        refused(send(scene, {"topic": topics[0].replace("*", "R_100"), "data": 1}, topics), 400, "INVALID_PARAMETERS")


def test_a_token_with_what_is_no_topic_is_none(scene: Scene) -> None:
    for topics in (["a*b"], [""], ["a b"], ["n" * 300], [1]):
        text = TOKENS.issue(scene.alice.uuid, frozenset({"publish"}), topics=topics)  # type: ignore[arg-type]
        refused(scene.post("/v1/publish", text, json={"topic": "news:a", "data": 1}), 401, "UNAUTHORIZED")


def test_a_token_that_is_revoked_publishes_no_more(scene: Scene) -> None:
    text = token(scene, "publish")
    message = {"topic": "news:a", "data": 1}
    ids_of(scene.post("/v1/publish", text, json=message))
    assert scene.post("/v1/logout", text).status_code == 200
    refused(scene.post("/v1/publish", text, json=message), 401, "UNAUTHORIZED")


def test_the_shortcut_answers_as_the_framework_does(scene: Scene) -> None:
    text = token(scene, "publish")

    def answer(**headers: str) -> httpx2.Response:
        return scene.post("/v1/publish", text, json={"topic": "news:same", "data": 1}, headers=headers)

    ids_of(answer())
    short, long = answer(), answer(Origin="https://example.com")
    assert short.headers.keys() == long.headers.keys() - {each for each in long.headers if each.startswith("access-control-")}
    assert all(short.headers[name] == long.headers[name] for name in ("content-type", "cache-control"))
    assert [list(each.json()["data"]) for each in (short, long)] == [["ids"], ["ids"]]
    refused(scene.post("/v1/publish?durable=maybe", text, json={"topic": "news:same", "data": 1}), 400, "INVALID_PARAMETERS")


def test_a_publisher_is_not_held_to_the_requests_of_an_address(scene: Scene) -> None:
    text = token(scene, "publish")
    body = b'{"topic":"news:many","data":1}'
    ids_of(scene.post("/v1/publish", text, content=body))
    host = scene.server.url.partition("://")[2]
    request = f"POST /v1/publish HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {text}\r\nContent-Length: {len(body)}\r\n\r\n"
    with Raw(scene.server.url) as connection:
        for _ in range(REQUESTS // 50 + 1):
            connection.socket.sendall((request.encode() + body) * 50)
            for _ in range(50):
                assert connection.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 200")
                connection.read_until(b"]}}")


def test_who_may_read_what(scene: Scene) -> None:
    ids_of(send(scene, [{"topic": topic, "data": topic, "key": "k"} for topic in ("news:r", "news:internal:r", "chat:r")]))
    assert scene.get("/sse?topic=news:r").status_code == 200
    for path in ("/sse?topic=news:internal:r", "/sse?topic=chat:r", "/sse?topic=news:r&topic=chat:r", "/protected/sse?topic=chat:r"):
        assert "WWW-Authenticate" in scene.get(path).headers
        refused(scene.get(path), 401, "UNAUTHORIZED")
    reader = token(scene, "read", topics=["chat:*"])
    assert scene.get("/protected/sse?topic=chat:r&topic=news:r", reader).status_code == 200
    refused(scene.get("/protected/sse?topic=news:internal:r", reader), 403, "FORBIDDEN")
    refused(scene.get("/sse?topic=chat:r", token(scene, "publish")), 403, "FORBIDDEN")
    for topic in ("balance:other", "contracts:other", "admin"):
        refused(scene.get(f"/protected/sse?topic={topic}", token(scene, "read", topics=["*", "balance:*", "admin"])), 403, "FORBIDDEN")


def test_a_pattern_has_what_there_is_and_what_comes_and_the_reader_may_read(scene: Scene) -> None:
    ids_of(send(scene, [{"topic": topic, "data": topic, "key": "k"} for topic in ("news:p:1", "news:internal:p", "chat:p:1")]))
    with (
        Events(scene.server, "/sse?topic=news:p:*&topic=chat:p:*&topic=news:i*") as anybody,
        Events(scene.server, "/protected/sse?topic=chat:p:*&topic=news:p:*", token(scene, "read", topics=["chat:p:2"])) as one,
    ):
        names = ["news:p:2", "chat:p:2", "news:internal:q", "chat:p:3", "news:p:1"]
        ids_of(send(scene, [{"topic": topic, "data": "new"} for topic in names]))
        assert [anybody.next()[1]["subscription_id"] for _ in range(3)] == ["news:p:1", "news:p:2", "news:p:1"]
        assert [one.next()[1]["subscription_id"] for _ in range(4)] == ["news:p:1", "news:p:2", "chat:p:2", "news:p:1"]


def test_a_pattern_of_prices_has_every_instrument(scene: Scene) -> None:
    seen = set[str]()
    with Events(scene.server, "/sse?topic=ticks:*") as stream:
        while len(seen) < 10:
            seen.add(stream.until(lambda data: "seq" in data)["subscription_id"])
    assert all(each.startswith("ticks:") for each in seen)


def test_a_pattern_never_has_what_is_another_accounts_or_the_operators(scene: Scene) -> None:
    with Events(scene.server, f"/protected/sse?topic=balance:{scene.alice.uuid}", scene.alice) as own:
        own.until(lambda data: "seq" in data)
        text = token(scene, "read", "admin")
        with Events(scene.server, "/protected/sse?topic=*&topic=news:mark", text) as stream:
            ids_of(send(scene, {"topic": "news:mark", "data": 1}))
            seen = topics_until(stream, "news:mark")
    assert f"balance:{scene.alice.uuid}" in seen
    with Events(scene.server, "/sse?topic=*") as stream:
        ids_of(send(scene, {"topic": "news:mark", "data": 1}))
        seen = topics_until(stream, "news:mark")
    assert not any(each.startswith(("balance:", "contracts:", "admin", "chat:")) for each in seen)


def test_a_pattern_is_added_to_a_stream_and_removed(scene: Scene) -> None:
    reader = token(scene, "read", topics=["chat:*"])
    ids_of(send(scene, {"topic": "chat:c:1", "data": "now", "key": "k"}))
    with Events(scene.server, "/protected/sse?topic=news:c", reader) as stream:
        answer = scene.change(stream, reader, add=["chat:c:*"])
        assert answer.json()["data"]["topics"] == ["chat:c:*", "news:c"]
        assert stream.next()[1]["data"] == "now"
        assert stream.wait_for("changed")["topics"] == ["chat:c:*", "news:c"]
        ids_of(send(scene, {"topic": "chat:c:2", "data": "new"}))
        assert stream.next()[1]["subscription_id"] == "chat:c:2"
        assert scene.change(stream, reader, remove=["chat:c:*"]).json()["data"]["topics"] == ["news:c"]
        stream.wait_for("changed")
        ids_of(send(scene, [{"topic": "chat:c:2", "data": 1}, {"topic": "news:c", "data": 2}]))
        assert stream.next()[1]["data"] == 2


@pytest.mark.parametrize("topic", ["news:list", "news:*", "ticks:*"])
def test_a_stream_of_some_members_has_nothing_added_whose_members_are_not_known(scene: Scene, topic: str) -> None:
    refused(scene.get(f"/sse?topic={topic}&fields=price"), 400, "INVALID_PARAMETERS")
    reader = token(scene, "read")
    with Events(scene.server, "/protected/sse?topic=ticks:1HZ100V&fields=price", reader) as stream:
        answer = scene.change(stream, reader, add=[topic])
        ids_of(send(scene, {"topic": "news:list", "data": [1]}))
        refused(answer, 400, "INVALID_PARAMETERS")
        assert stream.until(lambda data: "seq" in data)["data"].keys() == {"price"}


@pytest.mark.parametrize("pattern", ["a*b", "proposal:*", "contract_price:*", "**", "a b*", "*a*"])
def test_what_is_no_pattern_is_refused(scene: Scene, pattern: str) -> None:
    refused(scene.get(f"/sse?topic={pattern.replace(' ', '%00')}"), 400, "INVALID_PARAMETERS")


def test_topics_are_listed_with_their_readers_and_what_was_new(scene: Scene) -> None:
    refused(scene.get("/v1/topics"), 401, "UNAUTHORIZED")
    first, second = ids_of(send(scene, [{"topic": f"list:{each}", "data": each, "event": "it"} for each in (1, 2)]))
    reader = token(scene, "read", topics=["list:*"])
    with Events(scene.server, "/protected/sse?topic=list:1&topic=list:*", reader) as _:
        body = scene.get("/v1/topics?topic=list:*", reader).json()["data"]["topics"]
        assert [(each["topic"], each["readers"], each["seq"], each["newest"]["id"]) for each in body] == [
            ("list:1", 1, 1, first),
            ("list:2", 1, 1, second),
        ]
        assert body[0]["rate"] > 0
        assert body[0]["newest"]["event"] == "it"
    assert topics_in(scene.get("/v1/topics?topic=list:*&limit=1&after=list:1", reader)) == ["list:2"]
    stranger = token(scene, "read", topics=["x"])
    assert topics_in(scene.get("/v1/topics?topic=list:*", stranger)) == []
    assert len(topics_in(scene.get("/v1/topics?topic=ticks:*", stranger))) == 10
    everything = topics_in(scene.get("/v1/topics?limit=1000", token(scene, "read")))
    assert not any(name.startswith(("balance:", "contracts:")) and not name.endswith(scene.alice.uuid) for name in everything)


def test_a_log_that_is_longer_than_one_answer_is_read_in_several(scene: Scene) -> None:
    for part in range(4):
        ids_of(send(scene, [{"topic": "news:long", "data": f"{part}{number}" + "x" * 100_000} for number in range(2)]))
    seen, after, answers = list[str](), "", 0
    while True:
        answer = scene.get(f"/v1/topics/news:long/log?limit=1000{after}")
        assert len(answer.content) < 525_000
        found = answer.json()["data"]["events"]
        if not found:
            break
        seen += [each["data"][:2] for each in found]
        after, answers = f"&after={found[-1]['id']}", answers + 1
    assert seen == [f"{part}{number}" for part in range(4) for number in range(2)]
    assert answers == 2
    ids_of(send(scene, {"topic": "news:longest", "data": "x" * 260_000}))
    assert len(scene.get("/v1/topics/news:longest/log").json()["data"]["events"]) == 1


def test_the_log_of_a_topic_is_read_from_an_event_on(scene: Scene) -> None:
    ids = ids_of(send(scene, [{"topic": "news:log", "data": each, "event": "it"} for each in range(4)]))
    body = scene.get(f"/v1/topics/news:log/log?after={ids[1]}").json()["data"]
    assert body == {"start": "resumed", "events": [{"id": ids[n], "event": "it", "seq": n + 1, "key": None, "data": n} for n in (2, 3)]}
    whole = scene.get("/v1/topics/news:log/log?limit=2").json()["data"]
    assert (whole["start"], [each["data"] for each in whole["events"]]) == ("snapshot", [0, 1])
    assert scene.get("/v1/topics/news:log/log?after=0-1").json()["data"]["start"] == "reset"
    refused(scene.get("/v1/topics/news:none/log"), 404, "NOT_FOUND")
    refused(scene.get("/v1/topics/chat:c:1/log"), 401, "UNAUTHORIZED")
    refused(scene.get("/v1/topics/chat:c:1/log", token(scene, "read", topics=["x"])), 403, "FORBIDDEN")
    refused(scene.get(f"/v1/topics/balance:{scene.alice.uuid}x/log", scene.alice), 403, "FORBIDDEN")
    refused(scene.get("/v1/topics/news:*/log"), 400, "INVALID_PARAMETERS")
    assert json.dumps(scene.get("/v1/topics/ticks:R_100/log?limit=1").json()["data"]["events"][0]["data"])


@pytest.mark.parametrize("name", ["Authorization", "Content-Type"])
def test_a_header_that_comes_twice_is_refused_as_elsewhere(scene: Scene, name: str) -> None:
    usual = {"Authorization": f"Bearer {token(scene, 'publish')}", "Content-Type": "application/json"}
    body = b'{"topic": "news:twice", "data": 1}'
    # A token that was checked before takes a shortcut.
    assert httpx2.post(f"{scene.server.url}/v1/publish", headers=usual, content=body).status_code == 200
    lines = [*usual.items(), (name, usual[name]), ("Content-Length", str(len(body)))]
    head = "".join(f"{each}: {value}\r\n" for each, value in lines)
    with Raw(scene.server.url, f"POST /v1/publish HTTP/1.1\r\nHost: 127.0.0.1\r\n{head}\r\n".encode() + body) as sender:
        assert sender.read_head()[0] == 400
