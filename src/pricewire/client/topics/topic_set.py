"""Which topics a stream is to carry, which it carries, and which to ask for next."""

from __future__ import annotations

from collections.abc import Collection, Iterable


class TopicSet:
    """
    Keeps account of the topics of one stream, over all its connections.

    What a connection has confirmed can be resumed after the last event's id. What was added since then cannot: its current value may not
    have come. So a lost stream is resumed with what was confirmed, and the rest is added again. Where a stream cannot be changed, the new
    one begins anew with all of it.

    Attributes:
        wanted: what is subscribed to, oldest first.
        carried: what the stream carries, as confirmed up to its last event's id.
        asked: what the server has agreed to carry on the open stream.
        listed: what the newest request asked for.
        is_rigid: the stream cannot be changed, so the next one has to ask for everything.
    """

    def __init__(self) -> None:
        self.wanted: dict[str, None] = {}
        self.carried: set[str] = set()
        self.asked: set[str] = set()
        self.listed: list[str] = []
        self.is_rigid = False
        # How many topics that no stream has carried yet may be asked for at once; None: all.
        self._at_most: int | None = None

    def next_request(self, *, has_cursor: bool) -> tuple[list[str], bool]:
        """
        Return what the next connection is to ask for, and whether it can resume.

        Args:
            has_cursor: whether there is an id to resume after.
        """
        confirmed = [topic for topic in self.wanted if topic in self.carried]
        others = [topic for topic in self.wanted if topic not in self.carried]
        can_resume = has_cursor and bool(confirmed)
        if can_resume and not self.is_rigid:
            self.listed = confirmed
            return self.listed, True
        others = others[: self._at_most]
        self.listed = confirmed + others
        return self.listed, can_resume and not others

    def opened(self) -> None:
        """Note that a stream has begun with what was asked for."""
        self.carried = set(self.listed)
        self.asked = set(self.listed)
        self.is_rigid = False
        self._at_most = None

    def ended(self) -> None:
        """Note that there is no stream to come back to."""
        self.carried.clear()
        self.asked.clear()
        self.is_rigid = False
        self._at_most = None

    def agreed(self, added: Iterable[str], removed: Iterable[str]) -> None:
        """Note that the server agreed to a change of the open stream."""
        self.asked = (self.asked | set(added)) - set(removed)

    def changed(self, topics: Iterable[str]) -> None:
        """Note that the stream itself confirmed what it carries from here on."""
        self.carried = set(topics)

    def difference(self) -> tuple[list[str], list[str]]:
        """Return what is to be added to the open stream, and what to be removed."""
        return [topic for topic in self.wanted if topic not in self.asked], sorted(self.asked - self.wanted.keys())

    def refused(self) -> str | None:
        """
        Note that the server refused the newest request for its topics; return which one is the reason, or None where that has to be
        found out by asking for fewer.
        """
        suspects: Collection[str] = [topic for topic in self.listed if topic not in self.carried]
        if not suspects:
            suspects = self.listed
            self.carried.clear()
        if len(suspects) == 1:
            return next(iter(suspects))
        self._at_most = len(suspects) // 2
        return None
