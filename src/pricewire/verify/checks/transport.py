"""What carries the stream: TLS, and HTTP/2."""

from __future__ import annotations

from pricewire.verify.checks.requests import AWAY
from pricewire.verify.exchange import Exchange
from pricewire.verify.facts import Facts
from pricewire.verify.verdicts import Needs, Outcome, failed, passed, rule, show, unknown, warned

EVENT_S = 5.0
"""Within this time, in seconds, an event that came over HTTP/1.1 has to come over HTTP/2 too."""

FEW = 6
"""As few streams as browsers have connections of HTTP/1.1."""

SOON_DAYS = 14.0
"""A certificate that ends within so many days is told of."""


@rule("tls", "The connection is encrypted, by a certificate that clients trust", "RFC 9110, section 4.2.2", needs=Needs.NOTHING)
def tls(facts: Facts) -> Outcome:
    """Look at the handshake."""
    if not facts.is_tls:
        if facts.is_local:
            return unknown("the server is on this machine, where plain HTTP does no harm")
        return warned("the stream comes over plain HTTP: anybody on the way reads it, and proxies on the way may hold it back")
    if facts.tls is None:
        return unknown("no handshake was tried")
    if facts.tls.problem:
        return failed(f"TLS could not be agreed on: {facts.tls.problem}")
    if facts.tls.days_left < SOON_DAYS:
        return warned(f"{facts.tls.version}; the certificate ends in {facts.tls.days_left:.0f} days")
    return passed(f"{facts.tls.version}; the certificate is trusted, and valid for {facts.tls.days_left:.0f} days more")


def over_http2(facts: Facts, stream: Exchange) -> Outcome:
    """Compare the stream over HTTP/2 with the one over HTTP/1.1, which opened."""
    if stream.problem:
        return failed(stream.problem)
    if stream.head is None:
        if stream.is_left and facts.watched_until - stream.started < EVENT_S:
            return unknown("over HTTP/2 no answer has come yet; watch longer by --until")
        if stream.is_left:
            return failed("the stream opens over HTTP/1.1, and no answer comes over HTTP/2", is_timed=True)
        return unknown(f"over HTTP/2 the connection was {stream.end.value} without an answer {stream.detail}".rstrip())
    if stream.head.status in AWAY:
        return unknown("the server was too busy to answer over HTTP/2")
    if not stream.is_stream:
        return failed(
            f"over HTTP/2 the status is {stream.head.status} and the media type {stream.head.media_type!r}", show(stream.head.raw)
        )
    end = facts.watched_until if stream.is_left else stream.ended
    expected = [each for each in facts.watch.arrivals if stream.head_at < each.at < end - EVENT_S]
    if not expected:
        return unknown("the stream opens over HTTP/2 as well; too few events came to compare; --publish-command makes some")
    if not stream.arrivals:
        return failed(f"{len(expected)} events came over HTTP/1.1, and none of them over HTTP/2", show(stream.head.raw), is_timed=True)
    if facts.most_streams is not None and facts.most_streams <= FEW:
        return warned(f"the server allows {facts.most_streams} streams on a connection of HTTP/2: one tab more waits for ever")
    allows = "any number of" if facts.most_streams is None else str(facts.most_streams)
    return passed(f"{len(stream.arrivals)} events came over HTTP/2; the server allows {allows} streams on a connection")


@rule(
    "http2",
    "Browsers can have more than six streams",
    "Over HTTP/1.1 browsers open six connections to a server, over all of their tabs; each stream takes one",
    needs=Needs.NOTHING,
)
def http2(facts: Facts) -> Outcome:
    """Look at the protocol that the server chose, and at the stream over it."""
    if not facts.is_tls:
        return unknown("browsers use HTTP/2 over TLS only; ask the address that they use")
    if facts.tls is None or facts.tls.problem:
        return unknown("there was no handshake")
    if facts.tls.protocol != "h2":
        return warned(f"HTTP/2 was offered, and the server chose {facts.tls.protocol or 'nothing'}: a seventh tab waits for ever")
    if facts.http2 is None:
        return unknown("the server chose HTTP/2; whether the stream comes over it is seen with h2: pip install 'pricewire[http2]'")
    return over_http2(facts, facts.http2)
