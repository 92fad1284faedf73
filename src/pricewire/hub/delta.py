"""What is new since groups were given something last: found once, and shared by all groups that were given the same."""

from __future__ import annotations

from pricewire.hub.event import Event, Format
from pricewire.hub.streams import Topic, in_order

Part = tuple[int, int, bytes, int]
"""An event as a group writes it: its position and number, its bytes, and how many older ones it stands for. Parts sort by publishing."""


class FlushPass:
    """
    What groups share that are flushed in the same go.

    Attributes:
        position: that of the hub's newest event.
        now: the time of the loop's clock, in seconds.
        seqs: the number of the newest event of each topic that was looked at.
    """

    def __init__(self, position: int, now: float) -> None:
        self.position = position
        self.now = now
        self.seqs: dict[str, int] = {}
        self._deltas: dict[tuple[int, Format], Delta] = {}

    def delta(self, seqs: dict[str, int], form: Format) -> Delta:
        """Return what is new for groups of a format that were given the events of the same numbers last."""
        # The delta refers to the dict, so that no other dict gets its id meanwhile.
        key = id(seqs), form
        delta = self._deltas.get(key)
        if delta is None:
            delta = self._deltas[key] = Delta(seqs, self.seqs, form)
        return delta

    def seqs_of(self, topics: tuple[Topic, ...]) -> dict[str, int]:
        """Look at some topics, and return `seqs`."""
        self.seqs.update((topic.name, topic.log.seq) for topic in topics)
        return self.seqs


class Delta(dict[Topic, list[Part]]):
    """
    What is new of each topic; found when it is asked for first.

    Args:
        given: the number of the last event of each topic that was given before.
        seqs: where the number of a topic's newest event is noted.
        form: how events are shown.
    """

    __slots__ = ("_form", "_given", "_seqs")

    def __init__(self, given: dict[str, int], seqs: dict[str, int], form: Format) -> None:
        self._given = given
        self._seqs = seqs
        self._form = form

    def __missing__(self, topic: Topic) -> list[Part]:
        parts = self[topic] = self.parts(topic, [])
        return parts

    def parts(self, topic: Topic, kept: list[Event]) -> list[Part]:
        """Return what is new of a topic; `kept` are its new events that nothing supersedes."""
        last = self._given[topic.name]
        self._seqs[topic.name] = topic.log.seq
        if topic.log.seq == last:
            return []
        events = topic.log.newest(last)
        if kept or len(events) > 1:
            events = in_order([*kept, *events])
        parts = []
        for event in events:
            merged = event.seq - last - 1
            last = event.seq
            parts.append((event.position, last, event.encoded_merged(self._form, merged), merged))
        return parts
