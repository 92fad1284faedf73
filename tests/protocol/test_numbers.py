"""What counts as a number, and that nothing else does that Python would take for one."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricewire.protocol.numbers import is_bounded, read_barrier, read_number, shortest

NOT_A_NUMBER = ["", "abc", "--1", "+-1", "+", "-", ".", "1.", ".5", "1.5.5", "Infinity", "sNaN", "NaN", "1e5", "1e999999", "1e-100000000"]
NOT_A_NUMBER += ["1_250", " 1250", "1250 ", "1250\n", "١٢٥٠", "²", "1,250", "0x10", "1" * 13, "0." + "1" * 13, "9" * 5000]


@pytest.mark.parametrize("text", NOT_A_NUMBER, ids=lambda text: ascii(text)[:20])
def test_what_is_not_plain_decimal_notation_is_no_number(text: str) -> None:
    assert read_number(text) is None
    assert read_barrier(text) is None
    assert read_barrier(f"+{text}") is None


@pytest.mark.parametrize("value", [-1.0, 1e12, 1e300, 1e-13, 5e-324, float("inf"), float("nan")])
def test_a_json_number_out_of_bounds_is_none(value: float) -> None:
    assert read_number(value) is None


@given(st.decimals(0, 10**9, places=6).map(shortest))
def test_a_text_and_the_same_json_number_are_the_same(text: str) -> None:
    assert read_number(text) == read_number(float(text)) == Decimal(text)
    assert read_barrier(f"-{text}00" if "." in text else f"-{text}.00") == f"-{text}"


@given(st.text(alphabet="0123456789.+-_eE ١²NaInf\n", max_size=30))
def test_what_is_read_is_short_in_decimal_notation(text: str) -> None:
    number, barrier = read_number(text), read_barrier(text)
    assert number is None or (is_bounded(number) and len(f"{number:f}") <= 25)
    assert barrier is None or len(barrier) <= 26


@pytest.mark.parametrize("text", ["NaN", "sNaN", "-Infinity", "1e12", "-1e12", "1e-13", "1e-100000000", "1e999999"])
def test_a_number_of_python_may_be_out_of_bounds(text: str) -> None:
    assert not is_bounded(Decimal(text))
