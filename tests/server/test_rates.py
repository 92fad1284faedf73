"""How much an address may ask for, and how many quotes there may be."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pricewire.server.rates import AddressRates, LiveQuotes


def test_an_address_has_its_burst_then_its_rate() -> None:
    rates = AddressRates(rate=10, burst=100)
    assert rates.take("a", 60, 0) == 0
    assert rates.take("a", 40, 0) == 0
    assert rates.take("a", 10, 0) == 1, "what is refused takes nothing"
    assert rates.take("b", 100, 0) == 0, "others have their own"
    assert rates.take("a", 10, 1) == 0
    assert rates.take("a", 20, 2) == 1
    assert rates.take("a", 500, 100) == 0, "what costs more than all counts as all"
    assert rates.take("a", 1, 100) > 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 30), st.integers(0, 5)), max_size=60))
def test_nobody_ever_gets_more_than_burst_and_rate(requests: list[tuple[str, int, int]]) -> None:
    rates, now = AddressRates(rate=2, burst=20), 0
    granted: Counter[str] = Counter()
    for address, cost, later in requests:
        now += later
        wait = rates.take(address, cost, now)
        assert 0 <= wait <= 10
        if wait == 0:
            granted[address] += min(cost, 20)
            assert granted[address] <= 20 + 2 * now
        assert rates.take(address, 0.5, now + wait + 10) == 0, "who waits is let in"
        now += int(wait) + 11


def test_only_so_many_addresses_are_remembered() -> None:
    rates = AddressRates(rate=1, burst=10, most=50)
    for number in range(1000):
        rates.take(number, 10, number / 1000)
    assert len(rates._full_at) == 50
    assert rates.take(999, 1, 1) > 0, "the newest are kept"
    rates.take("later", 1, 1000)
    assert len(rates._full_at) == 1, "who has its whole burst again is forgotten"


@given(st.lists(st.tuples(st.integers(0, 5), st.frozensets(st.sampled_from("pqrstuvw"), max_size=5)), max_size=40))
def test_quotes_are_counted_once_however_many_streams_have_them(changes: list[tuple[int, frozenset[str]]]) -> None:
    quotes = LiveQuotes(of_stream=4, of_address=5, of_process=6)
    streams: dict[int, frozenset[str]] = {}

    def distinct(address: int | None = None) -> int:
        return len({name for number, names in streams.items() for name in names if address is None or number % 2 == address})

    for number, names in changes:
        old = streams.get(number, frozenset())
        if quotes.refusal(number % 2, old, names) is None:
            quotes.change(number % 2, old, names)
            streams[number] = names
        else:
            before, own_before = distinct(), distinct(number % 2)
            streams[number] = names
            is_one_too_many = distinct() > 6 and distinct() > before
            assert len(names) > 4 or is_one_too_many or (distinct(number % 2) > 5 and distinct(number % 2) > own_before)
            streams[number] = old
        assert len(quotes) == distinct() <= 6
        assert max(distinct(0), distinct(1)) <= 5
    for number, names in streams.items():
        quotes.change(number % 2, names, frozenset())
    assert len(quotes) == 0
