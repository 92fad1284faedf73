"""Who gets an update: the router finds the same groups as looking at each of them would."""

from __future__ import annotations

import random

import msgspec

from pricewire.hub.event import Event
from pricewire.hub.log import LogLimits, TopicLog
from pricewire.hub.streams import Group, Stream, StreamSpec, Topic
from pricewire.protocol.free_topics import UPDATES
from pricewire.server.auth.grants import Action
from pricewire.server.mercure import router as module
from pricewire.server.mercure.matchers import EXACT, URI_TEMPLATE, URL_PATTERN, Matcher, read_matcher
from pricewire.server.mercure.router import UpdateRouter
from pricewire.server.mercure.selection import Selection
from pricewire.server.mercure.update import FORMAT, Update
from support.mercure import HUB

MATCHERS = [
    *[read_matcher(EXACT, f"https://example.com/{shop}/{item}", HUB) for shop in "ab" for item in "12"],
    *[read_matcher(EXACT, text, HUB) for text in ("*", "plain", "/rooms/1")],
    *[
        read_matcher(URL_PATTERN, text, HUB)
        for text in (
            "https://example.com/:shop/1",
            "https://example.com/a/*",
            "/rooms/:id",
            "*://*/*",
            "https://:host/b/:id(\\d)",
            "https://*/b{/:x}?",
        )
    ],
    *[read_matcher(URI_TEMPLATE, text, HUB) for text in ("https://example.com/{shop}/2", "{+all}")],
]
TOPICS = [
    *[f"https://example.com/{shop}/{item}" for shop in "abc" for item in "123"],
    "plain",
    "other",
    "/rooms/1",
    "https://",
    "https://b/b/2",
]


def group_of(matchers: list[Matcher], grants: list[Matcher]) -> Group:
    selection = Selection(tuple(sorted(set(matchers))), tuple(matcher.grant(Action.READ) for matcher in grants))
    topic = Topic(UPDATES, TopicLog(LogLimits(), 0))
    return Group(StreamSpec((UPDATES,), FORMAT, selector=selection), (topic,), Stream.frame, [], 0.0, lambda stream: None)


def event_of(position: int, update: Update) -> Event:
    return Event(position, "boot", UPDATES, position, None, "update", msgspec.json.encode(update))


def test_it_finds_those_that_select_an_update_however_streams_and_topics_come_and_go() -> None:
    source = random.Random(1)
    router = UpdateRouter()
    groups: list[Group] = []
    for position in range(1, 1500):
        if source.random() < 0.3 or not groups:
            groups.append(group_of(source.sample(MATCHERS, source.randint(1, 3)), source.sample(MATCHERS, source.randint(0, 2))))
            router.add(groups[-1])
        elif source.random() < 0.4:
            router.remove(groups.pop(source.randrange(len(groups))))
        update = Update(tuple(source.sample(TOPICS, source.randint(1, 3))), "", str(position), private=source.random() < 0.5)
        event = event_of(position, update)
        found = router.route(event, 0)
        assert len(found) == len(set(found))
        expected = {group for group in groups if group.spec.selector is not None and group.spec.selector.selects(event)}
        assert set(found) == expected


def test_it_forgets_the_oldest_topics_and_finds_their_groups_again() -> None:
    router = UpdateRouter()
    group = group_of([read_matcher(URL_PATTERN, "https://example.com/:shop/:item", HUB)], [])
    router.add(group)
    most, module.MOST_TOPICS = module.MOST_TOPICS, 5
    try:
        for position, topic in enumerate([*TOPICS, *TOPICS], 1):
            found = router.route(event_of(position, Update((topic,), "", str(position))), 0)
            assert list(found) == ([group] if topic.startswith("https://example.com/") else [])
            assert len(router._known) <= 5
    finally:
        module.MOST_TOPICS = most
    router.remove(group)
    assert not router._patterns
    assert not router._topics


def test_ids_are_forgotten_with_the_log() -> None:
    router = UpdateRouter()
    for position in range(1, 101):
        router.route(event_of(position, Update(("a",), "", f"id-{position % 7}")), max(0, position - 10))
    assert len(router._ids) == 10
    assert sum(map(len, router._places.values())) == 10
