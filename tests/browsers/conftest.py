"""The three engines, and a page for them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.engines import Chromium, Engine, Firefox, WebKit

ENGINES: dict[str, type[Chromium | Firefox | WebKit]] = {"chromium": Chromium, "firefox": Firefox, "webkit": WebKit}


@pytest.fixture(scope="module", params=ENGINES)
def running(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """One engine after the other, for all tests of a module, which are plain functions."""
    engine = ENGINES[request.param]()
    yield engine
    engine.close()


@pytest.fixture
def engine(running: Engine) -> Iterator[Engine]:
    """The engine for one test; what the page has open ends with the test."""
    yield running
    running.open("about:blank")
