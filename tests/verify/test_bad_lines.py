"""Over lines that are slow, lose, cut and refuse, in a time that jumps: nothing is invented, and nothing is called good that is not."""

from __future__ import annotations

import asyncio
import random
import ssl

import pytest

from pricewire.verify import Facts, Options, Report, Surroundings, Verdict, record, verify
from pricewire.verify.checks.form import dispatch, empty_messages
from pricewire.verify.checks.head import status
from pricewire.verify.checks.requests import accept, head_request
from pricewire.verify.checks.timing import buffering, first_byte
from pricewire.verify.exchange import End
from pricewire.verify.facts import Published
from pricewire.verify.probe import Connect, Connection
from pricewire.verify.target import Target
from support.bad_line import LINES, BadLine
from support.faulty_stream import FAULTS, LARGE, ROOM, SMALL, FaultyStream
from support.virtual_loop import connect, run

BAD = {Verdict.FAILED, Verdict.WARNED}

LEAST = 2
"""How often a sound stream is tested over each line at least."""

OF_THE_LINE = {"breaks-off", "ends-soon", "forgets-soon", "loses-the-cut-one"}
"""Faults that a bad line hides, or turns into others: an answer that never comes, a buffer that is over before it is asked for."""


def report_on(line: str, seed: int, *faults: str) -> Report:
    """Test a server with some faults over a line."""
    bad_line = BadLine(**LINES[line], dice=random.Random(seed))
    tasks = set[asyncio.Task[None]]()

    async def work() -> Report:
        async with FaultyStream(*faults) as server:
            to_server = server.connector()

            def connector(target: Target, context: ssl.SSLContext | None) -> Connect:
                through = to_server(target, context)

                async def open_connection(is_slow: bool) -> Connection:
                    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                        await bad_line.carry((reader, writer), lambda: through(is_slow))

                    return connect(serve, tasks, limit=SMALL if is_slow else LARGE)

                return open_connection

            options = Options(token=server.token, publish=server.publish, shutdown=server.stop, until=60.0, load=ROOM + 10)
            surroundings = Surroundings(connect=connector, epoch=asyncio.get_running_loop().time)
            try:
                return await verify("http://localhost/stream", options, surroundings)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    return run(work())


def bad(report: Report) -> set[str]:
    return {each.name for each in report.findings if each.verdict in BAD}


@pytest.mark.parametrize("line", LINES)
def test_a_bad_line_makes_no_bad_stream(line: str, request: pytest.FixtureRequest) -> None:
    for seed in range(max(LEAST, request.config.getoption("--verify-times"))):
        report = report_on(line, seed)
        assert not bad(report), report.text()


@pytest.mark.parametrize("line", LINES)
def test_a_fault_behind_a_bad_line_is_not_called_good(line: str, request: pytest.FixtureRequest) -> None:
    """A few of the faults over each line, others over each; all of them over each where it is asked for."""
    names = sorted(set(FAULTS) - OF_THE_LINE)
    is_long = request.config.getoption("--verify-times") > 1
    for number, name in enumerate(names if is_long else names[list(LINES).index(line) :: 3 * len(LINES)]):
        fault, report = FAULTS[name], report_on(line, number, name)
        assert bad(report) <= fault.found | fault.also, report.text()
        for each in fault.found:
            assert report[each].verdict is not Verdict.PASSED, f"{name}\n{report.text()}"


def test_a_fault_of_each_kind_is_found_over_a_line_that_loses() -> None:
    for name in ("buffers-blocks", "no-blank-lines", "ignores-last-event-id", "head-makes-a-stream", "cacheable"):
        assert FAULTS[name].found <= bad(report_on("lossy", 1, name)), name


