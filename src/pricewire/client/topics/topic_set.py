"""
The topic set: what one stream is to carry, what it carries, and what to ask for next.

A state machine without input or output of its own: each method takes something that happened and returns what is to be done about it. The
browser client has the same one, and both run `tests/vectors/topic_set.json`. Its words:

- *wanted*: what subscribers want, under the names that they use.
- *requested*: what was asked for and is not settled: the topics of a connection's request, or one change of the open stream.
- *agreed*: what the stream is to carry from the requested change on, as the answer to it said.
- *confirmed*: what the stream itself said that it carries, up to its last event's id: with these topics it can be resumed.
- *refused*: what the server does not give, and why.
- *unknown*: a change had no answer. It may have been made or not, or still be on its way.

There is one change at a time, and the next one waits until the stream has confirmed the last: so an event belongs to one list of topics.
Only the server knows which names are of the same topic: it says so wherever it says what the stream carries.

A name may be a pattern, as `ticks:*`. The stream carries it under this name, and brings topics under their own, of which it says nothing:
those that a confirmed pattern has brought are *followed*. A topic goes on as long as the stream carries it by its name or by a pattern.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from pricewire.client.topics.patterns import covers, is_pattern, overlap

R = TypeVar("R")
"""Why a topic is refused."""

MAX_FAILURES = 3
"""After so many changes in a row without an answer, a new stream replaces this one; after as many again, one that starts over."""

MAX_NAMES = 1000
"""
How many names are remembered that the server has others for, beyond those that are wanted; how many topics that nobody asked for; and how
many that patterns have brought.
"""


@dataclass(frozen=True, slots=True)
class Connect:
    """Open a stream in place of the one there is, or is waited for, if any; `TopicSet.listen` says with which topics."""


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Close the stream: nothing is wanted."""


@dataclass(frozen=True, slots=True)
class Change:
    """
    Change the open stream; with nothing to add or remove, ask what it carries.

    Attributes:
        number: names the change, for what comes of it.
        add: topics to add.
        remove: topics to remove.
        interval: the stream's pace, in milliseconds; 0 for every update.
    """

    number: int
    add: tuple[str, ...]
    remove: tuple[str, ...]
    interval: int


@dataclass(frozen=True, slots=True)
class Wait:
    """
    Call `TopicSet.waited` after a while.

    Attributes:
        failures: how many changes in a row have failed.
    """

    failures: int


@dataclass(frozen=True, slots=True)
class Refuse(Generic[R]):
    """
    Tell the subscribers of a topic that the server does not give it.

    Attributes:
        name: the wanted name.
        reason: the server's; None where it agreed, but does not say which of its topics is meant.
    """

    name: str
    reason: R | None


@dataclass(frozen=True, slots=True)
class Rename:
    """Give the subscribers of a wanted name what comes under the server's name for it, beginning with what has come."""

    name: str
    topic: str


@dataclass(frozen=True, slots=True)
class Serve:
    """Give the known values of a topic to its subscribers, from whom they were held back: the stream carries it, and goes on with it."""

    topic: str


@dataclass(frozen=True, slots=True)
class Drop:
    """Forget the known values of a topic: from here on the stream brings it no more, or begins with its current values."""

    topic: str


Action = Connect | Disconnect | Change | Wait | Refuse[R] | Rename | Serve | Drop


@dataclass(frozen=True, slots=True)
class Listing:
    """
    What a connection asks for.

    Attributes:
        topics: its topics.
        resumes: whether it goes on after the last event; otherwise it begins with the current values.
        interval: its pace, in milliseconds.
    """

    topics: tuple[str, ...]
    resumes: bool
    interval: int


