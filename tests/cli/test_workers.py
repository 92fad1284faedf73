"""`pricewire serve --workers`: gateways that share a port, whose processes may die."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import secrets
import signal
import ssl
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import httpx2
import nats
import nats.errors
import pytest
from litestar.routes import HTTPRoute

import pricewire
from pricewire.protocol.messages import Tick
from pricewire.protocol.topics import ProposalTopic
from pricewire.server.app import create_app
from pricewire.server.services import TradingSetup
from support.app_server import KEY
from support.collector import Collector, collector
from support.command import pricewire as command
from support.command import served
from support.feeds import HandFeed
from support.metrics import metric, wait_until
from support.same_answers import CASES, OF_PAGE, Asked, compared, variants
from support.serving import PATIENCE, EventReader
from support.tls import Certificate
from support.workers import FIRST, NATS, SECOND, SERVER, Workers, opened, until_gone, workers

TOPIC = "ticks:1HZ100V"
STREAM = f"/sse?topic={TOPIC}"


@pytest.fixture(scope="module")
def collected() -> Iterator[Collector]:
    """What the workers export."""
    with collector() as collected:
        yield collected


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, collected: Collector) -> Iterator[Workers]:
    variables = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collected.url,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "OTEL_METRIC_EXPORT_INTERVAL": "1000",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        with workers(tmp_path_factory.mktemp("workers"), "--rate", "10") as running:
            yield running


def next_seq(reader: EventReader) -> int:
    """Return the number of the next tick; what else comes says that prices are old for now."""
    while True:
        event, data = reader.next()
        if event == "message":
            assert "merged" not in data
            return int(data["seq"])
        assert event == "stale"


def holders(running: Workers) -> list[str]:
    """Return which gateways hold streams."""
    return [name for name in (FIRST, SECOND) if metric(running.admin, "pricewire_streams", worker=name)]


def all_up(running: Workers) -> bool:
    return metric(running.admin, "pricewire_worker_up") == 3


def test_each_process_may_die_and_no_event_is_lost_or_doubled(running: Workers) -> None:
    reader = opened(running.url, STREAM)
    try:
        seq = next_seq(reader)
        for name in (SERVER, NATS):
            killed = running.pid(name)
            running.kill(name)
            until_gone([killed])
            wait_until(lambda: httpx2.get(f"{running.admin}/readyz", timeout=PATIENCE).status_code == 200)
            for _ in range(30):
                seq += 1
                assert next_seq(reader) == seq
        running.wait_for(r'"server has ended: SIGKILL; it is started again in 0\.5 s"')
        wait_until(lambda: len(holders(running)) == 1)
        running.kill(holders(running)[0])
        with contextlib.suppress(EOFError, ConnectionResetError):
            while True:
                assert next_seq(reader) == seq + 1
                seq += 1
    finally:
        reader.socket.close()
    with opened(running.url, STREAM, last_id=reader.last_id) as again:
        assert again.head["pricewire-start"] == "resumed"
        assert next_seq(again) == seq + 1
    wait_until(lambda: all_up(running))


def test_a_worker_that_hangs_is_not_up_and_the_metrics_come_all_the_same(running: Workers) -> None:
    wait_until(lambda: all_up(running))
    hanging = running.pid(SERVER)
    os.kill(hanging, signal.SIGSTOP)
    try:
        # What was gathered before is kept for a moment.
        wait_until(lambda: metric(running.admin, "pricewire_worker_up", worker=SERVER) == 0)
        wait_until(lambda: metric(running.admin, "pricewire_worker_up") == 2)
    finally:
        os.kill(hanging, signal.SIGCONT)
    wait_until(lambda: all_up(running))


def test_the_metrics_are_those_of_all_workers(running: Workers) -> None:
    with opened(running.url, STREAM), opened(running.url, "/v1/market/instruments/ticks/stream?instrument_id=R_100"):
        wait_until(lambda: metric(running.admin, "pricewire_streams") == 2)
        wait_until(lambda: metric(running.admin, "pricewire_streams", endpoint="ticks") == 1)
        # Those of a gateway that was killed count for a while.
        wait_until(lambda: metric(running.admin, "pricewire_gateway_streams") == 2)
        assert metric(running.admin, "pricewire_streams", worker=SERVER) == 0
    text = httpx2.get(f"{running.admin}/metrics", timeout=PATIENCE).text
    for name in (SERVER, FIRST, SECOND):
        assert f'process_cpu_seconds_total{{worker="{name}"}}' in text
        assert f'pricewire_loop_delay_seconds_count{{worker="{name}"}}' in text
    assert text.count("# TYPE pricewire_streams gauge") == 1
    shown = (Path(__file__).parents[2] / "deploy" / "grafana" / "gateways.json").read_text()
    for name in set(re.findall(r"\bpricewire_\w+", shown)):
        assert re.search(rf"^{name}{{", text, re.MULTILINE), name
    for name in ("/metrics", "/readyz"):
        assert httpx2.get(running.url + name, timeout=PATIENCE).status_code == 404


def test_clients_and_purchases(running: Workers) -> None:
    wait_until(lambda: all_up(running))
    answer = httpx2.post(f"{running.url}/login", json={"account_id": "demo", "password": "demo"}, timeout=PATIENCE)
    with pricewire.sync.connect(running.url, token=answer.json()["token"]) as client:
        with client.ticks("1HZ100V") as ticks:
            assert isinstance(next(iter(ticks)), Tick)
        contract = ProposalTopic("rise_fall", "1HZ100V", 5, "minutes", Decimal(1), allow_equals=False)
        first, again = (client.buy(contract, "rise", idempotency_key="once") for _ in range(2))
        assert first.contract_id == again.contract_id


def test_no_route_is_left_out(tmp_path: Path) -> None:
    setup = TradingSetup(tmp_path / "pricewire.db", tmp_path / "journal", KEY)
    app = create_app([HandFeed()], trading=setup, stop=lambda: None)
    routes = {(method, each.path) for each in app.routes if isinstance(each, HTTPRoute) for method in each.methods if method != "OPTIONS"}
    listed = {(case.method, case.route) for case in CASES}
    assert routes <= listed
    assert listed - routes <= OF_PAGE


def test_every_route_answers_as_that_of_one_process(running: Workers, tmp_path: Path) -> None:
    wait_until(lambda: all_up(running))
    alone = ("--rate", "10", "--port", "0", "--admin-port", "0", "--data-dir", "data")
    with served(*alone, cwd=tmp_path) as (url, said):
        admin = re.search(r"Metrics, readiness and /admin are at (\S+)\.", said)
        assert admin is not None, said
        with Asked(url, admin[1]) as one, Asked(running.url, running.admin) as several:
            found = [
                f"{each.method} {each.route}?{each.query} {each.name}: {difference}"
                for case in CASES
                for each in variants(case)
                if (difference := compared((one, several), each))
            ]
    assert not found, "\n".join(found)


def test_a_request_is_one_trace_over_gateway_and_server(running: Workers, collected: Collector) -> None:
    wait_until(lambda: all_up(running))
    trace_id, client_id = secrets.token_hex(16), secrets.token_hex(8)
    headers = {"traceparent": f"00-{trace_id}-{client_id}-01"}
    assert httpx2.get(f"{running.url}/v1/market/instruments", headers=headers, timeout=PATIENCE).status_code == 200
    found = collected.wait_for(lambda: found if len(found := collected.trace(trace_id)) == 2 else None)
    spans = {str(whose["pricewire.role"]): span for whose, span in found}
    assert spans["gateway"].parent_span_id.hex() == client_id
    assert spans["all"].parent_span_id == spans["gateway"].span_id
    assert {span.name for span in spans.values()} == {"GET /v1/market/instruments"}


def test_each_worker_exports_its_metrics(running: Workers, collected: Collector) -> None:
    wait_until(lambda: all_up(running))
    expected = {(SERVER, "all"), (FIRST, "gateway"), (SECOND, "gateway")}

    def found() -> set[tuple[object, object]]:
        # The one process that the workers are compared with exports its own too.
        exporting = [whose for whose, _ in collected.metrics.values() if "pricewire.worker" in whose]
        return {(whose["pricewire.worker"], whose["pricewire.role"]) for whose in exporting}

    assert collected.wait_for(lambda: found() if len(found()) == 3 else None) == expected


async def test_nobody_without_the_key_reaches_the_bus(running: Workers) -> None:
    folder = Path(f"/proc/{running.process.pid}/cwd") / "data" / "workers"
    assert folder.stat().st_mode & 0o077 == 0
    assert (folder / "key.pem").stat().st_mode & 0o077 == 0
    listen = (folder / "nats.conf").read_text().partition('listen: "')[2].partition('"')[0]
    context = ssl.create_default_context(cafile=folder / "certificate.pem")

    async def ignore(error: Exception) -> None:
        pass

    for url, tls in ((f"nats://{listen}", None), (f"tls://{listen}", context)):
        with pytest.raises((nats.errors.Error, OSError, asyncio.TimeoutError)):
            await nats.connect(url, tls=tls, allow_reconnect=False, error_cb=ignore)


def test_a_signal_ends_streams_in_an_orderly_way_and_leaves_nothing(tmp_path: Path) -> None:
    first = Certificate(tmp_path)
    chain, key = first.options.values()
    with workers(tmp_path, "--drain-seconds", "0.5", "--tls-cert", chain, "--tls-key", key) as running:
        children = running.children()
        assert len(children) == 4
        with opened(running.url, STREAM, context=first.context) as reader:
            reader.next()
            # Each gateway reads a renewed certificate.
            second = Certificate(tmp_path)
            running.process.send_signal(signal.SIGHUP)
            for name in (FIRST, SECOND):
                running.wait_for(rf'SIGHUP: new connections get the certificate of .*"worker":"{name}"')
            with opened(running.url, STREAM, context=second.context) as other:
                other.next()
            running.process.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + PATIENCE
            while (event := reader.next())[0] != "error":
                assert time.monotonic() < deadline
            assert event[1]["error"]["code"] == "SERVER_DRAINING"
            reader.wait_for_end()
        assert running.wait() == -signal.SIGTERM
        until_gone(children)
        # NATS calls it an error where a client has gone during its handshake.
        errors = [line for line in running.said if '"level":"error"' in line and '"logger":"nats-server"' not in line]
        assert errors == []


DEAD = """
import asyncio
from pricewire.protocol.messages import Instrument

