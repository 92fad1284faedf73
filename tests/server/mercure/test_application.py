"""The hub of the Mercure protocol, as subscribers and publishers see it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from urllib.parse import quote, urlencode

import httpx2
import pytest

from pricewire.protocol.messages import error_body
from support import mercure
from support.app_server import TOKENS, open_app_server
from support.mercure import HUB, ORIGIN, PATH, PUBLISHER, Subscriber, detail, get, pattern, publish, token, unique
from support.serving import PATIENCE, EventReader, Reader, Serving

METADATA = "https://hub.example.com/.well-known/oauth-protected-resource/.well-known/mercure"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("mercure")
    with open_app_server(folder / "accounts.sqlite", mercure=mercure.write_setup(folder)) as serving:
        yield serving


def challenge(answer: httpx2.Response) -> str:
    return str(answer.headers.get("www-authenticate", ""))


class TestSubscribing:
    def test_a_subscriber_gets_updates_of_what_it_matches_and_no_others(self, server: Serving) -> None:
        topic, other = unique(), unique()
        with Subscriber(server, ("match", topic)) as subscriber:
            assert subscriber.status == 200
            assert subscriber.head["content-type"] == "text/event-stream"
            publish(server, other, "not this")
            answer = publish(server, topic, "this")
            assert subscriber.update() == mercure.Received(answer.text, "this")

    @pytest.mark.parametrize("name", ["match", "match_exact", "match_urlpattern"])
    def test_each_kind_of_matcher_selects(self, server: Serving, name: str) -> None:
        topic = unique()
        with Subscriber(server, (name, topic)) as subscriber:
            publish(server, topic, name)
            assert subscriber.update().data == name

    def test_a_pattern_matches_topics_that_begin_later(self, server: Serving) -> None:
        base = unique("https://example.com/shops/")
        with Subscriber(server, ("match_urlpattern", f"{base}/items/:id(\\d+)")) as subscriber:
            publish(server, f"{base}/items/x", "no digits")
            publish(server, f"{base}/items/7/more", "too long")
            publish(server, f"{base}/items/7", "seven")
            assert subscriber.update().data == "seven"

    def test_relative_patterns_and_topics_are_of_the_hub(self, server: Serving) -> None:
        name = unique("/rooms/")
        with Subscriber(server, ("match_urlpattern", f"{name}/:id")) as subscriber:
            publish(server, f"https://elsewhere.example.com{name}/1", "another host")
            publish(server, f"{name}/1", "relative")
            publish(server, f"https://hub.example.com{name}/2", "absolute")
            assert [subscriber.update().data for _ in range(2)] == ["relative", "absolute"]

    def test_a_star_matches_every_topic_whatever_kind_it_is_said_to_be(self, server: Serving) -> None:
        for name in ("match", "match_urlpattern"):
            with Subscriber(server, (name, "*")) as subscriber:
                publish(server, unique("no URL "), "anything")
                assert subscriber.update().data == "anything"

    def test_exact_matching_compares_bytes(self, server: Serving) -> None:
        topic = unique()
        with Subscriber(server, ("match", f"{topic}/é")) as subscriber:
            for other in (f"{topic}/%C3%A9", f"{topic}/É", f"{topic}/./é", f"{topic}/e\u0301"):
                publish(server, other, "another")
            publish(server, f"{topic}/é", "the same")
            assert subscriber.update().data == "the same"

    def test_what_is_no_url_matches_no_pattern(self, server: Serving) -> None:
        topic = unique("https://")
        with Subscriber(server, ("match_urlpattern", "*://*/*"), ("match", topic)) as subscriber:
            assert publish(server, f"{topic}:notaport/", "no URL").status_code == 200
            publish(server, topic, "named")
            assert subscriber.update().data == "named"

    def test_the_method_query_takes_matchers_in_its_body(self, server: Serving) -> None:
        topic = unique()
        body = urlencode([("match", "x" * 3000), ("match", topic), ("last_event_id", "earliest")])
        first = publish(server, topic, "before")
        with httpx2.Client(timeout=PATIENCE, verify=False) as client:
            headers = {"content-type": "application/x-www-form-urlencoded"}
            with client.stream("QUERY", server.url + PATH, content=body, headers=headers) as answer:
                assert answer.status_code == 200
                assert answer.headers["mercure-last-event-id"] == "earliest"
                assert answer.headers["accept-query"] == "application/x-www-form-urlencoded"
                assert first.text in next(answer.iter_text())
            assert client.request("QUERY", server.url + PATH, content=body, headers={"content-type": "text/plain"}).status_code == 415

    @pytest.mark.parametrize(
        "query",
        [
            "",
            "other=1",
            "match",
            "match=",
            "Match=a",
            "MATCH_EXACT=a",
            "match_regexp=a",
            "matchurlpattern=a",
            "matching=a&match=a",
            "%6Datch_cel=a",
            "match=a%00b",
            "match=a%0Ab",
            "match=a%C2%85b",
            "match=a%7Fb",
            "match=a%E2%80%8Bb",
            "match=a%E2%80%AEb",
            "match=%FF",
            "match_urlpattern=https://example.com/(",
            "match_urlpattern=https://example.com/:a:a",
            "match_urlpattern=https://example.com/((%3F=a)b)",
            "match=" + "a" * 4097,
            "&".join(["match=a"] * 101),
        ],
    )
    def test_what_is_not_allowed_is_refused(self, server: Serving, query: str) -> None:
        answer = get(server, f"{PATH}?{query}")
        assert answer.status_code == 400, answer.text
        assert "www-authenticate" not in answer.headers

    def test_parameters_are_read_as_browsers_write_them(self, server: Serving) -> None:
        topic = unique("a b&c=d+e;%25é ")
        with Subscriber(server, ("match", topic), ("unknown", "ignored")) as subscriber:
            publish(server, topic, "found")
            assert subscriber.update().data == "found"

    def test_a_silent_stream_gets_comments(self, server: Serving) -> None:
        with Subscriber(server, ("match", unique())) as subscriber:
            assert subscriber.read_until(b":\n")

    def test_other_methods_are_refused(self, server: Serving) -> None:
        assert httpx2.put(server.url + PATH, timeout=PATIENCE, verify=False).status_code == 405

    def test_the_same_bytes_go_to_all_who_select_the_same(self, server: Serving) -> None:
        topic = unique()
        with Subscriber(server, ("match", topic)) as one, Subscriber(server, ("match", topic)) as other:
            publish(server, topic, "shared")
            assert one.update() == other.update()


class TestOwnTopics:
    def test_prices_can_be_matched_by_name_and_by_pattern(self, server: Serving) -> None:
        for matcher in (("match", "ticks:R_100"), ("match_urlpattern", "ticks\\:R_10:rest")):
            with Subscriber(server, matcher) as subscriber:
                received = subscriber.update()
                assert '"subscription_id":"ticks:R_10' in received.data
                assert received.id.startswith("#")

    def test_prices_are_resumed(self, server: Serving) -> None:
        with Subscriber(server, ("match", "ticks:R_100")) as subscriber:
            ids = [subscriber.update().id for _ in range(3)]
        with Subscriber(server, ("match", "ticks:R_100"), headers={"Last-Event-ID": ids[1]}) as subscriber:
            assert subscriber.head["mercure-last-event-id"] == ids[1]
            assert subscriber.update().id == ids[2]

    def test_those_of_an_account_are_for_its_token_alone(self, server: Serving) -> None:
        everything = token(detail("subscribe", topics=["*"]))
        mine = "balance:11111111-1111-1111-1111-111111111111"
        own = TOKENS.issue("22222222-2222-2222-2222-222222222222")
        assert get(server, f"{PATH}?match={mine}").status_code == 401
        assert get(server, f"{PATH}?match={mine}", everything).status_code in (401, 403)
        assert get(server, f"{PATH}?match={mine}", own).status_code == 403

    def test_nobody_publishes_to_them(self, server: Serving) -> None:
        for topic in ("ticks:R_100", "balance:x", "Ticks:R_100", "admin"):
            assert publish(server, topic, "1").status_code == 400


class TestPublishing:
    def test_the_answer_is_the_id(self, server: Serving) -> None:
        answer = publish(server, unique(), "x")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.text.startswith("urn:uuid:")
        assert answer.text != publish(server, unique(), "x").text

    def test_every_property_of_an_event_arrives(self, server: Serving) -> None:
        topic = unique()
        with Subscriber(server, ("match", topic)) as subscriber:
            answer = publish(server, topic, "a\rb\r\nc\n\nid: forged", id="https://example.com/own", type="a type", retry="2500")
            assert answer.text == "https://example.com/own"
            assert subscriber.update() == mercure.Received(answer.text, "a\nb\nc\n\nid: forged", "a type", "2500")

    def test_only_the_topic_is_needed(self, server: Serving) -> None:
        topic = unique()
        with Subscriber(server, ("match", topic)) as subscriber:
            answer = httpx2.post(
                server.url + PATH,
                data={"topic": topic, "unknown": "ignored"},
                headers={"authorization": f"Bearer {PUBLISHER}"},
                timeout=PATIENCE,
                verify=False,
            )
            assert answer.status_code == 200
            assert subscriber.update().data == ""

    @pytest.mark.parametrize(
        "fields",
        [
            {"topic": []},
            {"topic": ""},
            {"topic": "*"},
            {"topic": "a\x00b"},
            {"topic": "a\u009fb"},
            {"topic": "a\u200bb"},
            {"topic": "a", "id": "#1"},
            {"topic": "a", "id": "earliest"},
            {"topic": "a", "id": "a\nb"},
            {"topic": "a", "id": "a\u202eb"},
            {"topic": "a", "type": "a\rb"},
            {"topic": "a", "type": "mercure"},
            {"topic": "a", "retry": "1s"},
            {"topic": "a", "retry": "-1"},
            {"topic": "a", "retry": "١"},
            {"topic": "a", "id": ["1", "2"]},
            *[
                {"topic": topic}
                for topic in (
                    PATH,
                    f"{PATH}/subscriptions/exact/a/b",
                    HUB,
                    f"https://elsewhere.example.com{PATH}/x",
                    "/.well-known/%6Dercure/x",
                    "/.well-known/%6dercure",
                    f"{PATH}/../mercure/x",
                    "/.well-known/x/%2e%2E/mercure",
                    "/.well-known/x/.%2e/mercure/y",
                    "\\.well-known\\mercure\\x",
                    f"  {PATH}/x",
                    "mercure/x",
                    f"https:{PATH}/x",
                    f"{PATH}?x#y",
                )
            ],
        ],
        ids=str,
    )
    def test_what_is_not_allowed_is_refused(self, server: Serving, fields: dict[str, str]) -> None:
        answer = httpx2.post(
            server.url + PATH,
            data={"data": "x", **fields},
            headers={"authorization": f"Bearer {PUBLISHER}"},
            timeout=PATIENCE,
            verify=False,
        )
        assert answer.status_code == 400, answer.text
        assert "www-authenticate" not in answer.headers

    def test_names_that_only_look_like_the_hubs_are_free(self, server: Serving) -> None:
        for topic in (
            "https://hub.example.com//[/x",
            "//a//..//b",
            f"{PATH}x",
            "https://hub.example.com/a/.well-known/mercure",
            f"https://a b{PATH}/x",
        ):
            assert publish(server, topic, "x").status_code == 200

    @pytest.mark.parametrize(
        "fields",
        [
            {"data": "x" * 300_000},
            {"data": "\x01" * 100_000},
            {"topic": "t" * 4097},
            {"id": "i" * 1025},
            {"type": "t" * 257},
            {"data": "x" * 1_100_000},
        ],
    )
    def test_too_much_is_refused(self, server: Serving, fields: dict[str, str]) -> None:
        answer = httpx2.post(
            server.url + PATH,
            data={"topic": "a", **fields},
            headers={"authorization": f"Bearer {PUBLISHER}"},
            timeout=PATIENCE,
            verify=False,
        )
        assert answer.status_code == 413
        assert (
            httpx2.post(
                server.url + PATH,
                data={"topic": [f"t{number}" for number in range(101)]},
                headers={"authorization": f"Bearer {PUBLISHER}"},
                timeout=PATIENCE,
                verify=False,
            ).status_code
            == 413
        )

    def test_the_body_is_a_form_of_utf_8(self, server: Serving) -> None:
        headers = {"authorization": f"Bearer {PUBLISHER}", "content-type": "application/x-www-form-urlencoded"}
        for body, kind, status in (
            (b"topic=%FF", "application/x-www-form-urlencoded", 400),
            (b"topic=a&data=\xff", "application/x-www-form-urlencoded", 400),
            (b'{"topic":"a"}', "application/json", 415),
            (b"topic=a", "Application/X-WWW-Form-Urlencoded; charset=utf-8", 200),
        ):
            answer = httpx2.post(server.url + PATH, content=body, headers={**headers, "content-type": kind}, timeout=PATIENCE, verify=False)
            assert answer.status_code == status


class TestAlternateTopics:
    def test_who_matches_several_of_an_updates_topics_gets_it_once(self, server: Serving) -> None:
        first, second, marker = unique(), unique("https://example.com/users/"), unique()
        matchers = [("match", first), ("match", second), ("match", marker)]
        with Subscriber(server, *matchers) as both, Subscriber(server, ("match_urlpattern", f"{second}{{/x}}?"), ("match", marker)) as one:
            publish(server, [first, second, first], "once")
            publish(server, marker, "marker")
            for subscriber in (both, one):
                assert [subscriber.update().data for _ in range(2)] == ["once", "marker"]

    def test_a_publisher_needs_a_grant_on_each(self, server: Serving) -> None:
        first, second = unique(), unique()
        bearer = token(detail("publish", topics=[first]))
        assert publish(server, [first], bearer=bearer).status_code == 200
        answer = publish(server, [first, second], bearer=bearer)
        assert answer.status_code == 403
        assert 'error="insufficient_scope"' in challenge(answer)

    def test_a_private_update_is_for_who_may_read_one_of_them(self, server: Serving) -> None:
        first, second, marker = unique(), unique(), unique()
        reader = token(detail("subscribe", topics=[second]))
        with (
            Subscriber(server, ("match", first), ("match", marker), bearer=reader) as granted,
            Subscriber(server, ("match", first), ("match", marker)) as anonymous,
        ):
            publish(server, [first, second], "secret", private="on")
            publish(server, marker, "marker")
            assert granted.update().data == "secret"
            assert anonymous.update().data == "marker"


class TestPrivateUpdates:
    @pytest.mark.parametrize("private", ["on", "", "false", "0"])
    def test_they_are_for_who_has_a_grant(self, server: Serving, private: str) -> None:
        topic, marker = unique(), unique()
        others = token(detail("subscribe", topics=[unique()]), detail("publish", topics=[topic]))
        granted = token(detail("subscribe", topics=[pattern("https://example.com/books/:id")]))
        matchers = [("match", topic), ("match", marker)]
        with (
            Subscriber(server, *matchers) as anonymous,
            Subscriber(server, *matchers, bearer=others) as stranger,
            Subscriber(server, *matchers, bearer=granted) as reader,
        ):
            publish(server, topic, "secret", private=private)
            publish(server, marker, "marker")
            assert reader.update().data == "secret"
            assert anonymous.update().data == "marker"
            assert stranger.update().data == "marker"

    def test_a_matcher_grants_nothing_and_a_grant_selects_nothing(self, server: Serving) -> None:
        topic, other = unique(), unique()
        bearer = token(detail("subscribe", topics=[topic, other]))
        with Subscriber(server, ("match", topic), bearer=bearer) as subscriber:
            publish(server, other, "granted, and not selected", private="on")
            publish(server, topic, "both", private="on")
            assert subscriber.update().data == "both"

    def test_replay_asks_the_token_of_now(self, server: Serving) -> None:
        topic = unique()
        begin = publish(server, topic, "begin")
        publish(server, topic, "secret", private="on")
        end = publish(server, topic, "end")
        for bearer, expected in ((None, ["end"]), (token(detail("subscribe", topics=[topic])), ["secret", "end"])):
            with Subscriber(server, ("match", topic), bearer=bearer, headers={"Last-Event-ID": begin.text}) as subscriber:
                assert [subscriber.update().data for _ in expected] == expected
                assert subscriber.head["mercure-last-event-id"] == begin.text
        assert end.status_code == 200


class TestReconciliation:
    def test_a_reader_that_comes_back_gets_what_came_after(self, server: Serving) -> None:
        topic = unique()
        ids = [publish(server, topic, str(number)).text for number in range(4)]
        publish(server, unique(), "another topic's")
        with (
            Subscriber(server, ("match", topic), headers={"Last-Event-ID": ids[1]}) as by_header,
            Subscriber(server, ("match", topic), ("last_event_id", ids[1])) as by_parameter,
        ):
            ids.append(publish(server, topic, "live").text)
            for subscriber in (by_header, by_parameter):
                assert subscriber.head["mercure-last-event-id"] == ids[1]
                assert [subscriber.update().id for _ in range(3)] == ids[2:]

    def test_the_header_comes_before_the_parameter(self, server: Serving) -> None:
        topic = unique()
        ids = [publish(server, topic, str(number)).text for number in range(3)]
        with Subscriber(server, ("match", topic), ("last_event_id", ids[0]), headers={"Last-Event-ID": ids[1]}) as subscriber:
            assert subscriber.head["mercure-last-event-id"] == ids[1]
            assert subscriber.update().id == ids[2]

    def test_earliest_is_everything_that_the_hub_has(self, server: Serving) -> None:
        topic = unique()
        ids = [publish(server, topic, str(number)).text for number in range(3)]
        with Subscriber(server, ("match", topic), ("last_event_id", "earliest")) as subscriber:
            assert subscriber.head["mercure-last-event-id"] == "earliest"
            assert [subscriber.update().id for _ in range(3)] == ids

    def test_an_unknown_id_is_said_to_be_one(self, server: Serving) -> None:
        topic = unique()
        publish(server, topic, "before")
        for unknown in ("urn:uuid:unknown", "00000000-1", ""):
            with Subscriber(server, ("match", topic), ("last_event_id", unknown)) as subscriber:
                assert subscriber.head["mercure-last-event-id"] == "earliest"
                publish(server, topic, "after")
                assert subscriber.update().data == "after"

    def test_a_new_subscriber_is_told_nothing_of_it(self, server: Serving) -> None:
        with Subscriber(server, ("match", unique())) as subscriber:
            assert "mercure-last-event-id" not in subscriber.head

    def test_publishers_ids_are_resumed_from(self, server: Serving) -> None:
        topic, own = unique(), unique("urn:example:é")
        publish(server, topic, "first", id=own)
        publish(server, topic, "second")
        with Subscriber(server, ("match", topic), ("last_event_id", own)) as subscriber:
            assert subscriber.update().data == "second"

    def test_nothing_is_missed_after_an_id_that_was_used_twice(self, server: Serving) -> None:
        topic, other, own = unique(), unique(), unique("revision ")
        publish(server, other, "another topic's", id=own)
        publish(server, topic, "first", id=own)
        publish(server, topic, "second")
        publish(server, topic, "third", id=own)
        with Subscriber(server, ("match", topic), ("last_event_id", own)) as subscriber:
            assert [subscriber.update().data for _ in range(2)] == ["second", "third"]


class TestAuthorization:
    def test_who_has_no_token_is_told_where_to_get_one(self, server: Serving) -> None:
        answer = publish(server, "a", bearer=None)
        assert answer.status_code == 401
        assert challenge(answer) == f'Bearer resource_metadata="{METADATA}"'
        assert answer.json() == error_body("UNAUTHORIZED", answer.json()["error"]["message"]) or "error" in answer.json()

    @pytest.mark.parametrize(
        "bearer",
        [
            "no token",
            "a.b.c",
            "x" * 9000,
            token(detail("publish", topics=["*"]), secret=b"the secret of somebody else in tests"),
            token(detail("publish", topics=["*"]), headers={"typ": "JWT"}),
            token(detail("publish", topics=["*"]), headers={"crit": ["b64"], "b64": True}),
            token(detail("publish", topics=["*"]), iss="https://another.example.com"),
            token(detail("publish", topics=["*"]), iss=None),
            token(detail("publish", topics=["*"]), aud="https://another.example.com"),
            token(detail("publish", topics=["*"]), aud=None),
            token(detail("publish", topics=["*"]), exp=None),
            token(detail("publish", topics=["*"]), exp=time.time() - 1),
            token(detail("publish", topics=["*"]), nbf=time.time() + 3600),
            token(authorization_details={"type": mercure.TYPE}),
            token(detail("publish", topics=["*"]), detail("publish", topics=[])),
            token(detail("publish", topics=["*"]), detail(topics=["*"])),
            token(detail("publish", topics=["*"]), {"type": mercure.TYPE, "actions": ["publish"], "topics": ["*"]}),
            token(detail("publish", topics=["*"]), detail("publish", topics=[{"match": "a", "match_type": "regexp"}])),
            token(detail("publish", topics=["*"]), detail("publish", topics=[{"match": "a", "match_type": "URLPattern"}])),
            token(detail("publish", topics=["*"]), detail("publish", topics=[pattern("https://example.com/(")])),
            token(detail("publish", topics=["*"]), detail("publish", topics=["a\u200bb"])),
            token(detail("publish", topics=["*"]), detail("publish", topics=["a" * 4097])),
            token(detail("publish", topics=["*"]), {**detail(topics=["*"]), "actions": [1]}),
            token(detail("publish", topics=["*"]), detail("subscribe", topics=["*"], payload="no object")),
            token(*[detail("publish", topics=["*"])] * 101),
            token(detail("publish", topics=["*"] * 101)),
        ],
        ids=range(26),
    )
    def test_a_token_that_is_not_valid_is_refused(self, server: Serving, bearer: str) -> None:
        for answer in (publish(server, "a", bearer=bearer), get(server, f"{PATH}?match=a", bearer)):
            assert answer.status_code == 401, answer.text
            assert challenge(answer) == f'Bearer error="invalid_token", resource_metadata="{METADATA}"'

    @pytest.mark.parametrize(
        "claims",
        [
            {"aud": [HUB, "https://another.example.com"]},
            {"headers": {"typ": "application/AT+JWT"}},
            {"nbf": time.time() - 5},
            {"sub": "somebody", "client_id": "app", "iat": time.time(), "jti": "1"},
        ],
    )
    def test_other_claims_may_be_there(self, server: Serving, claims: dict[str, object]) -> None:
        assert publish(server, "a", bearer=token(detail("publish", topics=["*"]), **claims)).status_code == 200  # type: ignore[arg-type]

    def test_details_of_others_and_unknown_actions_grant_nothing_and_do_no_harm(self, server: Serving) -> None:
        bearer = token({"type": "payment", "actions": 7}, detail("publish", "fly", topics=["a"]), detail("fly", topics=["b"]))
        assert publish(server, "a", bearer=bearer).status_code == 200
        assert publish(server, "b", bearer=bearer).status_code == 403

    def test_a_token_is_for_what_it_grants(self, server: Serving) -> None:
        topic = unique()
        for bearer, status in (
            (token(detail("publish", topics=[topic])), 200),
            (token(detail("publish", topics=[pattern("https://example.com/books/:id")])), 200),
            (token(detail("publish", topics=[pattern("https://example.com/shops/:id")])), 403),
            (token(detail("subscribe", topics=["*"])), 403),
            (token(), 403),
        ):
            answer = publish(server, topic, bearer=bearer)
            assert answer.status_code == status
            assert ('error="insufficient_scope"' in challenge(answer)) is (status == 403)

    def test_the_servers_own_tokens_count_too(self, server: Serving) -> None:
        topic, marker = unique("news:"), unique()
        account = "33333333-3333-3333-3333-333333333333"
        own = TOKENS.issue(account, frozenset({"publish", "read"}), topics=["news:*"])
        with (
            Subscriber(server, ("match", topic), bearer=own) as reader,
            Subscriber(server, ("match", topic), ("match", marker)) as anonymous,
        ):
            assert publish(server, topic, "secret", bearer=own, private="on").status_code == 200
            publish(server, marker, "marker")
            assert reader.update().data == "secret"
            assert anonymous.update().data == "marker"
        assert publish(server, unique(), bearer=own).status_code == 403

    def test_a_stream_ends_with_its_token(self, server: Serving) -> None:
        bearer = token(detail("subscribe", topics=["*"]), exp=time.time() + 2)
        with Subscriber(server, ("match", unique()), bearer=bearer) as subscriber:
            assert subscriber.status == 200
            subscriber.wait_for_end()

    def test_tokens_in_addresses_are_refused(self, server: Serving) -> None:
        for name in ("access_token", "authorization"):
            answer = get(server, f"{PATH}?match=a&{name}={PUBLISHER}")
            assert answer.status_code == 400
            assert 'error="invalid_request"' in challenge(answer)
        # The one in the header counts, and the other is ignored.
        with Subscriber(server, ("match", "a"), ("access_token", "x"), bearer=PUBLISHER) as subscriber:
            assert subscriber.status == 200


class TestCookies:
    def cookie(self, bearer: str) -> dict[str, str]:
        return {"Cookie": f"other=1; {mercure.COOKIE}={bearer}"}

    def test_a_browser_subscribes_with_it(self, server: Serving) -> None:
        topic = unique()
        bearer = token(detail("subscribe", topics=[topic]))
        for origin in ({}, {"Origin": ORIGIN}, {"Origin": "https://hub.example.com"}):
            with Subscriber(server, ("match", topic), headers={**self.cookie(bearer), **origin}) as subscriber:
                publish(server, topic, "secret", private="on")
                assert subscriber.update().data == "secret"

    def test_not_for_a_page_of_another_origin(self, server: Serving) -> None:
        answer = get(server, f"{PATH}?match=a", **self.cookie(PUBLISHER), Origin="https://evil.example.com")
        assert answer.status_code == 403
        assert "access-control-allow-credentials" not in answer.headers

    def test_a_header_comes_before_it(self, server: Serving) -> None:
        topic, marker = unique(), unique()
        granted = token(detail("subscribe", topics=[topic]))
        matchers = [("match", topic), ("match", marker)]
        with Subscriber(server, *matchers, bearer=token(), headers=self.cookie(granted)) as subscriber:
            publish(server, topic, "secret", private="on")
            publish(server, marker, "marker")
            assert subscriber.update().data == "marker"

    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({"origin": ORIGIN}, 200),
            ({"origin": "https://hub.example.com"}, 200),
            ({"referer": f"{ORIGIN}/page"}, 200),
            ({"origin": "https://evil.example.com"}, 403),
            ({"origin": "null"}, 403),
            ({"referer": "https://evil.example.com/page"}, 403),
            ({"origin": "https://evil.example.com", "referer": f"{ORIGIN}/page"}, 403),
            ({}, 403),
        ],
    )
    def test_publishing_with_it_is_for_pages_of_trusted_origins(self, server: Serving, headers: dict[str, str], status: int) -> None:
        answer = httpx2.post(
            server.url + PATH, data={"topic": "a"}, headers={**self.cookie(PUBLISHER), **headers}, timeout=PATIENCE, verify=False
        )
        assert answer.status_code == status

    def test_pages_may_read_what_they_may(self, server: Serving) -> None:
        trusted = get(server, f"{PATH}?matchx", Origin=ORIGIN)
        assert trusted.headers["access-control-allow-origin"] == ORIGIN
        assert trusted.headers["access-control-allow-credentials"] == "true"
        assert "Mercure-Last-Event-ID" in trusted.headers["access-control-expose-headers"]
        anybody = get(server, f"{PATH}?matchx", Origin="https://other.example.com")
        assert anybody.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in anybody.headers
        assert "Origin" in anybody.headers["vary"]
        preflight = httpx2.request("OPTIONS", server.url + PATH, headers={"origin": ORIGIN}, timeout=PATIENCE, verify=False)
        assert preflight.status_code == 204
        assert "QUERY" in preflight.headers["access-control-allow-methods"]
        assert "Authorization" in preflight.headers["access-control-allow-headers"]


class TestDiscovery:
    def test_the_hub_describes_itself(self, server: Serving) -> None:
        answer = get(server, f"/.well-known/oauth-protected-resource{PATH}")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        assert answer.json() == {
            "resource": HUB,
            "authorization_details_types_supported": [mercure.TYPE],
            "bearer_methods_supported": ["header"],
            "mercure_cookie": mercure.COOKIE,
            "mercure_matcher_types_supported": ["exact", "urlpattern"],
            "mercure_subscriptions": True,
        }

    def test_streams_link_to_it(self, server: Serving) -> None:
        with Subscriber(server, ("match", unique())) as subscriber:
            assert subscriber.head["link"] == f'<{HUB}>; rel="mercure"'


class TestSubscriptions:
    everything = token(detail("subscribe", topics=[pattern(f"{PATH}/subscriptions{{/*}}?")]))

    def topic_of(self, kind: str, match: str, subscriber: str) -> str:
        return f"{PATH}/subscriptions/{kind}/{quote(match, safe='')}/{quote(subscriber, safe='')}"

    def test_they_are_told_of_when_they_begin_and_end(self, server: Serving) -> None:
        topic = unique("https://example.com/a b/%/")
        bearer = token(detail("subscribe", topics=["x"], payload={"no": 1}), detail("subscribe", topics=[topic], payload={"name": "Ada"}))
        watched = ("match_urlpattern", f"{PATH}/subscriptions/exact/:match/:subscriber")
        with Subscriber(server, watched, bearer=self.everything) as watcher:
            with Subscriber(server, ("match", topic), bearer=bearer):
                begun = watcher.update()
            ended = watcher.update()
        assert begun.type == ended.type == "mercure"
        document = httpx2.Response(200, text=begun.data).json()
        assert document == {
            "id": self.topic_of("exact", topic, document["subscriber"]),
            "type": "subscription",
            "match_type": "exact",
            "match": topic,
            "subscriber": document["subscriber"],
            "active": True,
            "payload": {"name": "Ada"},
        }
        assert document["subscriber"].startswith("urn:uuid:")
        assert httpx2.Response(200, text=ended.data).json() == {**document, "active": False}

    def test_they_are_private(self, server: Serving) -> None:
        topic, marker = unique(), unique()
        watched = ("match_urlpattern", f"{PATH}/subscriptions/:kind/:match/:subscriber")
        bearer = token(detail("subscribe", topics=[topic]))
        with Subscriber(server, watched, ("match", marker), bearer=bearer) as watcher, Subscriber(server, ("match", topic)):
            publish(server, marker, "marker")
            assert watcher.update().data == "marker"

    def test_the_api_lists_them(self, server: Serving) -> None:
        topic = unique("https://example.com/rooms/") + "/:id"
        base = f"{PATH}/subscriptions"
        with Subscriber(server, ("match_urlpattern", topic), ("match", "*")):
            everything = get(server, base, self.everything)
            assert everything.headers["content-type"] == "application/json"
            assert 'rel="mercure"' in everything.headers["link"]
            assert everything.json()["type"] == "subscriptions"
            assert everything.json()["id"] == base
            of_pattern = get(server, f"{base}/urlpattern/{quote(topic, safe='')}", self.everything)
            (found,) = of_pattern.json()["subscriptions"]
            assert found["match"] == topic
            assert found["match_type"] == "urlpattern"
            assert found in everything.json()["subscriptions"]
            single = get(server, found["id"], self.everything).json()
            last_event_id = single.pop("last_event_id")
            assert single == found
            assert last_event_id == of_pattern.json()["last_event_id"]
            (star,) = [each for each in everything.json()["subscriptions"] if each["subscriber"] == found["subscriber"] and each != found]
            assert (star["match_type"], star["match"]) == ("exact", "*")
        assert get(server, f"{base}/exact/none/none", self.everything).status_code == 404
        assert get(server, f"{base}/exact", self.everything).status_code == 404

    def test_nothing_is_missed_between_the_list_and_a_stream_that_begins_after_it(self, server: Serving) -> None:
        last = get(server, f"{PATH}/subscriptions", self.everything).json()["last_event_id"]
        topic = unique()
        with Subscriber(server, ("match", topic)):
            matchers = [("match_urlpattern", f"{PATH}/subscriptions/exact/{quote(topic, safe='')}/:subscriber"), ("last_event_id", last)]
            with Subscriber(server, *matchers, bearer=self.everything) as watcher:
                assert watcher.head["mercure-last-event-id"] == last
                assert watcher.update().type == "mercure"

    def test_the_api_is_for_who_may_read_its_address(self, server: Serving) -> None:
        base = f"{PATH}/subscriptions"
        assert get(server, base).status_code == 401
        answer = get(server, base, token(detail("subscribe", topics=[f"{base}/exact/a"])))
        assert answer.status_code == 403
        assert 'error="insufficient_scope"' in challenge(answer)
        assert get(server, f"{base}/exact/a?page=2", token(detail("subscribe", topics=[f"{base}/exact/a"]))).status_code == 200
        assert get(server, base, token(detail("subscribe", topics=[pattern(f"{HUB}/subscriptions")]))).status_code == 200
        assert get(server, base, token(detail("subscribe", topics=["*"]))).status_code == 200


class TestLimits:
    def test_a_slow_reader_of_one_subscription_gets_everything_later(self, server: Serving) -> None:
        topic = unique()
        with Subscriber(server, ("match", topic)) as subscriber:
            ids = [publish(server, topic, f"{number}" + "x" * 100_000).text for number in range(20)]
            assert [subscriber.update().id for _ in ids] == ids

    def test_a_stream_cannot_be_changed_by_another_protocol(self, server: Serving) -> None:
        with Subscriber(server, ("match", unique())) as subscriber:
            address = f"{server.url}/v1/streams/{subscriber.head['pricewire-stream']}"
            assert httpx2.patch(address, json={"add": ["ticks:R_100"]}, timeout=PATIENCE, verify=False).status_code == 404

    def test_the_updates_topic_has_no_other_way_out(self, server: Serving) -> None:
        # A space in a query is a plus that was sent as it is.
        for space in ("%20", "+", "%2B", "%09"):
            with Reader(server.url, f"/sse?topic=mercure{space}updates") as reader:
                assert reader.read_head()[0] in (400, 401)
        own = TOKENS.issue("33333333-3333-3333-3333-333333333333", frozenset({"publish", "read"}), topics=["*"])
        message = {"topic": "mercure updates", "data": 1}
        headers = {"authorization": f"Bearer {own}"}
        assert httpx2.post(f"{server.url}/v1/publish", json=message, headers=headers, timeout=PATIENCE, verify=False).status_code == 400

    def test_streams_of_patterns_get_none_of_them(self, server: Serving) -> None:
        own = TOKENS.issue("33333333-3333-3333-3333-333333333333", frozenset({"publish", "read", "admin"}), topics=["*"])
        free = unique("news:")
        headers = {"Authorization": f"Bearer {own}"}
        with EventReader(server.url, "/protected/sse?topic=mercure*&topic=*", headers=headers) as reader:
            publish(server, unique(), "secret", private="on")
            httpx2.post(f"{server.url}/v1/publish", json={"topic": free, "data": 1}, headers=headers, timeout=PATIENCE, verify=False)
            names = set()
            while free not in names:
                name, body = reader.next()
                names.add(body.get("subscription_id"))
                assert "secret" not in str((name, body))
        assert "mercure updates" not in get(server, "/v1/topics", own).text
        assert get(server, "/v1/topics/mercure%20updates/log", own).status_code in (400, 404)
