"""Reads the pattern of one component into parts: fixed texts, and groups that match something."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from pricewire.server.mercure.url_pattern.tokens import InvalidPatternError, Kind, Token, tokenize

Canonical = Callable[[str], str]
"""Returns a fixed text of a component in the form in which URLs have it; raises `InvalidPatternError` where none can have it."""


class PartKind(Enum):
    """What a part matches."""

    FIXED = auto()
    REGEXP = auto()
    SEGMENT = auto()
    ANYTHING = auto()


@dataclass(frozen=True, slots=True)
class Part:
    """
    A part of a component's pattern.

    Attributes:
        kind: what it matches.
        value: the fixed text, or the regular expression.
        modifier: `?`, `*`, `+`, or empty.
        prefix: fixed text before what it matches, each time.
        suffix: fixed text after it.
    """

    kind: PartKind
    value: str
    modifier: str = ""
    prefix: str = ""
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class ComponentSyntax:
    """
    How a component is divided.

    Attributes:
        delimiter: what a segment ends at; empty where there are no segments.
        prefix: what belongs to the group that it stands before.
    """

    delimiter: str = ""
    prefix: str = ""


class PartsParser:
    """
    Reads one component's pattern.

    Args:
        text: the pattern.
        syntax: how the component is divided.
        canonical: gives fixed texts the form of URLs.

    Source: URL Pattern standard, section "Parsing pattern strings".
    """

    def __init__(self, text: str, syntax: ComponentSyntax, canonical: Canonical) -> None:
        self._tokens = tokenize(text, lenient=False)
        self._syntax = syntax
        self._canonical = canonical
        self._index = 0
        self._parts: list[Part] = []
        self._fixed = ""
        self._names: set[str] = set()

    def parse(self) -> list[Part]:
        """
        Return the parts.

        Raises:
            InvalidPatternError: the text is no pattern of this component.
        """
        while self._index < len(self._tokens):
            character = self._take(Kind.CHAR)
            name = self._take(Kind.NAME)
            matched = self._take_matched(name)
            if name is not None or matched is not None:
                prefix = character.value if character is not None else ""
                if prefix != self._syntax.prefix:
                    self._fixed += prefix
                    prefix = ""
                self._end_fixed()
                self._add(prefix, name, matched, "", self._take_modifier())
                continue
            fixed = character or self._take(Kind.ESCAPED_CHAR)
            if fixed is not None:
                self._fixed += fixed.value
            elif self._take(Kind.OPEN) is not None:
                prefix = self._take_text()
                name = self._take(Kind.NAME)
                matched = self._take_matched(name)
                suffix = self._take_text()
                self._require(Kind.CLOSE)
                self._add(prefix, name, matched, suffix, self._take_modifier())
            else:
                self._end_fixed()
                self._require(Kind.END)
        return self._parts

    def _take(self, kind: Kind) -> Token | None:
        if self._index >= len(self._tokens) or self._tokens[self._index].kind is not kind:
            return None
        self._index += 1
        return self._tokens[self._index - 1]

    def _require(self, kind: Kind) -> None:
        if self._take(kind) is None:
            token = self._tokens[self._index]
            raise InvalidPatternError(f"{token.value!r} at character {token.index + 1} of a component cannot stand there")

    def _take_matched(self, name: Token | None) -> Token | None:
        return self._take(Kind.REGEXP) or (self._take(Kind.ASTERISK) if name is None else None)

    def _take_modifier(self) -> str:
        token = self._take(Kind.OTHER_MODIFIER) or self._take(Kind.ASTERISK)
        return "" if token is None else token.value

    def _take_text(self) -> str:
        text = ""
        while (token := self._take(Kind.CHAR) or self._take(Kind.ESCAPED_CHAR)) is not None:
            text += token.value
        return text

    def _end_fixed(self) -> None:
        """Make a part of the fixed text that was read."""
        if self._fixed:
            self._parts.append(Part(PartKind.FIXED, self._canonical(self._fixed)))
            self._fixed = ""

    def _add(self, prefix: str, name: Token | None, matched: Token | None, suffix: str, modifier: str) -> None:
        if name is None and matched is None and not modifier:
            self._fixed += prefix
            return
        self._end_fixed()
        if name is None and matched is None:
            if prefix:
                self._parts.append(Part(PartKind.FIXED, self._canonical(prefix), modifier))
            return
        kind, value = PartKind.SEGMENT, ""
        if matched is not None:
            kind, value = (PartKind.ANYTHING, "") if matched.kind is Kind.ASTERISK else (PartKind.REGEXP, matched.value)
        if value == ".*":
            kind, value = PartKind.ANYTHING, ""
        self._add_name(name)
        self._parts.append(Part(kind, value, modifier, self._canonical(prefix), self._canonical(suffix)))

    def _add_name(self, name: Token | None) -> None:
        if name is None:
            return
        if name.value in self._names:
            raise InvalidPatternError(f"the name {name.value!r} stands in a component twice")
        self._names.add(name.value)
