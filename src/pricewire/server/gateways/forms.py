"""The formats of streams as messages: a gateway shows events as the server behind it has decided."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import Any

import msgspec

from pricewire.hub.event import Format, Whole, envelope, plain
from pricewire.hub.streams import Selector
from pricewire.server.formats import (
    NarrowFormat,
    candles_format,
    data_format,
    instrument_price_format,
    narrow_format,
    ticks_format,
)
from pricewire.server.gateways.messages import Form

FORMATS: dict[str, Format] = {
    "envelope": envelope,
    "plain": plain,
    "data": data_format,
    "ticks": ticks_format,
    "candles": candles_format,
    "instrument_price": instrument_price_format,
}
"""The formats without parameters, by their names in messages."""

MERCURE = "mercure"
"""The format of the Mercure protocol's streams."""

NAMES = {form: name for name, form in FORMATS.items()}


def to_message(form: Format) -> Form:
    """
    Return a format as a message.

    Raises:
        KeyError: it is none of this server's.
    """
    if isinstance(form, NarrowFormat):
        return Form(NAMES[form.form], tuple(sorted(form.members)))
    if isinstance(form, Whole):
        return Form(MERCURE)
    return Form(NAMES[form])


@lru_cache(maxsize=1024)
def from_message(form: Form) -> Format:
    """
    Return the format that a message names, the same one for the same message.

    Raises:
        KeyError: the other side has a newer version.
    """
    if form.name == MERCURE:
        # Loaded with its first stream.
        whole: Format = import_module("pricewire.server.mercure.update").FORMAT
        return whole
    found = FORMATS[form.name]
    return narrow_format(found, frozenset(form.fields)) if form.fields else found


def selector_to_message(selector: Selector | None) -> bytes | None:
    """Return a selector as a message; None for none."""
    return None if selector is None else msgspec.msgpack.encode(selector)


def selector_from_message(data: bytes | None) -> Selector | None:
    """Return the selector that a message describes; None for none."""
    if data is None:
        return None
    kind: Any = import_module("pricewire.server.mercure.selection").Selection
    selector: Selector = msgspec.msgpack.decode(data, type=kind)
    return selector
