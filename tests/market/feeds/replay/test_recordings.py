from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricewire.errors import FeedError
from pricewire.market.feeds.replay.recordings import decimals_of, id_of, read_recordings
from support.recorded import RECORDED, Recorded

HEAD = "timestamp,bid,ask\n"


def write(folder: Path, text: str, name: str = "eurusd-quotes.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_recording_is_in_pips(tmp_path: Path) -> None:
    (it,) = read_recordings(write(tmp_path, HEAD + "1700000000,1.10,1.20\n1700000001,1.12300,1.124\n"))
    assert (it.instrument.id, it.instrument.pip_size) == ("EURUSD", 3)
    assert it.ticks.epoch_ms.tolist() == [1_700_000_000_000, 1_700_000_001_000]
    assert it.ticks.bid.tolist() == [1100, 1123]
    assert it.ticks.ask.tolist() == [1200, 1124]
    assert it.ticks.price.tolist() == [1150, 1124]  # 1123.5 to the even pip


def test_the_name_says_the_market(tmp_path: Path) -> None:
    rows = "timestamp,symbol,bid,ask\n" + "".join(f"1700000000,{symbol},1,2\n" for symbol in ("BTC/USDT", "EUR/USD", "AAPL"))
    found = {each.instrument.id: each.instrument.categories for each in read_recordings(write(tmp_path, rows))}
    assert found == {"AAPL": ["Stocks", "Recording"], "BTCUSDT": ["Cryptocurrency", "Recording"], "EURUSD": ["Forex", "Recording"]}
    (named,) = read_recordings(write(tmp_path, HEAD + "1700000000,1,2\n", "gold.csv"), market="Commodities")
    assert named.instrument.categories[0] == "Commodities"
    (renamed,) = read_recordings(write(tmp_path, HEAD + "1700000000,1,2\n", "quotes.csv"), instrument_id="USDJPY")
    assert renamed.instrument.categories[0] == "Forex"


def test_decimal_prices_become_exactly_their_pips(tmp_path: Path) -> None:
    # 1.15 times 100 is a little less than 115, for a float.
    rows = "".join(f"{1_700_000_000 + pips},{pips // 100}.{pips % 100:02}\n" for pips in range(1, 3000))
    (it,) = read_recordings(write(tmp_path, rows))
    assert it.ticks.price.tolist() == list(range(1, 3000))


def test_rows_out_of_order_are_put_in_order(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = "1700000002,3,3\n1700000001,1,1\n1700000001,2,2\n1700000003,4,4\n"
    (it,) = read_recordings(write(tmp_path, HEAD + rows))
    assert it.ticks.price.tolist() == [1, 2, 3, 4]
    assert "1 rows were older than the one before" in caplog.text


def test_malformed_rows_are_logged_with_their_lines_up_to_a_number(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bad = "".join(f"1700000000,{n}.5,1\n" for n in range(1, 31))
    (it,) = read_recordings(write(tmp_path, HEAD + "1700000000,1,1\ntorn\n" + bad))
    assert len(it.ticks.price) == 1
    messages = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(messages) == 11
    assert messages[0] == "eurusd-quotes.csv, line 3 skipped: there are only 1 columns"
    assert messages[1] == "eurusd-quotes.csv, line 4 skipped: bid 1.5 is above ask 1.0"
    assert messages[-1] == "eurusd-quotes.csv: 21 more malformed rows skipped"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        (HEAD, "no row can be used$"),
        (HEAD + "soon,1,2\n" * 3, "no row can be used; line 2: time 'soon' is of no known form"),
        (HEAD + "1700000000,2,1\n", "no row can be used; line 2: bid 2.0 is above ask 1.0"),
        ("time,size\n1,2\n", "no column is a price"),
    ],
)
def test_a_file_without_a_usable_row_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(FeedError, match=f"recording .*eurusd-quotes.csv: {message}"):
        read_recordings(write(tmp_path, text))


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    for name in ("missing.csv", "missing.parquet"):
        with pytest.raises(FeedError, match=f"{name}: there is no such file"):
            read_recordings(tmp_path / name)
    with pytest.raises(FeedError, match="recording"):
        read_recordings(tmp_path)
    with pytest.raises(FeedError, match=r"x\.parquet: the file is not Parquet"):
        read_recordings(write(tmp_path, "text", "x.parquet"))


def test_one_file_may_hold_several_instruments(tmp_path: Path) -> None:
    path = write(tmp_path, "time,symbol,price\n1700000000,BTC/USDT,1.5\n1700000001,EURUSD,1.25\n1700000002,BTC/USDT,2\n")
    btc, eur = read_recordings(path)
    assert (btc.instrument.id, btc.instrument.display_name, btc.instrument.pip_size) == ("BTCUSDT", "BTC/USDT", 1)
    assert btc.ticks.price.tolist() == [15, 20]
    assert (eur.instrument.id, eur.instrument.pip_size, eur.ticks.price.tolist()) == ("EURUSD", 2, [125])
    with pytest.raises(FeedError, match="cannot be GOLD alone, it has BTC/USDT, EURUSD"):
        read_recordings(path, instrument_id="GOLD")


def test_the_instrument_may_be_given(tmp_path: Path) -> None:
    (it,) = read_recordings(write(tmp_path, HEAD + "1700000000,1,1\n"), instrument_id="GOLD")
    assert it.instrument.id == it.ticks.instrument_id == it.instrument.display_name == "GOLD"


@pytest.mark.parametrize(
    ("symbol", "name", "expected"),
    [
        ("", "eurusd-quotes.csv", "EURUSD"),
        ("", "btcusdt-quotes.parquet", "BTCUSDT"),
        ("", "XAUUSD.csv", "XAUUSD"),
        ("", "R_100 monday.csv", "R_100"),
        ("", "DAT_ASCII_EURUSD_T_202001.csv", "EURUSD"),
        ("BTC/USDT", "eurusd-quotes.csv", "BTCUSDT"),
        ("btc usdt", "x.csv", "btcusdt"),
    ],
)
def test_the_id_comes_from_the_symbol_or_the_file(symbol: str, name: str, expected: str) -> None:
    assert id_of(symbol, Path("/data") / name) == expected


def test_a_file_that_says_no_id_is_an_error() -> None:
    with pytest.raises(FeedError, match="name one"):
        id_of("", Path("-quotes.csv"))


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=50), st.integers(0, 8))
def test_the_decimals_are_those_that_the_prices_use(pips: list[int], places: int) -> None:
    used = max(len(f"{price}".zfill(places + 1)[-places:].rstrip("0")) if places else 0 for price in pips)
    assert decimals_of(np.array([float(f"{price}e-{places}") for price in pips])) == used


