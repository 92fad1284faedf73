"""Translates the regular expressions of URL patterns from ECMAScript's language into that of RE2, which matches in linear time."""

from __future__ import annotations

import re
import unicodedata

from pricewire.server.mercure.url_pattern.tokens import InvalidPatternError

EVERY = frozenset(range(128)) - {0x0A}
"""The characters that can stand in a component of a URL, as it is parsed: what is not ASCII is encoded, and line breaks are left out."""

DIGITS = frozenset(b"0123456789")
WORD = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz")
SPACE = frozenset(b"\t\v\f\r ")
CLASSES = {"d": DIGITS, "D": EVERY - DIGITS, "w": WORD, "W": EVERY - WORD, "s": SPACE, "S": EVERY - SPACE}

CONTROLS = {"t": 0x09, "n": 0x0A, "v": 0x0B, "f": 0x0C, "r": 0x0D}
SYNTAX = frozenset("^$\\.*+?()[]{}|/")
CLASS_SYNTAX = frozenset("()[]{}/-|")
CLASS_PUNCTUATORS = frozenset("&-!#%,:;<=>@`~")
DOUBLE_PUNCTUATORS = frozenset("&!#$%*+,.:;<=>?@^`~")

QUANTIFIER = re.compile(r"[*+?]|\{(\d+)(?:(,)(\d*))?\}")
MOST_REPEATED = 1000
"""How often something may be repeated by number: RE2 takes no more."""

DEEPEST = 50
"""How deep groups and classes may be nested."""

GROUP = re.compile(r"\?(?:<([A-Za-z_$][\w$]*)>|(i?)(-i?)?:)", re.ASCII)


