"""The browser package over the requests of React Native and Expo, as far as these are JavaScript, and without what their engines lack."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pricewire.market.feeds.simulated.feed import SimulatedFeed
from pricewire.server.app import create_app
from support.doc_blocks import ROOT
from support.npm import Npm
from support.serving import Serving

HERE = Path(__file__).parent / "react_native"
VECTORS = ROOT / "tests/vectors/event_stream.json"

SOURCES = {"react-native": "0.86.3", "expo": "57.0.33"}
"""Whose sources are run. They are not installed, as that would bring several hundred packages for building applications."""

DEPENDENCIES = {
    "abort-controller": "3.0.0",
    "base64-js": "1.5.1",
    "flow-remove-types": "2.336.0",
    "invariant": "2.2.4",
    "nullthrows": "1.1.1",
    "whatwg-fetch": "3.6.20",
}
"""What these sources import of the dependencies of React Native, and what makes JavaScript of them."""

PATIENCE = 300.0
"""How long the program may take, in seconds."""


@pytest.fixture(scope="module")
def application(npm: Npm, tarball: Path) -> Path:
    """A folder with the browser package, and one module of React Native's and Expo's sources."""
    folder = npm({**DEPENDENCIES, "pricewire": f"file:{tarball}"})
    for name, version in SOURCES.items():
        command = ["npm", "pack", "--silent", "--prefer-offline", f"{name}@{version}"]
        packed = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.split()[-1]
        # Python 3.11.2 unpacks without a filter only, and newer ones warn of that.
        subprocess.run(["tar", "--extract", "--gzip", "--file", packed], cwd=folder, check=True)
        (folder / "package").rename(folder / name)
    subprocess.run(["node", HERE / "bundle.mjs", ROOT / "web", folder], check=True)
    return folder


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with Serving(create_app([SimulatedFeed(seed=1, rate=20)], heartbeat=1.0)) as serving:
        yield serving.url


def use(application: Path, server: str, how: str) -> dict[str, Any]:
    """Return what came of a program that reads streams."""
    command = ["node", *map(str, [HERE / "run.mjs", application, VECTORS, server, how])]
    result = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert result.returncode == 0, result.stderr
    seen: dict[str, Any] = json.loads(result.stdout)
    return seen


@pytest.mark.parametrize(
    ("how", "chosen", "long", "connections"),
    [
        # What `XMLHttpRequest` has received stays in memory, so its streams begin anew, and resume.
        ("fetch", "XMLHttpRequest", 12, 2),
        ("expo", "expo/fetch", 6, 1),
    ],
)
def test_streams_are_read_as_in_a_browser(application: Path, server: str, how: str, chosen: str, long: int, connections: int) -> None:
    seen = use(application, server, how)
    assert seen["chosen"] == chosen
    assert seen["wrong"] == []
    assert seen["cut"] == ["whole", "half"]
    assert seen["long"] == list(range(1, long + 1))
    assert seen["connections"] == connections
    assert seen["states"] == ["closed", "connecting", "open", "paused", "connecting", "open", "closed"]
    assert seen["listeners"] == 0
