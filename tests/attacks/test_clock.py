"""The server's clock is set back or forward by an hour while streams are open: nobody gets less, and nobody more, by that."""

from __future__ import annotations

import re
import time
from pathlib import Path

import httpx2
import pytest

import pricewire
from support.app_server import TOKENS, Events, add_account, bearer, open_app_server
from support.feeds import HandFeed

WALL_CLOCK = re.compile(r"time\.time\(\)|time\.time_ns\(\)|=\s*time\.time\b|datetime\.now\(")

ABSOLUTE = {
    "server/admin_report.py": "when the server began, and when a report was made, for readers",
    "server/auth/revocation.py": "until when a revoked token could be believed",
    "server/auth/service.py": "whether a token has expired",
    "server/auth/tickets.py": "until when a ticket is good, for its reader",
    "server/auth/token_watch.py": "how much of its life a token has left",
    "server/auth/tokens.py": "when a token is issued",
    "server/gateways/gateway.py": "since when nothing has come, for readers",
    "server/gateways/market_source.py": "which recorded ticks are too old to be asked for",
    "server/mercure/access_tokens.py": "whether a token has expired",
    "server/mercure/application.py": "whether a token has expired",
    "server/metrics.py": "how old the newest prices are, by their feeds' clocks",
    "server/routes/accounting.py": "which day it is",
    "server/routes/streams.py": "how many candles there are since a time",
    "server/routes/topics.py": "when a topic's newest event was published, for readers",
    "server/services.py": "what is old among the recorded ticks",
    "server/stream_opener.py": "whether a token has expired",
    "server/telemetry/exporting.py": "since when a metric has been counted, for collectors",
    "server/telemetry/metric_data.py": "when a metric was read, for collectors",
}
"""Where the clock on the wall is asked, and what for: dates, as others write them."""


def test_intervals_go_by_a_clock_that_nobody_sets() -> None:
    package = Path(pricewire.__file__).parent
    paths = [path for part in ("hub", "server") for path in (package / part).rglob("*.py")]
    asked = {path.relative_to(package).as_posix() for path in paths if WALL_CLOCK.search(path.read_text())}
    assert asked == set(ABSOLUTE)


@pytest.mark.parametrize("step", [-3600, 3600])
def test_a_clock_that_is_set_harms_no_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, feed: HandFeed, step: int) -> None:
    database = tmp_path / "pricewire.db"
    alice = add_account(database, "alice")
    token = TOKENS.issue(alice.uuid, lifetime=3 * 3600)
    real = time.time
    with (
        open_app_server(database, feed, heartbeat=0.2) as server,
        Events(server, "/sse?topic=ticks:GOLD") as public,
        Events(server, f"/protected/sse?topic=balance:{alice.uuid}", token) as protected,
    ):
        ticket = httpx2.post(f"{server.url}/v1/tickets", headers=bearer(token)).json()["data"]["ticket"]
        protected.next()
        monkeypatch.setattr(time, "time", lambda: real() + step)
        for number in range(1, 4):
            epoch_ms = 1_800_014_400_000 + number
            server.call(feed.give, number, number + 1, epoch_ms)
            assert public.until(lambda data: "seq" in data)["data"]["epoch_ms"] == str(epoch_ms)
        for _ in range(5):
            protected.read_until(b":\n")
        with Events(server, f"/protected/sse?topic=balance:{alice.uuid}&ticket={ticket}") as another:
            assert another.status == 200
            another.next()
        assert httpx2.get(f"{server.url}/healthz").text == "ok\n"
        server.begin_to_stop()
        assert protected.wait_for("error")["error"]["code"] == "SERVER_DRAINING"
