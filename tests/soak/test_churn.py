"""Less than a minute of the churn: nothing here depends on how fast the machine is."""

from __future__ import annotations

import sys

import pytest

if sys.platform != "linux":
    pytest.skip("the soak test reads Linux's /proc", allow_module_level=True)

from soak.churn import ChurnSettings, run_churn
from soak.server import SoakServer


async def test_subscribers_come_and_go_over_a_bad_network() -> None:
    with SoakServer() as server:
        result = await run_churn(f"http://127.0.0.1:{server.port}", ChurnSettings(seconds=45, silence=60, troubled=0.3))
    assert (result.lost, result.wrong, result.silent) == (0, 0, 0), result.samples
    assert result.events, "subscribers got something"
    assert result.cuts, "streams were cut"
    assert result.troubles, "changes failed"
