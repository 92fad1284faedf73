"""
The data dictionary that quickfix reads messages by: any field may be in any message and any entry. Pure.

A strict one would end an entry at the first field that it does not know, and venues have fields of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

HEADER = (8, 9, 35, 34, 43, 49, 50, 52, 56, 57, 90, 91, 97, 115, 116, 122, 128, 129, 142, 143, 144, 145, 212, 213, 347, 369)
TRAILER = (10, 89, 93)

LAST = 9999
"""The highest tag that may be in an entry; those above are between two parties, and are not passed around in prices."""

ENTRIES = 268
"""NoMDEntries: how many entries follow."""

FIRST = {"W": 269, "X": 279}
"""The field that an entry of a snapshot and of an incremental refresh begins with: MDEntryType and MDUpdateAction."""

ADMINISTRATIVE = "0 1 2 3 4 5 A"
APPLICATION = "6 7 8 9 B C D E F G H J K L M N P Q R S T V W X Y Z a b c d e f g h i j k l m n o p q r s t u v w x y z"
APPLICATION_LATER = "AA AB AC AD AE AF AG AH AI AJ AK AL AM AN AO AP AQ AR AS AT AU AV AW AX AY AZ BA BB BC BD BE BF BG BH"


def dictionary() -> str:
    """Return the dictionary, as XML."""
    body = [tag for tag in range(1, LAST + 1) if tag not in HEADER and tag not in TRAILER]
    messages = [message(kind, "admin", body) for kind in ADMINISTRATIVE.split()]
    messages += [message(kind, "app", body) for kind in f"{APPLICATION} {APPLICATION_LATER}".split()]
    # A price that is none is judged here, and not by refusing the whole message.
    types = (f'<field number="{tag}" name="F{tag}" type="{"NUMINGROUP" if tag == ENTRIES else "STRING"}"/>' for tag in range(1, LAST + 1))
    return (
        f'<fix major="4" minor="4"><header>{fields(HEADER)}</header><messages>{"".join(messages)}</messages>'
        f"<trailer>{fields(TRAILER)}</trailer><components/><fields>{''.join(types)}</fields></fix>"
    )


def message(kind: str, category: str, body: Sequence[int]) -> str:
    """Return what may be in a message; of those without prices it does not matter."""
    first = FIRST.get(kind)
    inside = ""
    if first is not None:
        rest = [tag for tag in body if tag not in (first, ENTRIES)]
        inside = f'{fields(rest)}<group name="F{ENTRIES}" required="N">{fields([first, *rest])}</group>'
    return f'<message name="M{kind}" msgtype="{kind}" msgcat="{category}">{inside}</message>'


def fields(tags: Iterable[int]) -> str:
    """Return fields that may be there."""
    return "".join(f'<field name="F{tag}" required="N"/>' for tag in tags)
