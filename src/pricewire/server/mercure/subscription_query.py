"""Reads what subscribers ask for."""

from __future__ import annotations

from collections.abc import Iterable

from pricewire.errors import quoted
from pricewire.server.mercure.access_tokens import selectors_of
from pricewire.server.mercure.matchers import EXACT, URL_PATTERN, Matcher, read_matcher
from pricewire.server.mercure.texts import InvalidRequestError

KINDS = {"match": EXACT, "match_exact": EXACT, "match_urlpattern": URL_PATTERN}
"""The parameters that have matchers, and of which kind these are."""

MOST_MATCHERS = 100
"""How many matchers a request may have."""


def read_matchers(pairs: Iterable[tuple[str, str]], hub_url: str, *, speaks_0_x: bool = False) -> tuple[Matcher, ...]:
    """
    Return the matchers of a request, in its order, each once.

    Args:
        pairs: the names and values of its query, or of its form.
        hub_url: what relative patterns are resolved against.
        speaks_0_x: whether `topic` has selectors of 0.x.

    Raises:
        InvalidRequestError: there are none or too many, or one is not allowed, or a name is none of the protocol's.

    Source: the protocol, "Subscription".
    """
    matchers: list[Matcher] = []
    count = 0
    for name, value in pairs:
        if name in KINDS:
            matchers.append(read_matcher(KINDS[name], value, hub_url))
        elif name[:5].lower() == "match":
            raise InvalidRequestError(f"the parameter {quoted(name)} is none; matchers are {', '.join(KINDS)}")
        elif speaks_0_x and name == "topic":
            matchers += selectors_of([value], hub_url)
        else:
            continue
        count += 1
        if count > MOST_MATCHERS:
            raise InvalidRequestError(f"there are more than {MOST_MATCHERS} matchers; open another stream for the rest")
    if not matchers:
        raise InvalidRequestError("there is no matcher; give match=…, or match_urlpattern=…")
    return tuple(dict.fromkeys(matchers))
