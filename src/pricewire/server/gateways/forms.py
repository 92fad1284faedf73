"""The formats of streams as messages: a gateway shows events as the server behind it has decided."""

from __future__ import annotations

from functools import lru_cache

from pricewire.hub.event import Format, envelope, plain
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

NAMES = {form: name for name, form in FORMATS.items()}


def to_message(form: Format) -> Form:
    """
    Return a format as a message.

    Raises:
        KeyError: it is none of this server's.
    """
    if isinstance(form, NarrowFormat):
        return Form(NAMES[form.form], tuple(sorted(form.members)))
    return Form(NAMES[form])


@lru_cache(maxsize=1024)
def from_message(form: Form) -> Format:
    """
    Return the format that a message names, the same one for the same message.

    Raises:
        KeyError: the other side has a newer version.
    """
    found = FORMATS[form.name]
    return narrow_format(found, frozenset(form.fields)) if form.fields else found
