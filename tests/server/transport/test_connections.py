"""Who makes room for whom, on a clock and with a number of files that the test sets."""

from __future__ import annotations

import logging

import pytest

from pricewire.server.client_address import parse_network
from pricewire.server.limits import Limits
from pricewire.server.transport.connections import LEAST, RESERVED_FILES, WARNING_INTERVAL, Excess, OpenConnections

LIMITS = Limits(streams=5, streams_per_address=3, connections=5, connections_per_address=3)


class Visit:
    """A connection that notes whether it was closed."""

    def __init__(self, connections: OpenConnections, peer: str | None = "192.0.2.1", limits: Limits = LIMITS) -> None:
        self.is_open = True
        self.excess = connections.enter(self, peer, limits)

    def make_room(self) -> None:
        self.is_open = False


def test_the_one_that_has_waited_longest_makes_room() -> None:
    connections = OpenConnections()
    first, second, third = [Visit(connections) for _ in range(3)]
    connections.serve(first)
    connections.wait(first)
    fourth = Visit(connections)
    assert [each.is_open for each in (first, second, third, fourth)] == [True, False, True, True]
    assert len(connections) == 3
    assert connections.closed == 1
    # What has been closed says so again when it is lost.
    connections.leave(second)
    assert len(connections) == 3


def test_as_many_may_come_back_at_once_as_there_may_be_streams() -> None:
    connections = OpenConnections()
    limits = Limits(streams=50, streams_per_address=20, connections=5, connections_per_address=3)
    assert all(each.is_open for each in [Visit(connections, limits=limits) for _ in range(20)])


def test_who_is_being_answered_is_not_closed() -> None:
    connections = OpenConnections()
    served = [Visit(connections) for _ in range(3)]
    for each in served:
        connections.serve(each)
    late = Visit(connections)
    assert late.excess is Excess.ADDRESS
    assert all(each.is_open for each in served)
    assert Visit(connections, "192.0.2.2").excess is None
    connections.leave(served[0])
    assert Visit(connections).excess is None


def test_the_process_has_a_limit_of_its_own() -> None:
    limits = Limits(streams=10, streams_per_address=3, connections=10, connections_per_address=3)
    connections = OpenConnections()
    visits = [Visit(connections, f"192.0.2.{number}", limits) for number in range(11)]
    assert [each.is_open for each in visits] == [False, *[True] * 10]
    for each in visits[1:]:
        connections.serve(each)
    assert Visit(connections, "192.0.2.20", limits).excess is Excess.PROCESS


def test_the_files_of_the_process_are_a_limit() -> None:
    streams = 0
    connections = OpenConnections(files=lambda: RESERVED_FILES + 30, streams=lambda: streams)
    limits = Limits()
    for number in range(40):
        Visit(connections, f"192.0.2.{number}", limits)
    assert len(connections) == 30
    streams = 1000
    connections = OpenConnections(files=lambda: RESERVED_FILES + 30, streams=lambda: streams)
    for number in range(40):
        Visit(connections, f"192.0.2.{number}", limits)
    assert len(connections) == LEAST, "somebody has to see that the server lives"


def test_a_proxy_is_many_clients_and_so_is_a_socket_without_addresses() -> None:
    connections = OpenConnections([parse_network("10.0.0.0/8")])
    limits = Limits(streams_per_address=3, connections_per_address=3)
    visits = [Visit(connections, peer, limits) for peer in ("10.1.2.3", None, "::ffff:10.0.0.1") for _ in range(10)]
    assert all(each.is_open for each in visits)
    network = [Visit(connections, f"2001:db8::{number}", limits) for number in range(4)]
    assert [each.is_open for each in network] == [False, True, True, True], "a /64 of IPv6 is one client"
    for each in [*visits, *network]:
        connections.leave(each)
    assert len(connections) == 0


def test_a_limit_that_is_reached_is_logged_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    connections = OpenConnections(clock=lambda: now)
    for _ in range(100):
        Visit(connections)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "192.0.2.1" not in caplog.text
    now = WARNING_INTERVAL
    Visit(connections)
    assert "98 of them so far" in caplog.messages[-1]
    assert len(caplog.messages) == 2
