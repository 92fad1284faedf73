"""No test of the blocking client leaves a thread behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from support.serving import PATIENCE


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    for thread in threading.enumerate():
        if thread.name == "pricewire":
            thread.join(PATIENCE)
            assert not thread.is_alive()
