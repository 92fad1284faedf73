"""The head of the response, and how its body is framed."""

from __future__ import annotations

import re

from pricewire.verify.exchange import End
from pricewire.verify.facts import Facts
from pricewire.verify.verdicts import Needs, Outcome, failed, passed, rule, show, unknown, warned

HTML = "WHATWG HTML, section"


@rule("status", "The stream opens with the status 200", f"{HTML} 9.2.3: any other status ends an EventSource for good", needs=Needs.NOTHING)
def status(facts: Facts) -> Outcome:
    """Look at the status, and the way to it."""
    watch = facts.watch
    if watch.head is None:
        if watch.end is End.NO_CONNECTION:
            return failed(f"no connection: {watch.detail}")
        if watch.problem:
            return failed(watch.problem)
        if watch.is_unanswered and watch.size:
            return unknown(f"the answer was still coming after {watch.ended - watch.started:.0f} s: the line carries little")
        if watch.is_unanswered:
            return failed(f"no answer within {watch.ended - watch.started:.0f} s", is_timed=True)
        return failed(f"the connection was {watch.end.value} before an answer came")
    first = show(watch.head.raw.split(b"\r\n")[0])
    if watch.head.status != 200:
        return failed(f"the status is {watch.head.status}", f"{first} {show(watch.body)}" if watch.body else first)
    if facts.redirects:
        return warned(
            f"each connection is sent on, to {facts.redirects[-1]}: a request more for each reconnection, and headers may be lost", first
        )
    return passed("200", first)


@rule(
    "media-type", "The media type is text/event-stream", f"{HTML} 9.2.3: with any other an EventSource fails for good", needs=Needs.NOTHING
)
def media_type(facts: Facts) -> Outcome:
    """Look at the Content-Type."""
    head = facts.watch.head
    if head is None:
        return unknown("no answer came")
    line = head.line("content-type")
    if head.get("content-type") is None:
        return failed("the response has no Content-Type", line)
    return passed("text/event-stream", line) if head.media_type == "text/event-stream" else failed(f"it is {head.media_type!r}", line)


@rule(
    "charset",
    "The charset is UTF-8 or not named",
    f"{HTML} 9.2.5: a stream is always decoded as UTF-8; other clients go by the charset",
    needs=Needs.HEAD,
)
def charset(facts: Facts) -> Outcome:
    """Look at the parameter of the Content-Type."""
    head = facts.watch.response
    line = head.line("content-type")
    named = re.search(r";\s*charset\s*=\s*\"?([^\s\";]*)", head.get("content-type") or "", re.IGNORECASE)
    if named is None or named[1].lower() in ("utf-8", "utf8"):
        return passed("UTF-8" if named else "not named", line)
    return failed(f"it says {named[1]!r}; clients that believe it read other characters than browsers", line)


@rule("caching", "Nothing on the way keeps the stream", f"RFC 9111, section 5.2.2, and {HTML} 9.2.4", needs=Needs.HEAD)
def caching(facts: Facts) -> Outcome:
    """Look at Cache-Control."""
    head = facts.watch.response
    line = head.line("cache-control")
    words = head.words("cache-control")
    if words & {"no-store", "no-cache"}:
        return passed("it is not to be kept", line)
    kept = [word for word in words if re.fullmatch(r"(s-maxage|max-age)=\"?0*[1-9][0-9]*\"?|public|immutable", word)]
    if kept:
        return failed(f"caches may keep it ({', '.join(sorted(kept))}), and give one client's old stream to the next", line)
    if any(word.startswith("max-age") for word in words):
        return passed("it is old at once", line)
    return warned("nothing says that it is not to be kept, so caches may decide", line)


@rule("framing", "The body has the framing of a stream", "RFC 9112, sections 6 and 7", needs=Needs.HEAD)
def framing(facts: Facts) -> Outcome:
    """Look at the chunks, or at what stands for them."""
    watch = facts.watch
    head = watch.response
    if watch.problem and not watch.problem.startswith(("Content-Encoding", "the compression")):
        return failed(watch.problem, show(watch.body[-80:]))
    if head.get("content-length") is not None:
        return failed("the response has a length: clients stop there, and proxies wait for it", head.line("content-length"))
    if head.get("transfer-encoding") is not None:
        return passed("chunked", head.line("transfer-encoding"))
    return passed("it ends with the connection", f"HTTP/{head.version}, {head.line('transfer-encoding')}")


@rule("compression", "Nothing is compressed unasked", "RFC 9110, section 12.5.3", needs=Needs.HEAD)
def compression(facts: Facts) -> Outcome:
    """Look at the coding of a response to a request that allows none."""
    head = facts.watch.response
    line = head.line("content-encoding")
    if (head.get("content-encoding") or "identity").lower() == "identity":
        return passed("a request without compression gets none", line)
    return failed("the request allowed no compression, and the response is compressed", line)
