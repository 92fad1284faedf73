"""Active subscriptions: who subscribes to what, as documents and as updates of the hub's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

import msgspec

from pricewire.server.mercure.matchers import Matcher
from pricewire.server.mercure.update import EARLIEST, RESERVED_TYPE, Update, new_id


@dataclass(frozen=True, slots=True)
class Subscription:
    """
    One matcher of one subscriber.

    Attributes:
        matcher: what is subscribed to.
        subscriber: the subscriber's id.
        payload: what others may know of the subscriber, as JSON; None for nothing.
    """

    matcher: Matcher
    subscriber: str
    payload: bytes | None = None

    def topic(self, path: str) -> str:
        """Return the topic of what the hub says of it, below the hub's path."""
        return f"{path}/subscriptions/{encoded(self.matcher.match_type)}/{encoded(self.matcher.text)}/{encoded(self.subscriber)}"

    def topic_of_0_x(self, path: str) -> str:
        """Return this topic as 0.x has it, where matchers have no types."""
        return f"{path}/subscriptions/{encoded(self.matcher.text)}/{encoded(self.subscriber)}"

    def document(self, path: str, *, is_active: bool) -> dict[str, Any]:
        """Return what the hub says of it."""
        found: dict[str, Any] = {
            "id": self.topic(path),
            "type": "subscription",
            "match_type": self.matcher.match_type,
            "match": self.matcher.text,
            "subscriber": self.subscriber,
            "active": is_active,
        }
        return found if self.payload is None else {**found, "payload": msgspec.Raw(self.payload)}

    def document_of_0_x(self, path: str, *, is_active: bool) -> dict[str, Any]:
        """Return this document as 0.x has it."""
        found: dict[str, Any] = {
            "@context": "https://mercure.rocks/",
            "id": self.topic_of_0_x(path),
            "type": "Subscription",
            "topic": self.matcher.text,
            "subscriber": self.subscriber,
            "active": is_active,
        }
        return found if self.payload is None else {**found, "payload": msgspec.Raw(self.payload)}


class Subscriptions:
    """
    The active subscriptions.

    Args:
        path: the hub's path.
        publish: sends an update to subscribers.
        speaks_0_x: whether updates and documents are in the form of 0.x, for subscriptions by its parameter.
    """

    def __init__(self, path: str, publish: Callable[[Update], None], *, speaks_0_x: bool = False) -> None:
        self._path = path
        self._publish = publish
        self._speaks_0_x = speaks_0_x
        self._active: dict[str, list[Subscription]] = {}

    def begin(self, stream_id: str, subscriptions: list[Subscription]) -> None:
        """Know of the subscriptions of a stream, and tell of them."""
        self._active[stream_id] = subscriptions
        self._tell(subscriptions, is_active=True)

    def end(self, stream_id: str) -> None:
        """Forget them, and tell of that; harmless where they are not known."""
        self._tell(self._active.pop(stream_id, []), is_active=False)

    def document(self, path: str, last_event_id: str | None) -> tuple[dict[str, Any], str] | None:
        """
        Return what is at a path of the API, and its media type.

        Args:
            path: below `…/subscriptions`, as it was sent; it begins with a slash, or is empty.
            last_event_id: the id of the newest update; None where there has been none.

        Returns:
            None where there is nothing.
        """
        parts = path.split("/")[1:]
        newest = {"last_event_id": last_event_id or EARLIEST}
        asked = f"{self._path}/subscriptions{path}"
        values = [unquote(part) for part in parts]
        if not values or (len(values) == 2 and values[0] in ("exact", "urlpattern") and values[1]):
            found = [each for each in self._all() if not values or [each.matcher.match_type, each.matcher.text] == values]
            documents = [each.document(self._path, is_active=True) for each in found]
            return {"id": asked, "type": "subscriptions", **newest, "subscriptions": documents}, "application/json"
        if len(values) == 3:
            for each in self._all():
                if [each.matcher.match_type, each.matcher.text, each.subscriber] == values:
                    return {**each.document(self._path, is_active=True), **newest}, "application/json"
        return self._document_of_0_x(path, asked, last_event_id) if self._speaks_0_x else None

    def _document_of_0_x(self, path: str, asked: str, last_event_id: str | None) -> tuple[dict[str, Any], str] | None:
        newest = {"lastEventID": last_event_id or EARLIEST}
        # Some clients leave the slashes of a topic as they are.
        text = unquote(path[1:])
        for each in self._all():
            if f"{each.matcher.text}/{each.subscriber}" == text:
                return {**each.document_of_0_x(self._path, is_active=True), **newest}, "application/ld+json"
        documents = [each.document_of_0_x(self._path, is_active=True) for each in self._all() if each.matcher.text == text]
        if not documents:
            return None
        collection = {"@context": "https://mercure.rocks/", "id": asked, "type": "Subscriptions", **newest, "subscriptions": documents}
        return collection, "application/ld+json"

    def _all(self) -> Iterator[Subscription]:
        for subscriptions in self._active.values():
            yield from subscriptions

    def _tell(self, subscriptions: list[Subscription], *, is_active: bool) -> None:
        for each in subscriptions:
            data = msgspec.json.encode(each.document(self._path, is_active=is_active)).decode()
            self._publish(Update((each.topic(self._path),), data, new_id(), private=True, type=RESERVED_TYPE))
            if self._speaks_0_x:
                data = msgspec.json.encode(each.document_of_0_x(self._path, is_active=is_active)).decode()
                self._publish(Update((each.topic_of_0_x(self._path),), data, new_id(), private=True))


def encoded(text: str) -> str:
    """Return a text as a part of a path. Source: RFC 6570, section 3.2.2, "Simple String Expansion"."""
    return quote(text, safe="")
