"""
The interface of a bus: what publishers call, and what a bus calls of the hub that it feeds.

    publisher, desk ──publish──> bus ──frames──> bus ──deliver──> hub ──> streams

A bus promises:

- Every hub gets every record, once, in one order; a record's position is the same everywhere and grows. What is told to a hub is safe:
  whatever dies next, it does not get another position or another content.
- An event of a topic has the `seq` after that of the topic's event before it.
- A hub that begins later, or again, gets the newest event of each key, and the events of the last minutes.
- Publishing never waits and never fails because of the bus. What cannot be carried for good is made known to the hub as lost: its
  readers get a `reset`, and never something that looks complete and is not.
- `boot` changes where positions begin anew, so that an event's id (`<boot>-<position>`) never means two events.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import msgspec

from pricewire.bus.frames import Closed, Forgotten, Frame, Notified, Published, TopicState


class Publishing(Protocol):
    """What a publisher needs of a bus; a `Hub` alone has it too."""

    def publish(self, topic: str, message: Any, *, key: str | None = None, event: str = "message", ends: str | None = None) -> object:
        """
        Send a message to all streams of a topic; the arguments are those of `Hub.publish`.

        Raises:
            TypeError: the message cannot be encoded as JSON; nothing is published.
        """

    def notify(self, topic: str, name: str, data: Any) -> object:
        """Tell the streams of a topic about its state, until the topic's next message; the arguments are those of `Hub.notify`."""

    def forget(self, topic: str) -> object:
        """Drop the log of a topic that nothing is published to any more, as `Hub.forget` does."""


class Message(Protocol):
    """
    A message for a bus to carry, which somebody waits to hear the place of.

    Attributes:
        topic: as of `Hub.publish`, like the next ones.
        data: the message as JSON.
        key: what it supersedes the topic's earlier messages by.
        event: what it is.
        ends: a key that ends with it.
    """

    @property
    def topic(self) -> str: ...
    @property
    def data(self) -> msgspec.Raw: ...
    @property
    def key(self) -> str | None: ...
    @property
    def event(self) -> str: ...
    @property
    def ends(self) -> str | None: ...


class Bus(Publishing, Protocol):
    """A bus as the process sees it that has opened it."""

    @property
    def failure(self) -> str:
        """Why it does not do all that it promises now; empty while it does. For metrics and `/readyz`."""

    async def post(self, messages: Sequence[Message], *, durable: bool = False) -> list[str]:
        """
        Publish messages, and return the ids of their events.

        Args:
            messages: the messages.
            durable: whether to return only when they are safe; over NATS they always are.

        Raises:
            BusError: they are not safe, or not known to be.
        """

    async def flush(self) -> None:
        """Return when everything that was published so far is safe; as long as the bus is away, wait."""

    def open(self) -> AbstractAsyncContextManager[None]:
        """
        Feed the hub with what has been, then with what comes, within the block; publishers publish within it only.

        Whoever leaves the block has had everything written that was published.

        Raises:
            BusError: the bus cannot be reached or used.
        """


class Receiver(Protocol):
    """What a bus feeds: a `Hub`. All positions that it is given grow."""

    def begin(self, boot: str, position: int, forgotten: int | None = None) -> None:
        """
        Take what comes from a bus from now on, and no longer number it here; called before there are streams and topics.

        Args:
            boot: what the ids of all events begin with, lower-case hexadecimal.
            position: all that comes has a greater one; of what has been up to there, nothing is known but what `keep` tells.
            forgotten: where `keep` tells of every topic, the position of the newest `Forgotten` up to there: of topics that neither `keep`
                nor an event names, there has been nothing since. None where it does not.
        """

    def take(
        self, position: int, topic: str, seq: int, key: str | None, event: str, ends: str | None, json: bytes, at: float | None = None
    ) -> None:
        """
        Stream an event.

        Args:
            position: its place among all events.
            topic: as of `Published`, like the next ones.
            seq: its number among the topic's events.
            key: what it supersedes earlier events by.
            event: what it is.
            ends: a key that ends with it.
            json: the message.
            at: when it was published, in seconds of `time.monotonic`; now where that is not known.
        """

    def take_notice(self, position: int, topic: str, name: str, json: bytes) -> None:
        """Stream a notice; the arguments are those of `Notified`."""

    def take_forgotten(self, position: int, topic: str) -> None:
        """Drop the log of a topic, unless it has streams."""

    def keep(
        self, topic: str, seq: int, position: int, kept: list[tuple[int, int, str, str, bytes]], notice: tuple[str, bytes] | None
    ) -> None:
        """
        Complete the newest events of a topic's keys with older ones; the arguments are those of `TopicState`, `Kept` as tuples.

        What is newer in the hub is left alone.
        """


def deliver(frame: Frame, receiver: Receiver, at: float | None = None, wants: Callable[[str], bool] | None = None) -> None:
    """
    Give the records of a frame to a hub.

    Args:
        frame: the next frame.
        receiver: the hub.
        at: when it was published, in seconds of `time.monotonic`; now where that is not known.
        wants: says which topics the hub gets; None for all.
    """
    for position, record in enumerate(frame.records, frame.first):
        if wants is not None and not wants(record.topic):
            continue
        match record:
            case Published():
                receiver.take(position, record.topic, record.seq, record.key, record.event, record.ends, record.json, at)
            case Notified():
                receiver.take_notice(position, record.topic, record.name, record.json)
            case Forgotten():
                receiver.take_forgotten(position, record.topic)
            case TopicState():
                kept = [(each.position, each.seq, each.key, each.event, each.json) for each in record.kept]
                receiver.keep(record.topic, record.seq, record.position, kept, record.notice)
            case Closed():
                pass
