"""How many passwords may be tried."""

from __future__ import annotations

import pytest

from pricewire.errors import TooManyAttemptsError
from pricewire.server.auth.login_throttle import MAX_KEPT, OF_ACCOUNT, OF_ADDRESS, OF_ALL, OF_BOTH, LoginThrottle
from support.clocks import HandClock


def tries(login_throttle: LoginThrottle, *who: tuple[str, object]) -> int:
    """Return how many attempts are let pass before one is not."""
    for count, (account, address) in enumerate(who):
        try:
            login_throttle.begin(account, address)
        except TooManyAttemptsError:
            return count
    return len(who)


def test_one_account_from_one_address() -> None:
    clock = HandClock()
    login_throttle = LoginThrottle(clock=clock)
    assert tries(login_throttle, *[("a", 1)] * 100) == OF_BOTH.burst
    with pytest.raises(TooManyAttemptsError) as raised:
        login_throttle.begin("a", 1)
    assert 1 <= raised.value.retry_after <= OF_BOTH.seconds + 1
    assert tries(login_throttle, ("b", 1), ("a", 2)) == 2, "others are not concerned"
    clock.now += raised.value.retry_after
    assert tries(login_throttle, *[("a", 1)] * 100) == 1, "who comes when told is let pass, once"


def test_many_accounts_from_one_address() -> None:
    assert tries(LoginThrottle(clock=HandClock()), *[(f"account {number}", 1) for number in range(1000)]) == OF_ADDRESS.burst


def test_one_account_from_many_addresses() -> None:
    assert tries(LoginThrottle(clock=HandClock()), *[("a", number) for number in range(1000)]) == OF_ACCOUNT.burst


def test_who_knows_the_password_is_not_counted() -> None:
    login_throttle = LoginThrottle(clock=HandClock())
    for number in range(1000):
        login_throttle.begin("a", number)
        login_throttle.succeeded("a", number)
    assert tries(login_throttle, *[("a", 1)] * 100) == OF_BOTH.burst


def test_right_passwords_are_counted_for_what_they_take() -> None:
    clock = HandClock()
    login_throttle = LoginThrottle(clock=clock)
    for number in range(OF_ALL.burst):
        login_throttle.begin(f"account {number}", 1)
        login_throttle.succeeded(f"account {number}", 1)
    assert tries(login_throttle, ("a", 1)) == 0
    assert tries(login_throttle, ("a", 2)) == 1, "another address is not concerned"
    clock.now += 1
    for number in range(4):
        login_throttle.begin(f"account {number}", 1)
        login_throttle.succeeded(f"account {number}", 1)
    assert tries(login_throttle, ("a", 1)) == 0


@pytest.mark.parametrize("later", [0.0, 1.0, 2.0, 3.0, 30.0])
def test_right_passwords_that_were_checked_for_long_are_taken_back_where_they_count(later: float) -> None:
    clock = HandClock()
    login_throttle = LoginThrottle(clock=clock)
    for _ in range(3):
        login_throttle.begin("a", 1)
    for _ in range(3):
        clock.now += later
        login_throttle.succeeded("a", 1)
    clock.now += OF_ADDRESS.seconds
    assert tries(login_throttle, *[("a", 1)] * 100) == OF_BOTH.burst


def test_those_forgiven_are_forgotten() -> None:
    clock = HandClock()
    login_throttle = LoginThrottle(clock=clock)
    for number in range(MAX_KEPT // 2):
        login_throttle.begin(f"account {number}", number)
        clock.now += 1
    assert len(login_throttle._until) < MAX_KEPT + 4
