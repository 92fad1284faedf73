"""Conflation: which messages supersede which, and leaving out those that are superseded before anybody reads them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from operator import itemgetter

import msgspec

from pricewire._native import core
from pricewire.client.parsing import FAILURES
from pricewire.protocol.decoder import ServerSentEvent

SINGLE = frozenset({"tick", "proposal", "contract_price", "balance", "contracts"})
"""Events that supersede all earlier ones of their topic."""

ENDINGS = frozenset({"contract_sold", "contract_settled"})
"""Events after which there is no current value of their contract."""

DATA = ',"data":'
"""What follows `seq` in an envelope that stands for no others."""

DIGITS = "0123456789"

BEGINNING = re.compile(r'\{"event":"(?P<event>[a-z_]+)","subscription_id":"(?P<topic>[^"\\]+)","seq":')
"""How an envelope begins, as Pricewire writes it."""

MAX_LANES = 10_000
"""How many lanes are remembered: a server could send any number of topics."""


class Head(msgspec.Struct, frozen=True, gc=False):
    """
    What has to be known of an envelope to pass it on unread.

    Attributes:
        event: what its data is.
        topic: its topic.
        merged: how many older events it stands for.
    """

    event: str
    topic: str = msgspec.field(name="subscription_id")
    merged: int = 0


class Identity(msgspec.Struct, frozen=True, gc=False):
    """The members of an envelope's data that tell the current values of a topic apart, where it has several."""

    contract_id: str = ""
    open_epoch_ms: str | int = ""


class Identified(msgspec.Struct, frozen=True, gc=False):
    """An envelope of which only the identity is read."""

    data: Identity


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """
    A message that has arrived and was not read yet.

    Attributes:
        event: what its data is: `tick`, for instance.
        topic: its topic.
        text: the whole envelope, as it came.
        merged: how many older messages it stands for.
        at: when it arrived, in seconds on the monotonic clock.
    """

    event: str
    topic: str
    text: str
    merged: int
    at: float


class Lane:
    """
    The messages of one topic and one event of which each supersedes all before it.

    Attributes:
        event: what their data is.
        topic: their topic.
    """

    def __init__(self, event: str, topic: str) -> None:
        self.event = event
        self.topic = topic


class Lanes:
    """Finds the lanes of messages by how their texts begin, without parsing them."""

    def __init__(self) -> None:
        # By the beginning of their messages, up to `seq`.
        self._known: dict[str, Lane] = {}

    def run(self, events: list[ServerSentEvent], start: int) -> list[tuple[Lane, str]]:
        """
        Return the events from a place on that have a lane, up to the first without one, which has to be looked at.

        Args:
            events: what has arrived, oldest first.
            start: the place of the first.
        """
        known = self._known
        if core is not None:
            compiled: list[tuple[Lane, str]] = core.lanes_run(events, start, known, self._look)
            return compiled
        run = []
        for event in islice(events, start, None):
            text = event.data
            beginning = text[: text.find(DATA)].rstrip(DIGITS)
            lane = known.get(beginning) or self._look(beginning)
            if lane is None or event.type != "message":
                break
            run.append((lane, text))
        return run

    def _look(self, beginning: str) -> Lane | None:
        match = BEGINNING.fullmatch(beginning)
        if match is None or match["event"] not in SINGLE:
            return None
        if len(self._known) >= MAX_LANES:
            self._known.clear()
        lane = self._known[beginning] = Lane(match["event"], match["topic"])
        return lane


Key = tuple[str, str]
"""A topic, and what its messages supersede each other by."""

read_head = msgspec.json.Decoder(Head).decode
read_identity = msgspec.json.Decoder(Identified).decode


def identity_of(arrival: Arrival) -> Identity:
    """Return what tells a message from others of its topic; nothing where that cannot be read."""
    try:
        return read_identity(arrival.text).data
    except FAILURES:
        return Identity()


def key_of(arrival: Arrival) -> Key | None:
    """
    Return what a message supersedes earlier ones by; None for one that is never left out.

    A candle supersedes earlier states of itself, not the candle before it: how that one closed is never left out.
    """
    if arrival.event in SINGLE:
        return arrival.topic, ""
    if arrival.event == "candle":
        return arrival.topic, str(identity_of(arrival).open_epoch_ms)
    if arrival.event == "contract_updated":
        return arrival.topic, identity_of(arrival).contract_id
    return None


def slot_of(arrival: Arrival) -> str:
    """Return which current value of its topic a message changes: that of a contract, or the only one there is."""
    return identity_of(arrival).contract_id if arrival.event.startswith("contract_") else ""


def newest_of(run: Sequence[tuple[Lane, str]], at: float) -> list[Arrival]:
    """
    Return the newest message of each lane, which stands for the others.

    Args:
        run: the lane and the text of each message, oldest first.
        at: when they arrived, in seconds on the monotonic clock.
    """
    newest = dict(run)
    counts = Counter(map(itemgetter(0), run)) if len(newest) > 1 else dict.fromkeys(newest, len(run))
    return [Arrival(lane.event, lane.topic, text, counts[lane] - 1, at) for lane, text in newest.items()]


def conflate(arrivals: Iterable[Arrival]) -> list[Arrival]:
    """
    Return messages without those that later ones supersede, which are counted in these.

    Within a topic the order stays. A survivor takes the place of what it supersedes, unless that would put it before a message of its topic
    that is never left out: so a topic that changes often does not wait behind all others for ever.
    """
    kept: list[Arrival | None] = []
    # How many older messages each of them stands for.
    merged: list[int] = []
    places: dict[Key, int] = {}
    # The place of the newest message of a topic that is never left out.
    fixed: dict[str, int] = {}
    for arrival in arrivals:
        key = key_of(arrival)
        if key is None:
            fixed[arrival.topic] = len(kept)
        elif (place := places.get(key)) is not None:
            count = merged[place] + 1 + arrival.merged
            if place > fixed.get(arrival.topic, -1):
                kept[place], merged[place] = arrival, count
                continue
            kept[place] = None
            places[key] = len(kept)
            kept.append(arrival)
            merged.append(count)
            continue
        else:
            places[key] = len(kept)
        kept.append(arrival)
        merged.append(arrival.merged)
    return [
        arrival if arrival.merged == count else Arrival(arrival.event, arrival.topic, arrival.text, count, arrival.at)
        for arrival, count in zip(kept, merged, strict=True)
        if arrival is not None
    ]