def test_a_stray_binary_fraction_does_not_count() -> None:
    prices = np.array([1.25] * 1500 + [0.1 + 0.2])
    assert decimals_of(prices) == 2
    assert decimals_of(np.array([1.25] * 1500 + [1.125] * 2)) == 3
    assert decimals_of(np.array([1 / 3, 2 / 3])) == 10
    assert decimals_of(np.array([1e12 / 3, 2e12 / 3])) <= 6


def test_parquet_and_csv_say_the_same(tmp_path: Path) -> None:
    (from_csv,) = read_recordings(write(tmp_path, HEAD + "1700000000,1.10,1.20\n1700000001,1.123,1.124\n"))
    table = pa.table({"Timestamp": [1_700_000_000_000, 1_700_000_001_000], "BID": [1.1, 1.123], "ASK": [1.2, 1.124]})
    pq.write_table(table, tmp_path / "eurusd-quotes.parquet")
    (from_parquet,) = read_recordings(tmp_path / "eurusd-quotes.parquet")
    assert from_parquet.instrument == from_csv.instrument
    for column in ("epoch_ms", "price", "ask", "bid"):
        assert getattr(from_parquet.ticks, column).tolist() == getattr(from_csv.ticks, column).tolist()


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda recorded: recorded.folder.name)
def test_recordings_as_they_are_found(recorded: Recorded, caplog: pytest.LogCaptureFixture) -> None:
    (eurusd,) = read_recordings(recorded.eurusd)
    assert (eurusd.instrument.id, eurusd.instrument.pip_size, len(eurusd.ticks.price)) == ("EURUSD", 5, recorded.eurusd_rows)
    # 17:00:00.065 in New York in winter.
    assert eurusd.ticks.epoch_ms[0] == recorded.eurusd_first_ms
    assert (eurusd.ticks.bid[0], eurusd.ticks.ask[0], eurusd.ticks.price[0]) == recorded.eurusd_first
    (btcusdt,) = read_recordings(recorded.btcusdt)
    assert (btcusdt.instrument.id, btcusdt.instrument.pip_size, len(btcusdt.ticks.price)) == ("BTCUSDT", 2, recorded.btcusdt_rows)
    assert btcusdt.ticks.epoch_ms[0] == recorded.btcusdt_first_ms
    assert (btcusdt.ticks.bid[0], btcusdt.ticks.ask[0], btcusdt.ticks.price[0]) == recorded.btcusdt_first
    assert caplog.records == []
