"""Event data into typed objects; what does not fit becomes a `DecodeError`."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Generic, TypeVar

import msgspec

from pricewire.errors import DecodeError
from pricewire.protocol.messages import Candle, Envelope, ErrorBody, ErrorDetail, StreamState, Tick

T = TypeVar("T")

FAILURES = (ValueError, RecursionError)
"""What msgspec raises for data of every kind: no JSON, other types, broken UTF-8, nesting without end."""


class TopicOnly(msgspec.Struct, frozen=True):
    """The topic of an envelope whose other members cannot be read."""

    subscription_id: str = ""


class StaleBody(msgspec.Struct, frozen=True):
    """The data of an event `stale`, with the topic whose feed has fallen silent."""

    topic: str


class TypedDecoder(Generic[T]):
    """
    Decodes event data of one type, any that msgspec knows: unknown members are ignored, and digits in strings become numbers where the type
    wants them.
    """

    def __init__(self, message_type: type[T]) -> None:
        self._decode = msgspec.json.Decoder(message_type, strict=False).decode

    def decode(self, data: str) -> T:
        """
        Return the object.

        Raises:
            DecodeError: the data does not fit the type.
        """
        try:
            return self._decode(data)
        except FAILURES as error:
            raise decode_error(data, str(error)) from error


class EnvelopeDecoder:
    """Decodes envelopes of any kind: into `Envelope[Tick]` or `Envelope[Candle]` by their `event`, others with plain data."""

    def __init__(self) -> None:
        self._outer = TypedDecoder[Envelope[msgspec.Raw]](Envelope[msgspec.Raw])
        # By the envelope's `event`.
        self._types: dict[str, TypedDecoder[Any]] = {"tick": TypedDecoder(Envelope[Tick]), "candle": TypedDecoder(Envelope[Candle])}
        self._any: TypedDecoder[Any] = TypedDecoder(Envelope[Any])

    def decode(self, data: str) -> Envelope[Any]:
        """
        Return the envelope.

        Raises:
            DecodeError: the data does not fit.
        """
        envelope: Envelope[Any] = self._types.get(self._outer.decode(data).event, self._any).decode(data)
        return envelope


def decode_error(data: str, detail: str) -> DecodeError:
    """Return the error for an event's data, with the topic where that at least can be read."""
    try:
        topic = msgspec.json.decode(data, type=TopicOnly).subscription_id
    except FAILURES:
        topic = ""
    return DecodeError(topic, data, detail)


def read_error(data: str | bytes) -> ErrorDetail | None:
    """Return the error that a body or the data of an event `error` holds, in the form of Pricewire; None where it holds none."""
    try:
        return msgspec.json.decode(data, type=ErrorBody).error
    except FAILURES:
        return None


def read_stream_state(data: str) -> StreamState | None:
    """Return the state of a stream from the data of an event `changed`; None if it is not one."""
    try:
        return msgspec.json.decode(data, type=StreamState)
    except FAILURES:
        return None


def read_stale_topic(data: str) -> str | None:
    """Return the topic that an event `stale` names; None where it names none."""
    try:
        return msgspec.json.decode(data, type=StaleBody).topic
    except FAILURES:
        return None


def all_finite(message: object) -> bool:
    """Whether every number is finite: a Decimal can also be NaN or infinite, which is no price and spoils what is computed from it."""
    if isinstance(message, Tick):
        return message.price.is_finite() and message.bid.is_finite() and message.ask.is_finite()
    if isinstance(message, Decimal):
        return message.is_finite()
    if isinstance(message, msgspec.Struct):
        return all(all_finite(getattr(message, name)) for name in message.__struct_fields__)
    if isinstance(message, list):
        return all(map(all_finite, message))
    return True
