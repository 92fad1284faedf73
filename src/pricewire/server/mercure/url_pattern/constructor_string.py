"""Splits a URL pattern that is written as one text into its components."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from pricewire.server.mercure.url_pattern.tokens import Kind, Token, tokenize


class State(Enum):
    """Which component is being read."""

    INIT = auto()
    PROTOCOL = auto()
    AUTHORITY = auto()
    USERNAME = auto()
    PASSWORD = auto()
    HOSTNAME = auto()
    PORT = auto()
    PATHNAME = auto()
    SEARCH = auto()
    HASH = auto()
    DONE = auto()


BEFORE_PORT = (State.PROTOCOL, State.AUTHORITY, State.USERNAME, State.PASSWORD)
BEFORE_PATHNAME = (*BEFORE_PORT, State.HOSTNAME, State.PORT)
BEFORE_SEARCH = (*BEFORE_PATHNAME, State.PATHNAME)


class ConstructorStringParser:
    """
    Splits one pattern.

    Args:
        text: the pattern.
        is_special: says of a protocol's pattern whether it can be that of a special scheme, such as `https`.

    Source: URL Pattern standard, section "Constructor string parsing".
    """

    def __init__(self, text: str, is_special: Callable[[str], bool]) -> None:
        self._text = text
        self._is_special = is_special
        self._tokens = tokenize(text, lenient=True)
        self._components: dict[str, str] = {}
        self._start = 0
        self._index = 0
        self._increment = 1
        self._group_depth = 0
        self._bracket_depth = 0
        self._has_special_scheme = False
        self._state = State.INIT

    def parse(self) -> dict[str, str]:
        """
        Return the patterns of the components that the text has, by their names.

        Raises:
            InvalidPatternError: that of the protocol is none.
        """
        while self._index < len(self._tokens):
            self._increment = 1
            token = self._tokens[self._index]
            if token.kind is Kind.END:
                if self._state is State.INIT:
                    self._rewind()
                    if self._is("#"):
                        self._change(State.HASH, 1)
                    elif self._is_search_prefix():
                        self._change(State.SEARCH, 1)
                    else:
                        self._change(State.PATHNAME, 0)
                elif self._state is State.AUTHORITY:
                    self._rewind(State.HOSTNAME)
                else:
                    self._change(State.DONE, 0)
                    break
            elif token.kind is Kind.OPEN:
                self._group_depth += 1
            elif self._group_depth > 0:
                if token.kind is Kind.CLOSE:
                    self._group_depth -= 1
            else:
                self._step()
            self._index += self._increment
        if "hostname" in self._components:
            self._components.setdefault("port", "")
        return self._components

    def _step(self) -> None:
        """Look at one token outside of groups."""
        state = self._state
        if state is State.INIT:
            if self._is(":"):
                self._rewind(State.PROTOCOL)
        elif state is State.PROTOCOL:
            if self._is(":"):
                self._end_protocol()
        elif state is State.AUTHORITY:
            if self._is("@"):
                self._rewind(State.USERNAME)
            elif self._is("/") or self._is_search_prefix() or self._is("#"):
                self._rewind(State.HOSTNAME)
        elif state is State.USERNAME and self._is(":"):
            self._change(State.PASSWORD, 1)
        elif state in (State.USERNAME, State.PASSWORD):
            if self._is("@"):
                self._change(State.HOSTNAME, 1)
        elif state is State.HOSTNAME and self._is("["):
            self._bracket_depth += 1
        elif state is State.HOSTNAME and self._is("]"):
            self._bracket_depth -= 1
        elif state is State.HOSTNAME and self._is(":") and self._bracket_depth == 0:
            self._change(State.PORT, 1)
        elif state in (State.HOSTNAME, State.PORT) and self._is("/"):
            self._change(State.PATHNAME, 0)
        elif state in (State.HOSTNAME, State.PORT, State.PATHNAME) and self._is_search_prefix():
            self._change(State.SEARCH, 1)
        elif state is not State.HASH and self._is("#"):
            self._change(State.HASH, 1)

    def _end_protocol(self) -> None:
        self._has_special_scheme = self._is_special(self._component())
        if self._is("/", 1) and self._is("/", 2):
            self._change(State.AUTHORITY, 3)
        elif self._has_special_scheme:
            self._change(State.AUTHORITY, 1)
        else:
            self._change(State.PATHNAME, 1)

    def _change(self, state: State, skip: int) -> None:
        """End the component that is being read, and begin another after so many tokens."""
        before = self._state
        if before not in (State.INIT, State.AUTHORITY, State.DONE):
            self._components[before.name.lower()] = self._component()
        if before is not State.INIT and state is not State.DONE:
            if before in BEFORE_PORT and state in (State.PORT, State.PATHNAME, State.SEARCH, State.HASH):
                self._components.setdefault("hostname", "")
            if before in BEFORE_PATHNAME and state in (State.SEARCH, State.HASH):
                self._components.setdefault("pathname", "/" if self._has_special_scheme else "")
            if before in BEFORE_SEARCH and state is State.HASH:
                self._components.setdefault("search", "")
        self._state = state
        self._index += skip
        self._start = self._index
        self._increment = 0

    def _rewind(self, state: State | None = None) -> None:
        """Go back to where the component begins; with a state, to read it as another one."""
        self._index = self._start
        self._increment = 0
        if state is not None:
            self._state = state

    def _token(self, index: int) -> Token:
        return self._tokens[min(index, len(self._tokens) - 1)]

    def _is(self, character: str, ahead: int = 0) -> bool:
        """Return whether a token is a character that means nothing special in a pattern."""
        token = self._token(self._index + ahead)
        return token.value == character and token.kind in (Kind.CHAR, Kind.ESCAPED_CHAR, Kind.INVALID_CHAR)

    def _is_search_prefix(self) -> bool:
        if self._is("?"):
            return True
        if self._token(self._index).value != "?":
            return False
        # After these a `?` makes what is before it optional.
        modified = (Kind.NAME, Kind.REGEXP, Kind.CLOSE, Kind.ASTERISK)
        return self._index == 0 or self._token(self._index - 1).kind not in modified

    def _component(self) -> str:
        return self._text[self._token(self._start).index : self._token(self._index).index]
