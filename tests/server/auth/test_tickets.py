"""Tickets: once, and not for long."""

from __future__ import annotations

import pytest

from pricewire.errors import InvalidTokenError, StreamRefusedError
from pricewire.server.auth.tickets import LIFETIME_S, MAX_OPEN, Tickets
from pricewire.server.auth.tokens import Token
from support.clocks import HandClock

TOKEN = Token("a", frozenset({"read"}), "one", 5000.0)


def test_a_ticket_is_good_once() -> None:
    tickets = Tickets(clock=HandClock())
    ticket, expires_at = tickets.give(TOKEN)
    assert expires_at == 1000 + LIFETIME_S
    assert len(ticket) >= 32
    assert tickets.take(ticket) == TOKEN
    with pytest.raises(InvalidTokenError, match="not valid"):
        tickets.take(ticket)
    with pytest.raises(InvalidTokenError):
        tickets.take("made up")


def test_a_ticket_is_not_good_for_long() -> None:
    clock = HandClock()
    tickets = Tickets(steady=clock)
    first, _ = tickets.give(TOKEN)
    second, _ = tickets.give(TOKEN)
    clock.now += LIFETIME_S - 0.001
    assert tickets.take(first) == TOKEN
    clock.now += 0.001
    with pytest.raises(InvalidTokenError):
        tickets.take(second)


@pytest.mark.parametrize("step", [-3600, 3600])
def test_a_clock_that_is_set_changes_no_ticket(step: int) -> None:
    wall, steady = HandClock(), HandClock()
    tickets = Tickets(clock=wall, steady=steady)
    first, second = [tickets.give(TOKEN)[0] for _ in range(2)]
    wall.now += step
    steady.now += LIFETIME_S - 0.001
    assert tickets.take(first) == TOKEN
    steady.now += 0.001
    with pytest.raises(InvalidTokenError):
        tickets.take(second)


def test_tickets_that_nobody_used_are_not_kept() -> None:
    clock = HandClock()
    tickets = Tickets(steady=clock)
    for number in range(1000):
        ticket, _ = tickets.give(TOKEN)
        if number % 2:
            tickets.take(ticket)
        clock.now += 1
    assert len(tickets._open) <= LIFETIME_S
    assert tickets._counts["a"] == len(tickets._open)


def test_an_account_has_so_many_at_once() -> None:
    clock = HandClock()
    tickets = Tickets(steady=clock)
    given = [tickets.give(TOKEN)[0] for _ in range(MAX_OPEN)]
    with pytest.raises(StreamRefusedError, match="64 tickets"):
        tickets.give(TOKEN)
    assert tickets.give(Token("b", frozenset(), "two", 5000.0))
    tickets.take(given[10])
    assert tickets.give(TOKEN)
    clock.now += LIFETIME_S
    assert all(tickets.give(TOKEN) for _ in range(MAX_OPEN))