class TopicSet(Generic[R]):
    """
    Keeps account of the topics of one stream, over all its connections.

    Attributes:
        wanted: see the module; oldest first.
        refused: those of the wanted names that are refused, and why.
        confirmed: see the module.
        followed: see the module; but for those that are confirmed by their names. Silent for the longest time first.
        agreed: see the module; None if no change has been answered that is not settled.
        unknown: whether a change had no answer since the topics of the stream were last known.
        leaving: names that are being removed, until it is known whether they are.
        requested: the change that is not settled.
        interval: the pace that the stream keeps, in milliseconds.
    """

    def __init__(self) -> None:
        self.wanted: dict[str, None] = {}
        self.refused: dict[str, R | None] = {}
        self.confirmed: set[str] = set()
        self.followed: dict[str, None] = {}
        self.agreed: set[str] | None = None
        self.unknown = False
        self.leaving: set[str] = set()
        self.requested: Change | None = None
        self.interval = 0
        self._wanted_interval = 0
        # The server's names for wanted ones, where they differ.
        self._names: dict[str, str] = {}
        # The topics that the stream has brought before it confirmed them.
        self._early: set[str] = set()
        # What the stream has said since the change was requested.
        self._heard: list[set[str]] = []
        self._listing = Listing((), False, 0)
        self._is_connected = False
        self._is_open = False
        self._can_change = False
        self._is_waiting = False
        # The next connection asks for everything, since the open stream could not be changed.
        self._starts_over = False
        # How many topics may be asked for at once. After a refusal it is halved until it is known which of them is refused; until then a
        # change adds or removes, and does not do both.
        self._batch = math.inf
        # A topic that was refused, unless every change is.
        self._suspect: tuple[str, R] | None = None
        # What was refused on an earlier stream.
        self._refused_before: set[str] = set()
        # The last change that was made, and the topics of the stream since then: to request it again would change nothing.
        self._made: tuple[tuple[str, ...], tuple[str, ...], set[str]] | None = None
        self._number = 0
        self._failures = 0

    def topic_of(self, name: str) -> str:
        """Return the server's name for a wanted one, as far as that is known."""
        return self._names.get(name, name)

    def is_leaving(self, topic: str) -> bool:
        """Return whether the stream may soon carry a topic no more: who subscribes to it meanwhile waits until that is known."""
        return _carries(self.leaving, topic) and not _carries(self.confirmed - self.leaving, topic)

    def want(self, names: Iterable[str], interval: int = 0) -> list[Action[R]]:
        """Note all that is wanted from now on, and its pace in milliseconds."""
        before, self.wanted = self.wanted, dict.fromkeys(names)
        self._wanted_interval = interval
        gone = [name for name in before if name not in self.wanted]
        for name in gone:
            self.refused.pop(name, None)
        # What the stream carries, or another name wants, is dropped when the stream is done with it.
        topics = sorted(set(map(self.topic_of, gone)) - set(map(self.topic_of, self.wanted)) - self._known())
        if len(self._names) > MAX_NAMES:
            self._names = {name: topic for name, topic in self._names.items() if name in self.wanted}
        return [*map(Drop, topics), *self._settle()]

    def retry(self) -> list[Action[R]]:
        """Begin again, with the refused topics too."""
        self.refused.clear()
        return self._connect_anew() if self.wanted else []

    def listen(self, *, has_cursor: bool) -> Listing:
        """
        Return what the next connection is to ask for.

        Args:
            has_cursor: whether there is an id to resume after.
        """
        # What was confirmed can be resumed. What was added since cannot: its current value may not have come. So a lost stream is resumed
        # with the former, and the latter is added again; unless streams cannot be changed here.
        topics = self._topics()
        # A stream that begins with the current values needs nothing that goes on until others are added.
        kept = self._kept(topics) if has_cursor and not self._starts_over else [topic for topic in topics if topic in self.confirmed]
        others = [topic for topic in topics if topic not in self.confirmed]
        resumes = has_cursor and bool(kept)
        if resumes and not self._starts_over:
            others = []
        others = others[: int(min(self._batch, len(others)))]
        self._listing = Listing((*kept, *others), resumes and not others, self._wanted_interval)
        # A subscriber to one of these before the stream has begun must wait until it is added.
        self.leaving |= self.confirmed.difference(kept)
        return self._listing

    def opened(self, *, can_change: bool, is_new: bool) -> list[Action[R]]:
        """
        Note that a stream has begun with what was asked for.

        Args:
            can_change: whether the server gave it an id.
            is_new: whether it begins with the current values, rather than where the last one stopped.
        """
        listed = set(self._listing.topics)
        known = self._known()
        gone = known if is_new else {topic for topic in known if not _carries(listed, topic)}
        stay = {topic for topic in known if self.is_leaving(topic)} - gone
        self._end_stream()
        self.leaving.clear()
        self._is_connected = self._is_open = True
        self._can_change = can_change
        self._starts_over = False
        self._confirm(listed, known - gone)
        self.interval = self._listing.interval
        if is_new and can_change:
            for name in self._refused_before:
                self.refused.pop(name, None)
        self._refused_before.clear()
        return [*map(Drop, sorted(gone)), *map(Serve, sorted(stay)), *self._settle()]

    def cut(self) -> list[Action[R]]:
        """Note that the stream is lost, and will be opened again."""
        if not self._is_open:
            return []
        self._refused_before = set(self.refused)
        return self._lose() + self._settle()

    def ended(self) -> list[Action[R]]:
        """Note that there is no stream to come back to. Only when something else is wanted is there another one."""
        return self._forget()

    def connection_refused(self, reason: R) -> list[Action[R]]:
        """Note that the newest connection was refused for one of its topics, or for their number; find out which."""
        topics = self._listing.topics
        # What a stream that could not be changed has had is taken: it is one of the others.
        suspects = [topic for topic in topics if topic not in self.confirmed] or topics
        actions = self._forget()
        if len(suspects) == 1:
            actions += self._refuse(suspects[0], reason)
        else:
            self._batch = len(suspects) // 2
        return actions + self._settle()

    def heard(self, topic: str) -> bool:
        """
        Note that the stream brings a topic; return whether its values are to be kept.

        Until the topic is confirmed they are held back: were the stream lost before, they would come again, and some after them would not.
        """
        if topic in self.confirmed:
            return True
        if topic in self.followed:
            del self.followed[topic]
            self.followed[topic] = None
            return True
        if covers(self.confirmed, topic):
            self.followed[topic] = None
            return True
        if self._is_open and len(self._early) < MAX_NAMES:
            self._early.add(topic)
        return topic in self._early

    def trim(self) -> list[Action[R]]:
        """
        Forget the topic of a pattern that has been silent for the longest time, if there are too many: they end without a sign.

        One that goes on comes again.
        """
        if len(self.followed) <= MAX_NAMES:
            return []
        oldest = next(iter(self.followed))
        del self.followed[oldest]
        return [Drop(oldest)]

    def changed(self, topics: Collection[str], names: Mapping[str, str]) -> list[Action[R]]:
        """
        Note that the stream itself said what it carries from here on.

        Args:
            topics: all of it.
            names: the server's names for what was asked for, where they differ.
        """
        if not self._is_open:
            return []
        now = set(topics)
        carried = {*self.confirmed, *self.followed}
        gone = {topic for topic in carried if not _carries(now, topic)}
        come = {topic for topic in self._early if _carries(now, topic)}
        held = {topic for topic in carried - gone if self.is_leaving(topic)}
        self._early -= come
        self._confirm(now, carried - gone | come)
        self.leaving &= now
        # What was being removed under one name stays under another.
        come |= {topic for topic in held if not self.is_leaving(topic)}
        actions = [*map(Drop, sorted(gone)), *map(Serve, sorted(come)), *self._rename(names)]
        if self.requested is not None:
            self._heard.append(now)
            if now == self.agreed:
                actions += self._finish()
        return actions + self._settle()

    def answered(self, number: int, topics: Collection[str], names: Mapping[str, str]) -> list[Action[R]]:
        """
        Note that the server has made a change.

        Args:
            number: the change's.
            topics: what the stream carries from then on.
            names: the server's names for what was added, where they differ.
        """
        change = self.requested
        if change is None or change.number != number:
            return []
        self.agreed = set(topics)
        self._batch *= 2
        self._failures = 0
        self.interval = change.interval
        actions = self._rename(names)
        if self._suspect is not None:
            # Changes are taken, so it was the topic.
            actions += self._refuse(*self._suspect)
            self._suspect = None
        for topic in change.add:
            if topic not in self.agreed:
                actions += self._refuse(topic, None)
        if self.agreed in [self.confirmed, *self._heard]:
            actions += self._finish()
        return actions + self._settle()

    def change_refused(self, number: int, reason: R) -> list[Action[R]]:
        """Note that the server refuses a change, and would again."""
        change = self.requested
        if change is None or change.number != number:
            return []
        if not change.add:
            # It cannot be changed.
            return self._reopen(starts_over=not change.remove)
        if change.remove:
            self._batch = len(change.add)
        elif len(change.add) > 1:
            self._batch = len(change.add) // 2
        else:
            self._suspect = change.add[0], reason
        return [*self._undo(), *self._settle()]

    def change_failed(self, number: int, *, is_undone: bool = False) -> list[Action[R]]:
        """
        Note that a change has had no answer, or that the server will take it later.

        Args:
            number: the change's.
            is_undone: whether the server said that it has done nothing, and will later.
        """
        change = self.requested
        if change is None or change.number != number or self.agreed is not None:
            return []
        if self._heard and self.confirmed.issuperset(map(self.topic_of, change.add)) and self.confirmed.isdisjoint(change.remove):
            # The stream has said that it was made.
            return self.answered(number, self.confirmed, {})
        self._failures += 1
        actions: list[Action[R]] = []
        if is_undone:
            actions += self._undo()
        elif self._failures % MAX_FAILURES == 0:
            return self._reopen(starts_over=self._failures > MAX_FAILURES)
        else:
            self.requested = None
            self.unknown = True
        self._is_waiting = True
        return [*actions, Wait(self._failures)]

    def waited(self) -> list[Action[R]]:
        """Note that the wait after a failed change is over."""
        self._is_waiting = False
        return self._settle()

    def _asked(self) -> list[str]:
        return [name for name in self.wanted if name not in self.refused]

    def _topics(self) -> dict[str, None]:
        """Return the topics that are asked for, oldest first."""
        return dict.fromkeys(map(self.topic_of, self._asked()))

    def _known(self) -> set[str]:
        """Return the topics whose values may be known."""
        return {*self.confirmed, *self.followed, *self._early}

    def _kept(self, topics: dict[str, None]) -> list[str]:
        """
        Return what has to stay, of what the stream carries: what is asked for, and what may have topics of something else that is asked for
        and still to be added. So these topics go on.
        """
        kept = [topic for topic in topics if topic in self.confirmed]
        new = [topic for topic in topics if topic not in self.confirmed]
        patterns = list(filter(is_pattern, new))
        others = sorted(self.confirmed - topics.keys())
        return [*kept, *(name for name in others if any(overlap(name, topic) for topic in (new if is_pattern(name) else patterns)))]

    def _confirm(self, names: set[str], known: set[str]) -> None:
        """Note what the stream carries, and which of the topics that are known it goes on with."""
        self.confirmed = names
        # In the order in which they were heard last, as far as that is known.
        candidates = [*(topic for topic in self.followed if topic in known), *sorted(known)]
        self.followed = dict.fromkeys(topic for topic in candidates if topic not in names and covers(names, topic))

    def _settle(self) -> list[Action[R]]:
        """Return what there is to do between what is wanted and what the stream carries."""
        topics = self._topics()
        if not topics:
            end: list[Action[R]] = [Disconnect()] if self._is_connected else []
            return self._forget() + end
        if not self._is_connected:
            self._is_connected = True
            return [Connect()]
        if not self._is_open and self.confirmed and not self._kept(topics):
            # Of what it would come back to, nothing is wanted.
            return self._connect_anew()
        if not self._is_open or self.requested is not None or self._is_waiting:
            return []
        add: tuple[str, ...] = ()
        remove: tuple[str, ...] = ()
        if not self.unknown and self._suspect is None:
            add, remove = self._difference(topics)
            is_due = (add or remove) and (add, remove, self.confirmed) != self._made
            if not is_due and self.interval == self._wanted_interval:
                return []
        if not self._can_change:
            return self._reopen(starts_over=True)
        self._number += 1
        self._heard = []
        self.requested = Change(self._number, add, remove, self._wanted_interval)
        self.leaving.update(remove)
        return [self.requested]

    def _difference(self, topics: dict[str, None]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return what the next change of the open stream is to add and to remove."""
        add = tuple(topic for topic in topics if topic not in self.confirmed)
        remove = tuple(sorted(self.confirmed - topics.keys()))
        if not add:
            self._batch = math.inf
        elif self._batch < math.inf:
            kept = self._kept(topics)
            if kept and len(kept) < len(self.confirmed):
                return (), tuple(sorted(self.confirmed.difference(kept)))
            return add[: int(self._batch)], ()
        return add, remove

    def _rename(self, names: Mapping[str, str]) -> list[Action[R]]:
        """Use the server's names for the wanted topics."""
        actions: list[Action[R]] = []
        for name in self.wanted:
            topic = names.get(self.topic_of(name))
            if topic is not None:
                self._names[name] = topic
                actions.append(Rename(name, topic))
        return actions

    def _refuse(self, topic: str, reason: R | None) -> list[Action[R]]:
        names = [name for name in self._asked() if self.topic_of(name) == topic]
        self.refused.update(dict.fromkeys(names, reason))
        return [Refuse(name, reason) for name in names]

    def _finish(self) -> list[Action[R]]:
        """Settle the requested change: it was made, and the topics of the stream are known."""
        if self.requested is not None and self.agreed is not None:
            self._made = self.requested.add, self.requested.remove, self.agreed
        self.unknown = False
        return self._undo()

    def _undo(self) -> list[Action[R]]:
        """Give up the requested change: topics that it removes and that are confirmed stay, unless an earlier change had no answer."""
        self.requested = self.agreed = None
        if self.unknown:
            return []
        stay = {*self.leaving, *filter(self.is_leaving, self.followed)}
        self.leaving = set()
        return [*map(Serve, sorted(stay))]

    def _connect_anew(self) -> list[Action[R]]:
        actions = self._forget()
        self._is_connected = True
        return [*actions, Connect()]

    def _reopen(self, *, starts_over: bool) -> list[Action[R]]:
        """Replace this stream by a new one."""
        self._starts_over = starts_over
        return [*self._lose(), Connect()]

    def _lose(self) -> list[Action[R]]:
        """Note that the stream is no more; what came ahead of its confirmation is not resumed, and comes again."""
        gone = sorted(self._early)
        self._end_stream()
        return [*map(Drop, gone)]

    def _forget(self) -> list[Action[R]]:
        """Have nothing to come back to."""
        gone = sorted(self._known())
        self._end_stream()
        self.confirmed = set()
        self.followed = {}
        self.leaving = set()
        self._is_connected = self._starts_over = False
        self._batch = math.inf
        self._failures = 0
        return [*map(Drop, gone)]

    def _end_stream(self) -> None:
        self._is_open = self._is_waiting = self.unknown = False
        self.requested = self.agreed = self._suspect = self._made = None
        self._early = set()


def _carries(names: Collection[str], topic: str) -> bool:
    """Return whether a topic is among some names, by its own or by a pattern."""
    return topic in names or covers(names, topic)
