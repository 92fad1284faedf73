"""How long flushes wait: by examples on a simulated processor, and by properties."""

from __future__ import annotations

import random
from itertools import count, pairwise
from math import inf

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pricewire.errors import PricewireError
from pricewire.hub.flush_pace import FLUSH_POLICY, LEAST_PART, FlushPace, FlushPolicy
from support.processor import Processor, Steps, Thread, busy_loop

TARGET = FLUSH_POLICY.target_utilisation
LONGEST = FLUSH_POLICY.max_interval


class Gateway:
    """
    A hub's thread: events come at given times, each costs some work, and all that have come are flushed at a cost of their own.

    Of those that have come at the same time, a turn of the loop publishes all, or one.

    Attributes:
        ages: when each flush began, and how old its oldest event was then.
        waits: when each flush began, and how long the thread slept before it although there were events.
        flushed: the CPU time of all flushes.
    """

    def __init__(
        self, processor: Processor, cost: float, *, other: float = 0.0, policy: FlushPolicy = FLUSH_POLICY, at_once: bool = True
    ) -> None:
        self.pace = FlushPace(policy)
        self.ages: list[tuple[float, float]] = []
        self.waits: list[tuple[float, float]] = []
        self.flushed = 0.0
        self._processor = processor
        self._cost = cost
        self._other = other
        self._at_once = at_once

    def steps(self, thread: Thread, arrivals: list[float], pace: FlushPace | None = None) -> Steps:
        """Run in a thread."""
        pace, processor = pace or self.pace, self._processor
        pace.begin(processor.now, thread.cpu)
        coming = iter(arrivals)
        following = next(coming, inf)
        pending: list[float] = []
        slept = 0.0
        while True:
            while following <= processor.now:
                pending.append(following)
                following = next(coming, inf)
                yield "work", self._other
                if not self._at_once:
                    break
            due = pace.flushed_at + pace.cycle if pending else inf
            if processor.now < due:
                if following > processor.now:
                    before = processor.now
                    yield "sleep", min(due, following)
                    slept += processor.now - before if pending else 0.0
                continue
            began, cpu = processor.now, thread.cpu
            self.ages.append((began, began - pending[0]))
            self.waits.append((began, slept))
            slept = 0.0
            pending.clear()
            yield "work", self._cost
            self.flushed += thread.cpu - cpu
            spent = processor.now - began
            is_sampled = pace.sample_from <= began < pace.sample_until
            pace.flushed(began, spent)
            if is_sampled:
                pace.sample(processor.now, thread.cpu, spent, thread.cpu - cpu)


def steady(rate: float, seconds: float, begin: float = 0.0) -> list[float]:
    """Return the times of events at a fixed rate."""
    return [begin + number / rate for number in range(round(seconds * rate))]


def serve(gateway: Gateway, processor: Processor, arrivals: list[float]) -> Thread:
    """Have a gateway serve in a thread of its own."""
    return processor.start(lambda thread: gateway.steps(thread, arrivals))


def late(pairs: list[tuple[float, float]], begin: float, end: float = inf) -> list[float]:
    """Return the second of each pair whose first is within a time."""
    return [value for at, value in pairs if begin <= at < end]


@pytest.mark.parametrize(("cost", "other", "rate"), [(0.0055, 0.0, 100), (0.004, 0.003, 100), (0.06, 0.0, 10), (0.0005, 0.0001, 1000)])
def test_nobody_waits_while_the_thread_has_time_to_spare(cost: float, other: float, rate: float) -> None:
    processor = Processor()
    gateway = Gateway(processor, cost, other=other)
    serve(gateway, processor, steady(rate, 5))
    processor.run(5)
    assert (cost + other) * rate < TARGET
    assert set(late(gateway.waits, 0.0)) == {0.0}


