"""Streams of real servers on real sockets: ours, FastAPI's and sse-starlette's, over TLS, by the command line and in pytest."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
import ssl
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sse_starlette import EventSourceResponse as SseStarletteResponse

import pricewire
from pricewire.cli.main import main
from pricewire.errors import PricewireError
from pricewire.verify import RULES, Options, Report, Verdict, verify
from pricewire.verify.servers import BY_SERVER, GENERAL
from support.command import environment
from support.serving import Serving
from support.tls import Certificate

pytest_plugins = ["pytester"]

BUSY_S = (2.0, 8.0, 30.0)
"""For how long a stream is watched, in seconds; longer where a busy machine has let too little come."""


@asynccontextmanager
async def publishing(app: FastAPI) -> AsyncIterator[None]:
    """Publish an event each tenth of a second while the application runs."""

    async def publish() -> None:
        for number in itertools.count(1):
            hub.publish("news", {"number": number}, key="news")
            await asyncio.sleep(0.1)

    hub: pricewire.Hub = app.state.hub
    task = asyncio.create_task(publish())
    yield
    task.cancel()


def make_app() -> FastAPI:
    """Make an application with a stream of ours, one of FastAPI's own, and one of sse-starlette."""
    app = FastAPI(lifespan=publishing)
    app.state.hub = pricewire.Hub()

    @app.get("/ours")
    async def ours() -> pricewire.EventStream:
        return pricewire.EventStream(app.state.hub, ["news"])

    @app.get("/fastapi", response_class=EventSourceResponse)
    async def counted() -> AsyncIterator[ServerSentEvent]:
        for number in itertools.count(1):
            yield ServerSentEvent(data=number, id=str(number))
            await asyncio.sleep(0.1)

    @app.get("/sse-starlette")
    async def without_ids() -> SseStarletteResponse:
        async def events() -> AsyncIterator[str]:
            while True:
                yield "news"
                await asyncio.sleep(0.1)

        return SseStarletteResponse(events())

    return app


@pytest.fixture(scope="module")
def served() -> Iterator[str]:
    """The address of a server of all three."""
    with Serving(make_app()) as server:
        yield server.url


async def report_on(url: str, *known: str) -> Report:
    """Test a stream, for longer while a busy machine lets too little come to know some rules."""
    said = ""
    for until in BUSY_S:
        report = await verify(url, Options(until=until))
        if all(report[name].verdict is not Verdict.UNKNOWN for name in known):
            return report
        said += report.text()
    pytest.fail(said)


async def test_streams_of_three_libraries(served: str) -> None:
    resuming = ("resume", "resume-after-cut", "resume-later")
    ours, counted, without_ids = await asyncio.gather(
        report_on(f"{served}/ours", "buffering", "same-ids", *resuming),
        report_on(f"{served}/fastapi", "buffering", "resume", "resume-later"),
        report_on(f"{served}/sse-starlette", "buffering", "ids"),
    )
    assert {each.name for each in ours.findings if each.verdict not in (Verdict.PASSED, Verdict.UNKNOWN)} == set(), ours.text()
    assert {ours[name].verdict for name in resuming} == {Verdict.PASSED}
    assert "Pricewire" in ours.servers
    # A generator for each connection begins anew, whatever the client has had.
    broken = {each.name for each in counted.failures}
    assert {"resume", "resume-later"} <= broken <= set(resuming), counted.text()
    assert any("last_event_id: Annotated[str | None, Header()]" in line for line in counted["resume"].advice)
    assert not without_ids.failures, without_ids.text()
    assert without_ids["ids"].verdict is Verdict.WARNED


async def test_tls_is_looked_at(tmp_path: Path) -> None:
    certificate = Certificate(tmp_path)
    with Serving(make_app(), **certificate.options) as server:
        trusting = await verify(f"{server.url}/ours", Options(until=1.0, context=certificate.context))
        assert trusting["tls"].verdict is Verdict.PASSED, trusting.text()
        assert trusting["http2"].verdict is Verdict.WARNED
        assert trusting["status"].verdict is Verdict.PASSED
        wary = await verify(f"{server.url}/ours", Options(until=1.0, context=ssl.create_default_context()))
        assert {each.name for each in wary.failures} == {"tls", "status"}
        assert "certificate verify failed" in wary["tls"].detail


