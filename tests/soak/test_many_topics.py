"""A short form of the ten minutes, and what its judge sees. Nothing here depends on how fast the machine is."""

from __future__ import annotations

import sys

import pytest

if sys.platform != "linux":
    pytest.skip("the soak test reads Linux's /proc", allow_module_level=True)

from soak.many_topics import Figures, measure
from soak.server import SoakServer

MIB = 1024 * 1024


async def test_a_short_run() -> None:
    with SoakServer(instruments=30, interval_ms=50) as server:
        figures = await measure(f"http://127.0.0.1:{server.port}", seconds=15, topics=30)
    assert figures.silent == 0
    assert len(figures.memory) == len(figures.cpu) == len(figures.events) > 5
    assert figures.events == sorted(figures.events)
    assert min(*figures.memory_medians(), *figures.costs()) > 0


def test_what_does_not_stay_flat_is_told() -> None:
    seconds = range(100)
    flat = Figures([50 * MIB] * 100, [1000 * second for second in seconds], [0.02 * second for second in seconds])
    assert flat.broken() == []
    assert flat.memory_medians() == (50 * MIB, 50 * MIB)
    assert list(flat.costs()) == pytest.approx([2e-5, 2e-5])

    leaking = Figures([(50 + second // 5) * MIB for second in seconds], flat.events, flat.cpu)
    assert leaking.broken() == ["memory grew from 55 to 67 MiB"]
    tiring = Figures(flat.memory, flat.events, [0.0002 * second**2 for second in seconds])
    assert tiring.broken() == ["an event cost 11.8 and then 35.8 microseconds"]
    assert Figures(flat.memory, flat.events, flat.cpu, silent=3).broken() == ["nothing came of 3 topics"]
