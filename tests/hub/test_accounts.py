"""Whatever happens to streams, paced or not: each accounts for every event, by a model of all that was published."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from pricewire.hub.delivery import Outcome
from pricewire.hub.hub import Hub
from pricewire.hub.log import LogLimits
from pricewire.protocol.decoder import ServerSentEvent
from support.manual_loop import advance, run
from support.recorder import Recorder

TOPICS = ("a", "b", "c")
PACES = (0.0, 0.1, 0.25)

CHOSEN = st.integers(0, 9)
WANTED = st.tuples(st.sets(st.sampled_from(TOPICS), min_size=1), st.sampled_from(PACES))
ACTION = st.one_of(
    st.tuples(st.just("publish"), st.sampled_from(TOPICS), st.sampled_from([None, "k", "l", "ends k"])),
    st.tuples(st.just("publish"), st.sampled_from(TOPICS), st.sampled_from([None, "k", "l", "ends k"])),
    st.tuples(st.just("join"), CHOSEN, WANTED),
    st.tuples(st.sampled_from(["pause", "refresh", "resume", "cut", "reconnect"]), CHOSEN, st.none()),
    st.tuples(st.just("change"), CHOSEN, WANTED),
    st.tuples(st.just("advance"), st.sampled_from([0.001, 0.03, 0.1, 0.4]), st.none()),
)


# A key that ends before what came of it has been given to a stream that lags.
ENDS_EARLY = [
    *(("join", 0, ({"a"}, 0.0)), ("publish", "a", None), ("publish", "a", "k"), ("pause", 0, None), ("advance", 0.001, None)),
    ("publish", "a", "ends k"),
]

# A log so short that what the stream has missed is pushed out by what its group has still to write.
PUSHED_OUT = [
    *(("join", 0, ({"a"}, 0.0)), ("publish", "a", None), ("publish", "a", "k"), ("pause", 0, None), ("advance", 0.001, None)),
    *(("publish", "a", None), ("publish", "a", "k")),
]


@given(st.lists(ACTION, max_size=50), st.sampled_from([1000, 2]))
@example(ENDS_EARLY, 1000)
@example(PUSHED_OUT, 2)
def test_every_stream_accounts_for_every_event(actions: list[tuple[str, Any, Any]], count: int) -> None:
    """Random publishes, joins, pauses, changes, cuts and resumes, also with logs that hold two events."""
    run(Play(count).play(actions))


class Play:
    """A hub, its streams, and all that was published: for each topic the position and key of each event, and the key that it ends."""

    def __init__(self, count: int) -> None:
        self.hub = Hub(limits=LogLimits(count=count))
        self.is_short = count < 1000
        self.published: dict[str, list[tuple[int, str | None, str | None]]] = {topic: [] for topic in TOPICS}
        self.streams: list[Recorder] = []
        self.cut: list[Recorder] = []
        self.paused: set[Recorder] = set()
        # Those that were written to by their groups alone.
        self.steady: set[Recorder] = set()

    async def play(self, actions: list[tuple[str, Any, Any]]) -> None:
        for action, what, more in actions:
            if action == "publish":
                self.publish(what, more)
            elif action == "advance":
                await advance(what)
            elif action == "join":
                self.streams.append(Recorder(self.hub, *more[0], interval=more[1], compress=what % 2 == 1))
                self.steady.add(self.streams[-1])
            elif action == "reconnect" and self.cut:
                self.reconnect(self.cut.pop())
            elif self.streams:
                self.disturb(action, self.streams[what % len(self.streams)], more)
        for stream in self.paused:
            self.hub.resume(stream)
        for topic in TOPICS:
            self.publish(topic, None)
        for _ in range(4):
            await advance(0.1)
        for stream in self.streams:
            self.account(stream)
        self.hub.close()

    def publish(self, topic: str, key: str | None) -> None:
        key, ends = (None, "k") if key == "ends k" else (key, None)
        self.hub.publish(topic, 0, key=key, ends=ends)
        self.published[topic].append((self.hub.position, key, ends))

    def reconnect(self, before: Recorder) -> None:
        after = Recorder(self.hub, *before.confirmed, interval=before.interval, last_event_id=before.decoder.last_event_id)
        if after.start.outcome is Outcome.RESUMED:
            after.events, after.written_at = before.events + after.events, before.written_at + after.written_at
            after.snapshot, after.first_topics = before.snapshot, before.first_topics
            # What was not confirmed when the connection broke has not taken effect.
            after.changes = before.changes[: sum(event.type == "changed" for event in before.events)]
        else:
            assert self.is_short or not before.decoder.last_event_id
        self.streams.append(after)

    def disturb(self, action: str, stream: Recorder, wanted: tuple[set[str], float]) -> None:
        self.steady.discard(stream)
        if stream.ended:
            self.streams.remove(stream)
        elif action == "pause":
            self.hub.pause(stream)
            self.paused.add(stream)
        elif action == "refresh":
            self.hub.refresh(stream)
        elif action == "change":
            stream.change(*wanted)
        elif action == "resume":
            self.hub.resume(stream)
            self.paused.discard(stream)
        elif action == "cut":
            self.hub.leave(stream)
            self.streams.remove(stream)
            self.paused.discard(stream)
            self.cut.append(stream)

    def account(self, stream: Recorder) -> None:
        """Check order, that none came twice, that `seq` and `merged` add up, and that what was merged was superseded."""
        topics, changes = set(stream.first_topics), iter(stream.changes)
        seqs: dict[str, int] = {}
        last = position_of(stream.events[stream.snapshot - 1]) if stream.snapshot else 0
        for event, written_at in zip(stream.events[stream.snapshot :], stream.written_at[stream.snapshot :], strict=True):
            position = position_of(event)
            assert position >= last, "a reader never resumes from further back"
            if event.type == "error":
                break
            if event.type == "changed":
                topics = set(next(changes))
                seqs = {topic: seq for topic, seq in seqs.items() if topic in topics}
            elif position == last and json.loads(event.data)["subscription_id"] not in topics:
                # The current values of topics that are being added, without ids of their own.
                seqs.pop(json.loads(event.data)["subscription_id"], None)
            else:
                data = json.loads(event.data)
                topic, seq, merged = data["subscription_id"], data["seq"], data.get("merged", 0)
                assert topic in topics, "only what it carries at this place"
                assert position > last, "in order, and none twice"
                if topic in seqs:
                    assert seq == seqs[topic] + merged + 1, "what is missing was merged, not lost"
                seqs[topic] = seq
                assert all(self.is_superseded(topic, number, written_at) for number in range(seq - merged, seq))
                if stream.interval and stream in self.steady:
                    assert not self.is_superseded(topic, seq, written_at), "the newest"
            last = position
        if stream.ended:
            assert self.is_short, "the logs reach back"
            assert stream not in self.steady, "who keeps up is not ended, however short the logs are"
            return
        assert next(changes, None) is None, "every change was confirmed"
        assert topics <= set(seqs), "the last event, which nothing supersedes, has come"

    def is_superseded(self, topic: str, seq: int, until: int) -> bool:
        """Return whether another event up to a position takes the place of an event."""
        _, key, _ = self.published[topic][seq - 1]
        return key is not None and any(key in (other, ends) for at, other, ends in self.published[topic][seq:] if at <= until)


def position_of(event: ServerSentEvent) -> int:
    return int(event.last_event_id.partition("-")[2] or 0)
