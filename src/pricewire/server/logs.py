"""
Logs: lines for people on a terminal, JSON for programs everywhere else.

What is logged holds no token, no query (where tickets stand), no header and no client's address: whoever reads logs is to learn what
the server does, not whom it serves.

What comes from a request may stand in a message or in the text of an exception, and hold anything: line breaks, to feign lines, and escape
sequences, to take over the terminal. So only printable characters are written as they are.
"""

from __future__ import annotations

import asyncio
import json
import logging
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Literal, TextIO

from pricewire.server.formats import timestamp

logger = logging.getLogger(__name__)

LogForm = Literal["auto", "text", "json"]
"""How records are written."""

REPORT_INTERVAL = 10.0
"""How often refusals are reported, in seconds: a log line for each would cost more than the refusal, in a storm above all."""

STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}
"""What every record has; anything else came in by `extra=`. (`color_message` is how uvicorn says the same for a terminal.)"""


def configure_logging(stream: TextIO, level: str = "INFO", form: LogForm = "auto") -> None:
    """
    Have everything that is logged written to a stream.

    Args:
        stream: where to; standard error, usually.
        level: from which level on Pricewire's own records are written; those of others from `INFO` on, whatever this says.
        form: `text` for people, `json` for programs; `auto` is text on a terminal and JSON elsewhere.
    """
    handler = logging.StreamHandler(stream)
    is_text = form == "text" or (form == "auto" and stream.isatty())
    handler.setFormatter(PlainFormatter() if is_text else JSONFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    set_level(level)


def set_level(level: str) -> None:
    """Have Pricewire's own records written from this level on."""
    logging.getLogger("pricewire").setLevel(level)


class JSONFormatter(logging.Formatter):
    """Writes a record as one line of JSON: time, level, logger, message, and what came in by `extra=`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "time": timestamp(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **extras(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        text = json.dumps(line, default=str, ensure_ascii=False, separators=(",", ":"))
        # JSON itself asks only for some of them: the rest would come to whoever looks at the file on a terminal.
        return text if text.isprintable() else "".join(each if each.isprintable() else json_escape(each) for each in text)


class PlainFormatter(logging.Formatter):
    """Writes a record for people: the time of day, the level unless it is `INFO`, the message, and what came in by `extra=`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with a traceback below where there is one."""
        parts = [self.formatTime(record, "%H:%M:%S")]
        if record.levelno != logging.INFO:
            parts.append(record.levelname)
        parts += [record.getMessage().rstrip(), *(f"{name}={value}" for name, value in extras(record).items())]
        line = escaped(" ".join(parts))
        if record.exc_info:
            # Indented, so that no line of an exception's text looks like one of the log.
            trace = "\n".join(escaped(line) for line in self.formatException(record.exc_info).split("\n"))
            return f"{line}\n{textwrap.indent(trace, '    ', lambda _: True)}"
        return line


def extras(record: logging.LogRecord) -> dict[str, Any]:
    """Return what came into a record by `extra=`."""
    return {name: value for name, value in vars(record).items() if name not in STANDARD}


def escaped(text: str) -> str:
    r"""Return a text with every character that is not printable as Python writes it: `\x1b`, `\n`, `\u202e`."""
    return text if text.isprintable() else "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def json_escape(character: str) -> str:
    """Return a character as a string of JSON may have any: in UTF-16. Source: RFC 8259, section 7."""
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[place : place + 4]}" for place in range(0, len(units), 4))


def logged(
    on_close: Callable[[], None],
    outcome: Callable[[], str | None],
    *,
    clock: Callable[[], float] = time.monotonic,
    **fields: object,
) -> Callable[[], None]:
    """
    Have the life of a stream logged, with these fields, for whoever asks for `DEBUG`; for all others this costs nothing, and a storm stays
    cheap.

    Returns:
        what is to be called instead of `on_close`.
    """
    if not logger.isEnabledFor(logging.DEBUG):
        return on_close
    opened_at = clock()
    logger.debug("stream opened", extra=fields)

    def closed() -> None:
        logger.debug("stream closed", extra={**fields, "outcome": outcome(), "seconds": round(clock() - opened_at, 3)})
        on_close()

    return closed


class Report:
    """
    Logs now and then how many requests were refused, and for which reasons, and how many streams could not keep up.

    Args:
        counts: returns how many there have been of each kind since the server began; `refused_address`, for instance.
    """

    def __init__(self, counts: Callable[[], Mapping[str, int]]) -> None:
        self._counts = counts
        self._before = Counter(counts())
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Report every ten seconds from now on, where there is something to report."""
        self._timer = asyncio.get_running_loop().call_later(REPORT_INTERVAL, self._again)

    def stop(self) -> None:
        """Report what is left, and no more."""
        if self._timer is not None:
            self._timer.cancel()
        self.write()

    def write(self) -> None:
        """Log what has come since the last time."""
        now = Counter(self._counts())
        new = now - self._before
        self._before = now
        if new:
            logger.warning("requests refused or streams dropped in the last %g s%s", REPORT_INTERVAL, hint(new), extra=dict(new))

    def _again(self) -> None:
        self.write()
        self.start()


def hint(new: Mapping[str, int]) -> str:
    """Return what to look at first, where there is something."""
    return "; if they come through a proxy, name it by --trusted-proxy" if "refused_address" in new else ""
