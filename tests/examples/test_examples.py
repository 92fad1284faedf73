"""The examples, run as they stand, with the hand-over and without."""

from __future__ import annotations

import runpy
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn

from pricewire.hub.hub import Hub
from pricewire.market.feeds.simulated.feed import SimulatedFeed
from pricewire.server.app import create_app
from pricewire.server.auth.keys import local_key
from pricewire.server.services import TradingSetup
from pricewire.server.transport.handover import ChunkedStream, HandoverProtocol
from pricewire.server.transport.serve import Server
from support.doc_blocks import Program
from support.serving import Reader, Serving

SERVERS: dict[str, dict[str, Any]] = {
    "handover": {"http": HandoverProtocol, "server_class": Server},
    "send": {"server_class": uvicorn.Server},
}


EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name: str) -> tuple[Any, Hub]:
    """Run an example without serving it; return its application and its hub."""
    names = runpy.run_path(str(EXAMPLES / name))
    return names["app"], names["hub"]


def handed_over(hub: Hub) -> list[bool]:
    return [isinstance(stream, ChunkedStream) for group in hub._groups.values() for stream in group.members]


@pytest.mark.parametrize("name", SERVERS)
def test_starlette(name: str) -> None:
    app, hub = run("starlette_app.py")
    with Serving(app, **SERVERS[name]) as serving:
        with Reader(serving.url, "/news") as reader:
            assert reader.read_head()[1]["content-type"] == "text/event-stream"
            assert httpx2.post(f"{serving.url}/news", content="The market is open.").status_code == 204
            assert b'"data":{"headline":"The market is open."}}\n\n' in reader.read_until(b"\n\n")
            assert serving.call(handed_over, hub) == [name == "handover"]
        serving.call(hub.close)


@pytest.mark.parametrize("name", SERVERS)
def test_fastapi(name: str) -> None:
    app, hub = run("fastapi_app.py")
    with Serving(app, **SERVERS[name]) as serving:
        assert httpx2.get(f"{serving.url}/orders").status_code == 401
        with Reader(serving.url, "/orders", headers={"X-Account": "7"}) as reader:
            assert reader.read_head()[1]["content-type"] == "text/event-stream"
            for account in ("8", "7"):
                assert httpx2.post(f"{serving.url}/orders", json={"account": account, "status": "filled"}).status_code == 204
            assert b'event: order\ndata: {"account":"7","status":"filled"}\n\n' in reader.read_until(b'filled"}\n\n')
            assert serving.call(handed_over, hub) == [name == "handover"]
        with Reader(serving.url, "/live/sse?topic=orders:7", headers={"Authorization": "Bearer 7"}) as reader:
            assert reader.read_head()[0] == 200
        assert httpx2.get(f"{serving.url}/live/sse?topic=orders:7").status_code == 401
        serving.call(hub.close)
        schema = httpx2.get(f"{serving.url}/openapi.json").json()
        described = schema["paths"]["/orders"]["get"]["responses"]["200"]["content"]
        assert described == {"text/event-stream": {"schema": {"$ref": "#/components/schemas/Order"}}}


def test_threads(server: Serving) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "threads.py"), server.url], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == ["R_10", "R_50", "R_100"]
    assert done.stdout.count("in 5 ticks") == 3


def test_trading_bot(tmp_path: Path) -> None:
    trading = TradingSetup(tmp_path / "pricewire.db", tmp_path / "journal", local_key(tmp_path), demo_account=True)
    with Serving(create_app([SimulatedFeed(seed=1, rate=20)], trading=trading)) as server:
        done = subprocess.run(
            [sys.executable, "-W", "error", str(EXAMPLES / "trading_bot.py"), server.url],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("at ")
    assert any(line.startswith("contract_opened: worth ") for line in lines)
    assert lines[-2].startswith("contract_settled: worth ")
    profit, balance = (Decimal(line.rpartition(" ")[2]) for line in lines[-2:])
    assert balance == 10_000 + profit


def test_django(tmp_path: Path) -> None:
    code = (EXAMPLES / "django_app.py").read_text().replace("port=8000", "port=0")
    (tmp_path / "django_app.py").write_text(code)
    with Program([sys.executable, "-W", "error", tmp_path / "django_app.py"], tmp_path) as program:
        url = program.wait_for(r"running on (http://\S+)")[1]
        token = httpx2.post(f"{url}/token", data={"account": "7"}).text
        stream = "/live/protected/sse?topic=orders:7"
        assert httpx2.get(f"{url}{stream}").status_code == 401
        assert httpx2.get(f"{url}{stream}", headers={"authorization": f"Bearer {token}x"}).status_code == 403
        assert httpx2.get(f"{url}{stream}&topic=orders:8", headers={"authorization": f"Bearer {token}"}).status_code == 403
        with Reader(url, stream, headers={"Authorization": f"Bearer {token}"}) as reader:
            assert reader.read_head()[0] == 200
            assert httpx2.post(f"{url}/orders", data={"account": "7", "status": "filled"}).status_code == 204
            assert b'"data":{"status":"filled"}}\n\n' in reader.read_until(b"\n\n")
            program.interrupt()
            assert b"SERVER_DRAINING" in reader.read_to_end()
        assert program.wait() == 0
