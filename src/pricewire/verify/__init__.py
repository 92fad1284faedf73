"""
Whether an event stream is any good: tests of any server, ours or not.

    verify       tests a stream, and returns a report
    judge        what the rules find in what was recorded
    record       an exchange of bytes and times, to hold a rule to
    RULES        the rules, each a pure function
"""

from __future__ import annotations

from pricewire.verify.checks import RULES
from pricewire.verify.exchange import Exchange, record
from pricewire.verify.facts import Facts
from pricewire.verify.report import Report
from pricewire.verify.run import Options, Surroundings, judge, verify
from pricewire.verify.verdicts import Finding, Outcome, Rule, Verdict

__all__ = [
    "RULES",
    "Exchange",
    "Facts",
    "Finding",
    "Options",
    "Outcome",
    "Report",
    "Rule",
    "Surroundings",
    "Verdict",
    "judge",
    "record",
    "verify",
]
