"""The bytes of the stream: lines, fields, ids, as the standard has them."""

from __future__ import annotations

import re
from collections import Counter

from pricewire.protocol.decoder import BOM
from pricewire.verify.checks.timing import SILENT_S
from pricewire.verify.facts import Facts
from pricewire.verify.scanner import Line, Place
from pricewire.verify.verdicts import Outcome, failed, passed, rule, show, unknown, warned

FIELDS = {b"data", b"event", b"id", b"retry"}

HEARTBEATS = {"", "ping", "heartbeat", "keepalive", "keep-alive", '"ping"', '"heartbeat"'}
"""Data of messages that say nothing."""

HELD_S = 0.5
"""When the blank lines of most events come so many seconds after them, they come late."""

LATE = 3
"""How many blank lines have to come late to be the server's fault."""

LEAST_RETRY_MS = 100
MOST_RETRY_MS = 300_000
"""Between these, in milliseconds, clients may well be asked to wait before they reconnect."""

LONG_ID = 1024
"""An id of more bytes than this makes a request's head large; servers refuse heads above some kilobytes."""


@rule(
    "dispatch",
    "Each event ends with a blank line, which comes with it",
    "WHATWG HTML, section 9.2.6: only a blank line dispatches an event",
)
def dispatch(facts: Facts) -> Outcome:
    """Look for the blank lines, and when they came."""
    watch = facts.watch
    data = [line for line in watch.scanner.lines if line.content.startswith(b"data")]
    if not data:
        return unknown("no event came")
    if not watch.arrivals:
        pauses = [
            place
            for piece, place, after in zip(
                watch.pieces, watch.places, [*(each.at for each in watch.pieces[1:]), facts.watched_until], strict=True
            )
            if after - piece.at > HELD_S
        ]
        # What comes without a pause may be one long event, on a line that carries little.
        if pauses.count(Place.BEFORE_THE_BLANK_LINE) < min(2, len(data)):
            return unknown("the first event was still coming")
        return failed(
            f"{len(data)} data lines came, and no blank line: clients show nothing, for ever", show(data[0].content + data[0].end)
        )
    late = [
        (piece, after.at - piece.at)
        for piece, place, after in zip(watch.pieces, watch.places, watch.pieces[1:], strict=False)
        if place is Place.BEFORE_THE_BLANK_LINE and after.at - piece.at > HELD_S
    ]
    if late and 2 * len(late) >= len(watch.arrivals) - 1:
        piece, seconds = late[0]
        what = f"the blank line of an event came {seconds:.1f} s after it, with the next one"
        if len(late) < LATE:
            return unknown(f"{what}; too few events came to tell whether the line was slow", show(piece.data[-80:]))
        return failed(what, show(piece.data[-80:]), is_timed=True)
    return passed(f"{len(watch.arrivals)} events came, each with its blank line", show(watch.arrivals[0].raw))


@rule("encoding", "All bytes are UTF-8", "WHATWG HTML, section 9.2.5")
def encoding(facts: Facts) -> Outcome:
    """Look for bytes that are none."""
    for line in facts.watch.scanner.lines:
        try:
            line.content.decode()
        except UnicodeDecodeError as error:
            place = line.offset + error.start
            return failed(
                f"byte {place} of the stream is no UTF-8: clients read U+FFFD there", show(line.content[max(0, error.start - 40) :])
            )
    return passed("all lines are") if facts.watch.scanner.lines else unknown("no line came")


@rule("byte-order-mark", "There is no byte order mark", "WHATWG HTML, section 9.2.5: one is allowed, at the very beginning only")
def byte_order_mark(facts: Facts) -> Outcome:
    """Look for marks where a line begins."""
    for line in facts.watch.scanner.lines:
        if line.content.startswith(BOM):
            if line.offset:
                return failed(f"one stands before the line at byte {line.offset}, whose field no client knows then", show(line.content))
            return warned(
                "one stands at the beginning: the standard allows it, and many clients lose the first field by it", show(line.content)
            )
    return passed("there is none") if facts.watch.scanner.lines else unknown("no line came")


@rule(
    "line-ends",
    "Lines end in one way, LF or CRLF",
    "WHATWG HTML, section 9.2.5: CR and mixtures are allowed; many clients split at LF only",
)
def line_ends(facts: Facts) -> Outcome:
    """Count the line ends."""
    lines = facts.watch.scanner.lines
    if not lines:
        return unknown("no line came")
    ends = Counter(line.end for line in lines)
    names = ", ".join(f"{count} by {end!r}"[:60] for end, count in ends.most_common())
    example = next(line for line in reversed(lines) if line.end == ends.most_common()[-1][0])
    if b"\r" in ends:
        return warned(f"lines end by CR alone ({names})", show(example.content + example.end))
    if len(ends) > 1:
        return warned(f"lines end in different ways ({names})", show(example.content + example.end))
    return passed(f"all {len(lines)} by {lines[0].end!r}")


