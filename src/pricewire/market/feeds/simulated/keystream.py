"""Random numbers as a function of a key: the n-th of a row is always the same, and says nothing about the others. Pure."""

from __future__ import annotations

import hashlib

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from scipy.special import ndtri

from pricewire.errors import FeedError
from pricewire.market.pips import Floats

SECRET_BYTES = 32
"""The length of a secret, in bytes: the 256 bits of an AES key."""

BLOCK_BYTES = 16
"""What AES makes at a time, in bytes: two numbers."""


def secret_of_seed(seed: int) -> bytes:
    """Return the secret of a seed. It is as easy to guess as the seed: for tests and demonstrations."""
    return hashlib.sha256(f"pricewire seed {seed}".encode()).digest()


class Keystream:
    """
    Rows of standard normal numbers, each number found by its place.

    A row is the keystream of AES-256 in counter mode, 64 bits a number, of which 52 become a uniform number and that a normal one, by the
    inverse of the distribution. Without the key, no number can be told from chance, even if all others are known.

    Source: NIST SP 800-38A, section 6.5 (the counter mode); RFC 5869, section 2.3 (the key's derivation).
    """

    __slots__ = ("_algorithm",)

    def __init__(self, secret: bytes, purpose: str) -> None:
        """
        Derive the key from a secret of 32 random bytes and a purpose: each purpose has numbers of its own.

        Raises:
            FeedError: the secret has another length.
        """
        if len(secret) != SECRET_BYTES:
            raise FeedError(f"a secret of {len(secret)} bytes cannot be used: it has to be {SECRET_BYTES} random bytes")
        key = HKDFExpand(SHA256(), SECRET_BYTES, f"pricewire simulated market: {purpose}".encode()).derive(secret)
        self._algorithm = algorithms.AES256(key)

    def normals(self, row: int, first: int, count: int) -> Floats:
        """Return some numbers of a row, both counted from 0."""
        block, skipped = divmod(first * 8, BLOCK_BYTES)
        counter = row.to_bytes(8, "big") + block.to_bytes(8, "big")
        stream = Cipher(self._algorithm, modes.CTR(counter)).encryptor().update(bytes(skipped + 8 * count))
        # In the middle of its interval, so that none is 0 or 1; with 53 bits the last middle would be rounded to 1.
        uniform = ((np.frombuffer(stream, "<u8", offset=skipped) >> 12) + 0.5) * 2.0**-52
        normals: Floats = ndtri(uniform)
        return normals
