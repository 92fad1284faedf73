"""When bytes come: the first one, events held back on the way, heartbeats, and the end."""

from __future__ import annotations

from itertools import pairwise

from pricewire.verify.exchange import End, Exchange, Piece
from pricewire.verify.facts import Facts
from pricewire.verify.scanner import Place
from pricewire.verify.verdicts import Needs, Outcome, failed, passed, rule, show, unknown, warned

HEAD_S = 5.0
"""Within this time a head has to come, in seconds."""

HELD_S = 2.0
"""When the rest of an event comes so many seconds after its beginning, something has held it back."""

PUBLISHED_S = 5.0
"""Within this time what was published has to come, in seconds."""

SILENT_S = 25.0
"""A stream may be silent for so long, in seconds. The standard advises a comment every 15 s or so;
many proxies close after 30 s to 60 s."""

COMPRESSED_S = 10.0
"""So long the head of a stream that may be compressed is waited for, in seconds."""

SAME_AGE_S = 1.0
"""Streams that break off at ages no further apart than this, in seconds, or a tenth, do so for the same reason."""

QUIET_S = 3.0
"""A silence longer than this, in seconds, that a comment ends shows a heartbeat."""


@rule(
    "first-byte",
    "The head comes at once",
    "WHATWG HTML, section 9.2.3: `open` fires when the head has come; until then a client waits",
    needs=Needs.HEAD,
)
def first_byte(facts: Facts) -> Outcome:
    """Look at when the head came."""
    watch = facts.watch
    waited = watch.head_at - watch.started
    if waited <= HEAD_S:
        return passed(f"after {waited:.2f} s")
    together = any(piece.at == watch.head_at for piece in watch.pieces)
    cause = "together with the first event: it is held back until there is one" if together else "late"
    return failed(f"the head came after {waited:.1f} s, {cause}", is_timed=True)


def held_back(stream: Exchange) -> list[tuple[Piece, float]]:
    """Return the pieces that end within an event whose rest came late, and how late, in seconds."""
    pieces = list(zip(stream.pieces, stream.places, strict=True))
    return [
        (piece, following.at - piece.at)
        for (piece, place), (following, _) in pairwise(pieces)
        if place is Place.IN_A_LINE and following.at - piece.at > HELD_S
    ]


def longest_silence(stream: Exchange, begins: float, ends: float) -> float:
    """Return for how long nothing came between two times, in seconds."""
    times = [begins, *(piece.at for piece in stream.pieces if begins < piece.at < ends), ends]
    return max(later - earlier for earlier, later in pairwise(times))


@rule("buffering", "Events come when they are made", "What holds events back on the way makes a live stream a late one")
def buffering(facts: Facts) -> Outcome:
    """Look for events that were cut in two, and for published ones that came late."""
    watch = facts.watch
    if watch.pieces and not watch.arrivals:
        return unknown("nothing came that is an event")
    published = [each for each in facts.published if not each.problem]
    delays: list[str] = []
    for each in published:
        later = [arrival.at for arrival in watch.arrivals if arrival.at >= each.started]
        came = later[0] if later else facts.watched_until
        waited = came - each.finished
        if waited <= PUBLISHED_S:
            continue
        if longest_silence(watch, each.finished, came) < HELD_S:
            return unknown(f"an event was published, and for {waited:.0f} s there were others before it: the line carries no more")
        if not later:
            return failed(f"an event was published, and did not come within {waited:.0f} s", is_timed=True)
        delays.append(f"what was published came after {waited:.1f} s")
    # A lossy line delays an event now and then.
    if delays and 2 * len(delays) < len(published):
        return unknown(f"{delays[0]}, {len(delays)} of {len(published)} times: the line may have lost it")
    if delays:
        return failed(delays[0], is_timed=True)
    held = held_back(watch)
    # A buffer cuts wherever it is full.
    if len(held) >= 2 and 2 * len(held) >= len(watch.pieces) - 1:
        piece, late = held[0]
        sizes = ", ".join(str(len(each.data)) for each in watch.pieces[:4])
        return failed(
            f"{len(held)} of {len(watch.pieces)} pieces end in the middle of an event, whose rest came {late:.1f} s later; "
            f"the first pieces have {sizes} bytes",
            show(piece.data[-80:]),
            is_timed=True,
        )
    if published:
        return passed(f"{len(published)} events were published, and each came within {PUBLISHED_S:g} s")
    times = len({arrival.at for arrival in watch.arrivals})
    if times >= 3:
        return passed(f"events came at {times} different times, each whole")
    return unknown("too few events came; --publish-command makes some")


