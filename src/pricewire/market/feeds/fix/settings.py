"""The file of a FIX feed: quickfix's settings of a session, and a section for each instrument."""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from pricewire.errors import FeedError
from pricewire.market.feeds.address import expand
from pricewire.market.feeds.options import InstrumentOptions

NEEDED = ("SocketConnectHost", "SocketConnectPort", "SenderCompID", "TargetCompID")
"""Settings that there have to be."""

DEFAULTS = {
    "BeginString": "FIX.4.4",
    "HeartBtInt": "30",
    "StartTime": "00:00:00",
    "EndTime": "00:00:00",
}
"""Settings of quickfix that may be left out."""

FIXED = {
    "ConnectionType": "initiator",
    # The supervisor connects again, as with every feed.
    "ReconnectInterval": "86400",
    # Prices are asked for anew with each connection; nothing is kept on a disk.
    "ResetOnLogon": "Y",
    "UseDataDictionary": "Y",
    "AllowUnknownMsgFields": "Y",
    "ValidateFieldsHaveValues": "N",
    "ValidateFieldsOutOfOrder": "N",
    "ValidateUserDefinedFields": "N",
}
"""Settings of quickfix that a file cannot change."""

LOGON = {"Username": "553", "Password": "554"}
"""What is said at the logon, by the tags of its fields."""

HEADER = {"SenderSubID": "50", "TargetSubID": "57"}
"""What stands in each message."""

REQUEST = {"MarketDepth": ("264", "1"), "MDUpdateType": ("265", "1")}
"""What is said with the request for prices, and what is said where the file says nothing: the best prices, and what changes of them."""


@dataclass(frozen=True, slots=True)
class FixSettings:
    """
    What a file says.

    Attributes:
        path: the file.
        session: quickfix's settings.
        logon: fields of the logon, by their tags.
        header: fields of each message.
        request: fields of the request for prices.
        instruments: by their ids.
        secrets: what must not be in a log.
    """

    path: Path
    session: dict[str, str]
    logon: dict[str, str] = field(repr=False)
    header: dict[str, str]
    request: dict[str, str]
    instruments: dict[str, InstrumentOptions]
    secrets: tuple[str, ...] = field(repr=False)

    @property
    def symbols(self) -> list[str]:
        """What the venue calls the instruments."""
        return [instrument.symbol or each for each, instrument in self.instruments.items()]


def read_settings(path: Path) -> FixSettings:
    """
    Return what a file says.

    Raises:
        FeedError: it cannot be read, or a setting in it cannot be used; the text names it.
    """
    sections, used = read_sections(path)
    default, given = sections.pop("DEFAULT", {}), sections.pop("SESSION", None)
    if given is None:
        raise FeedError(f"{path}: there is no section [SESSION] with {', '.join(NEEDED)}")
    session = {**DEFAULTS, **default, **given}
    if missing := [name for name in NEEDED if not session.get(name)]:
        raise FeedError(f"{path}: [SESSION] lacks {', '.join(missing)}")
    if session["BeginString"] != "FIX.4.4":
        raise FeedError(f"{path}: BeginString is {session['BeginString']}; there is FIX.4.4 alone")
    if session.get("ConnectionType", "initiator") != "initiator":
        raise FeedError(f"{path}: ConnectionType is {session['ConnectionType']}; a feed is the initiator")
    if not (session["SocketConnectPort"].isdecimal() and 0 < int(session["SocketConnectPort"]) < 65536):
        raise FeedError(f"{path}: SocketConnectPort is {session['SocketConnectPort']}; it is a number from 1 to 65535")
    if not (session["HeartBtInt"].isdecimal() and 0 < int(session["HeartBtInt"]) <= 3600):
        raise FeedError(f"{path}: HeartBtInt is {session['HeartBtInt']}; it is a number of seconds from 1 to 3600")
    instruments: dict[str, InstrumentOptions] = {}
    for name, options in sections.items():
        try:
            instruments[name] = msgspec.convert(options, InstrumentOptions, strict=False)
        except msgspec.ValidationError as error:
            raise FeedError(f"{path}: [{name}]: {error}".replace("`$.", "`").replace("Object contains", "there is an")) from None
    logon = taken(session, LOGON)
    request = {tag: session.pop(name, usual) for name, (tag, usual) in REQUEST.items()}
    header = taken(session, HEADER)
    return FixSettings(path, {**session, **FIXED}, logon, header, request, instruments, (*used, *logon.values()))


def taken(session: dict[str, str], names: Mapping[str, str]) -> dict[str, str]:
    """Take what is none of quickfix's settings out of them; return it by the tags of its fields."""
    return {tag: session.pop(name) for name, tag in names.items() if name in session}


def read_sections(path: Path) -> tuple[dict[str, dict[str, str]], list[str]]:
    """
    Return the sections of a file, and the values of the environment that `${NAME}` stood for.

    Raises:
        FeedError: it cannot be read.
    """
    parser = configparser.ConfigParser(
        interpolation=None, delimiters=("=",), comment_prefixes=("#",), default_section="", empty_lines_in_values=False
    )
    # As they are written: quickfix's settings have capitals.
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    try:
        # A line that is indented is none of the value before.
        parser.read_string("\n".join(line.strip() for line in path.read_text(encoding="utf-8").splitlines()), str(path))
    except FileNotFoundError:
        raise FeedError(f"{path}: there is no such file") from None
    except (OSError, ValueError) as error:
        raise FeedError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    except configparser.Error as error:
        raise FeedError(f"{path}: {' '.join(str(error).split())}") from None
    used: list[str] = []
    sections: dict[str, dict[str, str]] = {}
    for name in parser.sections():
        values = sections[name.upper() if name.upper() in ("DEFAULT", "SESSION") else name] = {}
        for key, value in parser.items(name):
            values[key], secrets = expand(value, str(path))
            used += secrets
    return sections, used
