from __future__ import annotations

from typing import Any

import pytest

from pricewire.client.api.tokens import Credentials
from pricewire.client.stream.options import StreamOptions, credentials_of
from pricewire.client.stream.reconnect import ReconnectPolicy


@pytest.mark.parametrize(
    ("mistake", "error", "text"),
    [
        ({"headers": {"X": "a\nb"}}, ValueError, "the value of header 'X'"),
        ({"headers": {"X": 1}}, TypeError, "headers\\['X'\\] is of type int"),
        ({"headers": {"authorization": "a"}, "credentials": Credentials("b")}, ValueError, "give one of them"),
        ({"reconnect": None}, TypeError, "it is a ReconnectPolicy"),
        ({"idle_timeout": 0}, ValueError, "idle_timeout is 0 s"),
        ({"retry_statuses": 1}, TypeError, "it is True or False"),
        ({"max_event_size": 0}, ValueError, "max_event_size is 0 bytes"),
        ({"http_client": "x"}, TypeError, "an httpx2.AsyncClient"),
    ],
)
def test_mistakes_are_named(mistake: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        StreamOptions(**{"reconnect": ReconnectPolicy(), **mistake})


def test_credentials_are_shared_or_new() -> None:
    shared = Credentials("a")
    assert credentials_of(None) is None
    assert credentials_of(shared) is shared
    assert isinstance(credentials_of("a"), Credentials)
    with pytest.raises(ValueError, match="Authorization"):
        credentials_of("a\nb")
