"""A short form of the soak test, and what its auditor sees. Nothing here depends on how fast the machine is."""

from __future__ import annotations

import json
import sys

import pytest

if sys.platform != "linux":
    pytest.skip("the soak test reads Linux's /proc", allow_module_level=True)

from soak.audit import Auditor, Faults
from soak.readers import DEEDS
from soak.run import Settings, run

from pricewire.protocol.decoder import ServerSentEvent


async def test_a_short_soak() -> None:
    result = await run(Settings(seconds=20, good=20, hostile=40))
    assert result.broken(judge_lateness=False) == [], result.lines()
    assert result.done.keys() == {deed.__name__ for deed in DEEDS}, "every deed was done"


def event(position: int, seq: int, merged: int = 0, topic: str = "ticks:S00", kind: str = "message") -> ServerSentEvent:
    body = {"subscription_id": topic, "seq": seq, "data": {"epoch_ms": "1000"}, **({"merged": merged} if merged else {})}
    return ServerSentEvent(kind, json.dumps(body), f"boot-{position}")


def audited(*events: ServerSentEvent) -> Faults:
    faults = Faults()
    auditor = Auditor("reader", faults)
    for each in events:
        auditor.take(each, 1500)
    return faults


def test_the_auditor_accepts_what_is_right() -> None:
    faults = audited(event(1, 7), event(2, 8), event(3, 5, topic="ticks:S01"), event(9, 12, merged=3), event(10, 6, topic="ticks:S01"))
    assert (faults.wrong, faults.events, faults.merged) == (0, 5, 3)


@pytest.mark.parametrize(
    ("events", "fault"),
    [
        ([event(1, 7), event(2, 9)], "lost"),
        ([event(1, 7), event(3, 12, merged=3)], "lost"),
        ([event(1, 7), event(2, 7)], "doubled"),
        ([event(2, 7), event(1, 8)], "disordered"),
        ([event(2, 7), event(2, 7, kind="error")], "ended"),
    ],
)
def test_the_auditor_sees_what_is_wrong(events: list[ServerSentEvent], fault: str) -> None:
    faults = audited(*events)
    assert getattr(faults, fault) == 1
    assert faults.wrong >= 1
    assert faults.samples


def test_the_auditor_takes_ages() -> None:
    auditor = Auditor("reader", Faults())
    assert auditor.take(event(1, 7), 1500) is None
    assert auditor.take(event(2, 8), 1500) == 500
