"""What a command says to do about an error."""

from __future__ import annotations

import pytest

from pricewire.cli.advice import advise
from pricewire.errors import ClientError, ConnectError, ContentTypeError, HTTPStatusError, InvalidTopicError

SERVER = "http://127.0.0.1:8080"


@pytest.mark.parametrize(
    ("error", "url", "said"),
    [
        (ConnectError(f"{SERVER}/sse", "Connection refused"), SERVER, "Connection refused; is a server running there? `pricewire serve`"),
        (ContentTypeError(f"{SERVER}/sse", "text/html"), SERVER, f"; --url {SERVER} is no address of Pricewire: give the server's alone"),
        (HTTPStatusError(f"{SERVER}/sse", 404), SERVER, f"answered with status 404; --url {SERVER} is no address of Pricewire"),
        (
            HTTPStatusError(f"{SERVER}/a/sse", 404, code="NOT_FOUND", message="there is no /a/sse"),
            f"{SERVER}/a",
            f"there is no /a/sse; --url {SERVER}/a has the path '/a': give the server's address alone",
        ),
        (
            HTTPStatusError(f"{SERVER}/sse", 401, code="UNAUTHORIZED", message="a token is needed"),
            SERVER,
            "; give a token by PRICEWIRE_TOKEN",
        ),
    ],
)
def test_an_error_says_what_to_do(error: ClientError, url: str, said: str) -> None:
    assert said in advise(error, url)


def test_what_says_it_itself_gets_no_advice() -> None:
    unknown = HTTPStatusError(f"{SERVER}/sse", 404, code="NOT_FOUND", message="there is no instrument 'NOPE'")
    assert advise(unknown, SERVER) == "there is no instrument 'NOPE'"
    assert advise(InvalidTopicError("no topic"), SERVER) == "no topic"
