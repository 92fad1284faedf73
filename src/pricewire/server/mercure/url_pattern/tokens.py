"""The first step of reading a URL pattern: its characters become tokens."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import Enum, auto

from pricewire.errors import PricewireError

ID_START = frozenset("\u1885\u1886\u2118\u212e\u309b\u309c")
"""Characters that begin an identifier in spite of their category. Source: Unicode, PropList.txt, `Other_ID_Start`."""

ID_CONTINUE = frozenset("\u00b7\u0387\u1369\u136a\u136b\u136c\u136d\u136e\u136f\u1370\u1371\u19da\u200c\u200d\u30fb\uff65")
"""Characters that go on with one in spite of theirs. Source: Unicode, PropList.txt, `Other_ID_Continue`; ECMAScript, section 12.7."""


class InvalidPatternError(PricewireError):
    """A text is no URL pattern, or one that this server cannot match in linear time."""


class Kind(Enum):
    """What a token is."""

    OPEN = auto()
    CLOSE = auto()
    REGEXP = auto()
    NAME = auto()
    CHAR = auto()
    ESCAPED_CHAR = auto()
    OTHER_MODIFIER = auto()
    ASTERISK = auto()
    END = auto()
    INVALID_CHAR = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """
    A token.

    Attributes:
        kind: what it is.
        index: where it begins in the pattern.
        value: its text, without the signs that make it what it is.
    """

    kind: Kind
    index: int
    value: str


SIGNS = {"*": Kind.ASTERISK, "+": Kind.OTHER_MODIFIER, "?": Kind.OTHER_MODIFIER, "{": Kind.OPEN, "}": Kind.CLOSE}


def tokenize(text: str, *, lenient: bool) -> list[Token]:
    """
    Split a pattern into tokens; the last is `END`.

    Args:
        text: the pattern.
        lenient: whether what is no token becomes `INVALID_CHAR`, instead of an error.

    Raises:
        InvalidPatternError: something is no token, unless `lenient`.

    Source: URL Pattern standard, section "Tokenizers".
    """
    tokens: list[Token] = []
    index = 0
    while index < len(text):
        character = text[index]
        kind = SIGNS.get(character, Kind.CHAR)
        start, end, after = index, index + 1, index + 1
        if character == "\\":
            kind, start, end, after = Kind.ESCAPED_CHAR, index + 1, index + 2, index + 2
            if index == len(text) - 1:
                kind = Kind.INVALID_CHAR
        elif character == ":":
            end = after = name_end(text, index + 1)
            kind, start = (Kind.NAME, index + 1) if end > index + 1 else (Kind.INVALID_CHAR, index)
            if kind is Kind.INVALID_CHAR:
                end = after = index + 1
        elif character == "(":
            close = group_end(text, index + 1)
            kind = Kind.INVALID_CHAR if close is None else Kind.REGEXP
            if close is not None:
                start, end, after = index + 1, close, close + 1
        if kind is Kind.INVALID_CHAR:
            if not lenient:
                raise InvalidPatternError(f"{text[index]!r} at character {index + 1} begins nothing that a URL pattern has")
            start, end, after = index, index + 1, index + 1
        tokens.append(Token(kind, index, text[start:end]))
        index = after
    tokens.append(Token(Kind.END, index, ""))
    return tokens


def name_end(text: str, start: int) -> int:
    """Return where a name ends that begins at a place."""
    end = start
    while end < len(text) and is_name_character(text[end], first=end == start):
        end += 1
    return end


def is_name_character(character: str, *, first: bool) -> bool:
    """Return whether a character may stand in a name. Source: ECMAScript, section 12.7, "Names and Keywords"."""
    if character in "$_" or character in ID_START:
        return True
    category = unicodedata.category(character)
    if category in ("Lu", "Ll", "Lt", "Lm", "Lo", "Nl"):
        return True
    return not first and (category in ("Mn", "Mc", "Nd", "Pc") or character in ID_CONTINUE)


def group_end(text: str, start: int) -> int | None:
    """Return where the regular expression ends that begins at a place, after its bracket; None where there is none."""
    depth, index = 1, start
    while index < len(text):
        character = text[index]
        if not character.isascii() or (index == start and character == "?"):
            return None
        if character == "\\":
            if index == len(text) - 1 or not text[index + 1].isascii():
                return None
            index += 2
            continue
        if character == ")":
            depth -= 1
            if depth == 0:
                return index if index > start else None
        elif character == "(":
            depth += 1
            if text[index + 1 : index + 2] != "?":
                return None
        index += 1
    return None
