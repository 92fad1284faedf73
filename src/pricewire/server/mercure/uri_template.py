"""URI templates as matchers, for clients that speak Mercure 0.x; matched in linear time."""

from __future__ import annotations

import re
from collections.abc import Callable

import re2

from pricewire.server.mercure.url_pattern.tokens import InvalidPatternError

EXPRESSION = re.compile(r"\{([+#./;?&]?)([\w.,%:*]+)\}", re.ASCII)

UNRESERVED = r"[A-Za-z0-9\-._~%]"
RESERVED = r"[A-Za-z0-9\-._~%:/?#\[\]@!$&'()*+,;=]"

SIGNS = {
    "": ("", ",", False),
    "+": ("", ",", False),
    "#": ("#", ",", False),
    ".": (".", ".", False),
    "/": ("/", "/", False),
    ";": (";", ";", True),
    "?": ("?", "&", True),
    "&": ("&", "&", True),
}
"""Of each operator: what comes first, what stands between values, and whether they are named. Source: RFC 6570, appendix A."""


def template_matcher(text: str) -> Callable[[str], bool]:
    """
    Return what says whether a topic can be an expansion of a template, or is the template's text itself.

    Raises:
        InvalidPatternError: it is no template.

    Source: RFC 6570, section 1.4, "Limitations": matching is its reverse, and each variable has its characters.
    """
    if "{" not in text and "}" not in text:
        return lambda topic: topic == text
    expression, end = "", 0
    for match in EXPRESSION.finditer(text):
        expression += _literal(text[end : match.start()]) + _variables(match[1], match[2].split(","))
        end = match.end()
    expression += _literal(text[end:])
    compiled = re2.compile(expression)
    return lambda topic: topic == text or compiled.fullmatch(topic) is not None


def _literal(text: str) -> str:
    if "{" in text or "}" in text:
        raise InvalidPatternError(f"{text!r} of a URI template has a brace that is no expression's")
    return str(re2.escape(text))


def _variables(operator: str, names: list[str]) -> str:
    """Return the expression of one or more variables, each of which may be left out."""
    first, between, is_named = SIGNS[operator]
    values = (RESERVED if operator in ("+", "#") else UNRESERVED) + "*"
    if operator in ("", "+"):
        return f"{values}(?:,{values}){{0,{len(names) * 10}}}" if operator == "" else values
    items = []
    for name in names:
        plain = re2.escape(name.rstrip("*").partition(":")[0])
        items.append(f"{plain}(?:={values})?" if is_named else values)
    one = "|".join(items)
    return f"(?:{re2.escape(first)}(?:{one})(?:{re2.escape(between)}(?:{one}))*)?"
