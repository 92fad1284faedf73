"""
A plugin of pytest: the fixture `verify_stream` holds a service's own stream to the rules.

`pytest_plugins = ["pricewire.verify.pytest_plugin"]` in a `conftest.py`, or `-p pricewire.verify.pytest_plugin`, brings it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Protocol

import pytest

from pricewire.verify.report import Report, explain
from pricewire.verify.run import Options, verify

UNTIL_S = 5.0
"""For how long a stream is watched, in seconds: a test is not to take long. What needs longer to be seen is unknown then."""


class VerifyStream(Protocol):
    """Tests a stream, and fails the test that calls it where a rule is broken."""

    def __call__(self, url: str, options: Options | None = None, *, ignore: Collection[str] = ()) -> Report:
        """
        Test a stream.

        Args:
            url: its address, of a server that runs in another thread or process.
            options: how; by default for 5 seconds.
            ignore: names of rules that may be broken.
        """
        ...


def check(url: str, options: Options | None = None, *, ignore: Collection[str] = ()) -> Report:
    """
    Test a stream, and raise where a rule is broken.

    Args:
        url: its address.
        options: how; by default for 5 seconds.
        ignore: names of rules that may be broken.

    Raises:
        AssertionError: a rule is broken; the text says which, and what to do.
    """
    report = asyncio.run(verify(url, options or Options(until=UNTIL_S)))
    broken = [each for each in report.failures if each.name not in ignore]
    lines = [line for each in broken for line in (f"{each.name}: {each.detail}", *(f"  {line}" for line in explain(each)))]
    if lines:
        raise AssertionError("\n".join([f"{report.url} breaks {len(broken)} rule{'s' * (len(broken) > 1)}", *lines]))
    return report


@pytest.fixture
def verify_stream() -> VerifyStream:
    """Return a function that tests the stream of an address and returns the report; the test fails where a rule is broken."""
    return check
