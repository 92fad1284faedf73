"""Checks of arguments: a wrong type is reported where it is passed, not where it is used an hour later."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping


def check_type(name: str, value: object, expected: type | tuple[type, ...], what: str) -> None:
    """
    Check the type of a value; True and False are no numbers. `what` is the expected types in words: `a string`.

    Raises:
        TypeError: it has another type. The text does not repeat the value, which may be a secret.
    """
    if not isinstance(value, expected) or (isinstance(value, bool) and expected is not bool):
        raise TypeError(f"{name} is of type {type(value).__name__}; it is {what}")


def check_seconds(name: str, value: object) -> None:
    """
    Check that a value is a time in seconds above 0, or None.

    Raises:
        TypeError: it is no number.
        ValueError: it is not finite, or not above 0.
    """
    if value is None:
        return
    check_type(name, value, (int, float), "a number of seconds, or None")
    if isinstance(value, int | float) and not 0 < value < math.inf:
        raise ValueError(f"{name} is {value} s; it is finite and above 0, or None for no end")


def check_headers(headers: object) -> None:
    """
    Check headers.

    Raises:
        TypeError: they are no mapping of strings to strings.
    """
    if headers is None:
        return
    check_type("headers", headers, Mapping, "a mapping of strings to strings, or None")
    if isinstance(headers, Mapping):
        for name, value in headers.items():
            check_type("a name in headers", name, str, "a string")
            check_type(f"headers[{name!r}]", value, str, "a string")


def check_callbacks(**callbacks: object) -> None:
    """
    Check that callbacks are plain functions, or None.

    Raises:
        TypeError: a callback cannot be called, or is a coroutine function. Nothing would await it; what awaits is an `async for`.
    """
    for name, callback in callbacks.items():
        if callback is not None and not callable(callback):
            raise TypeError(f"{name} is of type {type(callback).__name__}; it is a function")
        if inspect.iscoroutinefunction(callback):
            raise TypeError(f"{name} is a coroutine function; callbacks are plain functions, and `async for` is there to await")


def check_last_event_id(last_event_id: object) -> None:
    """
    Check that a value is the id of an event, or None.

    Raises:
        TypeError: it is no string.
        ValueError: it holds NUL, CR or LF, which no id can.

    Source: WHATWG HTML, section 9.2.6, "process the field", "id".
    """
    check_type("last_event_id", last_event_id, (str, type(None)), "a string, or None")
    if isinstance(last_event_id, str) and any(character in last_event_id for character in "\0\r\n"):
        raise ValueError(f"last_event_id is {last_event_id[:100]!r}; the id of an event holds no NUL and no line break")
