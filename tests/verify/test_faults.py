"""Servers with faults: each is found, alone and beside others, and none is invented."""

from __future__ import annotations

import asyncio
import itertools
import random

import pytest

from pricewire.verify import Options, Report, Surroundings, Verdict, verify
from pricewire.verify.run import MOST_STREAMS
from support.faulty_stream import FAULTS, ROOM, FaultyStream
from support.virtual_loop import run

BAD = {Verdict.FAILED, Verdict.WARNED}

PAIRS = 25
"""How many pairs of faults are tried."""


def report_on(*faults: str, is_quiet: bool = False, has_short_tokens: bool = False) -> Report:
    """Test a server with some faults, in a time that jumps."""

    async def work() -> Report:
        async with FaultyStream(*faults, is_quiet=is_quiet, has_short_tokens=has_short_tokens) as server:
            options = Options(token=server.token, publish=server.publish, shutdown=server.stop, until=60.0, load=ROOM + 10)
            surroundings = Surroundings(connect=server.connector(), epoch=asyncio.get_running_loop().time)
            return await verify("http://localhost/stream", options, surroundings)

    return run(work())


def bad(report: Report) -> set[str]:
    return {each.name for each in report.findings if each.verdict in BAD}


def test_nothing_is_wrong_with_a_sound_stream() -> None:
    reports = [report_on(), report_on(is_quiet=True), report_on(has_short_tokens=True)]
    for report in reports:
        assert not bad(report), report.text()
        assert report.connections <= MOST_STREAMS
    verdicts = {name: {report[name].verdict for report in reports} for name in (each.name for each in reports[0].findings)}
    # What a plain connection in memory cannot show.
    cannot = {"tls", "http2", "slow-reader"}
    assert {name for name, found in verdicts.items() if Verdict.PASSED not in found} == cannot


def test_there_are_faults_enough() -> None:
    assert len(FAULTS) >= 40
    found = {name for fault in FAULTS.values() for name in fault.found}
    # Those need a connection by TLS, or more than one address.
    assert {each.name for each in report_on().findings} - found == {"tls", "http2"}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_and_none_is_invented(name: str) -> None:
    fault = FAULTS[name]
    report = report_on(name)
    assert fault.found <= bad(report) <= fault.found | fault.also, report.text()
    for each in report.findings:
        assert (each.advice != ()) is (each.verdict in BAD)


def pairs() -> list[tuple[str, str]]:
    """Return pairs of faults, always the same, in none of which one hides the stream."""
    seen = [name for name, fault in FAULTS.items() if not fault.hides]
    every = [pair for pair in itertools.combinations(seen, 2) if not FAULTS[pair[0]].found & FAULTS[pair[1]].found]
    return random.Random(23).sample(every, PAIRS)


@pytest.mark.parametrize("pair", pairs(), ids="+".join)
def test_two_faults_are_found_beside_each_other(pair: tuple[str, str]) -> None:
    first, second = (FAULTS[name] for name in pair)
    report = report_on(*pair)
    found = bad(report)
    assert found <= first.found | first.also | second.found | second.also, report.text()
    assert first.found <= found or second.found <= found, report.text()
    for name in first.found | second.found:
        # One may keep the other from being seen, but nothing is called good that is not.
        assert report[name].verdict is not Verdict.PASSED, report.text()


def test_the_verdicts_are_the_same_each_time() -> None:
    first, *others = [report_on("loses-one", "no-heartbeat") for _ in range(3)]
    for report in others:
        assert [(each.name, each.verdict) for each in report.findings] == [(each.name, each.verdict) for each in first.findings]
