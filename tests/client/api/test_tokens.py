from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricewire.client.api import tokens
from pricewire.client.api.tokens import Claims, Credentials, claims_of
from pricewire.errors import TokenError
from support.tokens import jwt, provider_of


async def test_a_fixed_token_stays_as_it_is() -> None:
    credentials = Credentials("secret")
    assert (await credentials.get(), await credentials.refresh("secret")) == ("secret", "secret")
    credentials.reject("secret")
    assert await credentials.get() == "secret"
    assert not credentials.can_refresh


async def test_a_provider_is_asked_when_a_token_is_needed() -> None:
    credentials = Credentials(provider_of("a", "b", "c"))
    assert credentials.can_refresh
    assert [await credentials.get(), await credentials.get()] == ["a", "a"]
    assert await credentials.refresh("a") == "b"
    # Rejected before, replaced meanwhile.
    assert await credentials.refresh("a") == "b"
    credentials.reject("a")
    assert await credentials.get() == "b"
    credentials.reject("b")
    assert await credentials.get() == "c"


async def test_where_a_token_was_rejected_meanwhile_another_one_is_brought() -> None:
    credentials = Credentials(provider_of("a", "b"))
    assert await credentials.get() == "a"
    # By one of two streams; the other one hears of it by itself.
    credentials.reject("a")
    assert credentials.renewal_wait("a") == 0
    assert await credentials.refresh("a") == "b"


async def test_many_that_wait_ask_once() -> None:
    credentials = Credentials(provider_of("a", "b"))
    assert await asyncio.gather(*(credentials.get() for _ in range(10))) == ["a"] * 10
    assert await asyncio.gather(*(credentials.refresh("a") for _ in range(10))) == ["b"] * 10


async def test_where_the_one_that_asks_is_cancelled_the_next_one_asks() -> None:
    credentials = Credentials(provider_of("a", "b"))
    waiting = [asyncio.create_task(credentials.get()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting[0]
    assert await waiting[1] == await waiting[2]


async def test_what_a_provider_raises_is_an_error_of_the_client_without_its_text() -> None:
    async def fail() -> str:
        raise OSError("secret")

    with pytest.raises(TokenError, match="it raised OSError") as raised:
        await Credentials(fail).get()
    assert isinstance(raised.value.__cause__, OSError)
    assert "secret" not in str(raised.value)


async def test_a_failed_refresh_leaves_the_old_token() -> None:
    credentials = Credentials(provider_of("a"))
    await credentials.get()
    with pytest.raises(TokenError):
        await credentials.refresh("a")
    assert await credentials.get() == "a"


async def test_a_provider_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never() -> str:
        await asyncio.Event().wait()
        return ""

    monkeypatch.setattr(tokens, "PROVIDER_TIMEOUT", 0.01)
    with pytest.raises(TokenError, match=r"none came within 0\.01 s") as raised:
        await Credentials(never).get()
    assert not raised.value.is_final


async def test_a_provider_that_raises_a_cancellation_of_its_own_has_failed() -> None:
    async def give_up() -> str:
        raise asyncio.CancelledError

    with pytest.raises(TokenError, match="it raised CancelledError"):
        await Credentials(give_up).get()


async def test_who_is_cancelled_while_the_provider_is_asked_is_cancelled() -> None:
    async def never() -> str:
        await asyncio.Event().wait()
        return ""

    asking = asyncio.create_task(Credentials(never).get())
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (7, "returned int"),
        (None, "returned None"),
        (b"secret", "returned bytes"),
        ("", "returned an empty string"),
        ("secret\n", "line break"),
        ("sec\0ret", "character that a header cannot have"),
    ],
)
async def test_a_provider_of_something_else_is_named_and_not_asked_again(answer: Any, message: str) -> None:
    async def provide() -> Any:
        return answer

    with pytest.raises(TokenError, match=f"token provider .*{message}") as raised:
        await Credentials(provide).get()
    assert raised.value.is_final
    assert "secret" not in str(raised.value)


async def test_a_plain_function_does_as_well() -> None:
    provider: Any = lambda: "secret"  # noqa: E731 - that is the point
    assert await Credentials(provider).get() == "secret"


def test_what_is_no_token_is_refused_and_a_token_is_never_shown() -> None:
    with pytest.raises(TypeError, match="token is a int"):
        Credentials(7)  # type: ignore[arg-type] # that is the point
    assert "secret" not in repr(Credentials("secret")) + str(Credentials("secret"))


def test_what_a_token_says() -> None:
    assert claims_of(jwt({"exp": 1_700_000_000, "iat": 1_600_000_000})) == Claims(1_700_000_000, 1_600_000_000)
    assert claims_of(jwt({"exp": 1_700_000_000.5, "sub": "ü?>"})) == Claims(1_700_000_000.5)
    for strange in (jwt({}), jwt({"exp": "soon"}), jwt([]), "opaque", "a.b.c", "a.é.c", "", ".."):
        assert claims_of(strange) == Claims(), strange


@given(st.text())
def test_no_token_breaks_the_client(payload: str) -> None:
    claims_of(f"a.{payload}.c")


async def test_a_life_counts_from_the_receipt_whatever_the_clock_says(monkeypatch: pytest.MonkeyPatch) -> None:
    # By this machine's clock the token expired decades ago.
    first, second = jwt({"iat": 1000, "exp": 4600}), jwt({"iat": 1000})
    now = 50.0
    monkeypatch.setattr(tokens, "time", SimpleNamespace(monotonic=lambda: now, time=time.time))
    credentials = Credentials(provider_of(first, second))
    await credentials.get()
    assert credentials.renewal_wait(first) == 3570
    now = 3600.0
    assert credentials.renewal_wait(first) == 20
    now = 4000.0
    assert credentials.renewal_wait(first) == 0
    await credentials.refresh(first)
    # Another one that shares the credentials has brought the next, which has no end.
    assert (credentials.renewal_wait(first), credentials.renewal_wait(second)) == (0, None)
