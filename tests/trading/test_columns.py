"""The table of columns, beside a plain dictionary."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pricewire.trading.columns import Columns

STEP = st.tuples(st.sampled_from(["add", "remove"]), st.integers(0, 30), st.floats(-1e9, 1e9))


@given(st.lists(STEP, max_size=80))
def test_a_table_holds_what_was_added_and_not_removed(steps: list[tuple[str, int, float]]) -> None:
    table = Columns[int]({"number": float, "flag": bool})
    model: dict[int, float] = {}
    for action, item, number in steps:
        if action == "add":
            table.add(item, {"number": number, "flag": number > 0})
            model[item] = number
        else:
            table.remove(item)
            model.pop(item, None)
        assert len(table) == len(table["number"]) == len(model)
        assert dict(zip(table.items, table["number"].tolist(), strict=True)) == model
        assert all(table["number"][table.row(each)] == model[each] and each in table for each in model)
        assert (table["flag"] == (table["number"] > 0)).all()


def test_a_part_of_a_row_can_be_changed() -> None:
    table = Columns[str]({"first": float, "second": int})
    table.add("a", {"first": 1.5, "second": 7})
    table.add("a", {"second": 8})
    table["first"][:] += 1
    assert (table["first"].tolist(), table["second"].tolist()) == ([2.5], [8])
