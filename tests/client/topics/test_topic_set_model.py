"""The topic set against a model of a server, a network that loses and delays, and subscribers that come and go."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from pricewire.client.topics.patterns import covers, is_pattern
from pricewire.client.topics.topic_set import (
    Action,
    Change,
    Connect,
    Disconnect,
    Drop,
    Listing,
    Refuse,
    Rename,
    Serve,
    TopicSet,
    Wait,
)
from support.topic_set_steps import Step, take

WEB = Path(__file__).parents[3] / "web"

TOPICS = ["ticks:A", "ticks:B", "balance:me", "quote:X:a:1", "quote:X:a:1.0", "quote:X:a:2", "quote:X:a:2.0", "quote:Y:a:1.0"]
NAMES = [*TOPICS, "ticks:*", "t*"]
BAD = "there is no such topic"

Names = dict[str, str]
"""The server's names for what was asked for, where they differ."""

Item = tuple[str | tuple[set[str], Names], int, int | None]
"""What a stream brings: a topic and the number of its value, or all topics that it carries from here on; and an id to resume after."""


def canonical(name: str) -> str:
    """Return the server's name for a topic."""
    return name.removesuffix(".0")


def named(names: Iterable[str]) -> Names:
    """Return the server's names for what was asked for, where they differ."""
    return {name: canonical(name) for name in names if name != canonical(name)}


def carries(names: Iterable[str], topic: str) -> bool:
    """Return whether a topic is among some names, by its own or by a pattern."""
    return topic in names or covers(names, topic)


@dataclass
class Stream:
    number: int
    topics: set[str]
    items: list[Item] = field(default_factory=list)


@dataclass
class Request:
    """A change on its way, or the answer to it."""

    change: Change
    stream: int
    answer: set[str] | str | None = None


@dataclass
class Subscriber:
    name: str
    # By topic, of which a pattern has several.
    seen: dict[str, list[int]] = field(default_factory=dict)
    error: str | None = None
    # The topics of which nothing is missing before the next value, and none comes again.
    whole: set[str] = field(default_factory=set)


class Server:
    def __init__(self) -> None:
        # By topic: the position of each of its values, whose numbers count from 1.
        self.log: dict[str, list[int]] = {}
        self.position = 0
        self.bad: set[str] = set()
        self.stream: Stream | None = None
        self.streams = 0
        self.can_change = True
        self.was_mute = False

    def publish(self, topic: str) -> None:
        self.position += 1
        self.log.setdefault(topic, []).append(self.position)
        if self.stream is not None and carries(self.stream.topics, topic):
            self.stream.items.append((topic, len(self.log[topic]), self.position))

    def after(self, topics: set[str], position: int) -> list[Item]:
        found: list[Item] = [
            (topic, place + 1, at)
            for topic, log in self.log.items()
            if carries(topics, topic)
            for place, at in enumerate(log)
            if at > position
        ]
        return sorted(found, key=lambda item: item[2] or 0)

    def snapshot(self, topics: set[str]) -> list[Item]:
        return [item for item in self.after(topics, 0) if item[1] == len(self.log[str(item[0])])]

    def change(self, request: Request) -> None:
        stream, change = self.stream, request.change
        if stream is None or stream.number != request.stream or not self.can_change:
            request.answer = "there is no such stream"
            return
        if self.bad.intersection(map(canonical, change.add)):
            request.answer = BAD
            return
        topics = stream.topics.difference(change.remove).union(map(canonical, change.add))
        if not topics:
            request.answer = "a stream carries a topic at least"
            return
        # Older than what came before them, so nobody may resume after one of these.
        stream.items += [(topic, number, None) for topic, number, _ in self.snapshot(topics) if not carries(stream.topics, str(topic))]
        stream.topics = topics
        stream.items.append(((topics, named(change.add)), 0, self.position))
        request.answer = topics


