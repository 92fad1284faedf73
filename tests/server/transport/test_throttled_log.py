"""Warnings that anybody can cause are logged once a minute."""

from __future__ import annotations

import logging

import pytest

from pricewire.server.transport.throttled_log import INTERVAL, MOST, ThrottledLogger
from support.clocks import HandClock


def test_a_warning_is_logged_once_a_minute_with_how_many_there_were(caplog: pytest.LogCaptureFixture) -> None:
    clock = HandClock()
    logger = ThrottledLogger(logging.getLogger("seldom"), clock=clock)
    for _ in range(1000):
        logger.warning("it came")
    logger.warning("something else")
    clock.now += INTERVAL
    logger.warning("it came")
    clock.now += INTERVAL
    logger.warning("it came")
    assert caplog.messages == ["it came", "something else", "it came (999 more since the last warning)", "it came"]


def test_however_many_texts_there_are_few_are_remembered(caplog: pytest.LogCaptureFixture) -> None:
    logger = ThrottledLogger(logging.getLogger("seldom"), clock=HandClock())
    for number in range(10 * MOST):
        logger.warning(f"number {number}")
    assert len(logger._warnings) <= MOST