@pytest.mark.parametrize("others", [0, 1, 2])
@pytest.mark.parametrize(("cost", "other", "rate"), [(0.005, 0.0, 200), (0.004, 0.0002, 400), (0.001, 0.00005, 2000)])
def test_a_thread_that_has_no_time_to_spare_gets_some(cost: float, other: float, rate: float, others: int) -> None:
    """Also where busy neighbours leave it less than the target, a half or a third of the processor."""
    processor = Processor()
    gateway = Gateway(processor, cost, other=other, policy=FlushPolicy(max_interval=0.1))
    thread = serve(gateway, processor, steady(rate, 6))
    for _ in range(others):
        processor.start(busy_loop)
    processor.run(2)
    before = thread.cpu
    processor.run(6)
    assert (thread.cpu - before) / 4 < (0.99 / (1 + others) if others else TARGET + 0.05)
    waits = late(gateway.waits, 2)
    assert 0 < max(waits) <= 0.1
    assert others or min(waits) > 0


def test_a_constant_load_is_flushed_at_constant_intervals() -> None:
    processor = Processor()
    gateway = Gateway(processor, 0.006, other=0.0002)
    serve(gateway, processor, steady(500, 5))
    processor.run(5)
    gaps = [later - earlier for (earlier, _), (later, _) in pairwise(gateway.ages) if earlier > 2]
    assert max(gaps) - min(gaps) < 0.1 * sum(gaps) / len(gaps)
    assert sum(gaps) / len(gaps) == pytest.approx(0.006 / (TARGET - 0.1), rel=0.05)


@pytest.mark.parametrize("at_once", [True, False])
def test_a_burst_waits_no_longer_than_its_flushes_take(at_once: bool) -> None:
    """Also where its publisher gives one event a turn of the loop: with one flush for each it would end 60 ms behind."""
    processor = Processor()
    gateway = Gateway(processor, 0.005, at_once=at_once)
    bursts = [second + number / 400 for second in range(10) for number in range(20)]
    serve(gateway, processor, bursts)
    processor.run(10)
    assert max(late(gateway.ages, 0.0)) <= 0.005 / TARGET + 0.001


@pytest.mark.parametrize("others", [0, 1])
def test_events_are_at_once_again_when_the_load_has_ended(others: int) -> None:
    processor = Processor()
    gateway = Gateway(processor, 0.005, other=0.0001)
    trickle = steady(5, 5, begin=5 + 3 * LONGEST)
    serve(gateway, processor, [*steady(1000, 5), *trickle])
    for _ in range(others):
        processor.start(busy_loop)
    processor.run(10)
    assert min(late(gateway.waits, 4, 5)) > 0
    assert late(gateway.waits, trickle[0]) == [0.0] * len(trickle)


def test_a_busy_neighbour_alone_makes_nobody_wait() -> None:
    processor = Processor()
    gateway = Gateway(processor, 0.003)
    serve(gateway, processor, steady(60, 10))
    processor.start(busy_loop)
    processor.run(10)
    assert late(gateway.waits, 0.0).count(0.0) == len(gateway.waits)


def test_two_gateways_that_could_each_use_the_processor_share_it() -> None:
    processor = Processor()
    gateways = [Gateway(processor, 0.005, other=0.0005, policy=FlushPolicy(max_interval=0.1)) for _ in range(2)]
    threads = [serve(gateway, processor, steady(200, 8, begin)) for gateway, begin in zip(gateways, (0.0, 0.0013), strict=True)]
    processor.run(3)
    before = [thread.cpu for thread in threads]
    processor.run(8)
    used = [(thread.cpu - cpu) / 5 for thread, cpu in zip(threads, before, strict=True)]
    assert max(used) / min(used) < 1.1
    for gateway in gateways:
        ages = late(gateway.ages, 3)
        assert max(ages) < 0.06
        assert max(late(gateway.waits, 3)) > 0


def test_two_hubs_in_one_thread_keep_to_the_target_together() -> None:
    processor = Processor()
    hubs = [Gateway(processor, cost, policy=FlushPolicy(max_interval=0.1)) for cost in (0.004, 0.002)]

    def both(thread: Thread) -> Steps:
        """Each hub's steps, in turn: where one sleeps, the other may work."""
        running = [hub.steps(thread, steady(300, 8)) for hub in hubs]
        sleeping = [0.0, 0.0]
        while True:
            for number, steps in enumerate(running):
                while sleeping[number] <= processor.now:
                    kind, amount = next(steps)
                    if kind == "work":
                        yield "work", amount
                    else:
                        sleeping[number] = amount
                        break
            yield "sleep", min(sleeping)

    thread = processor.start(both)
    processor.run(3)
    before = thread.cpu
    processor.run(8)
    assert (thread.cpu - before) / 5 < TARGET + 0.05
    for hub in hubs:
        waits = late(hub.waits, 3)
        assert max(waits) < LONGEST * 2
        assert max(waits) - min(waits) < 0.01


