"""What tests of the client share."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture
def young_garbage() -> Iterator[None]:
    """Have `gc.collect()` look at what the test itself made: there is much else, and it is called a hundred times."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