HEAD = (0.0, b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")


def test_a_long_event_that_is_still_coming_is_no_missing_blank_line() -> None:
    watch = record("watch", [HEAD, *((0.4 * number, b"data: a part\n") for number in range(1, 40))])
    watch.finish(End.LEFT, 16.0)
    assert dispatch(Facts(watch)).verdict is Verdict.UNKNOWN
    watch = record("watch", [HEAD, *((float(number), b"data: an event\n") for number in range(1, 16))])
    watch.finish(End.LEFT, 16.0)
    assert dispatch(Facts(watch)).verdict is Verdict.FAILED


@pytest.mark.parametrize(("pause", "verdict"), [(0.5, Verdict.UNKNOWN), (4.0, Verdict.FAILED)])
def test_what_a_full_line_brings_late_is_not_held_back(pause: float, verdict: Verdict) -> None:
    """What comes before an event that was published has to come first; only where the line is silent meanwhile does something hold it."""
    parts = [(pause * number, b"data: a part\n") for number in range(1, round(20 / pause))]
    watch = record("watch", [HEAD, *parts, (20.0, b"\n")])
    watch.finish(End.LEFT, 21.0)
    assert buffering(Facts(watch, published=[Published(1.0, 1.1)])).verdict is verdict


def test_where_every_answer_takes_long_no_time_is_judged() -> None:
    watch = record("watch", [(7.0, HEAD[1]), (8.0, b"data: 1\n\n")])
    watch.finish(End.LEFT, 30.0)
    late = record("HEAD", [(6.5, b"HTTP/1.1 405 Method Not Allowed\r\n\r\n")], method="HEAD")
    soon = record("HEAD", [(0.1, b"HTTP/1.1 405 Method Not Allowed\r\n\r\n")], method="HEAD")
    assert first_byte(Facts(watch, requests={"HEAD": soon})).verdict is Verdict.FAILED
    assert first_byte(Facts(watch, requests={"HEAD": late})).verdict is Verdict.UNKNOWN


def test_an_answer_that_is_still_coming_is_not_missing() -> None:
    watch, beginning = record("watch", [(9.0, b"HTTP/1.1 200 OK\r\nContent-")]), record("HEAD", [(9.0, b"HTTP/1.1 ")], method="HEAD")
    for exchange in (watch, beginning):
        exchange.finish(End.LEFT, 10.0)
    assert status(Facts(watch)).verdict is Verdict.UNKNOWN
    opened = record("watch", [HEAD])
    assert head_request(Facts(opened, requests={"HEAD": beginning})).verdict is Verdict.UNKNOWN


def test_one_of_many_events_that_a_line_delays_was_not_held_back() -> None:
    def watched(*late: float) -> Facts:
        times = [10.0 * number + 0.1 for number in range(1, 7)]
        came = sorted([*times[: 6 - len(late)], *late])
        watch = record("watch", [HEAD, *((at, b"data: an event\n\n") for at in came)])
        watch.finish(End.LEFT, 80.0)
        return Facts(watch, published=[Published(10.0 * number, 10.0 * number + 0.05) for number in range(1, 7)])

    assert buffering(watched()).verdict is Verdict.PASSED
    assert buffering(watched(66.0)).verdict is Verdict.UNKNOWN
    assert buffering(watched(46.0, 56.0, 66.0)).verdict is Verdict.FAILED


def test_what_is_not_answered_where_the_stream_itself_opened_late_may_still_be() -> None:
    unanswered = record("any Accept", [])
    unanswered.finish(End.LEFT, 10.0)
    for opened, verdict in ((0.1, Verdict.FAILED), (11.0, Verdict.UNKNOWN)):
        watch = record("watch", [(opened, HEAD[1])])
        watch.finish(End.LEFT, 30.0)
        assert accept(Facts(watch, requests={"any Accept": unanswered, "wrong Accept": unanswered})).verdict is verdict


def test_blank_lines_that_come_late_do_not_pass_where_too_few_came_to_tell() -> None:
    parts = [(float(number), b"\ndata: an event\n" if number > 1 else b"data: an event\n") for number in range(1, 10)]
    for count, verdict in ((3, Verdict.UNKNOWN), (9, Verdict.FAILED)):
        watch = record("watch", [HEAD, *parts[:count]])
        watch.finish(End.LEFT, 20.0)
        assert dispatch(Facts(watch)).verdict is verdict


def test_a_stream_that_broke_off_at_once_shows_nothing_of_heartbeats() -> None:
    for ended, verdict in ((0.2, Verdict.UNKNOWN), (30.0, Verdict.PASSED)):
        watch = record("watch", [HEAD, (0.1, b"data: an event\n\n")])
        watch.finish(End.RESET, ended)
        assert empty_messages(Facts(watch)).verdict is verdict
