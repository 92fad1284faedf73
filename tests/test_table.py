from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import assert_type

import pyarrow as pa
import pytest

from pricewire.protocol.messages import Candle, Tick
from pricewire.table import CANDLES, TICKS, to_table

TICK = Tick("R_100", 1_796_000_000_123, Decimal("1.15"), Decimal("1.20"), Decimal("1.10"))
CANDLE = Candle("R_100", 60, 60_000, Decimal(1), Decimal(3), Decimal("0.5"), Decimal(2), 120_000)


def test_ticks() -> None:
    table = assert_type(to_table([TICK, TICK]), pa.Table)
    assert table.schema == TICKS
    time = datetime.fromtimestamp(1_796_000_000.123, UTC)
    assert table.to_pylist() == [{"time": time, "instrument_id": "R_100", "bid": 1.1, "ask": 1.2, "price": 1.15}] * 2


def test_candles() -> None:
    table = to_table([CANDLE])
    assert table.schema == CANDLES
    (row,) = table.to_pylist()
    assert (row["open"], row["high"], row["low"], row["close"], row["granularity"]) == (1.0, 3.0, 0.5, 2.0, 60)
    assert (row["time"].timestamp(), row["close_time"].timestamp()) == (60.0, 120.0)


def test_pandas_gets_times_and_numbers() -> None:
    frame = to_table([TICK]).to_pandas()
    assert str(frame["time"].dtype) == "datetime64[ms, UTC]"
    assert frame["bid"].sum() == 1.1


def test_a_table_is_of_one_kind() -> None:
    assert to_table([]).schema == TICKS
    with pytest.raises(TypeError, match="not of Candle, Tick"):
        to_table([TICK, CANDLE])  # type: ignore[arg-type] # that is what is tested
    with pytest.raises(TypeError, match="not of str"):
        to_table(["tick"])  # type: ignore[arg-type] # likewise
