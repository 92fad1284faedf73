"""The answers of an HTTP/1.1 connection, read strictly."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fuzz.finding import Finding, expect

STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9][0-9]) [ -~]*")

HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9a-zA-Z-]+): ?([\t\x20-\x7e\x80-\xff]*)")

SIZE = re.compile(rb"([0-9a-f]+)")


def read_answers(written: bytes, methods: Sequence[str]) -> list[int]:
    """
    Return the statuses of the answers.

    Args:
        written: what the server has written; the last answer may have no end.
        methods: those of the requests that the application was asked; what is answered beyond them was refused before.

    Raises:
        Finding: this is no sequence of answers.

    Source: RFC 9112, sections 4, 5, 6.3 and 7.1.
    """
    statuses: list[int] = []
    rest = written
    final = 0
    while rest:
        head, end, body = rest.partition(b"\r\n\r\n")
        expect(bool(end), f"a head is whole: {head!r}")
        line, *lines = head.split(b"\r\n")
        match = STATUS_LINE.fullmatch(line)
        if match is None:
            raise Finding(f"an answer begins with its status: {line[:200]!r} in {written!r}")
        status = int(match[1])
        statuses.append(status)
        headers = read_headers(lines)
        method = methods[final] if final < len(methods) else "GET"
        final += status >= 200
        if status < 200 or status in (204, 304) or method == "HEAD":
            rest = body
        elif headers.get(b"transfer-encoding") == b"chunked":
            rest = after_chunks(body)
        elif b"content-length" in headers:
            # The last one may have been cut: what is no HTTP behind its request closes the connection at once.
            rest = body[int(headers[b"content-length"]) :]
        else:
            # It ends with the connection.
            rest = b""
    return statuses


def read_headers(lines: list[bytes]) -> dict[bytes, bytes]:
    """
    Return the headers that say how long the body is.

    Raises:
        Finding: a line is no header, or its length is said twice.
    """
    headers: dict[bytes, bytes] = {}
    for line in lines:
        match = HEADER.fullmatch(line)
        if match is None:
            raise Finding(f"this is no header: {line!r}")
        name = match[1].lower()
        if name in (b"transfer-encoding", b"content-length"):
            expect(not headers, f"the length is said once: {lines!r}")
            headers[name] = match[2]
    return headers


def after_chunks(body: bytes) -> bytes:
    """
    Return what follows the last chunk; nothing where it has not come.

    Raises:
        Finding: a chunk has no size, or does not end where it says.
    """
    while body:
        line, end, rest = body.partition(b"\r\n")
        expect(bool(end) and SIZE.fullmatch(line) is not None, f"a chunk begins with its size: {line[:200]!r}")
        size = int(line, 16)
        expect(rest[size : size + 2] == b"\r\n", f"a chunk of {size} bytes ends with a line break: {rest[: size + 200]!r}")
        body = rest[size + 2 :]
        if size == 0:
            return body
    return b""
