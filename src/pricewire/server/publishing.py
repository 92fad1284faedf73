"""Publishing by HTTP: what `POST /v1/publish` checks before anything of a request is published."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from pricewire.errors import quoted
from pricewire.protocol.free_topics import check_name
from pricewire.protocol.messages import Publication, Published
from pricewire.server.auth.dependencies import lacking
from pricewire.server.auth.grants import Action, may
from pricewire.server.auth.tokens import PUBLISH, Token
from pricewire.server.http_errors import InvalidParametersError
from pricewire.server.publish_limits import MAX_DATA
from pricewire.server.publisher import Publisher
from pricewire.server.topic_keeper import TopicKeeper

MAX_NAME = 256
"""How long a key and the name of an event may be, in characters."""

SLICE = 1000
"""After how many events of a request others get their turn."""

LINE_BREAKS = b"\r\n"

publication = msgspec.json.Decoder(Publication)
publications = msgspec.json.Decoder(list[Publication])


class Publishing:
    """
    Publishes what others send.

    Args:
        publisher: has the bus, and the settings of topics.
        keeper: knows which topics there are.
    """

    def __init__(self, publisher: Publisher, keeper: TopicKeeper) -> None:
        self._publisher = publisher
        self._keeper = keeper

    def read(self, body: bytes) -> Sequence[Publication]:
        """
        Return the messages in a request's body.

        Raises:
            InvalidParametersError: it is no message and no list of messages, or the data of one is no JSON that every reader can read.
        """
        try:
            found = publications.decode(body) if body.lstrip()[:1] == b"[" else [publication.decode(body)]
            for each in found:
                msgspec.json.decode(each.data)
        except msgspec.MsgspecError as error:
            raise InvalidParametersError(f"the body: {error}") from None
        except UnicodeDecodeError as error:
            raise InvalidParametersError(f"the body is no UTF-8, from byte {error.start} of a text in it on") from None
        except RecursionError:
            raise InvalidParametersError("the body is nested too deeply") from None
        if not found:
            raise InvalidParametersError("the body has no message; send one, or a list of them")
        return found

    def check(self, token: Token, messages: Sequence[Publication]) -> None:
        """
        Check that all messages may be published.

        Raises:
            InvalidTopicError: a topic has no name that a free topic may have.
            InvalidParametersError: a key or a name of an event is wrong, or the data of one are too large.
            ForbiddenError: the token is not for publishing to a topic.
            StreamRefusedError: there would be too many topics.
        """
        allowed = set[str]()
        for each in messages:
            if each.topic not in allowed:
                check_name(each.topic)
                if not may(Action.PUBLISH, each.topic, token.grants):
                    raise lacking(PUBLISH, f"the token is not for publishing to topic {quoted(each.topic)}")
                allowed.add(each.topic)
            check_text("event", each.event)
            for name, text in (("key", each.key), ("ends", each.ends)):
                if text is not None:
                    check_text(name, text)
            if each.key is not None and each.ends is not None:
                raise InvalidParametersError("key and ends exclude each other: an event that ends a key has none itself")
            if len(each.data) > MAX_DATA:
                raise InvalidParametersError(f"data of {len(each.data)} bytes exceed the limit of {MAX_DATA} bytes for one event")
        self._keeper.admit(allowed, frees=all(each.ends is not None for each in messages))

    async def publish(self, messages: Sequence[Publication], *, durable: bool = False) -> Published:
        """
        Publish messages, and return the ids of their events.

        Args:
            messages: what has been checked.
            durable: whether to return only when they are safe.

        Raises:
            BusError: they are not safe, or not known to be.
        """
        bus, rules = self._publisher.bus, self._publisher.topic_rules
        ids: list[str] = []
        for first in range(0, len(messages), SLICE):
            if first:
                await asyncio.sleep(0)
            part = [as_published(each, rules.of(each.topic).key) for each in messages[first : first + SLICE]]
            ids += await bus.post(part, durable=durable)
        return Published(ids)


def as_published(message: Publication, usual_key: str | None) -> Publication:
    """Return a message with its data on one line, and the key of its topic where it has none of its own."""
    data = bytes(message.data)
    if b"\n" in data or b"\r" in data:
        # In JSON they stand between values alone.
        message = msgspec.structs.replace(message, data=msgspec.Raw(data.translate(None, LINE_BREAKS)))
    if usual_key is not None and message.key is None and message.ends is None:
        message = msgspec.structs.replace(message, key=usual_key)
    return message


def check_text(name: str, text: str) -> None:
    """
    Check a key, or the name of an event.

    Raises:
        InvalidParametersError: it is empty or too long, or has a character that cannot be seen.
    """
    if not 0 < len(text) <= MAX_NAME or not text.isprintable():
        raise InvalidParametersError(f"{name} {quoted(text)} is not 1 to {MAX_NAME} characters that can be seen")