def is_wrong(line: Line) -> bool:
    """Return whether a line looks like a field or like data, and is none."""
    name = line.content.removeprefix(BOM).partition(b":")[0]
    return bool(name) and name not in FIELDS and (name.strip().lower() in FIELDS or not re.fullmatch(rb"[a-z][a-z_-]*", name))


@rule("fields", "Every line is a field of the standard or a comment", "WHATWG HTML, section 9.2.6: other fields are ignored")
def fields(facts: Facts) -> Outcome:
    """Look for lines that clients ignore."""
    lines = [line for line in facts.watch.scanner.lines if line.content]
    if not lines:
        return unknown("no line came")
    wrong = [line for line in lines if is_wrong(line)]
    if wrong:
        return failed(
            f"{len(wrong)} of {len(lines)} lines are no field, and lost; the first is at byte {wrong[0].offset}", show(wrong[0].content)
        )
    names = {line.content.removeprefix(BOM).partition(b":")[0] for line in lines} - FIELDS - {b""}
    if names:
        named = ", ".join(sorted(name.decode("utf-8", "replace") for name in names))
        example = next(line for line in lines if line.content.removeprefix(BOM).partition(b":")[0] in names)
        return warned(f"the standard does not know {named}; clients ignore it", show(example.content))
    return passed(f"all {len(lines)} are")


@rule(
    "empty-messages",
    "Heartbeats are no messages",
    "WHATWG HTML, section 9.2.7: comments keep a connection alive; `onmessage` gets every message",
)
def empty_messages(facts: Facts) -> Outcome:
    """Look for messages that only show life."""
    watch, arrivals = facts.watch, facts.watch.arrivals
    found = [each for each in arrivals if each.event.type == "message" and each.event.data.strip().lower() in HEARTBEATS]
    if found:
        return warned(f"{len(found)} messages have nothing to say; programs that parse each one fail at them", show(found[0].raw))
    if watch.is_broken_off and (lasted := watch.ended - watch.started) < SILENT_S:
        return unknown(f"it broke off after {lasted:.1f} s, before a heartbeat was due")
    return passed("every message says something") if arrivals else unknown("no event came")


@rule("retry", "`retry` is a time in milliseconds that makes sense", "WHATWG HTML, section 9.2.6: only ASCII digits; all else is ignored")
def retry(facts: Facts) -> Outcome:
    """Look at the reconnection times."""
    lines = [line for line in facts.watch.scanner.lines if line.content.partition(b":")[0] == b"retry"]
    for line in lines:
        value = line.content.partition(b":")[2].removeprefix(b" ")
        if not re.fullmatch(rb"[0-9]+", value):
            return failed("it is no number of digits, and ignored", show(line.content))
    asked = facts.watch.scanner.retry
    if asked is None:
        return passed("none was sent; clients wait as long as they choose") if facts.watch.scanner.lines else unknown("no line came")
    if asked < LEAST_RETRY_MS:
        return warned(f"it is {asked} ms: when the server is down, browsers ask it many times a second", show(lines[-1].content))
    if asked > MOST_RETRY_MS:
        return warned(f"it is {asked / 1000:.0f} s: so long a client is without its stream after each end", show(lines[-1].content))
    return passed(f"{asked} ms", show(lines[-1].content))


@rule("ids", "Each event has an id of its own, which can be sent back", "WHATWG HTML, sections 9.2.4 and 9.2.6")
def ids(facts: Facts) -> Outcome:
    """Look at the ids."""
    watch = facts.watch
    for line in watch.scanner.lines:
        name, _, value = line.content.partition(b":")
        if name == b"id" and b"\0" in value:
            return failed("an id with a NUL is ignored", show(line.content))
        if name == b"id" and len(value) > LONG_ID:
            return warned(f"an id has {len(value)} bytes: each reconnection sends it, and servers refuse long heads", show(line.content))
    if not watch.arrivals:
        return unknown("no event came")
    seen: dict[str, str] = {}
    for each in watch.arrivals:
        own = each.event.last_event_id
        if each.has_id and own and seen.setdefault(own, each.event.data) != each.event.data:
            return failed(f"several events have the id {own!r}: nobody can tell after which one a client was cut off", show(each.raw))
    if not seen:
        return warned("no event has an id: what comes while a client reconnects is lost", show(watch.arrivals[0].raw))
    odd = next((own for own in seen if not own.isprintable() or not own.isascii() or own != own.strip()), None)
    if odd is not None:
        return warned("an id has characters that not every client sends back unchanged in a header", show(odd.encode()))
    return passed(f"{len(seen)} ids, all different", show(watch.arrivals[0].raw))
