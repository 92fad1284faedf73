"""Recordings in the forms in which they are found: made-up ones of the test tree, and the real ones where they are beside the project."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Recorded:
    """A folder with one recording as HistData writes them and one as a pandas table, and what stands in them."""

    folder: Path
    eurusd_rows: int
    eurusd_first_ms: int
    eurusd_first: tuple[int, int, int]
    eurusd_hours: float
    btcusdt_rows: int
    btcusdt_first_ms: int
    btcusdt_first: tuple[int, int, int]

    @property
    def eurusd(self) -> Path:
        return self.folder / "eurusd-quotes.csv"

    @property
    def btcusdt(self) -> Path:
        return self.folder / "btcusdt-quotes.parquet"


SMALL = Recorded(
    Path(__file__).with_name("recordings"),
    eurusd_rows=150,
    eurusd_first_ms=1_704_232_800_065,
    eurusd_first=(109_450, 109_478, 109_464),
    eurusd_hours=1_356_451 / 3_600_000,
    btcusdt_rows=60,
    btcusdt_first_ms=1_704_672_001_076,
    btcusdt_first=(4_394_329, 4_394_409, 4_394_369),
)

REAL = Recorded(
    Path(__file__).parents[3] / "shared" / "data",
    eurusd_rows=9500,
    eurusd_first_ms=1_577_916_000_065,
    eurusd_first=(112_120, 112_172, 112_146),
    eurusd_hours=6,
    btcusdt_rows=451,
    btcusdt_first_ms=1_610_064_001_076,
    btcusdt_first=(3_943_299, 3_943_362, 3_943_331),
)

RECORDED = [SMALL, REAL] if REAL.folder.is_dir() else [SMALL]
