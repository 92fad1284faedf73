"""Why a connection could not be made."""

from __future__ import annotations

import socket

import httpx2
import pytest

from pricewire.client.failure import failure_text


@pytest.mark.parametrize(("host", "said"), [("127.0.0.1", "Connection refused"), ("nohost.invalid", None)])
async def test_it_is_told_in_the_words_of_the_system(host: str, said: str | None) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    async with httpx2.AsyncClient(timeout=60) as client:
        with pytest.raises(httpx2.ConnectError) as raised:
            await client.get(f"http://{host}:{port}/")
    text = failure_text(raised.value)
    assert text == said if said is not None else "All connection attempts failed" not in text


def test_what_has_no_reason_is_named() -> None:
    assert failure_text(httpx2.ReadError("")) == "ReadError"
    assert failure_text(httpx2.ReadError("gone")) == "gone"
