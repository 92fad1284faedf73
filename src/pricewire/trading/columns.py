"""Items with numbers in columns, so that all of them are computed in one call; items come and go at little cost."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

Item = TypeVar("Item", bound=Hashable)

SMALLEST = 8


class Columns(Generic[Item]):
    """A table of items and their numbers, one item a row. The order of the rows changes when one is removed: the last takes its place."""

    __slots__ = ("_arrays", "_rows", "items")

    def __init__(self, types: Mapping[str, type]) -> None:
        """Begin without rows; the types of the columns are `float`, `int` or `bool`."""
        self.items: list[Item] = []
        self._rows: dict[Item, int] = {}
        self._arrays: dict[str, npt.NDArray[Any]] = {name: np.zeros(SMALLEST, type_) for name, type_ in types.items()}

    def __len__(self) -> int:
        return len(self.items)

    def __contains__(self, item: object) -> bool:
        return item in self._rows

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        """Return a column as a view: writing to it changes the table."""
        return self._arrays[name][: len(self.items)]

    def row(self, item: Item) -> int:
        """Return the row of an item, until the next one is removed."""
        return self._rows[item]

    def add(self, item: Item, values: Mapping[str, float]) -> None:
        """Add a row; an item that is there already gets the new values."""
        row = self._rows.get(item)
        if row is None:
            row = self._rows[item] = len(self.items)
            self.items.append(item)
            if row == len(next(iter(self._arrays.values()))):
                self._arrays = {name: np.resize(array, 2 * row) for name, array in self._arrays.items()}
        for name, value in values.items():
            self._arrays[name][row] = value

    def remove(self, item: Item) -> None:
        """Remove an item's row; harmless where there is none."""
        row = self._rows.pop(item, None)
        if row is None:
            return
        last = len(self.items) - 1
        moved = self.items.pop()
        if row != last:
            self.items[row] = moved
            self._rows[moved] = row
            for array in self._arrays.values():
                array[row] = array[last]
