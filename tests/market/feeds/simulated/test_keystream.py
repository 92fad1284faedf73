from __future__ import annotations

import math

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

from pricewire.errors import FeedError
from pricewire.market.feeds.simulated.keystream import Keystream, secret_of_seed

SECRET = bytes(range(32))


@given(st.integers(0, 64), st.integers(0, 2**60), st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_a_number_depends_on_its_place_alone(row: int, first: int, parts: list[int]) -> None:
    keystream = Keystream(SECRET, "X")
    starts = np.cumsum([first, *parts])[:-1]
    in_parts = [keystream.normals(row, int(start), part) for start, part in zip(starts, parts, strict=True)]
    assert np.concatenate(in_parts).tolist() == keystream.normals(row, first, sum(parts)).tolist()


def test_they_are_standard_normal() -> None:
    normals = Keystream(SECRET, "X").normals(3, 0, 200_000)
    assert kstest(normals, "norm").pvalue > 0.001
    # The kurtosis of n normals has a standard error of sqrt(24/n) = 0.011.
    assert np.mean(normals**4) == pytest.approx(3, abs=0.06)


def test_even_the_rarest_number_is_finite(monkeypatch: pytest.MonkeyPatch) -> None:
    class Fixed:
        def __init__(self, byte: int) -> None:
            self._byte = byte

        def encryptor(self) -> Fixed:
            return self

        def update(self, zeros: bytes) -> bytes:
            return bytes([self._byte] * len(zeros))

    for byte in (0, 255):
        monkeypatch.setattr("pricewire.market.feeds.simulated.keystream.Cipher", lambda *_, byte=byte: Fixed(byte))
        (normal,) = Keystream(SECRET, "X").normals(0, 0, 1).tolist()
        assert math.isfinite(normal)
        assert abs(normal) == pytest.approx(8.2, abs=0.1)


def test_they_are_those_of_the_standards() -> None:
    # By the book, without the class: a key by HKDF, the counter's first half the row, its second half the block.
    key = HKDFExpand(SHA256(), 32, b"pricewire simulated market: X").derive(SECRET)
    block = Cipher(algorithms.AES256(key), modes.ECB()).encryptor().update((7).to_bytes(8, "big") + (2).to_bytes(8, "big"))
    uniforms = [((int.from_bytes(block[place : place + 8], "little") >> 12) + 0.5) / 2**52 for place in (0, 8)]
    normals = Keystream(SECRET, "X").normals(7, 4, 2).tolist()
    assert [0.5 * math.erfc(-normal / math.sqrt(2)) for normal in normals] == pytest.approx(uniforms, rel=1e-12)


def test_another_row_purpose_or_secret_has_numbers_of_its_own() -> None:
    rows = [
        Keystream(SECRET, "X").normals(0, 0, 50_000),
        Keystream(SECRET, "X").normals(1, 0, 50_000),
        Keystream(SECRET, "Y").normals(0, 0, 50_000),
        Keystream(bytes([1, *SECRET[1:]]), "X").normals(0, 0, 50_000),
    ]
    correlations = np.corrcoef(rows) - np.eye(4)
    # A standard error of 0.0045.
    assert np.abs(correlations).max() < 0.02


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_secret_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(FeedError, match=f"a secret of {length} bytes"):
        Keystream(bytes(length), "X")


def test_a_seed_has_a_secret_of_its_own() -> None:
    assert secret_of_seed(1) == secret_of_seed(1) != secret_of_seed(2)
    assert len(secret_of_seed(2**70)) == 32