@rule("compressed", "Compressed events come as soon as others", "What compresses a stream has to flush at the end of each event")
def compressed(facts: Facts) -> Outcome:
    """Compare a stream that may be compressed, as browsers allow it, with the one that may not."""
    stream, watch = facts.requests.get("compressed"), facts.watch
    if stream is not None and stream.is_unanswered and not stream.size:
        return failed(f"a request that allows compression, as those of browsers do, got no answer within {COMPRESSED_S:g} s", is_timed=True)
    if stream is None or not stream.is_stream or stream.head is None:
        return unknown("no stream opened for a request that allows compression")
    line = stream.head.line("content-encoding")
    if (stream.head.get("content-encoding") or "identity").lower() == "identity":
        return passed("the stream is not compressed", line)
    if stream.problem:
        return failed(stream.problem, line)
    end = facts.watched_until if stream.end is End.OPEN else stream.ended
    expected = [arrival for arrival in watch.arrivals if stream.head_at < arrival.at < end - PUBLISHED_S]
    if not expected:
        return unknown("no event came while a compressed stream was open", line)
    if not [arrival for arrival in stream.arrivals if arrival.at > expected[0].at - PUBLISHED_S]:
        return failed(f"{len(expected)} events came uncompressed, and none of them compressed", line, is_timed=True)
    return passed("compressed events came as well", line)


@rule("keeps-open", "The stream stays open", "WHATWG HTML, section 9.2.3: each end costs a reconnection after some seconds")
def keeps_open(facts: Facts) -> Outcome:
    """Look at how the stream ended, if it did."""
    watch = facts.watch
    lasted = watch.ended - watch.started
    if watch.is_left and not watch.is_complete:
        return passed(f"it was open for {facts.until:g} s")
    if facts.expiring is not None and watch.ended >= facts.expiring.expires_at - 1:
        return passed("it was open until its token ended")
    if watch.is_complete:
        return warned(f"the server ended it after {lasted:.1f} s: clients poll, and lose what comes in between unless they can resume")
    what = f"it broke off after {lasted:.1f} s, {watch.end.value}"
    others = [each for name in ("compressed", "again") if (each := facts.requests.get(name)) is not None and each.is_stream]
    ages = [(each, each.ended - each.started, max(SAME_AGE_S, lasted / 10)) for each in others]
    if any(age > lasted + most for _, age, most in ages):
        return unknown(f"{what}, and another stream did not: it may be the line", show(watch.body[-80:]))
    again = [each for each, age, most in ages if each.is_broken_off and abs(age - lasted) <= most]
    if len(again) < len(ages) or not again:
        return unknown(f"{what}, and no other stream at the same age: it may be the line", show(watch.body[-80:]))
    return failed(f"{what}, and so did {len(again)} more at the same age", show(watch.body[-80:]))


@rule("heartbeat", "A quiet stream shows that it lives", "WHATWG HTML, section 9.2.7: a comment every 15 seconds or so")
def heartbeat(facts: Facts) -> Outcome:
    """Look at the longest silence, and at what ended silences."""
    watch = facts.watch
    end = facts.watched_until
    times = [watch.head_at, *(piece.at for piece in watch.pieces), end]
    longest = max(after - before for before, after in pairwise(times))
    if longest > SILENT_S:
        return failed(
            f"nothing came for {longest:.0f} s: proxies close such a connection, and no client knows that the server is gone", is_timed=True
        )
    comments = [line for line in watch.scanner.lines if line.content.startswith(b":")]
    quiet = [after for before, after in pairwise(times[:-1]) if after - before > QUIET_S]
    at_comment = [line for line in comments if line.at in quiet]
    if at_comment:
        return passed(f"comments came in silences; the longest was {longest:.1f} s", show(at_comment[0].content))
    if len(comments) > 1:
        return passed(f"{len(comments)} comments came; the longest silence was {longest:.1f} s", show(comments[-1].content))
    return unknown(f"the stream was never silent for long: {longest:.1f} s at most; watch one that is quiet, or longer by --until 60s")
