"""Streams of real servers, and of ours behind real proxies: the verdicts that are right for each, as often as is asked for."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Iterator

import pytest

from pricewire.verify import Options, Report, Verdict, verify
from support.bad_line import LINES, BadLine
from support.serving import Serving
from support.verified_servers import KINDS, Subject, make_app

BAD = {Verdict.FAILED, Verdict.WARNED}

UNTIL_S = 6.0


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Subject]]:
    """All that can be started here."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(Serving(make_app()))
        yield {
            name: stack.enter_context(kind.start(tmp_path_factory.mktemp("subject"), server.port))
            for name, kind in KINDS.items()
            if not kind.missing
        }


async def test_real_servers_get_the_verdicts_that_are_right_for_them(subjects: dict[str, Subject], request: pytest.FixtureRequest) -> None:
    async def report_on(subject: Subject) -> Report:
        return await verify(f"http://127.0.0.1:{subject.port}{subject.path}", Options(publish=subject.publish, until=UNTIL_S))

    for _ in range(request.config.getoption("--verify-times")):
        reports = await asyncio.gather(*map(report_on, subjects.values()))
        for name, report in zip(subjects, reports, strict=True):
            wrong = KINDS[name].wrong
            assert {each.name for each in report.findings if each.verdict in BAD} <= {*wrong, *KINDS[name].maybe}, (
                f"{name}\n{report.text()}"
            )
            for rule, (detail, advice) in wrong.items():
                # What this machine was too busy to see is unknown, and never good.
                assert report[rule].verdict is not Verdict.PASSED, f"{name}\n{report.text()}"
                if report[rule].verdict in BAD:
                    assert detail in report[rule].detail, report.text()
                    assert any(advice in line for line in report[rule].advice), report.text()


async def test_a_real_server_over_bad_lines(subjects: dict[str, Subject], request: pytest.FixtureRequest) -> None:
    ours = subjects["ours"]

    async def report_on(line: str, seed: int) -> Report:
        async with BadLine(**LINES[line], dice=random.Random(seed)).serving(ours.port) as port:
            return await verify(f"http://127.0.0.1:{port}{ours.path}", Options(publish=ours.publish, until=UNTIL_S))

    for seed in range(request.config.getoption("--verify-times")):
        reports = await asyncio.gather(*(report_on(line, seed) for line in LINES))
        for line, report in zip(LINES, reports, strict=True):
            assert not {each.name for each in report.findings if each.verdict in BAD}, f"{line}\n{report.text()}"
