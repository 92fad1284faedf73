"""The browser client's decoder, in Node."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from fuzz.targets.standard import Decoded

ROOT = Path(__file__).parents[2]

BUILT = ROOT / "web" / "dist" / "pricewire.js"
"""The built client."""


class Browser:
    """A Node process that decodes one stream after the other."""

    def __init__(self) -> None:
        program = Path(__file__).with_name("browser.mjs")
        self._process = subprocess.Popen(["node", str(program), str(BUILT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def decode(self, chunks: list[bytes]) -> Decoded:
        """Return what the decoder makes of a stream."""
        assert self._process.stdin is not None, "it was asked for"
        assert self._process.stdout is not None, "it was asked for"
        self._process.stdin.write(json.dumps([chunk.hex() for chunk in chunks]) + "\n")
        self._process.stdin.flush()
        events, last_event_id, retry = json.loads(self._process.stdout.readline())
        return Decoded([tuple(event) for event in events], last_event_id, retry)
