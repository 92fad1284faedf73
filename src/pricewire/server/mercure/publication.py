"""Reads and checks what publishers send."""

from __future__ import annotations

import re

import msgspec
from ada_url import URL

from pricewire.errors import quoted
from pricewire.protocol.free_topics import is_own
from pricewire.server.mercure.texts import InvalidRequestError, TooLargeError, has_invisible, parse_form
from pricewire.server.mercure.update import EARLIEST, RESERVED_TYPE, Update, new_id

MAX_BODY = 1024 * 1024
"""How long the body of a request may be, in bytes."""

MAX_DATA = 256 * 1024
"""How long the data of an update may be, in bytes: some of them fit into a frame of the bus."""

MAX_TOPIC = 4096
MAX_ID = 1024
MAX_TYPE = 256
"""How long a topic, an id and a type may be, in bytes."""

MOST_TOPICS = 100
"""How many topics an update may have."""

MAX_ENCODED = 512 * 1024
"""How long an update may be as JSON, in bytes: NATS carries messages of 1 MiB, and a control character takes six bytes."""

MOST_DIGITS = 9
"""How many digits a time to reconnect may have, in milliseconds: a week."""

UNRESERVED = re.compile("%(2[dDeE]|3[0-9]|[46][1-9a-fA-F]|[57][0-9aA]|5[fF]|7[eE])")
"""A character that is encoded without need. Source: RFC 3986, section 2.3."""


def read_publication(body: bytes, hub_url: str, *, is_0_x: bool = False) -> Update:
    """
    Return the update that the form of a request describes.

    Args:
        body: the form.
        hub_url: what relative topics are resolved against, and whose path is the hub's own.
        is_0_x: whether it is read as 0.x has it: `private=false` is public, and the hub's namespace was not kept for it.

    Raises:
        InvalidRequestError: it has what is not allowed.
        TooLargeError: a field is too long.

    Source: the protocol, "Publication".
    """
    fields: dict[str, list[str]] = {}
    for name, value in parse_form(body):
        fields.setdefault(name, []).append(value)
    topics = tuple(dict.fromkeys(fields.get("topic", [])))
    if not topics:
        raise InvalidRequestError("there is no topic")
    if len(topics) > MOST_TOPICS:
        raise TooLargeError(f"{len(topics)} topics exceed the limit of {MOST_TOPICS} for one update")
    for topic in topics:
        check_topic(topic, hub_url)
    data = _single(fields, "data") or ""
    if len(data.encode()) > MAX_DATA:
        raise TooLargeError(f"data of {len(data.encode())} bytes exceed the limit of {MAX_DATA}")
    private = fields.get("private")
    is_private = private is not None and not (is_0_x and private[-1] in ("false", "off", "0", ""))
    retry = _single(fields, "retry")
    if retry is not None and (not retry.isascii() or not retry.isdigit() or len(retry) > MOST_DIGITS):
        raise InvalidRequestError(f"retry {quoted(retry)} is no number of milliseconds, in {MOST_DIGITS} digits at most")
    return Update(topics, data, _id(fields), is_private, _type(fields), None if retry is None else int(retry))


def encoded(update: Update) -> bytes:
    """
    Return an update as the bus carries it.

    Raises:
        TooLargeError: it is too long.
    """
    data = msgspec.json.encode(update)
    if len(data) > MAX_ENCODED:
        raise TooLargeError(f"the update is {len(data)} bytes long where it is carried, beyond the limit of {MAX_ENCODED}")
    return data


def _single(fields: dict[str, list[str]], name: str) -> str | None:
    """Return the value of a field that is there once at most: of two, nobody knows which one was checked before."""
    values = fields.get(name, [])
    if len(values) > 1:
        raise InvalidRequestError(f"there are {len(values)} fields {name!r}; give one")
    return values[0] if values else None


def _id(fields: dict[str, list[str]]) -> str:
    given = _single(fields, "id")
    if not given:
        return new_id()
    if len(given.encode()) > MAX_ID:
        raise TooLargeError(f"an id of {len(given.encode())} bytes exceeds the limit of {MAX_ID}")
    if given.startswith("#") or given == EARLIEST or has_invisible(given) or given != given.strip():
        raise InvalidRequestError(
            f"id {quoted(given)}: one of a publisher's own does not begin with '#', is not '{EARLIEST}', and has no control character, "
            "no other one that cannot be seen, and no space at its ends"
        )
    return given


def _type(fields: dict[str, list[str]]) -> str | None:
    given = _single(fields, "type")
    if not given:
        return None
    if len(given.encode()) > MAX_TYPE:
        raise TooLargeError(f"a type of {len(given.encode())} bytes exceeds the limit of {MAX_TYPE}")
    if has_invisible(given):
        raise InvalidRequestError(f"type {quoted(given)} has a control character, or another one that cannot be seen")
    if given == RESERVED_TYPE:
        raise InvalidRequestError(f"type {RESERVED_TYPE!r} is that of the hub's own updates")
    return given


def check_topic(topic: str, hub_url: str) -> None:
    """
    Check that others may publish to a topic.

    Raises:
        InvalidRequestError: they may not.
        TooLargeError: it is too long.
    """
    if not topic:
        raise InvalidRequestError("a topic is empty")
    if len(topic.encode()) > MAX_TOPIC:
        raise TooLargeError(f"a topic of {len(topic.encode())} bytes exceeds the limit of {MAX_TOPIC}")
    if has_invisible(topic):
        raise InvalidRequestError(f"topic {quoted(topic)} has a control character, or another one that cannot be seen")
    if topic == "*":
        raise InvalidRequestError("the topic '*' stands for all topics, and is none itself")
    if is_own(topic):
        raise InvalidRequestError(f"topic {quoted(topic)}: names that begin so are the server's own")
    if is_reserved(topic, hub_url):
        raise InvalidRequestError(f"topic {quoted(topic)} is in the namespace that is the hub's own")


def is_reserved(topic: str, hub_url: str) -> bool:
    """
    Return whether a topic's URL has the hub's path or one below it, however that is written, at whatever host.

    Source: the protocol, "Publication", of the field `topic`.
    """
    try:
        path = URL(topic, hub_url).pathname
    except ValueError:
        return False
    path = normal_path(path)
    own = normal_path(URL(hub_url).pathname)
    return path == own or path.startswith(f"{own}/")


def normal_path(path: str) -> str:
    """Return a path without needless encodings, and without the segments `.` and `..`, which these may have hidden."""
    url = URL("https://dummy.test")
    # By the setter, which never takes the beginning for a host.
    url.pathname = UNRESERVED.sub(lambda match: chr(int(match[1], 16)), path)
    return str(url.pathname)