class Translator:
    """
    Translates one expression. What RE2 cannot do in linear time - looking ahead and behind, and references back - is refused.

    Source: ECMAScript, section 22.2.1, "Patterns", with the flag `v`.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._index = 0
        self._depth = 0
        self._names: set[str] = set()

    def translate(self) -> str:
        """
        Return the expression in the language of RE2.

        Raises:
            InvalidPatternError: it is none, or cannot be matched in linear time.
        """
        translated = self._alternatives(ignores_case=False)
        if self._index < len(self._text):
            raise self._error("has a bracket too many")
        return translated

    def _error(self, fault: str) -> InvalidPatternError:
        return InvalidPatternError(f"the regular expression ({self._text}) {fault} at character {self._index + 1}")

    def _peek(self, size: int = 1) -> str:
        return self._text[self._index : self._index + size]

    def _alternatives(self, *, ignores_case: bool) -> str:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._error(f"has groups more than {DEEPEST} deep")
        alternatives = [self._terms(ignores_case=ignores_case)]
        while self._peek() == "|":
            self._index += 1
            alternatives.append(self._terms(ignores_case=ignores_case))
        self._depth -= 1
        return "|".join(alternatives)

    def _terms(self, *, ignores_case: bool) -> str:
        terms = []
        while self._peek() not in ("", "|", ")"):
            if self._peek() in ("^", "$"):
                # Components are matched as the lines of one text.
                terms.append(f"(?m:{self._peek()})")
                self._index += 1
            elif self._peek(2) in ("\\b", "\\B"):
                terms.append(self._peek(2))
                self._index += 2
            else:
                terms.append(self._atom(ignores_case=ignores_case) + self._quantifier())
        return "".join(terms)

    def _quantifier(self) -> str:
        match = QUANTIFIER.match(self._text, self._index)
        if match is None:
            return ""
        if match[1] is not None:
            most = match[3] or match[1]
            if len(match[1]) > 4 or len(most) > 4 or not int(match[1]) <= int(most) <= MOST_REPEATED:
                raise self._error(f"repeats something in a way that is not possible, or more than {MOST_REPEATED} times,")
        self._index = match.end()
        lazy = ""
        if self._peek() == "?":
            lazy = "?"
            self._index += 1
        return match[0] + lazy

    def _atom(self, *, ignores_case: bool) -> str:
        character = self._peek()
        if character == "(":
            return self._group(ignores_case=ignores_case)
        if character == "[":
            return encoded(self._class(ignores_case=ignores_case))
        self._index += 1
        if character == ".":
            return encoded(EVERY - {0x0D})
        if character == "\\":
            if self._peek() in CLASSES:
                self._index += 1
                return encoded(CLASSES[self._text[self._index - 1]])
            if self._peek() in ("p", "P"):
                return encoded(self._property())
            return encoded(with_cases(self._escaped(SYNTAX), ignores_case=ignores_case))
        if character in SYNTAX and character != "/":
            self._index -= 1
            raise self._error(f"has {character!r} where it cannot stand,")
        return encoded(with_cases(ord(character), ignores_case=ignores_case))

    def _group(self, *, ignores_case: bool) -> str:
        match = GROUP.match(self._text, self._index + 1)
        if match is None:
            raise self._error("looks ahead or behind, or has a group of an unknown kind,")
        if match[1] is not None:
            if match[1] in self._names:
                raise self._error("has a name twice")
            self._names.add(match[1])
        if match[3]:
            ignores_case = False if match[3] == "-i" else ignores_case
        if match[2]:
            if match[3] == "-i":
                raise self._error("sets a flag and unsets it")
            ignores_case = True
        if match[1] is None and match[3] == "-" and not match[2]:
            raise self._error("has a group of an unknown kind")
        self._index = match.end()
        inner = self._alternatives(ignores_case=ignores_case)
        if self._peek() != ")":
            raise self._error("lacks a bracket")
        self._index += 1
        return f"(?:{inner})"

    def _escaped(self, identities: frozenset[str]) -> int:
        """Return the character of an escape, whose backslash was read."""
        character = self._peek()
        self._index += 1
        if character in CONTROLS:
            return CONTROLS[character]
        if character in identities and character:
            return ord(character)
        for pattern in (r"c([A-Za-z])", r"0(?!\d)", r"x([0-9a-fA-F]{2})", r"u([0-9a-fA-F]{4})", r"u\{([0-9a-fA-F]+)\}"):
            match = re.compile(pattern, re.ASCII).match(self._text, self._index - 1)
            if match is not None:
                self._index = match.end()
                if character == "c":
                    return ord(match[1]) % 32
                value = 0 if character == "0" else int(match[1], 16)
                if value <= 0x10FFFF:
                    return value
        self._index -= 1
        raise self._error("has an unknown escape, or refers back,")

    def _property(self) -> frozenset[int]:
        match = re.compile(r"([pP])\{(?:(?:General_Category|gc)=)?([A-Z][a-z]?)\}").match(self._text, self._index)
        if match is None:
            raise self._error("has a property that is not a short general category")
        self._index = match.end()
        # With two letters, a category; with one, all that begin with it.
        if not any(unicodedata.category(chr(code)).startswith(match[2]) for code in range(0x2FFFF)):
            raise self._error("has an unknown property")
        having = frozenset(code for code in EVERY if unicodedata.category(chr(code)).startswith(match[2]))
        return EVERY - having if match[1] == "P" else having

    def _class(self, *, ignores_case: bool) -> frozenset[int]:
        """Read a class; return which characters of `EVERY` it matches."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._error(f"has classes more than {DEEPEST} deep")
        self._index += 1
        is_negated = self._peek() == "^"
        self._index += is_negated
        found: frozenset[int] | None = None
        operator = ""
        while self._peek() != "]":
            if found is not None and self._peek(2) in ("&&", "--"):
                if operator not in ("", self._peek(2)):
                    raise self._error("mixes operators in a class")
                operator = self._peek(2)
                self._index += 2
                if self._peek() in ("&", ""):
                    raise self._error("has a class with an operator too many")
                operand, _ = self._operand(ignores_case=ignores_case)
                found = found & operand if operator == "&&" else found - operand
                continue
            if operator in ("&&", "--"):
                raise self._error("mixes operators in a class")
            operand, is_single = self._operand(ignores_case=ignores_case)
            if is_single and self._peek() == "-" and self._peek(2) != "--":
                operand = self._range(operand, ignores_case=ignores_case)
                operator = "range"
            elif found is not None:
                operator = "union"
            found = operand if found is None else found | operand
        self._index += 1
        self._depth -= 1
        found = (found or frozenset()) & EVERY
        return EVERY - found if is_negated else found

    def _range(self, first: frozenset[int], *, ignores_case: bool) -> frozenset[int]:
        self._index += 1
        last, is_single = self._operand(ignores_case=False)
        low, high = min(first, default=0), min(last, default=0)
        if not is_single or low > high:
            raise self._error("has a range that is none")
        return frozenset().union(*[with_cases(code, ignores_case=ignores_case) for code in range(low, min(high, 127) + 1)])

    def _operand(self, *, ignores_case: bool) -> tuple[frozenset[int], bool]:
        """Read one operand of a class; return what it matches, and whether it is a single character."""
        character = self._peek()
        if character == "":
            raise self._error("has a class that does not end")
        if character == "[":
            return self._class(ignores_case=ignores_case), False
        self._index += 1
        if character == "\\":
            if self._peek() in CLASSES:
                self._index += 1
                return CLASSES[self._text[self._index - 1]], False
            if self._peek() in ("p", "P"):
                return self._property(), False
            if self._peek() == "b":
                self._index += 1
                return frozenset((0x08,)), True
            code = self._escaped(SYNTAX | CLASS_PUNCTUATORS)
            return with_cases(code, ignores_case=ignores_case), True
        if character in CLASS_SYNTAX or (character in DOUBLE_PUNCTUATORS and self._peek() == character):
            self._index -= 1
            raise self._error(f"has {character!r} in a class, where it needs a backslash,")
        return with_cases(ord(character), ignores_case=ignores_case), True


def with_cases(code: int, *, ignores_case: bool) -> frozenset[int]:
    """Return a character, and its other case where that makes no difference."""
    if ignores_case and code < 128:
        return frozenset((ord(chr(code).lower()), ord(chr(code).upper())))
    return frozenset((code,))


def encoded(codes: frozenset[int] | set[int]) -> str:
    """Return the class of RE2 that matches some characters, those that cannot stand in a URL left out."""
    codes = codes & EVERY
    if not codes:
        return r"[^\x00-\xff]"
    if len(codes) == 1:
        return literal(chr(next(iter(codes))))
    ranges: list[list[int]] = []
    for code in sorted(codes):
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "[" + "".join([rf"\x{low:02x}-\x{high:02x}" for low, high in ranges]) + "]"


def literal(text: str) -> str:
    """Return what matches a text of ASCII."""
    return "".join([character if character.isalnum() or character in "/-_" else rf"\x{ord(character):02x}" for character in text])
