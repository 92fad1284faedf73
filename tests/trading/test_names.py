"""Names of contracts."""

from __future__ import annotations

import uuid

from pricewire.trading.names import AT_ONCE, Names


def test_names_are_random_and_none_is_given_twice() -> None:
    """Also beyond those that random bytes are asked for at once."""
    names = Names()
    ids, references = zip(*(names.next() for _ in range(2 * AT_ONCE + 1)), strict=True)
    assert len(set(ids)) == len(ids)
    assert all(uuid.UUID(each).version == 4 for each in ids)
    assert len(set(references)) == len(references)
    assert all(len(each) == 12 and each.isdecimal() for each in references)
    assert set(ids).isdisjoint(Names().next())
