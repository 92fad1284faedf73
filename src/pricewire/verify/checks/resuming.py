"""What a client gets that comes back: after `Last-Event-ID` exactly what it has missed."""

from __future__ import annotations

from collections.abc import Sequence

from pricewire.verify.checks.requests import AWAY, no_answer
from pricewire.verify.exchange import Exchange
from pricewire.verify.facts import Facts, Resume, Resumed
from pricewire.verify.scanner import Arrival
from pricewire.verify.verdicts import Outcome, failed, passed, rule, show, unknown

SOURCE = "WHATWG HTML, section 9.2.4: the server learns by Last-Event-ID where a client was cut off"


def with_ids(arrivals: Sequence[Arrival]) -> list[Arrival]:
    """Return the events that have an id of their own."""
    return [each for each in arrivals if each.has_id and each.event.last_event_id]


def missed(watch: Exchange, after: str, until: float) -> list[Arrival] | None:
    """Return what the watched stream got after an event, up to a time in seconds; None where it did not have the event."""
    known = with_ids(watch.arrivals)
    places = [place for place, each in enumerate(known) if each.event.last_event_id == after]
    return [each for each in known[places[-1] + 1 :] if each.at <= until] if places else None


def is_caught_up(watch: Exchange, resumed: Exchange, after: str, asked_at: float) -> bool:
    """Return whether a stream has brought the last of what was missed when it was asked for, at a time in seconds, or something else."""
    expected = missed(watch, after, asked_at)
    if not expected:
        return True
    wanted = {each.event.last_event_id for each in expected[:-1]}
    return any(each.event.last_event_id not in wanted for each in with_ids(resumed.arrivals))


def are_unique(watch: Exchange) -> bool:
    """Return whether no two events of the watched stream have the same id."""
    ids = [each.event.last_event_id for each in with_ids(watch.arrivals)]
    return len(ids) == len(set(ids))


def compare(facts: Facts, resumed: Resumed) -> Outcome:
    """Compare what a stream brought with what the watched one got after the same event."""
    watch, stream = facts.watch, resumed.exchange
    named = f"after {resumed.after!r}, {resumed.kind.value}"
    if stream.head is None:
        return no_answer(facts, stream, named)
    if stream.head.status in AWAY:
        return unknown(f"{named}: the server was too busy to answer", show(stream.head.raw.split(b"\r\n")[0]))
    if not stream.is_stream:
        return failed(f"{named}: the status is {stream.head.status}, the media type {stream.head.media_type!r}", show(stream.head.raw))
    if not (watch.is_whole and stream.is_whole):
        return unknown(f"{named}: more came than is looked at")
    expected = missed(watch, resumed.after, resumed.asked_at)
    if not expected:
        return unknown(f"{named}: nothing was missed that the stream could bring")
    got = with_ids(stream.arrivals)
    wanted = [each.event.last_event_id for each in expected]
    ids = [each.event.last_event_id for each in got]
    everything = [each.event.last_event_id for each in with_ids(watch.arrivals)]
    before = set(everything[: everything.index(wanted[0])]) - set(wanted)
    old = [each for each in got if each.event.last_event_id in before]
    if old:
        return failed(f"{named}: it brings again what the client has, from {old[0].event.last_event_id!r} on", show(old[0].raw))
    lost = [each for each in expected if each.event.last_event_id not in ids]
    if lost:
        # Lost is what was passed over; what has not come yet may be late.
        if not any(
            own not in before and (own not in wanted or wanted.index(own) > wanted.index(lost[0].event.last_event_id)) for own in ids
        ):
            return unknown(f"{named}: neither the missed events nor later ones came")
        if len(lost) == len(expected):
            what = f"none of the {len(expected)} missed events came; Last-Event-ID is ignored"
        else:
            what = f"{len(lost)} of the {len(expected)} missed events did not come, {lost[0].event.last_event_id!r} the first"
        return failed(f"{named}: {what}", f"lost: {show(lost[0].raw)}")
    came = [own for own in ids if own in set(wanted)]
    if len(came) != len(set(came)):
        return failed(f"{named}: an event came twice", show(got[0].raw))
    if came != wanted:
        return failed(f"{named}: the missed events came in another order, {', '.join(came[:4])}", show(got[0].raw))
    for one, other in zip(expected, [each for each in got if each.event.last_event_id in set(wanted)], strict=True):
        if one.event.data != other.event.data:
            return failed(
                f"{named}: the id {one.event.last_event_id!r} has other data now", f"{show(one.raw, 80)} and {show(other.raw, 80)}"
            )
    return passed(f"{named}: the {len(expected)} missed events came, in order, and none twice", show(got[0].raw))


def judge(facts: Facts, kind: Resume) -> Outcome:
    """Judge the streams that were resumed in one way."""
    found = [each for each in facts.resumed if each.kind is kind]
    if not are_unique(facts.watch):
        return unknown("several events have the same id, so none can be gone on after")
    if not found:
        return unknown("too few events with ids came to resume after one; --publish-command makes some")
    return compare(facts, found[0])


@rule("resume", "A client that reconnects gets exactly what it has missed", SOURCE)
def resume(facts: Facts) -> Outcome:
    """Judge a stream that goes on after one of the newest events."""
    return judge(facts, Resume.AT_ONCE)


@rule(
    "resume-after-cut",
    "An event that was cut off comes again",
    "WHATWG HTML, section 9.2.6: without its blank line it counts as not received",
)
def after_a_cut(facts: Facts) -> Outcome:
    """Judge a stream that goes on where another one was cut off in the middle of an event."""
    return judge(facts, Resume.AFTER_A_CUT)


@rule("resume-later", "A client that was away for a while gets what it has missed", SOURCE)
def later(facts: Facts) -> Outcome:
    """Judge a stream that goes on after one of the oldest events, at the end."""
    return judge(facts, Resume.LATER)


@rule("same-ids", "An id means the same event on every connection", SOURCE)
def same_ids(facts: Facts) -> Outcome:
    """Compare the events of all streams by their ids."""
    if not are_unique(facts.watch):
        return unknown("several events of one connection have the same id already")
    seen = {each.event.last_event_id: each for each in with_ids(facts.watch.arrivals)}
    common = 0
    for stream in facts.streams:
        if stream is facts.watch:
            continue
        for each in with_ids(stream.arrivals):
            first = seen.get(each.event.last_event_id)
            if first is None:
                continue
            if (first.event.data, first.event.type) != (each.event.data, each.event.type):
                return failed(
                    f"{each.event.last_event_id!r} is another event on another connection: a client that comes back loses events unseen",
                    f"{show(first.raw, 80)} and {show(each.raw, 80)}",
                )
            common += 1
    if not common:
        return unknown("no two connections brought an event with the same id")
    return passed(f"{common} times two connections brought the same event with the same id")


@rule(
    "unknown-id",
    "A client with an id that nobody knows gets a stream",
    "WHATWG HTML, section 9.2.3: any status but 200 ends an EventSource for good",
)
def unknown_id(facts: Facts) -> Outcome:
    """Look at the answer to an id that the server has never given."""
    stream = facts.requests.get("unknown id")
    if stream is None:
        return unknown("it was not tried")
    if stream.head is None:
        return no_answer(facts, stream, "an unknown id")
    first = show(stream.head.raw.split(b"\r\n")[0])
    if stream.head.status in AWAY:
        return unknown("the server was too busy to answer", first)
    if not stream.is_stream:
        return failed(f"the status is {stream.head.status}: after a restart of the server its clients never come back", first)
    return passed("it gets a stream", first)
