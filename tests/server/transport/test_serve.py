"""Stopping the server: streams are drained, and meanwhile the other requests answered."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import httpx2
import pytest

from pricewire.market.feeds.simulated.feed import SimulatedFeed
from pricewire.protocol.decoder import EventStreamDecoder
from pricewire.server.app import create_app
from pricewire.server.transport.serve import make_server
from support.doc_blocks import Program
from support.serving import Reader, Serving


def test_a_server_that_stops_drains_its_streams() -> None:
    with Serving(create_app([SimulatedFeed(seed=1)]), drain_seconds=8.0) as serving:
        readers = [Reader(serving.url, "/sse?topic=ticks:R_100", headers={"Connection": "close"}) for _ in range(10)]
        for reader in readers:
            assert reader.read_head()[0] == 200
        serving.begin_to_stop()
        while httpx2.get(f"{serving.url}/readyz").status_code == 200:
            pass
        assert httpx2.get(f"{serving.url}/healthz").status_code == 200
        refused = httpx2.get(f"{serving.url}/sse?topic=ticks:R_100")
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "SERVER_DRAINING"
        assert 1 <= int(refused.headers["retry-after"]) <= 20
        retries = set()
        for reader in readers:
            body = reader.read_to_end()
            assert body.endswith(b"0\r\n\r\n")
            assert b"SERVER_DRAINING" in body
            retries.add(body.partition(b"retry: ")[2].partition(b"\n")[0])
            reader.socket.close()
        assert len(retries) > 5, "they are not to come back together"


def test_gzip_streams_end_with_their_trailer() -> None:
    with Serving(create_app([SimulatedFeed(seed=1, rate=50)])) as serving:
        with httpx2.stream("GET", f"{serving.url}/sse?topic=ticks:R_100") as response:
            assert response.headers["content-encoding"] == "gzip"
            decoder = EventStreamDecoder()
            events = []
            for chunk in response.iter_bytes():
                events += decoder.feed(chunk)
                if len(events) > 20:
                    serving.begin_to_stop()
        assert json.loads(events[-1].data)["error"]["code"] == "SERVER_DRAINING"


@pytest.mark.parametrize("option", [{"workers": 2}, {"reload": True}])
def test_what_would_have_no_effect_is_refused(option: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="are not possible"):
        make_server(create_app([]), **option)  # type: ignore[arg-type]


def test_a_file_that_serves_itself_is_refused_where_a_server_imports_it(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("import pricewire\n\nasync def app(scope, receive, send): ...\n\npricewire.run(app, port=0)\n")
    source = str(Path(__file__).parents[3] / "src")
    with Program([sys.executable, "-m", "uvicorn", "app:app", "--port", "0"], tmp_path, {"PYTHONPATH": source}) as program:
        program.wait_for("pricewire.run was called while uvicorn imports the application: write `if __name__ ==")
        assert program.wait() != 0
