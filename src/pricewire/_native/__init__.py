"""
What was compiled: `core`, or None where there is nothing, or where the environment says that it is not to be used.

`PRICEWIRE_NATIVE=0` has everything done in Python, and `PRICEWIRE_NATIVE=1` needs what was compiled; without either, it is used if it is
there. Whoever uses a part of it has the same in Python, and the tests run over both.
"""

from __future__ import annotations

import importlib
import os
from types import ModuleType

from pricewire.errors import NativeCodeError

VARIABLE = "PRICEWIRE_NATIVE"
"""The variable of the environment that chooses."""


def compiled(choice: str | None) -> ModuleType | None:
    """
    Return what was compiled, or None where it is not there or not wanted.

    Args:
        choice: what the environment says: `0`, `1`, or nothing.

    Raises:
        NativeCodeError: it is needed and cannot be imported, or the choice is another.
    """
    if choice not in (None, "", "0", "1"):
        raise NativeCodeError(f"{VARIABLE} is {choice!r}: set it to 1 to need the compiled code, to 0 to do without, or not at all")
    if choice == "0":
        return None
    try:
        return importlib.import_module("pricewire._native.core")
    except ImportError as error:
        if choice == "1":
            raise NativeCodeError(
                f"{VARIABLE} is 1, and the compiled code cannot be imported ({error}): install a C compiler and Python's headers, and "
                "then Pricewire again, or do without by PRICEWIRE_NATIVE=0"
            ) from error
        return None


core = compiled(os.environ.get(VARIABLE))
