from __future__ import annotations

import math

from pricewire.client.topics.throttle import MANY, Throttle
from support.client_messages import arrival


def test_an_interval_holds_back_what_comes_too_soon() -> None:
    throttle = Throttle(interval=1.0, debounce=0.0)
    first = arrival("tick", "A", at=10.0)
    assert throttle.pick([first], 10.0) == (0, 10.0)
    throttle.gave(first, 10.0)
    later = [arrival("tick", "A", at=10.2), arrival("tick", "B", at=10.3)]
    assert throttle.pick(later, 10.3) == (1, 10.3)
    throttle.gave(later[1], 10.3)
    assert throttle.pick(later[:1], 10.4) == (None, 11.0)
    assert throttle.pick(later[:1], 11.0) == (0, 11.0)
    assert throttle.pick([], 11.0) == (None, math.inf)


def test_a_debounced_message_waits_for_silence() -> None:
    throttle = Throttle(interval=0.0, debounce=0.5)
    assert throttle.pick([arrival("tick", "A", at=1.0), arrival("tick", "B", at=1.2)], 1.3) == (None, 1.5)
    assert throttle.pick([arrival("tick", "A", at=1.4), arrival("tick", "B", at=1.2)], 1.75) == (1, 1.75)


def test_what_nothing_supersedes_is_due_at_once_and_so_is_what_comes_before_it() -> None:
    throttle = Throttle(interval=9.0, debounce=9.0)
    update, sold = arrival("contract_updated", "c", '{"contract_id":"1"}'), arrival("contract_sold", "c", '{"contract_id":"1"}')
    assert throttle.pick([sold], 0.0) == (0, 0.0)
    assert throttle.pick([arrival("tick", "A"), update, sold], 0.0) == (1, 0.0)


def test_what_was_given_out_long_ago_is_forgotten() -> None:
    throttle = Throttle(interval=1.0, debounce=0.0)
    for number in range(3 * MANY):
        throttle.gave(arrival("candle", "c", f'{{"open_epoch_ms":"{number}"}}'), float(number))
    assert len(throttle._given) <= MANY
