"""What carries the stream: TLS, and HTTP/2."""

from __future__ import annotations

from pricewire.verify.facts import Facts
from pricewire.verify.verdicts import Needs, Outcome, failed, passed, rule, unknown, warned

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


@rule(
    "http2",
    "Browsers can have more than six streams",
    "Over HTTP/1.1 browsers open six connections to a server, over all of their tabs; each stream takes one",
    needs=Needs.NOTHING,
)
def http2(facts: Facts) -> Outcome:
    """Look at the protocol that the server chose."""
    if not facts.is_tls:
        return unknown("browsers use HTTP/2 over TLS only; ask the address that they use")
    if facts.tls is None or facts.tls.problem:
        return unknown("there was no handshake")
    if facts.tls.protocol == "h2":
        return passed("the server chose HTTP/2; the stream itself was judged over HTTP/1.1")
    return warned(f"HTTP/2 was offered, and the server chose {facts.tls.protocol or 'nothing'}: a seventh tab waits for ever")
