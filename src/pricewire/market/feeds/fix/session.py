"""
A FIX session by quickfix, as a program of its own: logs on, asks for prices, and passes on what comes.

quickfix waits by `select`, which works for the first 1024 files of a process alone; a server has more of them. And where its C++ fails
on what a venue sends, it ends the process.

The first line of the standard input says what to do, as JSON; the program logs out with the end of the input. Each event is a line of JSON
on the standard output. What quickfix logs goes to the standard error.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
import uuid
from pathlib import Path
from typing import Any

import quickfix

from pricewire.market.feeds.fix.dictionary import dictionary

if sys.platform != "win32":
    import resource

LOGOUT_S = 2.0
"""How long the venue may take to confirm a logout, in seconds."""

MAX_BYTES = 1024 * 1024
"""The longest message that is passed on, in bytes."""

MOST_MEMORY = 2 << 30
"""How much memory there may be in all, in bytes: quickfix waits for the whole of a message, however long it says it will be."""

SUBSCRIBE, UNSUBSCRIBE = "1", "2"
"""Values of SubscriptionRequestType (263)."""


class Application(quickfix.Application):  # type: ignore[misc] # it has no types
    """
    What quickfix tells.

    Attributes:
        ended: set when the session has ended.
    """

    def __init__(self, order: dict[str, Any], output: int) -> None:
        super().__init__()
        self.ended = threading.Event()
        self._order = order
        self._output = output
        self._requests: dict[str, str] = {}

    def onCreate(self, session: Any) -> None:  # noqa: N802 - quickfix's names
        """Know that there is a session."""

    def onLogon(self, session: Any) -> None:  # noqa: N802
        """Ask for prices."""
        self._tell("logon")
        self._subscribe(session)

    def onLogout(self, session: Any) -> None:  # noqa: N802
        """Tell that the session has ended; it is also called where the connection is lost, or did not come about."""
        self.ended.set()
        self._tell("ended")

    def toAdmin(self, message: Any, session: Any) -> None:  # noqa: N802
        """Put in what the venue wants to see, and tell of what quickfix asks for or refuses."""
        self._complete(message)
        fields = fields_of(message)
        if fields["35"] == "A":
            for tag, value in self._order["logon"].items():
                message.setField(int(tag), value)
        elif fields["35"] == "2":
            self._tell("resend", fields.get("7", ""))
        elif fields["35"] == "3":
            self._tell("refused", fields.get("58", "no reason"), f"message {fields.get('45')} of type {fields.get('372')}")

    def fromAdmin(self, message: Any, session: Any) -> None:  # noqa: N802
        """Tell of what the venue says besides prices."""
        fields = fields_of(message)
        if fields["35"] == "5":
            self._tell("logout", fields.get("58", ""))
        elif fields["35"] == "3":
            self._tell("message", text_of(message))
        elif fields["35"] == "4":
            self._tell("skipped", fields["34"], fields.get("36", ""))
            # What was skipped may have changed any price.
            self._subscribe(session)

    def toApp(self, message: Any, session: Any) -> None:  # noqa: N802
        """Put in what the venue wants to see."""
        self._complete(message)

    def fromApp(self, message: Any, session: Any) -> None:  # noqa: N802
        """Pass on a message."""
        text = text_of(message)
        if len(text) > MAX_BYTES:
            self._tell("large", len(text), text[:1000])
        else:
            self._tell("message", text)

    def _complete(self, message: Any) -> None:
        for tag, value in self._order["header"].items():
            message.getHeader().setField(int(tag), value)

    def _subscribe(self, session: Any) -> None:
        # One request for each, as a venue refuses a request as a whole.
        for number, symbol in enumerate(self._order["symbols"]):
            if symbol in self._requests:
                quickfix.Session.sendToTarget(self._request(symbol, UNSUBSCRIBE), session)
            # The number tells whose request is refused.
            self._requests[symbol] = f"{uuid.uuid4().hex}.{number}"
            quickfix.Session.sendToTarget(self._request(symbol, SUBSCRIBE), session)

    def _request(self, symbol: str, kind: str) -> Any:
        message = quickfix.Message()
        message.getHeader().setField(35, "V")
        for tag, value in ((262, self._requests[symbol]), (263, kind), *self._order["request"].items()):
            message.setField(int(tag), value)
        for count, tag, values in ((267, 269, "01"), (146, 55, [symbol])):
            for value in values:
                group = quickfix.Group(count, tag)
                group.setField(tag, value)
                message.addGroup(group)
        return message

    def _tell(self, *event: str | int) -> None:
        line = json.dumps(event).encode() + b"\n"
        try:
            while line:
                line = line[os.write(self._output, line) :]
        except OSError:
            # Nobody listens any more.
            os._exit(0)


def text_of(message: Any) -> str:
    """Return a message as text; what is no UTF-8 in it is replaced."""
    text: str = message.toString()
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def fields_of(message: Any) -> dict[str, str]:
    """Return the fields of a message without groups, by their tags."""
    return dict(field.split("=", 1) for field in text_of(message).split("\x01") if "=" in field)


def settings_of(order: dict[str, Any], dictionary_file: str) -> Any:
    """Return the settings in the form of quickfix."""
    values = quickfix.Dictionary()
    for name, value in {**order["settings"], "DataDictionary": dictionary_file}.items():
        values.setString(name, value)
    settings = quickfix.SessionSettings()
    settings.set(values)
    settings.set(session_of(order), values)
    return settings


def session_of(order: dict[str, Any]) -> Any:
    """Return the name of the session."""
    settings = order["settings"]
    return quickfix.SessionID(settings["BeginString"], settings["SenderCompID"], settings["TargetCompID"])


def main() -> None:
    """Run the session until the standard input ends."""
    if sys.platform != "win32":
        # It would leave its memory, with the password, in the user's folder.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    order = json.loads(sys.stdin.buffer.readline())
    # quickfix logs to the standard output, which is for events.
    output = os.dup(1)
    os.dup2(2, 1)
    application = Application(order, output)
    store = quickfix.MemoryStoreFactory()
    log = quickfix.ScreenLogFactory(False, False, True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "FIX44.xml"
        file.write_text(dictionary(), encoding="utf-8")
        try:
            initiator = quickfix.SocketInitiator(application, store, settings_of(order, str(file)), log)
        except quickfix.FIXException as error:
            sys.exit(str(error))
    initiator.start()
    sys.stdin.buffer.read()
    session = quickfix.Session.lookupSession(session_of(order))
    if session.isLoggedOn():
        session.logout()
        application.ended.wait(LOGOUT_S)
    # Without waiting for quickfix's thread, which may wait for the venue.
    os._exit(0)


if __name__ == "__main__":
    main()
