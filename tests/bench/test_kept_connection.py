"""A connection that is kept to publish over: what happens when the server closes it, refuses, or is gone."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from bench.servers.kept_connection import KeptConnection
from bench.servers.peer import PeerError

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@contextmanager
def server(each: int, answer: bytes = OK) -> Iterator[tuple[KeptConnection, list[bytes]]]:
    """Serve connections that are closed after so many answers; yield the connection under test, and the bodies that came."""
    bodies: list[bytes] = []

    def answers(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as requests:
                for _ in range(each):
                    if not (line := requests.readline()):
                        break
                    assert line.startswith(b"POST /publish ")
                    size = 0
                    while (line := requests.readline()) != b"\r\n":
                        if line.lower().startswith(b"content-length:"):
                            size = int(line.split(b":")[1])
                    bodies.append(requests.read(size))
                    connection.sendall(answer)
                # Without this the answers would be lost with what was not read.
                connection.shutdown(socket.SHUT_WR)
                requests.read()

    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=answers, args=(listener,))
    thread.start()
    connection = KeptConnection("127.0.0.1", listener.getsockname()[1], "it")
    try:
        yield connection, bodies
    finally:
        connection.close()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@pytest.mark.parametrize("ahead", [0, 5])
@pytest.mark.parametrize("each", [1, 3, 100])
def test_every_message_is_posted_once_whenever_the_server_closes(each: int, ahead: int) -> None:
    with server(each) as (connection, bodies):
        for number in range(20):
            connection.post("/publish", b"%d" % number, ahead=ahead)
        connection.finish()
        assert bodies == [b"%d" % number for number in range(20)]


def test_an_answer_that_says_so_is_the_last_of_its_connection() -> None:
    with server(1, OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")) as (connection, bodies):
        for number in range(5):
            connection.post("/publish", b"%d" % number)
        assert bodies == [b"%d" % number for number in range(5)]


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", b'HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{"error":"what"}']
)
def test_a_refusal_is_said(answer: bytes) -> None:
    with server(100, answer) as (connection, _), pytest.raises(PeerError, match="it refused a message"):
        connection.post("/publish", b"x")


def test_who_never_answers_is_not_tried_for_ever() -> None:
    with server(0) as (connection, _), pytest.raises(PeerError, match="it closes connections without an answer"):
        connection.post("/publish", b"x")
