"""The page of the FIX feed: its venue, its file and its command, as they stand there."""

from __future__ import annotations

import re
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from bench.servers.nats import free_ports

from support.doc_blocks import BLOCKS, ROOT, Program

pytestmark = pytest.mark.skipif(find_spec("quickfix") is None, reason="quickfix is not installed: pip install 'pricewire[fix]'")

FILES = {block.title: block.code for block in BLOCKS if block.page == ROOT / "docs" / "fix-feed.md" and block.title is not None}


def test_the_venue_s_prices_are_shown(tmp_path: Path) -> None:
    port = str(free_ports(1)[0])
    for name in ("venue.py", "quotes.cfg"):
        text, count = re.subn("9876", port, FILES[name])
        assert count == 1
        (tmp_path / name).write_text(text)
    with Program([sys.executable, "venue.py"], tmp_path) as venue:
        venue.wait_for("the venue is open")
        with Program(["pricewire", "feed", "test", "fix:quotes.cfg", "--seconds", "600"], tmp_path) as command:
            command.wait_for(r"EURUSD bid 1\.\d{5} ask 1\.\d{5} at \d{13}")
            command.interrupt()
            lines = list(command.lines())
            assert command.wait() == 0, command.errors
        assert re.search(r"quotes\.cfg: \d+ messages, \d+ ticks, 0 passed over, 0 gaps, 1 connections$", lines[-1])
        venue.wait_for("logged out: FIX.4.4:VENUE->ME")
