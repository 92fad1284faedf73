"""What is said of a stream: rules, each with a verdict, the bytes that show it, the section of the standard, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import msgspec

from pricewire.verify.facts import Facts

SHOWN = 160
"""How many bytes of a stream a finding shows."""

MOST_ANSWER_S = 2.0
"""Where every answer takes longer than this, in seconds, times cannot be judged."""

MOST_LAG_S = 0.5
"""A machine whose event loop was held up for longer than this, in seconds, cannot judge times."""


class Verdict(Enum):
    """How a stream stands to a rule."""

    PASSED = "passed"
    FAILED = "failed"
    WARNED = "warned"
    UNKNOWN = "unknown"


class Needs(Enum):
    """What there has to be before a rule can judge."""

    NOTHING = "nothing"
    HEAD = "a stream that opened"
    BODY = "a stream whose body could be read"


class Outcome(msgspec.Struct, frozen=True):
    """
    What one rule found.

    Attributes:
        verdict: how the stream stands.
        detail: what was seen, as a sentence without its stop.
        evidence: the bytes that show it, as they are printed; empty where nothing can be shown.
        is_timed: whether times decided; then a machine that was too busy cannot say.
    """

    verdict: Verdict
    detail: str
    evidence: str = ""
    is_timed: bool = False


class Finding(msgspec.Struct, frozen=True):
    """
    A rule's verdict on a stream.

    Attributes:
        name: of the rule, which is also its section in the documentation.
        title: what holds where it is passed.
        verdict: how the stream stands.
        detail: what was seen.
        evidence: the bytes that show it, as they are printed.
        source: the section of the standard, or the reason.
        advice: what to do, in general and for each server that could be told.
    """

    name: str
    title: str
    verdict: Verdict
    detail: str
    evidence: str
    source: str
    advice: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rule:
    """
    A rule that a stream is held to: a pure function of what was recorded.

    Attributes:
        name: a short name.
        title: what holds where it is passed.
        source: the section of the standard, or the reason.
        judge: the function.
        needs: what there has to be.
    """

    name: str
    title: str
    source: str
    judge: Callable[[Facts], Outcome]
    needs: Needs

    def __call__(self, facts: Facts) -> Outcome:
        """Judge what was recorded."""
        if self.needs is not Needs.NOTHING and not facts.watch.is_stream:
            return unknown("no event stream opened")
        if self.needs is Needs.BODY and facts.watch.problem:
            return unknown(f"the stream could not be read on: {facts.watch.problem}")
        outcome = self.judge(facts)
        if not outcome.is_timed or outcome.verdict not in (Verdict.FAILED, Verdict.WARNED):
            return outcome
        if facts.lag > MOST_LAG_S:
            return unknown(f"this machine was too busy to judge times, it held us up for {facts.lag:.1f} s; otherwise: {outcome.detail}")
        if facts.quickest_s > MOST_ANSWER_S:
            return unknown(f"every answer takes {facts.quickest_s:.1f} s at least, too long to judge times; otherwise: {outcome.detail}")
        return outcome


def rule(name: str, title: str, source: str, *, needs: Needs = Needs.BODY) -> Callable[[Callable[[Facts], Outcome]], Rule]:
    """Make a rule of a function."""
    return lambda judge: Rule(name, title, source, judge, needs)


def passed(detail: str, evidence: str = "") -> Outcome:
    """Return that the rule is kept."""
    return Outcome(Verdict.PASSED, detail, evidence)


def failed(detail: str, evidence: str = "", *, is_timed: bool = False) -> Outcome:
    """Return that the rule is broken, and clients lose by it."""
    return Outcome(Verdict.FAILED, detail, evidence, is_timed)


def warned(detail: str, evidence: str = "", *, is_timed: bool = False) -> Outcome:
    """Return that clients may lose by what was seen."""
    return Outcome(Verdict.WARNED, detail, evidence, is_timed)


def unknown(detail: str, evidence: str = "") -> Outcome:
    """Return that it could not be judged, and why."""
    return Outcome(Verdict.UNKNOWN, detail, evidence)


def show(data: bytes, most: int = SHOWN) -> str:
    """Return bytes as a finding shows them: on one line, escaped, the end left out where they are many."""
    text = repr(data[:most])[1:]
    return text if len(data) <= most else f"{text}… ({len(data)} bytes)"
