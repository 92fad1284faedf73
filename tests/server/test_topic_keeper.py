"""Free topics are counted, end when nobody publishes to them any more, and hold no more than they may."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest

from pricewire.errors import StreamRefusedError
from pricewire.hub.log import LogBudget
from pricewire.protocol.messages import Publication
from pricewire.server.auth.grants import grants_of
from pricewire.server.auth.tokens import Token
from pricewire.server.limits import Limits
from pricewire.server.publisher import Publisher
from pricewire.server.publishing import Publishing
from pricewire.server.topic_keeper import LOOK_S, TopicKeeper
from pricewire.server.topic_rules import TopicRules, TopicSettings
from support.feeds import HandFeed
from support.recorder import Recorder

RULES = {"short:*": TopicSettings(ends_after_seconds=60), "once:*": TopicSettings(survives_restart=False)}


class Scene:
    """A publisher and its keeper, on times that the test gives."""

    def __init__(self, ring: Path | None = None, topics: int = 1000) -> None:
        self.publisher = Publisher([HandFeed()], topic_rules=TopicRules(RULES), ring=ring)
        self.hub = self.publisher.hub
        self.keeper = TopicKeeper(self.publisher, Limits(free_topics=topics))
        self.publishing = Publishing(self.publisher, self.keeper)
        self.began = time.monotonic()

    async def publish(self, *topics: str, key: str | None = None, data: bytes = b"1") -> None:
        self.keeper.admit(topics)
        await self.publishing.publish([Publication(topic=topic, data=msgspec.Raw(data), key=key) for topic in topics])

    async def look(self, after: float) -> set[str]:
        """Have the keeper look so many seconds after the beginning; return the topics that there are."""
        await self.keeper.look(self.began + after)
        return set(self.hub.topics)


async def test_a_topic_ends_when_nothing_is_published_to_it_for_long() -> None:
    scene = Scene()
    await scene.publish("short:a", "short:b", "long", key="k")
    stream, follower = Recorder(scene.hub, "short:b"), Recorder(scene.hub, follow=lambda topic: topic.startswith("short:"))
    assert await scene.look(10) >= {"short:a", "short:b", "long"}
    assert await scene.look(69) >= {"short:a", "short:b"}
    await scene.publish("short:a")
    assert "short:a" in await scene.look(80)
    assert await scene.look(139) >= {"short:a", "short:b", "long"}
    assert await scene.look(141) >= {"short:b", "long"}, "it is read by its name"
    assert "short:a" not in scene.hub.topics
    scene.hub.leave(stream)
    assert "short:b" not in await scene.look(200), "who follows it does not keep it"
    assert await scene.look(3700) == set()
    assert not follower.ended
    assert scene.publisher.topic_rules.budget.held == 0


async def test_there_are_no_more_topics_than_there_may_be() -> None:
    scene = Scene()
    await scene.publish(*(f"short:{number}" for number in range(1000)))
    with pytest.raises(StreamRefusedError, match="1000 topics"):
        await scene.publish("short:1000")
    await scene.publish("short:7")
    await scene.look(10)
    await scene.look(80)
    await scene.publish("short:1000")


async def test_what_is_admitted_and_never_comes_takes_no_place() -> None:
    scene = Scene(topics=1)
    scene.keeper.admit(["a"])
    await scene.look(LOOK_S / 2)
    with pytest.raises(StreamRefusedError):
        scene.keeper.admit(["b"])
    await scene.look(LOOK_S + 1)
    scene.keeper.admit(["b"])


async def test_a_flood_takes_no_more_memory_than_it_may_and_nothing_from_others() -> None:
    scene = Scene()
    budget = scene.publisher.topic_rules.budget = LogBudget(1_000_000)
    await scene.publish("quiet", "quiet", "quiet")
    large = b'"%b"' % (b"x" * 50_000)
    for number in range(100):
        await scene.publish(f"flood:{number % 10}", data=large)
    assert budget.held <= 1_000_000
    assert len(scene.hub.recent_events("quiet")) == 3
    with pytest.raises(StreamRefusedError, match="more than the server keeps"):  # noqa: PT012 - one of them is refused
        for number in range(100):
            await scene.publish(f"flood:{number}", data=large)
    assert budget.held <= 1_051_000
    assert len(scene.hub.recent_events("quiet")) == 3
    await scene.look(400)
    assert budget.held == 0
    await scene.publish("flood:0", data=large)


async def test_keys_without_end_are_refused() -> None:
    scene = Scene()
    budget = scene.publisher.topic_rules.budget = LogBudget(100_000)
    with pytest.raises(StreamRefusedError, match="ends"):  # noqa: PT012 - one of them is refused
        for number in range(1000):
            await scene.publish("keys", key=str(number))
    assert budget.held < 110_000
    ends = [Publication(topic="keys", data=msgspec.Raw(b"0"), ends=str(number)) for number in range(100)]
    scene.publishing.check(Token(None, frozenset({"publish"}), "one", 1e12, grants_of("a", {"publish"}, ["*"])), ends)
    await scene.publishing.publish(ends)
    await scene.publish("keys", key="another")


async def test_the_same_key_again_and_again_takes_one_place() -> None:
    scene = Scene()
    budget = scene.publisher.topic_rules.budget
    for _ in range(3000):
        await scene.publish("key", key="k")
    before = budget.held
    for _ in range(1000):
        await scene.publish("key", key="k")
    assert budget.held == before


async def test_a_topic_that_does_not_survive_a_restart_begins_without_its_last_value(tmp_path: Path) -> None:
    for count in range(2):
        scene = Scene(tmp_path)
        async with scene.publisher.bus.open():
            scene.keeper._begin()
            assert (scene.hub.latest("once:a"), scene.hub.latest("kept")) == ([], [] if count == 0 else [1])
            await scene.publish("once:a", "kept", key="k")
            scene.hub.close()