class Model(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.set: TopicSet[str] = TopicSet()
        # All that has happened to it.
        self.steps: list[Step] = []
        self.server = Server()
        self.subscribers: list[Subscriber] = []
        # What the one has that carries the actions out.
        self.values: dict[str, int] = {}
        self.held: dict[str, list[Subscriber]] = {}
        # The topics that somebody has asked for by name, or that have come.
        self.known: set[str] = set()
        self.renamed: dict[str, str] = {}
        self.is_wanted = False
        self.is_connecting = False
        # What the connection on its way asks for.
        self.listing: Listing | None = None
        self.stream: Stream | None = None
        self.cursor: int | None = None
        self.request: Request | None = None
        self.late: list[Request] = []
        self.was_late = False
        self.is_waiting = False
        self.sent: Change | None = None
        self.requests = 0

    def tell(self, do: str, **arguments: Any) -> Any:
        if do not in ("want", "retry", "listen", "heard"):
            # Before it learns of anything else it learns who has come and gone.
            self.want()
        outcome, step = take(self.set, do, **arguments)
        self.steps.append(step)
        return outcome

    # Carrying out.

    def act(self, actions: list[Action[str]], *, is_news: bool = True, is_new: bool = False) -> None:
        may_gap = is_new or self.was_late
        if is_news:
            self.sent = None
        for action in actions:
            match action:
                case Connect():
                    self.is_connecting = True
                    self.listing = None
                    self.lose_stream()
                case Disconnect():
                    self.is_connecting = False
                    self.listing = self.cursor = None
                    self.lose_stream()
                case Change():
                    assert self.stream is not None
                    assert self.request is None, "one change at a time"
                    assert action != self.sent or not (action.add or action.remove), "sent twice without news"
                    self.sent = action
                    self.request = Request(action, self.stream.number)
                    self.requests += 1
                case Wait():
                    self.is_waiting = True
                case Refuse():
                    assert action.reason is not None
                    for subscriber in self.of(action.name):
                        subscriber.error = action.reason
                case Rename():
                    for subscriber in self.of(action.name):
                        subscriber.whole.clear()
                        if action.topic in self.held or self.set.is_leaving(action.topic):
                            self.held.setdefault(action.topic, []).append(subscriber)
                        else:
                            self.show(subscriber, action.topic)
                case Serve():
                    for subscriber in self.held.pop(action.topic, []):
                        self.show(subscriber, action.topic)
                case Drop():
                    self.values.pop(action.topic, None)
                    self.held.pop(action.topic, None)
                    for subscriber in self.readers(action.topic):
                        is_whole = action.topic in subscriber.whole and subscriber.error is None
                        assert may_gap or not is_whole, "nothing is missing where nothing was late, and the stream went on"
                        subscriber.whole.discard(action.topic)
                    if not any(self.topic_of(subscriber) == action.topic for subscriber in self.subscribers):
                        self.known.discard(action.topic)

    def topic_of(self, subscriber: Subscriber) -> str:
        return self.set.topic_of(subscriber.name)

    def of(self, name: str) -> list[Subscriber]:
        return [subscriber for subscriber in self.subscribers if subscriber.name == name]

    def readers(self, topic: str) -> list[Subscriber]:
        return [each for each in self.subscribers if carries([self.topic_of(each)], topic)]

    def show(self, subscriber: Subscriber, topic: str) -> None:
        value = self.values.get(topic)
        if value is not None:
            self.give(subscriber, topic, value)

    @staticmethod
    def give(subscriber: Subscriber, topic: str, value: int) -> None:
        seen = subscriber.seen.setdefault(topic, [])
        if topic in subscriber.whole:
            assert value == seen[-1] + 1, "every one, once"
        elif seen:
            assert value >= seen[-1], "in order"
        seen.append(value)
        subscriber.whole.add(topic)

    def want(self) -> None:
        self.act(self.tell("want", names=list(dict.fromkeys(each.name for each in self.subscribers))), is_news=False)

    def lose_stream(self) -> None:
        self.server.stream = self.stream = self.request = None

    # What subscribers do.

    @rule(name=st.sampled_from(NAMES), is_late=st.booleans())
    def join(self, name: str, is_late: bool) -> None:
        subscriber = Subscriber(name)
        topics = [topic for topic in sorted(self.known) if covers([name], topic)] if is_pattern(name) else [self.set.topic_of(name)]
        for topic in topics:
            self.known.add(topic)
            if topic in self.held or (not self.readers(topic) and self.set.is_leaving(topic)):
                self.held.setdefault(topic, []).append(subscriber)
            else:
                self.show(subscriber, topic)
        self.subscribers.append(subscriber)
        if name in self.set.refused:
            subscriber.error = self.set.refused[name]
        if not is_late:
            self.want()

    @rule(data=st.data(), is_late=st.booleans())
    @precondition(lambda self: self.subscribers)
    def leave(self, data: st.DataObject, is_late: bool) -> None:
        place = data.draw(st.integers(0, len(self.subscribers) - 1))
        subscriber = self.subscribers.pop(place)
        for held in self.held.values():
            if subscriber in held:
                held.remove(subscriber)
        if not is_late:
            self.want()

    @rule(name=st.sampled_from(NAMES), data=st.data())
    @precondition(lambda self: self.subscribers)
    def replace(self, name: str, data: st.DataObject) -> None:
        """Have one come and another leave in one turn: by a pattern that takes the place of a name, for instance, its topic goes on."""
        self.join(name=name, is_late=True)
        self.leave(data=data, is_late=False)

    @rule()
    def turn(self) -> None:
        self.want()

    @rule()
    @precondition(lambda self: self.set.refused)
    def retry(self) -> None:
        for subscriber in self.subscribers:
            subscriber.error = None
        self.act(self.tell("retry"), is_new=True)

    # What the server does.

    @rule(name=st.sampled_from(TOPICS))
    def publish(self, name: str) -> None:
        self.server.publish(canonical(name))

    @rule(name=st.sampled_from(NAMES))
    def toggle(self, name: str) -> None:
        self.server.bad = set() if self.server.bad else {canonical(name)}

    @rule()
    def toggle_changes(self) -> None:
        self.server.can_change = not self.server.can_change
        self.server.was_mute = True

    # What the network does.

    @rule()
    @precondition(lambda self: self.is_connecting)
    def ask(self) -> None:
        """Send a request for a stream; one before it has failed."""
        self.listing = self.tell("listen", has_cursor=self.cursor is not None)
        if self.cursor is not None and not self.listing.resumes and not self.set._starts_over:
            assert not any(subscriber.whole for subscriber in self.subscribers), "what goes on for somebody is resumed"

    @rule()
    @precondition(lambda self: self.listing is not None)
    def connect(self) -> None:
        self.want()
        listing, self.listing = self.listing, None
        if listing is None:
            # It is not wanted any more, or another one.
            return
        assert listing.topics
        topics = set(map(canonical, listing.topics))
        if self.server.bad & topics:
            self.is_connecting = False
            # The stream before does not go on.
            self.act(self.tell("connection_refused", reason=BAD), is_new=True)
            return
        server = self.server
        server.streams += 1
        self.stream = server.stream = Stream(server.streams, topics)
        if listing.resumes:
            assert self.cursor is not None
            self.stream.items += server.after(topics, self.cursor)
        else:
            # Read in one go, as it is written: resumed at an id within it, a stream would begin with values older than those before it.
            if named(listing.topics):
                self.stream.items.append(((topics, named(listing.topics)), 0, None))
            snapshot = server.snapshot(topics)
            self.stream.items += [(topic, number, None) for topic, number, _ in snapshot[:-1]] + snapshot[-1:]
            self.cursor = None
        self.is_connecting = False
        self.act(self.tell("opened", can_change=True, is_new=not listing.resumes), is_new=not listing.resumes)

    @rule()
    @precondition(lambda self: self.stream is not None)
    def cut(self) -> None:
        self.want()
        if self.stream is None:
            # It has just been given up.
            return
        self.lose_stream()
        self.is_connecting = True
        self.act(self.tell("cut"))

    @rule(count=st.integers(1, 5))
    @precondition(lambda self: self.stream is not None)
    def read(self, count: int) -> None:
        stream = self.stream
        while stream is not None and stream is self.stream and stream.items and count:
            count -= 1
            topic, number, position = stream.items.pop(0)
            if position is not None:
                self.cursor = position
            if isinstance(topic, tuple):
                self.act(self.tell("changed", topics=sorted(topic[0]), names=topic[1]))
            elif self.tell("heard", topic=topic):
                self.values[topic] = number
                readers = self.readers(topic)
                is_new = topic not in self.known
                self.known.add(topic)
                if not carries(self.set.confirmed, topic) or (is_new and readers and self.set.is_leaving(topic)):
                    self.held[topic] = readers
                for subscriber in readers:
                    if subscriber not in self.held.get(topic, []):
                        self.give(subscriber, topic, number)

    @rule()
    @precondition(lambda self: self.request is not None and self.request.answer is None)
    def arrive(self) -> None:
        assert self.request is not None
        self.server.change(self.request)

    @rule()
    @precondition(lambda self: self.request is not None and self.request.answer is not None)
    def answer(self) -> None:
        request, self.request = self.request, None
        assert request is not None
        number = request.change.number
        if isinstance(request.answer, set):
            self.act(self.tell("answered", number=number, topics=sorted(request.answer), names=named(request.change.add)))
        else:
            assert request.answer is not None
            self.act(self.tell("change_refused", number=number, reason=request.answer))

    @rule(is_late=st.booleans())
    @precondition(lambda self: self.request is not None)
    def lose(self, is_late: bool) -> None:
        request, self.request = self.request, None
        assert request is not None
        if is_late and request.answer is None:
            self.late.append(request)
        self.act(self.tell("change_failed", number=request.change.number), is_news=False)

    @rule()
    @precondition(lambda self: self.request is not None and self.request.answer is None)
    def be_busy(self) -> None:
        request, self.request = self.request, None
        assert request is not None
        self.act(self.tell("change_failed", number=request.change.number, is_undone=True))

    @rule()
    @precondition(lambda self: self.late)
    def arrive_late(self) -> None:
        self.was_late = True
        self.server.change(self.late.pop(0))

    @rule()
    @precondition(lambda self: self.is_waiting)
    def wait(self) -> None:
        self.is_waiting = False
        self.act(self.tell("waited"), is_news=False)

    @rule(steps=st.integers(1, 10))
    def proceed(self, steps: int) -> None:
        """Let some of what is on its way arrive: of the rules that do one thing each, few come in this order."""
        while steps and self.go_on():
            steps -= 1

    def go_on(self) -> bool:
        """Let the next thing arrive; return whether there was one."""
        if self.is_connecting:
            self.ask()
            self.connect()
        elif self.stream is not None and self.stream.items:
            self.read(5)
        elif self.request is not None and self.request.answer is None:
            self.arrive()
        elif self.request is not None:
            self.answer()
        elif self.is_waiting:
            self.wait()
        else:
            return False
        return True

    # What holds.

    @invariant()
    def refusals_are_known(self) -> None:
        for subscriber in self.subscribers:
            if subscriber.name in self.set.wanted and subscriber.name in self.set.refused:
                assert subscriber.error is not None

    def teardown(self) -> None:
        """Let all that is on its way arrive: then everything is right."""
        self.late.clear()
        self.want()
        if self.server.was_mute and self.stream is not None:
            # What could not be asked on this stream is asked on the next one.
            self.cut()
        self.server.can_change = True
        steps = 0
        while self.go_on():
            steps += 1
            assert steps < 300, "it never comes to rest"
        wanted = {each.name for each in self.subscribers}
        served = {canonical(name) for name in wanted if name not in self.set.refused}
        assert (self.stream.topics if self.stream is not None else set()) == served
        assert all(carries(served, topic) for topic in self.values), "nothing is kept of what is not carried"
        for subscriber in self.subscribers:
            if subscriber.name not in self.set.refused:
                current = {topic: len(log) for topic, log in self.server.log.items() if carries([canonical(subscriber.name)], topic)}
                assert {topic: seen[-1] for topic, seen in subscriber.seen.items()} == current, f"{subscriber.name} is behind"


# The same examples in every run: a search by luck is for whoever looks for faults, with `max_examples` in the thousands.
EXAMPLES = settings(max_examples=200, stateful_step_count=60, deadline=None, report_multiple_bugs=False, derandomize=True)


def run_model(examples: settings) -> list[dict[str, Any]]:
    """Run the model; return what happened to the topic set, in the form of the shared vectors."""
    scenarios: list[dict[str, Any]] = []

    class Recorded(Model):
        def teardown(self) -> None:
            super().teardown()
            scenarios.append({"name": f"scenario {len(scenarios)}", "steps": self.steps})

    run_state_machine_as_test(Recorded, settings=examples)
    return scenarios


@pytest.fixture(scope="module")
def scenarios() -> list[dict[str, Any]]:
    return run_model(EXAMPLES)


def test_everybody_is_served_in_the_end_and_in_order_until_then(scenarios: list[dict[str, Any]]) -> None:
    assert len(scenarios) >= EXAMPLES.max_examples
    happened = {step["do"] for scenario in scenarios for step in scenario["steps"]}
    assert happened == {
        *("want", "retry", "listen", "opened", "cut", "connection_refused", "heard", "changed"),
        *("answered", "change_refused", "change_failed", "waited"),
    }


def test_a_name_of_a_topic_that_is_being_removed_under_another_waits_like_who_joins() -> None:
    model = Model()
    for name in ("ticks:A", "quote:X:a:2", "quote:X:a:2.0"):
        model.join(name=name, is_late=False)
    model.publish(name="quote:X:a:2")
    model.ask()
    del model.subscribers[1]
    model.connect()
    model.teardown()
    assert [subscriber.seen for subscriber in model.subscribers] == [{}, {"quote:X:a:2": [1]}]


def test_the_browsers_topic_set_does_the_same_in_all_that_happens_here(scenarios: list[dict[str, Any]], tmp_path: Path) -> None:
    vectors = tmp_path / "scenarios.json"
    vectors.write_text(json.dumps(scenarios))
    vitest = [str(WEB / "node_modules/.bin/vitest"), "run", "tests/src/topic_set.test.ts"]
    result = subprocess.run(vitest, cwd=WEB, env=os.environ | {"TOPIC_SET_VECTORS": str(vectors)}, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-5000:]