def test_other_work_alone_makes_nobody_wait() -> None:
    """A thread that is busy with trades would win little by late prices."""
    processor = Processor()
    gateway = Gateway(processor, 0.001, other=0.0085)
    serve(gateway, processor, steady(100, 10))
    processor.run(10)
    assert set(late(gateway.waits, 0.0)) == {0.0}


flushes = st.lists(st.tuples(st.floats(0.0, 0.2), st.floats(0.0, 0.05), st.floats(0.0, 1.2)), max_size=50)
"""The gap before each flush and how long it takes, in seconds, and how much of it all is CPU time: also what cannot be."""


@given(flushes, st.floats(0.0, 0.1), st.floats(0.01, 1.0))
@example([(0.2, 0.0, 1.0), (0.2, 0.05, 1e-310)], 0.05, 0.75)
def test_no_wait_is_longer_than_the_bound_or_than_the_least_share_asks_for(
    steps: list[tuple[float, float, float]], longest: float, target: float
) -> None:
    pace = FlushPace(FlushPolicy(longest, target))
    pace.begin(0.0, 0.0)
    wall = cpu = fixed = began = 0.0
    for gap, spent, part in steps:
        wall += gap
        waited, began = wall - began, wall
        wall += spent
        cpu += part * (gap + spent)
        pace.flushed(began, spent)
        pace.sample(wall, cpu, spent, part * spent)
        fixed = min(max(fixed - waited, 0.0) + spent / (target * LEAST_PART), longest)
        assert 0.0 <= pace.cycle <= longest
        assert pace.cycle <= fixed * (1 + 1e-9)
        assert target * LEAST_PART <= pace.share <= target


@given(st.lists(st.tuples(st.floats(0.0, 0.05), st.floats(0.0, 0.01)), max_size=50))
def test_who_keeps_to_the_waits_keeps_to_the_share(steps: list[tuple[float, float]]) -> None:
    """However the events come: what all flushes take is within the target, but for the last flush."""
    pace = FlushPace(FlushPolicy(max_interval=0.1))
    wall = total = longest = 0.0
    for gap, spent in steps:
        began = max(wall + gap, pace.flushed_at + pace.cycle)
        wall = began + spent
        total += spent
        longest = max(longest, spent)
        pace.flushed(began, spent)
        assert total <= TARGET * began + longest + 1e-9


@pytest.mark.parametrize("seed", range(5))
def test_random_arrivals_wait_no_longer_than_flushes_take(seed: int) -> None:
    dice = random.Random(seed)
    at, arrivals = 0.0, []
    for _ in range(1000):
        at += dice.expovariate(100)
        arrivals.append(at)
    processor = Processor()
    gateway = Gateway(processor, 0.005)
    serve(gateway, processor, arrivals)
    processor.run(at)
    assert max(late(gateway.ages, 0.0)) <= 0.005 / TARGET + 0.001


@pytest.mark.parametrize(
    ("max_interval", "target"), [(-0.001, 0.5), (0.101, 0.5), (0.02, 0.0), (0.02, 1.1), (float("nan"), 0.5), (0.02, float("nan"))]
)
def test_what_is_out_of_range_is_refused(max_interval: float, target: float) -> None:
    with pytest.raises(PricewireError, match=r"is (-?0|1|nan)"):
        FlushPolicy(max_interval, target)


def test_the_cpu_time_is_read_only_where_it_makes_a_difference() -> None:
    """Reading it takes a microsecond: too long for each event of a server that has little to do."""
    pace = FlushPace(FLUSH_POLICY)
    for number in range(100):
        pace.flushed(number * 0.01, 0.0001)
        assert pace.sample_until < (number + 1) * 0.01
    pace.flushed(1.0, 0.005)
    assert pace.sample_until > 1.01


def test_without_an_interval_nobody_waits() -> None:
    pace = FlushPace(FlushPolicy(max_interval=0.0))
    for number in count(1):
        pace.flushed(number * 0.001, 0.5)
        assert pace.cycle == 0.0
        if number == 100:
            break