async def test_nobody_there_and_what_is_no_address_are_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    report = await verify(f"http://127.0.0.1:{port}/secret?token=abc", Options(until=1.0))
    assert report["status"].detail.startswith("no connection: ")
    assert "abc" not in report.text() + report.json() + report.junit()
    for url in ("ftp://localhost/", "localhost/stream", "http://", "http://user:secret@localhost/", "http://localhost:70000/"):
        with pytest.raises(PricewireError, match="the stream's address") as raised:
            await verify(url)
        assert "secret" not in str(raised.value)


def test_the_command_reports_as_text_json_and_junit(served: str, tmp_path: Path) -> None:
    junit = tmp_path / "verify.xml"
    command = [sys.executable, "-m", "pricewire.verify", f"{served}/sse-starlette", "--until", "1s", "--junit", str(junit), "--load", "25"]
    more = ["--json", "--header", "X-Test: 1", "--token-command", "echo abc", "--publish-command", "exit 3"]
    result = subprocess.run([*command, *more], capture_output=True, text=True, timeout=120, env=environment(), check=False)
    report = json.loads(result.stdout)
    verdicts = {each["name"]: each["verdict"] for each in report["findings"]}
    assert list(verdicts) == [rule.name for rule in RULES]
    assert result.returncode == (not report["is_ok"]), result.stderr
    assert report["is_ok"] is ("failed" not in verdicts.values())
    assert "opening 25 streams at once" in result.stderr
    assert "publishing failed: --publish-command: it ended with status 3" in result.stderr
    assert verdicts["token-in-address"] == "passed" or verdicts["authorization"] == "unknown"
    suite = ElementTree.parse(junit).getroot()
    assert [case.get("name") for case in suite.iter("testcase")] == list(verdicts)
    assert len(list(suite.iter("failure"))) == list(verdicts.values()).count("failed")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["http://localhost", "--until", "0s"], "--until 0s: from 1 second to an hour"),
        (["http://localhost", "--load", "-1"], "--load -1: from 0 to 10000 streams"),
        (["http://localhost", "--header", "no colon"], "a header is written 'Name: value'"),
        (["http://localhost", "--token-command", "exit 4"], "--token-command: it ended with status 4"),
        (["http://localhost", "--token-command", "true"], "the token is empty"),
    ],
)
def test_what_cannot_be_done_is_said(arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["verify", *arguments])
    assert ended.value.code == 1
    assert text in capsys.readouterr().err


def test_a_service_holds_its_own_stream_to_the_rules_in_pytest(served: str, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(f"""
        from pricewire.verify import Options, Verdict

        def test_sound(verify_stream):
            report = verify_stream("{served}/sse-starlette", Options(until=1.0))
            assert report["media-type"].verdict is Verdict.PASSED

        def test_ignored(verify_stream):
            verify_stream("{served}/docs", Options(until=1.0), ignore=["media-type"])

        def test_broken(verify_stream):
            verify_stream("{served}/docs", Options(until=1.0))
    """)
    result = pytester.runpytest_inprocess("-p", "pricewire.verify.pytest_plugin", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*AssertionError: http://127.0.0.1:*/docs breaks 1 rule*", "*media-type: it is 'text/html'*"])


def test_each_rule_has_advice_and_a_section_of_the_documentation() -> None:
    page = (Path(__file__).parents[2] / "docs/verify.md").read_text()
    sections = [line.removeprefix("### ") for line in page.splitlines() if line.startswith("### ")]
    assert sections == [rule.name for rule in RULES]
    assert set(GENERAL) == set(sections)
    for advice in BY_SERVER.values():
        assert set(advice) <= set(sections)
