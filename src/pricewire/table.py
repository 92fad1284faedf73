"""Messages as a table for pandas, Polars and all that reads Arrow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pricewire.extras import missing_extra
from pricewire.protocol.messages import Candle, Tick

try:
    import pyarrow as pa
except ImportError as error:
    raise missing_extra(error, "pricewire.table") from error

TIME = pa.timestamp("ms", tz="UTC")

FLOAT = pa.float64()

TICK_FIELDS: list[pa.Field[Any]] = [
    pa.field("time", TIME),
    pa.field("instrument_id", pa.string()),
    pa.field("bid", FLOAT),
    pa.field("ask", FLOAT),
    pa.field("price", FLOAT),
]

TICKS = pa.schema(TICK_FIELDS)
"""The columns of ticks; a recording in these is one that the replay feed plays."""

CANDLE_FIELDS: list[pa.Field[Any]] = [
    pa.field("time", TIME),
    pa.field("instrument_id", pa.string()),
    pa.field("granularity", pa.int32()),
    pa.field("open", FLOAT),
    pa.field("high", FLOAT),
    pa.field("low", FLOAT),
    pa.field("close", FLOAT),
    pa.field("close_time", TIME),
]

CANDLES = pa.schema(CANDLE_FIELDS)
"""The columns of candles; `time` is when each opens."""


def to_table(messages: Iterable[Tick] | Iterable[Candle]) -> pa.Table:
    """
    Return ticks or candles as a table, a row for each.

        ticks = await wire.ticks("R_100").collect(1000)
        frame = to_table(ticks).to_pandas()

    Times are timestamps in UTC; prices are floats, which is what is computed with.

    Args:
        messages: all of one kind; none at all make an empty table of ticks.

    Raises:
        TypeError: one is neither a tick nor a candle, or there are both.
    """
    rows: Sequence[object] = list(messages)
    kinds = {type(row) for row in rows} or {Tick}
    if kinds == {Tick}:
        return _ticks([row for row in rows if isinstance(row, Tick)])
    if kinds == {Candle}:
        return _candles([row for row in rows if isinstance(row, Candle)])
    raise TypeError(f"a table is made of ticks or of candles, not of {', '.join(sorted(kind.__name__ for kind in kinds))}")


def _ticks(ticks: Sequence[Tick]) -> pa.Table:
    columns = [
        pa.array([tick.epoch_ms for tick in ticks], TIME),
        pa.array([tick.instrument_id for tick in ticks], pa.string()),
        *(pa.array([float(getattr(tick, name)) for tick in ticks], FLOAT) for name in ("bid", "ask", "price")),
    ]
    return pa.table(columns, schema=TICKS)


def _candles(candles: Sequence[Candle]) -> pa.Table:
    columns = [
        pa.array([candle.open_epoch_ms for candle in candles], TIME),
        pa.array([candle.instrument_id for candle in candles], pa.string()),
        pa.array([candle.granularity for candle in candles], pa.int32()),
        *(pa.array([float(getattr(candle, name)) for candle in candles], FLOAT) for name in ("open", "high", "low", "close")),
        pa.array([candle.close_epoch_ms for candle in candles], TIME),
    ]
    return pa.table(columns, schema=CANDLES)
