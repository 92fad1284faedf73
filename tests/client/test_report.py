from __future__ import annotations

import logging

import pytest

from pricewire.client.report import Reporter
from pricewire.client.stream.reconnect import ConnectionState, State
from pricewire.errors import CallbackError, ClientError, ConnectError

CAUSE = ConnectError("http://example.com/", "lost")


def test_errors_go_to_the_log_where_nobody_hears_them(caplog: pytest.LogCaptureFixture) -> None:
    Reporter(on_error=None).error(CAUSE)
    assert caplog.messages == ["connection to http://example.com/: lost"]
    assert caplog.records[0].exc_info is None


def test_what_a_callback_raises_is_reported_with_its_cause(caplog: pytest.LogCaptureFixture) -> None:
    def fail(argument: str) -> None:
        raise KeyError(argument)

    errors: list[ClientError] = []
    Reporter(on_error=errors.append).call("on_message", fail, "x")
    (error,) = errors
    assert isinstance(error, CallbackError)
    assert error.callback == "on_message"
    assert isinstance(error.__cause__, KeyError)
    Reporter(on_error=None).call("on_message", fail, "x")
    assert "Traceback" in caplog.text


def test_states_are_logged_with_their_parts(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    states: list[ConnectionState] = []
    reporter = Reporter(on_error=None, on_state=states.append)
    waiting = ConnectionState(state=State.WAITING, attempt=2, wait=1.5, reason=CAUSE)
    stale = ConnectionState(state=State.OPEN, is_stale=True)
    reporter.state("http://example.com/", waiting)
    reporter.state("http://example.com/", stale)
    reporter.state("http://example.com/", ConnectionState(state=State.OPEN))
    assert states[:2] == [waiting, stale]
    assert caplog.messages == [
        "http://example.com/ is waiting 1.500 s before attempt 2: connection to http://example.com/: lost",
        "http://example.com/ is stale",
        "http://example.com/ is open",
    ]
    record = vars(caplog.records[0])
    assert (record["state"], record["attempt"], record["wait"], record["reason"]) == ("waiting", 2, 1.5, "ConnectError")