class Feed:
    instruments = [Instrument("GOLD", "Gold", ["Commodities"], 2)]

    async def __aiter__(self):
        await asyncio.Event().wait()
        yield
"""


def test_nothing_outlives_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    # It serves, though its feed brings nothing.
    (tmp_path / "dead.py").write_text(DEAD)
    with workers(tmp_path, "--feed", "dead:Feed") as running:
        assert httpx2.get(f"{running.url}/v1/market/instruments", timeout=PATIENCE).json()["data"]["instruments"][0]["id"] == "GOLD"
        children = running.children()
        assert len(children) == 4
        running.process.kill()
        running.wait()
        until_gone(children)
    # And the next one begins, on what that one has left.
    with workers(tmp_path) as running:
        with opened(running.url, STREAM) as reader:
            reader.next()
        other = command("serve", "--workers", "1", "--port", "0", "--data-dir", "data", cwd=tmp_path)
        assert (other.returncode, "is in use by another process" in other.stderr) == (1, True), other.stderr
        # What is for operators is at their address alone, and ends all processes.
        token = command("token", "demo", "--scope", "admin", "--data-dir", "data", cwd=tmp_path).stdout.strip()
        headers = {"Authorization": f"Bearer {token}"}
        assert httpx2.get(f"{running.url}/protected/sse?topic=admin", headers=headers, timeout=PATIENCE).status_code == 400
        with httpx2.stream("GET", f"{running.admin}/protected/sse?topic=admin", headers=headers, timeout=PATIENCE) as stream:
            assert stream.status_code == 200
        assert httpx2.post(f"{running.url}/v1/admin/drain", headers=headers, timeout=PATIENCE).status_code == 404
        assert httpx2.post(f"{running.admin}/v1/admin/drain", headers=headers, timeout=PATIENCE).status_code == 202
        assert running.wait() == -signal.SIGTERM


def test_what_cannot_start_is_said_once_and_leaves_nothing(tmp_path: Path) -> None:
    done = command("serve", "--workers", "1", "--port", "0", "--database", str(tmp_path), "--data-dir", "data", cwd=tmp_path)
    assert done.returncode == 1
    assert "cannot be opened" in done.stderr
    assert "pricewire: server could not start: exit status 1" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--role", "gateway", "--bus", "nats://127.0.0.1:1"], "--role, --bus and --reuse-port do not go with it"),
        (["--uds", "x.sock"], "--uds and --fd do not go with it"),
        (["--data-dir", "x" * 100], "is too long for a socket"),
    ],
)
def test_options_that_do_not_fit(options: list[str], said: str, tmp_path: Path) -> None:
    done = command("serve", "--workers", "1", "--port", "0", *options, cwd=tmp_path)
    assert done.returncode == 1
    assert said in done.stderr


def test_a_number_of_workers_is_at_least_one(tmp_path: Path) -> None:
    done = command("serve", "--workers", "0", cwd=tmp_path)
    assert done.returncode == 1
    assert "--workers 0: give a number from 1" in done.stderr
