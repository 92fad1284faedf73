from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricewire.client.api.renewal import renew_after
from pricewire.client.api.tokens import claims_of
from support.tokens import jwt

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parents[2] / "vectors" / "renewal.json").read_text())


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_vectors(vector: dict[str, Any]) -> None:
    claims = claims_of(jwt(vector["claims"]))
    assert renew_after(claims.exp, claims.iat, vector["now"]) == vector["wait"]


@given(st.floats(-1e12, 1e12), st.floats(0, 1e10) | st.none(), st.floats(0, 1e10))
def test_a_token_is_renewed_while_it_is_good_and_not_all_the_time(expires_at: float, issued_at: float | None, now: float) -> None:
    wait = renew_after(expires_at, issued_at, now)
    assert wait is None or 1.0 <= wait <= expires_at - (now if issued_at is None else issued_at)
