"""Why streams end: one table, wherever it is written down, and the bytes that are written last."""

from __future__ import annotations

import re
from pathlib import Path

from pricewire.protocol.stream_end import StreamEnd

ROOT = Path(__file__).parents[2]
TABLE = {end.name: end.value for end in StreamEnd}


def test_the_browser_client_has_the_same_table() -> None:
    body = re.search(r"STREAM_ENDS = \{\n(.*?)\n\} as const", (ROOT / "web/src/stream_end.ts").read_text(), re.DOTALL)
    assert body is not None
    entries = [re.fullmatch(r"  ([A-Z_]+): '(.*)',", line) for line in body[1].split("\n")]
    assert {entry[1]: entry[2] for entry in entries if entry is not None} == TABLE
    assert len(entries) == len(TABLE), "every line is understood"


def test_the_documentation_names_each_code() -> None:
    text = (ROOT / "docs/streams.md").read_text()
    table = text.partition("The codes of `error`:")[2].partition("\n\nThe other endpoints")[0]
    assert re.findall(r"^\| `([A-Z_]+)` \|", table, re.MULTILINE) == list(TABLE)


def test_a_stream_with_named_events_says_why() -> None:
    data = b'data: {"error":{"code":"TOKEN_REVOKED","message":"the token was revoked; log in again"}}\n\n'
    assert StreamEnd.TOKEN_REVOKED.encode(control=True) == b"event: error\n" + data
    assert StreamEnd.TOKEN_REVOKED.encode(control=True, retry=7) == b"event: error\nretry: 7\n" + data


def test_a_stream_without_them_says_when_to_come_back_at_most() -> None:
    assert StreamEnd.SERVER_DRAINING.encode(control=False) == b""
    assert StreamEnd.SERVER_DRAINING.encode(control=False, retry=0) == b"retry: 0\n"
