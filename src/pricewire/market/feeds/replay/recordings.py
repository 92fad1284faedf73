"""Recorded quotes, read from CSV or Parquet: by instrument, in order, in pips."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pricewire.errors import FeedError
from pricewire.extras import missing_extra
from pricewire.market.feed import PastTicks
from pricewire.market.feeds.replay.recording_csv import read_csv
from pricewire.market.feeds.replay.recording_rows import CleanRows, RecordedRows, clean
from pricewire.market.markets import Market, market_of_pair
from pricewire.market.pips import MOST_PIPS, Floats, middles
from pricewire.protocol.messages import Instrument

logger = logging.getLogger(__name__)

SHOWN_PROBLEMS = 10
"""How many malformed rows are reported one by one."""

MOST_DECIMALS = 10
"""The most decimals that a recording's prices are taken to have; what has more are remains of binary fractions."""

STRAY = 1000
"""One price in so many may have more decimals than the others without giving all of them as many."""

TEXTS = (".csv", ".txt", ".tsv")
"""The suffixes of files with delimited columns."""

PARQUET = (".parquet", ".pq")

HISTDATA_NAME = re.compile(r"DAT_[A-Z]+_([A-Z0-9]+)_", re.IGNORECASE)
"""The beginning of HistData's own file names, `DAT_ASCII_EURUSD_T_202001.csv`."""


@dataclass(frozen=True, eq=False, slots=True)
class Recording:
    """
    What was recorded of one instrument.

    Attributes:
        instrument: with as many decimals as its prices use.
        ticks: in the order of their times.
    """

    instrument: Instrument
    ticks: PastTicks


def read_recordings(
    path: Path, *, instrument_id: str | None = None, timezone: str | None = None, market: Market | None = None
) -> list[Recording]:
    """
    Read a file. Malformed rows are logged and skipped; rows out of order are put in order.

    Args:
        path: of a `.csv`, `.txt` or `.tsv` file, or of a `.parquet` or `.pq` one.
        instrument_id: the instrument; by default what the file's symbol column or else its name says.
        timezone: of times that name none: of the IANA database, or an offset such as `-05:00`; by default UTC, and New York without
            daylight saving for HistData's compact form.
        market: of all instruments; by default what their names say, and `Stocks` where they do not name a pair.

    Raises:
        FeedError: the file cannot be read, has no usable row, or names several instruments although one is given.
        MissingExtraError: pyarrow, which reads Parquet, is not installed.
    """
    try:
        rows = read_file(path, timezone)
    except FileNotFoundError as error:
        raise FeedError(f"recording {path}: there is no such file") from error
    except (OSError, FeedError) as error:
        raise FeedError(f"recording {path}: {error}") from error
    cleaned = clean(rows)
    report(path, rows)
    if len(cleaned.epoch_ms) == 0:
        first = f"; {rows.unit} {rows.problems[0][0]}: {rows.problems[0][1]}" if rows.problems else ""
        raise FeedError(f"recording {path}: no row can be used{first}")
    symbols = sorted(set(cleaned.symbol))
    if instrument_id is not None and len(symbols) > 1:
        raise FeedError(f"recording {path}: cannot be {instrument_id} alone, it has {', '.join(symbols)}")
    disorder = int(np.count_nonzero(np.diff(cleaned.epoch_ms) < 0))
    if disorder:
        logger.warning("%s: %d rows were older than the one before; put in order", path.name, disorder)
    return [recording(cleaned, symbol, instrument_id or id_of(symbol, path), market) for symbol in symbols]


def read_file(path: Path, timezone: str | None) -> RecordedRows:
    """
    Return the rows of a file, and what is wrong with those that cannot be read.

    Raises:
        FeedError: the file is of a kind that is not read, or it is not what its name says.
        MissingExtraError: pyarrow, which reads Parquet, is not installed.
        OSError: it cannot be read.
    """
    suffix = path.suffix.lower()
    if not path.exists():
        raise FileNotFoundError(path)
    if suffix in TEXTS:
        return read_csv(path, timezone)
    if suffix not in PARQUET:
        raise FeedError(f"a file of the kind {suffix or path.name!r} is not read; give a {', '.join(TEXTS)}, {' or '.join(PARQUET)} file")
    try:
        from pricewire.market.feeds.replay.recording_parquet import read_parquet
    except ImportError as error:
        raise missing_extra(error, f"recording {path}") from error
    return read_parquet(path, timezone)


def recording(rows: CleanRows, symbol: str, instrument_id: str, market: Market | None) -> Recording:
    """Return what was recorded under a symbol."""
    chosen = np.array([each == symbol for each in rows.symbol])
    order = np.argsort(rows.epoch_ms[chosen], kind="stable")
    epoch_ms = rows.epoch_ms[chosen][order]
    bid, ask = rows.bid[chosen][order], rows.ask[chosen][order]
    pip_size = decimals_of(np.concatenate([bid, ask]))
    # A price with no more than these decimals becomes exactly its pips: the product is wrong by far less than half a pip.
    bids, asks = (np.rint(prices * 10.0**pip_size).astype(np.int64) for prices in (bid, ask))
    market = market or market_of_pair(symbol) or market_of_pair(instrument_id) or "Stocks"
    instrument = Instrument(id=instrument_id, display_name=symbol or instrument_id, categories=[market, "Recording"], pip_size=pip_size)
    return Recording(instrument, PastTicks(instrument_id, epoch_ms, middles(bids, asks), asks, bids))


def decimals_of(prices: Floats) -> int:
    """Return how many decimals prices use, zeros at the end left out, and a stray price in a thousand as well."""
    fitting = (d for d in range(MOST_DECIMALS + 1) if float(prices.max()) * 10.0**d < MOST_PIPS)
    found = 0
    for found in fitting:
        misfits = np.abs(np.round(prices, found) - prices) > 4 * np.finfo(np.float64).eps * prices
        if np.count_nonzero(misfits) * STRAY <= len(prices):
            break
    return found


def id_of(symbol: str, path: Path) -> str:
    """
    Return an instrument's id: `BTCUSDT` of the symbol `BTC/USDT`, or `EURUSD` of a file `eurusd-quotes.csv`.

    Raises:
        FeedError: nothing is left that could be an id.
    """
    histdata = HISTDATA_NAME.match(path.name)
    name = symbol or (histdata[1] if histdata else re.split(r"[-. ]", path.name)[0].upper())
    instrument_id = re.sub(r"[^A-Za-z0-9_.\-]", "", name)[:64]
    if not instrument_id:
        raise FeedError(f"recording {path}: neither a symbol nor the file's name says which instrument it is; name one")
    return instrument_id


def report(path: Path, rows: RecordedRows) -> None:
    """Log the malformed rows: the first ones, then how many more."""
    for number, problem in rows.problems[:SHOWN_PROBLEMS]:
        logger.warning("%s, %s %d skipped: %s", path.name, rows.unit, number, problem)
    more = len(rows.problems) - SHOWN_PROBLEMS
    if more > 0:
        logger.warning("%s: %d more malformed rows skipped", path.name, more)
