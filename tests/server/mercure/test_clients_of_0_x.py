"""Clients that speak Mercure 0.x, where the setting lets them in; among them two packages of PyPI as they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx2
import jwt
import pytest

from support import mercure
from support.app_server import open_app_server
from support.mercure import PATH, SECRET, SETUP, Subscriber, detail, get, publish, token, unique
from support.serving import PATIENCE, Serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("mercure")
    setup = mercure.write_setup(folder, SETUP.replace("subscriptions = true", "subscriptions = true\nspeaks_0_x = true"))
    with open_app_server(folder / "accounts.sqlite", mercure=setup) as serving:
        yield serving


def old_token(**claim: Any) -> str:
    """Return a token as 0.x has it: it says no more than what it is for."""
    return jwt.encode({"mercure": claim}, SECRET, algorithm="HS256")


PUBLISHER = old_token(publish=["*"])


def test_subscribers_say_topic_and_may_use_templates(server: Serving) -> None:
    base = unique("https://example.com/shops/")
    for selector in (f"{base}/items/1", f"{base}/items/{{id}}", f"{base}{{/path*}}", "*", f"{base}/items/1{{?page,size}}", "{+everything}"):
        with Subscriber(server, ("topic", selector)) as subscriber:
            if selector.startswith(base):
                publish(server, unique("https://example.com/others/{x}/"), "another", bearer=PUBLISHER)
            answer = publish(server, f"{base}/items/1", selector, bearer=PUBLISHER)
            assert answer.status_code == 200, answer.text
            assert subscriber.update().data == selector


def test_private_updates_are_for_who_has_the_claim(server: Serving) -> None:
    topic, marker = unique(), unique()
    matchers = [("topic", topic), ("topic", marker)]
    granted = old_token(subscribe=["https://example.com/books/{id}"])
    with (
        Subscriber(server, *matchers) as anonymous,
        Subscriber(server, *matchers, headers={"Cookie": f"mercureAuthorization={granted}"}) as by_cookie,
        Subscriber(server, *matchers, bearer=granted) as by_header,
    ):
        publish(server, topic, "secret", bearer=PUBLISHER, private="on")
        publish(server, marker, "marker", bearer=PUBLISHER, private="false")
        assert by_cookie.update().data == "secret"
        assert by_header.update().data == "secret"
        assert anonymous.update().data == "marker"


def test_the_claim_says_what_may_be_published(server: Serving) -> None:
    topic = unique()
    for claim, status in (({"publish": [topic]}, 200), ({"publish": []}, 403), ({"subscribe": ["*"]}, 403), ({"publish": "*"}, 401)):
        assert publish(server, topic, bearer=old_token(**claim)).status_code == status
    assert (
        publish(
            server, topic, bearer=jwt.encode({"mercure": {"publish": ["*"]}}, b"another secret than the issuer's one", "HS256")
        ).status_code
        == 401
    )


def test_clients_of_version_1_come_as_before(server: Serving) -> None:
    topic = unique()
    with Subscriber(server, ("match", topic), ("topic", unique()), bearer=token(detail("subscribe", topics=[topic]))) as subscriber:
        publish(server, topic, "secret", private="on")
        assert subscriber.update().data == "secret"
    assert get(server, f"{PATH}?matchx=1&topic=a").status_code == 400
    assert publish(server, "a", bearer=token(detail("publish", topics=["*"]), aud="https://another.example.com")).status_code == 401


def test_readers_come_back_by_the_older_parameters(server: Serving) -> None:
    topic = unique()
    first = publish(server, topic, "first", bearer=PUBLISHER)
    publish(server, topic, "second", bearer=PUBLISHER)
    for name in ("last_event_id", "Last-Event-ID", "lastEventID"):
        with Subscriber(server, ("topic", topic), (name, first.text)) as subscriber:
            assert subscriber.update().data == "second"


def test_active_subscriptions_have_their_older_form_too(server: Serving) -> None:
    topic = unique()
    base = f"{PATH}/subscriptions/{quote(topic, safe='')}"
    watching = old_token(subscribe=[f"{PATH}/subscriptions/{quote(topic, safe='')}{{/subscriber}}", base])
    with Subscriber(server, ("topic", f"{base}{{/subscriber}}"), bearer=watching) as watcher:
        with Subscriber(server, ("topic", topic), bearer=old_token(subscribe=[topic], payload={"name": "Ada"})):
            told = httpx2.Response(200, text=watcher.update().data).json()
            listed = get(server, base, watching)
            assert listed.headers["content-type"] == "application/ld+json"
            (found,) = listed.json()["subscriptions"]
            assert told == found
            assert found["type"] == "Subscription"
            assert (found["topic"], found["payload"], found["active"]) == (topic, {"name": "Ada"}, True)
            single = get(server, found["id"], old_token(subscribe=["*"])).json()
            assert single.pop("lastEventID").startswith("urn:uuid:")
            assert single == found
        assert httpx2.Response(200, text=watcher.update().data).json() == {**told, "active": False}


def test_mercure_publisher_of_pypi_publishes_unchanged(server: Serving) -> None:
    from mercure_publisher import MercureConfig, MercurePublisher, MercurePublishError

    topic, alternate = unique(), unique()
    config = MercureConfig(server.url + PATH, SECRET.decode(), ["*"], request_timeout=PATIENCE)
    granted = old_token(subscribe=[alternate])
    with Subscriber(server, ("topic", topic), bearer=granted) as subscriber, MercurePublisher(config) as publisher:
        own = publisher.publish([topic, alternate], {"status": "checked out"}, private=True, id="urn:own:1", type="status", retry=3000)
        assert own == "urn:own:1"
        assert subscriber.update() == mercure.Received("urn:own:1", '{"status": "checked out"}', "status", "3000")
        assert publisher.publish(topic, "text").startswith("urn:uuid:")
        assert subscriber.update().data == "text"
    with MercurePublisher(MercureConfig(server.url + PATH, SECRET.decode(), [alternate], request_timeout=PATIENCE)) as publisher:
        with pytest.raises(MercurePublishError) as raised:
            publisher.publish(topic, "not its topic")
        assert raised.value.status_code == 403


def test_flask_mercure_sse_of_pypi_publishes_unchanged(server: Serving) -> None:
    from flask import Flask
    from flask_mercure_sse import MercureSSE, mercure_publish

    topic = unique()
    app = Flask(__name__)
    app.config["SECRET_KEY"] = SECRET.decode()
    hub = MercureSSE(app, hub_url=server.url + PATH)
    with app.app_context(), Subscriber(server, ("topic", topic), bearer=hub.create_subscription_jwt(topic, {"name": "Ada"})) as subscriber:
        assert mercure_publish(topic, {"hello": 1}, private=True, type="greeting").startswith("urn:uuid:")
        received = subscriber.update()
        assert (received.type, received.data.replace(" ", "")) == ("greeting", '{"hello":1}')
        assert hub.is_connected(topic, name="Ada")
