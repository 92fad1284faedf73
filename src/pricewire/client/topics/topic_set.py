"""
The topic set: what one stream is to carry, what it carries, and what to ask for next.

A state machine without input or output of its own: each method takes something that happened and returns what is to be done about it. The
browser client has the same one, and both run `tests/vectors/topic_set.json`. Its words:

- *wanted*: what subscribers want, under the names that they use.
- *requested*: what was asked for and is not settled: the topics of a connection's request, or one change of the open stream.
- *agreed*: what the stream carries as the server said last, in an answer or on the stream.
- *confirmed*: what the stream itself said that it carries, up to its last event's id: with these topics it can be resumed.
- *refused*: what the server does not give, and why.
- *unknown*: topics of a change that had no answer. It may have been made or not, or still be on its way.

There is one change at a time, and the next one waits until the stream has confirmed the last: so an event belongs to one list of topics.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

R = TypeVar("R")
"""Why a topic is refused."""

MAX_FAILURES = 3
"""After so many changes in a row without an answer a new stream takes the place of this one."""

MAX_NAMES = 1000
"""How many names are remembered that the server has others for, beyond those that are wanted."""


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
    """
    Give the subscribers of a wanted name what comes under the server's name for it, beginning with what has come.

    Attributes:
        name: the wanted name.
        topic: the server's.
    """

    name: str
    topic: str


@dataclass(frozen=True, slots=True)
class Serve:
    """Give the known values of a topic to subscribers who came while it was being removed: it has stayed."""

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
        agreed: see the module.
        unknown: see the module.
        leaving: topics that are being removed, until it is known whether they are: who subscribes to one meanwhile waits for that.
        requested: the change that is not settled.
        interval: the pace that the stream keeps, in milliseconds.
    """

    def __init__(self) -> None:
        self.wanted: dict[str, None] = {}
        self.refused: dict[str, R | None] = {}
        self.confirmed: set[str] = set()
        self.agreed: set[str] = set()
        self.unknown: set[str] = set()
        self.leaving: set[str] = set()
        self.requested: Change | None = None
        self.interval = 0
        self._wanted_interval = 0
        # The server's names for wanted ones, where they differ.
        self._names: dict[str, str] = {}
        # What the server has not named yet, and may have another name for.
        self._unnamed: set[str] = set()
        # What it has another name for; each of these is asked for alone. With it the carried topics that it was found not to be.
        self._odd: dict[str, set[str] | None] = {}
        self._listing = Listing((), False, 0)
        self._is_connected = False
        self._is_open = False
        self._can_change = False
        self._is_waiting = False
        # The next connection asks for everything, since the open stream could not be changed.
        self._starts_over = False
        # How many topics may come at once: halved when a request is refused, to find out which of them it is.
        self._batch = math.inf
        # A change that adds and removes was refused: from now on one or the other.
        self._is_split = False
        # What the stream carries has to be asked.
        self._is_unsure = False
        # A topic that was refused, unless every change is.
        self._suspect: tuple[str, R] | None = None
        # What the stream keeps though it was to be removed; what it has brought without being asked; what was refused on an earlier one.
        self._stuck: set[str] = set()
        self._strange: set[str] = set()
        self._refused_before: set[str] = set()
        self._number = 0
        self._failures = 0
        # The answer to the requested change, and what the stream has said since that was sent.
        self._answer: set[str] | None = None
        self._heard: list[set[str]] = []

    def topic_of(self, name: str) -> str:
        """Return the server's name for a wanted one, as far as that is known."""
        return self._names.get(name, name)

    def carries(self, topic: str) -> bool:
        """Return whether what comes for a topic may be its current value."""
        is_asked = self.requested is not None and topic in self.requested.add
        return is_asked or topic in self.confirmed or topic in self.agreed or topic in self.unknown

    def want(self, names: Iterable[str], interval: int = 0) -> list[Action[R]]:
        """
        Note what is wanted from now on.

        Args:
            names: all of it.
            interval: the pace, in milliseconds.
        """
        before, self.wanted = self.wanted, dict.fromkeys(names)
        self._wanted_interval = interval
        actions: list[Action[R]] = []
        for name in [name for name in before if name not in self.wanted]:
            self.refused.pop(name, None)
            self._odd.pop(name, None)
            if not self.carries(self.topic_of(name)):
                actions.append(Drop(self.topic_of(name)))
        if len(self._names) > MAX_NAMES:
            self._names = {name: topic for name, topic in self._names.items() if name in self.wanted}
        return actions + self._settle()

    def retry(self) -> list[Action[R]]:
        """Begin again, with the refused topics too."""
        self.refused.clear()
        self._odd.clear()
        self._batch = math.inf
        return self._connect_anew() if self.wanted else []

    def listen(self, *, has_cursor: bool) -> Listing:
        """
        Return what the next connection is to ask for.

        Args:
            has_cursor: whether there is an id to resume after.
        """
        # What was confirmed can be resumed. What was added since cannot: its current value may not have come. So a lost stream is resumed
        # with the former, and the latter is added again; unless streams cannot be changed here.
        names = self._asked()
        kept = [name for name in names if self.topic_of(name) in self.confirmed]
        others = [name for name in names if self.topic_of(name) not in self.confirmed]
        resumes = has_cursor and bool(kept)
        if resumes and not self._starts_over:
            others = []
        others = others[: int(min(self._batch, len(others)))]
        topics = dict.fromkeys(self.topic_of(name) for name in kept + others)
        self._listing = Listing(tuple(topics), resumes and not others, self._wanted_interval)
        return self._listing

    def opened(self, *, can_change: bool, is_new: bool) -> list[Action[R]]:
        """
        Note that a stream has begun with what was asked for.

        Args:
            can_change: whether the server gave it an id.
            is_new: whether it begins with the current values, rather than where the last one stopped.
        """
        listed = set(self._listing.topics)
        gone = self._known() if is_new else self._known() - listed
        stay = self.leaving & listed - gone
        self._end_stream()
        self.leaving.clear()
        self._is_connected = self._is_open = True
        self._can_change = can_change
        self._starts_over = False
        self.confirmed, self.agreed = listed, set(listed)
        self._unnamed = set(listed)
        # Two names may be of one topic: then nothing would come for one of them.
        self._is_unsure = len(set(map(_kind, listed))) < len(listed)
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
        suspects = [topic for topic in self._listing.topics if topic not in self.confirmed]
        self._is_connected = False
        actions: list[Action[R]] = []
        if not suspects:
            suspects, actions = list(self._listing.topics), self._forget()
        if len(suspects) == 1:
            actions += self._refuse(suspects[0], reason)
        else:
            self._batch = len(suspects) // 2
        return actions + self._settle()

    def heard(self, topic: str) -> list[Action[R]]:
        """Note that the stream brings a topic that it was not asked for under this name."""
        if not self._is_open or topic in self._strange or self.carries(topic) or len(self._strange) >= MAX_NAMES:
            return []
        self._strange.add(topic)
        self.unknown.add(topic)
        return self._settle()

    def changed(self, topics: Collection[str]) -> list[Action[R]]:
        """
        Note that the stream itself said what it carries from here on.

        Args:
            topics: all of it.
        """
        now = set(topics)
        gone = (self.confirmed | self.leaving) - now
        self.confirmed = now
        self.leaving -= gone
        actions: list[Action[R]] = [Drop(topic) for topic in sorted(gone)]
        if self.requested is None:
            actions += self._learn(now)
        else:
            self._heard.append(now)
            if now == self._answer:
                self._finish()
        return actions + self._settle()

    def answered(self, number: int, topics: Collection[str]) -> list[Action[R]]:
        """
        Note that the server has made a change.

        Args:
            number: the change's.
            topics: what the stream carries from then on.
        """
        change = self.requested
        if change is None or change.number != number:
            return []
        now = set(topics)
        actions: list[Action[R]] = []
        if self._suspect is not None:
            # Changes are taken, so it was the topic.
            actions += self._refuse(*self._suspect)
            self._suspect = None
        self._batch *= 2
        self._failures = 0
        self.interval = change.interval
        self._stuck |= now.intersection(change.remove)
        actions += self._learn(now, change)
        self._answer = now
        if now in self._heard or now == self.confirmed:
            self._finish()
        return actions + self._settle()

    def change_refused(self, number: int, reason: R) -> list[Action[R]]:
        """
        Note that the server refuses a change, and would again.

        Args:
            number: the change's.
            reason: why.
        """
        change = self.requested
        if change is None or change.number != number:
            return []
        self._finish()
        actions = self._keep(change.remove)
        if change.add and change.remove and not (self._is_split and change.add[0] in self._odd):
            self._is_split = True
        elif len(change.add) > 1:
            self._batch = len(change.add) // 2
        elif change.add:
            self._suspect = change.add[0], reason
        elif change.remove:
            self._stuck.update(change.remove)
            # The server knows better what the stream carries.
            self.unknown.update(change.remove)
        elif not self._is_at_stake():
            self._is_unsure = False
            actions += map(Drop, sorted(self.unknown - self.confirmed - self.agreed))
            self.unknown.clear()
        else:
            return actions + self._start_over()
        return actions + self._settle()

    def change_failed(self, number: int, *, is_undone: bool = False) -> list[Action[R]]:
        """
        Note that a change has had no answer, or that the server will take it later.

        Args:
            number: the change's.
            is_undone: whether the server said that it has done nothing, and will later.
        """
        change = self.requested
        if change is None or change.number != number or self._answer is not None:
            return []
        if self._heard and self.confirmed.issuperset(change.add) and self.confirmed.isdisjoint(change.remove):
            # The stream has said that it was made.
            return self.answered(number, self.confirmed)
        self._finish()
        self._failures += 1
        actions: list[Action[R]] = []
        if is_undone:
            actions += self._keep(change.remove)
        else:
            self.unknown.update(change.add, change.remove)
            if self._failures >= MAX_FAILURES and self._is_at_stake():
                return self._start_over()
        self._is_waiting = True
        return [*actions, Wait(self._failures)]

    def waited(self) -> list[Action[R]]:
        """Note that the wait after a failed change is over."""
        self._is_waiting = False
        return self._settle()

    def _asked(self) -> list[str]:
        return [name for name in self.wanted if name not in self.refused]

    def _known(self) -> set[str]:
        """Return the topics that the stream may carry."""
        return self.confirmed.union(self.agreed, self.unknown, self.requested.add if self.requested is not None else ())

    def _settle(self) -> list[Action[R]]:
        """Return what there is to do between what is wanted and what the stream carries."""
        asked = self._asked()
        if not asked:
            end: list[Action[R]] = [Disconnect()] if self._is_connected else []
            return self._forget() + end
        if not self._is_connected:
            self._is_connected = True
            return [Connect()]
        if not self._is_open and self.confirmed and self.confirmed.isdisjoint(map(self.topic_of, asked)):
            # Of what it would come back to, nothing is wanted.
            return self._connect_anew()
        if not self._is_open or self.requested is not None or self._is_waiting:
            return []
        add, remove = self._difference(asked)
        is_due = add or remove or self.interval != self._wanted_interval
        if is_due and not self._can_change:
            return self._start_over()
        if not (is_due or self._is_unsure or self.unknown or self._suspect) or not self._can_change:
            return []
        self._number += 1
        self.requested = Change(self._number, tuple(add), tuple(remove), self._wanted_interval)
        self._unnamed.update(add)
        self.leaving.update(remove)
        return [self.requested]

    def _difference(self, asked: list[str]) -> tuple[list[str], list[str]]:
        """Return what the next change of the open stream is to add and to remove."""
        if self._suspect is not None:
            return [], []
        topics = dict.fromkeys(map(self.topic_of, asked))
        missing = [topic for topic in topics if topic not in self.agreed and topic not in self.unknown]
        add = [topic for topic in missing if topic not in self._odd]
        remove = sorted(self.agreed - topics.keys() - self.unknown - self._stuck)
        if add or not missing:
            add = add[: int(min(self._batch, len(add)))]
            return add, [] if add and self._is_split else remove
        # Added in one change with the removal of what it may be, it shows which it is: that stays then.
        return missing[:1], self._namesakes(missing[0])[:1] or ([] if self._is_split else remove)

    def _namesakes(self, name: str) -> list[str]:
        """Return the carried topics that may be the same as an odd one."""
        tested = self._odd.get(name)
        return [] if tested is None else [topic for topic in sorted(self.agreed - tested) if _kind(topic) == _kind(name)]

    def _learn(self, now: set[str], change: Change | None = None) -> list[Action[R]]:
        """Take what the server says of the stream for the truth: what is unknown no more, and what it has other names for."""
        expected = self.agreed - self.unknown
        if change is not None:
            expected = expected.union(change.add).difference(change.remove)
        gone = self.unknown - now - self.confirmed
        actions = [*map(Drop, sorted(gone)), *self._keep(now)]
        odd = [name for name in self._asked() if name in self._unnamed & expected - now]
        # What a change without an answer was about may be carried or not: that is no other name.
        extra = sorted(now - expected - (self.unknown - self._strange))
        self.agreed = set(now)
        self.unknown.clear()
        self._unnamed.clear()
        self._is_unsure = False
        for name in odd:
            if len(odd) == len(extra) == 1:
                self._odd.pop(name, None)
                self._names[name] = extra[0]
                actions.append(Rename(name, extra[0]))
            elif len(odd) > 1 or change is None or change.add != (name,):
                self._odd.setdefault(name, None)
            else:
                self._odd[name] = (self._odd.get(name) or set()).union(change.remove)
                if extra or not self._namesakes(name):
                    actions += self._refuse(name, None)
        return actions

    def _is_at_stake(self) -> bool:
        """Whether something that is wanted depends on a change, and not only the question what the stream carries."""
        return self._suspect is not None or not self.unknown <= self._strange

    def _keep(self, topics: Iterable[str]) -> list[Action[R]]:
        """Note that topics are not being removed after all."""
        stay = self.leaving.intersection(topics)
        self.leaving -= stay
        return [*map(Serve, sorted(stay))]

    def _refuse(self, topic: str, reason: R | None) -> list[Action[R]]:
        names = [name for name in self._asked() if self.topic_of(name) == topic]
        self.refused.update(dict.fromkeys(names, reason))
        return [Refuse(name, reason) for name in names]

    def _finish(self) -> None:
        """Have no change be requested."""
        self.requested = self._answer = None
        if self._heard:
            self.agreed = set(self.confirmed)
            self._heard = []

    def _connect_anew(self) -> list[Action[R]]:
        actions = self._forget()
        self._is_connected = True
        return [*actions, Connect()]

    def _start_over(self) -> list[Action[R]]:
        """Have a new stream take the place of this one, with everything."""
        self._starts_over = True
        return [*self._lose(), Connect()]

    def _lose(self) -> list[Action[R]]:
        """Note that the stream is no more; what came ahead of its confirmation is not resumed, and comes again."""
        known = self._known()
        if self._strange or self._odd:
            # Nor is what came under names that nobody knew.
            self.confirmed -= self._unnamed.union(self._odd)
        self._end_stream()
        self.agreed = set(self.confirmed)
        return [*map(Drop, sorted(known - self.confirmed))]

    def _forget(self) -> list[Action[R]]:
        """Have nothing to come back to."""
        known = self._known()
        self._end_stream()
        for topics in (self.confirmed, self.agreed, self.leaving):
            topics.clear()
        self._is_connected = self._starts_over = False
        self._batch = math.inf
        return [*map(Drop, sorted(known))]

    def _end_stream(self) -> None:
        self._is_open = self._is_waiting = self._is_split = self._is_unsure = False
        self.requested = self._answer = self._suspect = None
        self._heard = []
        self._failures = 0
        for topics in (self.unknown, self._unnamed, self._stuck, self._strange):
            topics.clear()
        self._odd.clear()


def _kind(topic: str) -> str:
    """Return the part of a topic that is written in one way only: of many parts the first two, otherwise all."""
    parts = topic.split(":")
    return ":".join(parts[:2]) if len(parts) > 3 else topic
