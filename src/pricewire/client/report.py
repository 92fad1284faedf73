"""What the user gets to know of a connection: callbacks, which may raise, and the log."""

from __future__ import annotations

import logging
from asyncio import CancelledError
from collections.abc import Callable

from pricewire.client.arguments import check_callbacks
from pricewire.client.stream.reconnect import ConnectionState, State
from pricewire.errors import CallbackError, ClientError
from pricewire.protocol.decoder import ServerSentEvent

logger = logging.getLogger("pricewire.client")

OnOpen = Callable[[], object]
OnMessage = Callable[[ServerSentEvent], object]
OnError = Callable[[ClientError], object]
OnState = Callable[[ConnectionState], object]


class Reporter:
    """
    Calls the user's callbacks; what they raise is reported, and stops nothing.

    Attributes:
        on_open: called when a connection is open.
        on_error: receives every error; None: they are logged.
        on_state: receives every change of the connection's state.
    """

    def __init__(self, *, on_open: OnOpen | None = None, on_error: OnError | None, on_state: OnState | None = None) -> None:
        check_callbacks(on_open=on_open, on_error=on_error, on_state=on_state)
        self.on_open = on_open
        self.on_error = on_error
        self.on_state = on_state

    def call(self, name: str, callback: Callable[..., object], *arguments: object) -> None:
        """Call a callback and report what it raises."""
        try:
            callback(*arguments)
        except (Exception, CancelledError) as raised:  # whatever it is, the stream goes on; a plain function cannot be cancelled
            error = CallbackError(name, raised)
            error.__cause__ = raised
            self.error(error)

    def error(self, error: ClientError, *, level: int = logging.WARNING) -> None:
        """Report an error: to `on_error`, or to the log where there is none, with a level of `logging`."""
        if self.on_error is None:
            logger.log(level, "%s", error, exc_info=error if isinstance(error, CallbackError) else None)
            return
        try:
            self.on_error(error)
        except (Exception, CancelledError):  # to report it to on_error again could go on for ever
            logger.exception("callback on_error raised")

    def opened(self) -> None:
        """Report that a connection is open."""
        if self.on_open is not None:
            self.call("on_open", self.on_open)

    def state(self, url: str, state: ConnectionState) -> None:
        """Report a change of state, to `on_state` and to the log; `url` is an address fit for a log."""
        logger.log(
            logging.INFO if state.state is State.WAITING or state.is_stale else logging.DEBUG,
            "%s is %s%s",
            url,
            _describe(state),
            f": {state.reason}" if state.reason else "",
            extra={
                "url": url,
                "state": str(state.state),
                "attempt": state.attempt,
                "wait": state.wait,
                "is_stale": state.is_stale,
                "reason": type(state.reason).__name__ if state.reason else None,
            },
        )
        if self.on_state is not None:
            self.call("on_state", self.on_state, state)


def _describe(state: ConnectionState) -> str:
    if state.state is State.WAITING:
        return f"waiting {state.wait or 0.0:.3f} s before attempt {state.attempt}"
    return "stale" if state.is_stale else str(state.state)
