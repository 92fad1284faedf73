"""Many streams at once, one that nobody reads, and the end of the server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from pricewire.verify.checks.requests import BUSY
from pricewire.verify.exchange import End, Exchange
from pricewire.verify.facts import Facts, Slow
from pricewire.verify.verdicts import Needs, Outcome, failed, passed, rule, unknown

SILENT_S = 5.0
"""So long, in seconds, and five times as long as usual, a stream has to be silent before a slow neighbour is held to be the reason."""

AGAIN_S = 2.0
"""So soon, in seconds, others go on when the slow one is read again."""

FINE = {"opened", "refused with Retry-After"}
"""What streams that are asked for at once may get."""

BAD_LUCK = 4
"""A line that has broken none of n other connections may well break a share of this by n: only with 1 line of 50 is that bad luck."""

SURELY_FULL = 8 * 1024 * 1024
"""No connection holds so many bytes that nobody has read."""


@rule("slow-reader", "A slow reader costs the others nothing", "One client on a bad line must not stop the others")
def slow_reader(facts: Facts) -> Outcome:
    """Look at the watched stream while another one was not read."""
    if not facts.slow or not facts.slow[0].exchange.is_stream:
        return unknown("it was not tried")
    times = [arrival.at for arrival in facts.watch.arrivals]
    before = [at for at in times if at <= facts.slow[0].begun]
    usual = max((later - earlier for earlier, later in pairwise(before)), default=0.0)
    silences = [silence(times, each, max(SILENT_S, 5 * usual)) for each in facts.slow]
    if len(before) >= 3 and all(silences):
        return failed(
            f"the watched stream got no event for {silences[0]:.0f} s while another one was not read, and went on when it was, "
            f"{len(silences)} times; before, it was without one for {usual:.1f} s at most",
            is_timed=True,
        )
    size = sum(len(piece.data) for piece in facts.watch.pieces for each in facts.slow if each.begun < piece.at <= each.ended)
    if size > SURELY_FULL:
        return passed(f"{size} bytes came to others meanwhile")
    if not facts.slow[0].exchange.is_left and facts.watch.is_left:
        return passed("the server ended the stream that was not read, and the others went on")
    return unknown(f"too little came to fill a connection that nobody reads: {size} bytes")


def silence(times: Sequence[float], slow: Slow, least: float) -> float:
    """
    Return how long a stream was silent until another one was read again, in seconds; 0 where it was for another reason, if at all.

    Args:
        times: when events came, in seconds.
        slow: when the other one was not read.
        least: what is a silence, in seconds.
    """
    after = [at for at in times if at >= slow.ended]
    last = max([slow.begun, *(at for at in times if slow.begun < at < slow.ended)])
    is_because = slow.ended - last > least and bool(after) and after[0] - slow.ended < AGAIN_S
    return slow.ended - last if is_because else 0.0


@rule(
    "reconnections",
    "A thousand clients that come at once are served, or told when to come back",
    "RFC 9110, section 10.2.3",
    needs=Needs.HEAD,
)
def reconnections(facts: Facts) -> Outcome:
    """Count what those got who came at once."""
    if not facts.storm:
        return unknown("it was not tried; --load 1000 does")
    counts = Counter(answer(exchange) for exchange in facts.storm)
    told = ", ".join(f"{count} {what}" for what, count in counts.most_common())
    slowest = max((exchange.head_at - exchange.started for exchange in facts.storm if exchange.head is not None), default=0.0)
    if set(counts) <= FINE:
        return passed(f"of {len(facts.storm)}: {told}; the last answer came after {slowest:.1f} s")
    broken = sum(exchange.is_broken for exchange in facts.storm)
    answered_wrongly = set(counts) - FINE - {answer(exchange) for exchange in facts.storm if exchange.head is None}
    others = len(facts.one_by_one) + facts.broken
    if broken and not answered_wrongly and broken * others <= (BAD_LUCK + 2 * facts.broken) * len(facts.storm):
        return unknown(f"of {len(facts.storm)}: {told}; of {others} connections one by one {facts.broken} broke too: it may be the line")
    return failed(f"of {len(facts.storm)}: {told}", is_timed=set(counts) <= FINE | {"unanswered"})


def answer(exchange: Exchange) -> str:
    """Return what a stream's request got, in words."""
    if exchange.head is None:
        return "not connected" if exchange.end is End.NO_CONNECTION else "unanswered" if exchange.is_unanswered else exchange.end.value
    if exchange.is_stream:
        return "opened"
    if exchange.head.status in BUSY:
        return f"refused {'with' if exchange.head.get('retry-after') else 'without'} Retry-After"
    return f"answered {exchange.head.status}"


@rule(
    "shutdown",
    "A server that stops ends its streams in an orderly way",
    "RFC 9112, section 8: an incomplete response is an error to its client",
)
def shutdown(facts: Facts) -> Outcome:
    """Look at how the streams ended."""
    if facts.shutdown_at is None or not facts.shutdown:
        return unknown("it was not tried; --shutdown-command gives the command that stops the server")
    still = [exchange for exchange in facts.shutdown if exchange.is_left]
    cut = [exchange for exchange in facts.shutdown if exchange.is_broken_off]
    if still:
        return failed(f"{len(still)} of {len(facts.shutdown)} streams were still open when the test ended", is_timed=True)
    if cut and len(cut) < len(facts.shutdown):
        return unknown(f"{len(cut)} of {len(facts.shutdown)} streams broke off, and the others ended as they should: it may be the line")
    if cut:
        return failed(f"{len(cut)} of {len(facts.shutdown)} streams were cut off: {cut[0].end.value}, without the end of the response")
    last = max(exchange.ended for exchange in facts.shutdown)
    return passed(f"all {len(facts.shutdown)} streams ended as they should, {last - facts.shutdown_at:.1f} s after the command")
