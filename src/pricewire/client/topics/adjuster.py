"""The adjuster: has the open stream carry what is wanted, by changing it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence

import httpx2

from pricewire.client.report import Reporter
from pricewire.client.stream.reconnect import ReconnectPolicy
from pricewire.client.stream.request import retry_after
from pricewire.client.topics.changes import Changer, is_refusal
from pricewire.client.topics.topic_set import TopicSet
from pricewire.errors import ClientError, HTTPStatusError


class Adjuster:
    """
    Changes the open stream until nothing is left to change; one request at a time.

    Attributes:
        pace: what the open stream keeps, in milliseconds; 0 for every update.

    Args:
        changer: sends the requests.
        topic_set: which topics are wanted, and which the stream has.
        reconnect: how long to wait after a failure.
        reporter: told of failures.
        wanted_pace: returns the pace that is wanted, in milliseconds.
        on_agreed: called with the topics that the open stream is about to get, and again when it has agreed to change.
        on_refused: called with a topic that the server refuses, and why.
        on_rigid: called where the stream cannot be changed: a new one has to take its place.
    """

    def __init__(
        self,
        changer: Changer,
        topic_set: TopicSet,
        *,
        reconnect: ReconnectPolicy,
        reporter: Reporter,
        wanted_pace: Callable[[], int],
        on_agreed: Callable[[Sequence[str]], None],
        on_refused: Callable[[str, HTTPStatusError], None],
        on_rigid: Callable[[], None],
    ) -> None:
        self.pace = 0
        self._changer = changer
        self._topic_set = topic_set
        self._reconnect = reconnect
        self._reporter = reporter
        self._wanted_pace = wanted_pace
        self._on_agreed = on_agreed
        self._on_refused = on_refused
        self._on_rigid = on_rigid
        # The server's name for the open stream, if it gave one, and which of the streams so far that is; 0 where none is open.
        self._stream_id: str | None = None
        self._stream = 0
        self._streams = 0

    def opened(self, stream_id: str | None, pace: int) -> None:
        """Note a new stream: its id from the header `Pricewire-Stream`, and its pace in milliseconds."""
        self._streams += 1
        self._stream = self._streams
        self._stream_id = stream_id
        self.pace = pace

    def lost(self) -> None:
        """Note that no stream is open."""
        self._stream = 0

    def is_needed(self) -> bool:
        """Whether there is an open stream, and something to change about it."""
        return self._stream != 0 and (any(self._topic_set.difference()) or self.pace != self._wanted_pace())

    async def run(self, client: httpx2.AsyncClient) -> None:
        """Change the stream until it is as it is wanted, or lost."""
        failures = 0
        while self.is_needed():
            if self._stream_id is None:
                self._give_up()
                return
            try:
                if not await self._adjust(client, self._stream_id, self._stream):
                    return
                failures = 0
            except ClientError as error:
                self._reporter.error(error)
                failures += 1
                await asyncio.sleep(self._reconnect.wait(failures, random.random(), retry_after=retry_after(error)))  # noqa: S311

    async def _adjust(self, client: httpx2.AsyncClient, stream_id: str, stream: int) -> bool:
        """Make one change; return whether there may be more to make."""
        add, remove = self._topic_set.difference()
        self._on_agreed(add)
        if await self._change(client, stream_id, stream, add, remove) is None or stream != self._stream:
            return True
        # A topic was refused, or any change is: what adds nothing tells.
        rest = remove if self._topic_set.asked.difference(remove) else []
        if not add or await self._change(client, stream_id, stream, [], rest) is not None:
            if stream == self._stream:
                self._give_up()
                return False
            return True
        await self._add_apart(client, stream_id, stream, add)
        return True

    def _give_up(self) -> None:
        """Have a new stream take the place of this one."""
        self.lost()
        self._on_rigid()

    async def _add_apart(self, client: httpx2.AsyncClient, stream_id: str, stream: int, topics: list[str]) -> None:
        """Add what the server takes of some topics, and find those that it refuses."""
        refusal = await self._change(client, stream_id, stream, topics, [])
        if refusal is None or stream != self._stream:
            return
        if len(topics) == 1:
            self._on_refused(topics[0], refusal)
            return
        half = len(topics) // 2
        await self._add_apart(client, stream_id, stream, topics[:half])
        await self._add_apart(client, stream_id, stream, topics[half:])

    async def _change(
        self, client: httpx2.AsyncClient, stream_id: str, stream: int, add: list[str], remove: list[str]
    ) -> HTTPStatusError | None:
        """Ask for a change; return the server's refusal, or None where it agreed."""
        pace = self._wanted_pace()
        try:
            await self._changer.change(client, stream_id, add=add, remove=remove, interval_ms=pace)
        except HTTPStatusError as error:
            if not is_refusal(error):
                raise
            return error
        if stream == self._stream:
            self._topic_set.agreed(add, remove)
            self.pace = pace
            self._on_agreed([])
        return None
