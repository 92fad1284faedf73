"""A URL pattern: compiled from a text once, and matched against topics in linear time."""

from __future__ import annotations

from typing import Any

import re2
from ada_url import URL

from pricewire.server.mercure.url_pattern import canonical
from pricewire.server.mercure.url_pattern.constructor_string import ConstructorStringParser
from pricewire.server.mercure.url_pattern.parts import Canonical, ComponentSyntax, Part, PartKind, PartsParser
from pricewire.server.mercure.url_pattern.regexp import EVERY, Translator, encoded, literal
from pricewire.server.mercure.url_pattern.tokens import InvalidPatternError

COMPONENTS = ("protocol", "hostname", "port", "pathname", "search", "hash", "username", "password")
"""The components, in the order in which they are matched: last those that hardly a pattern says anything of."""

SPECIAL = {"ftp": "21", "file": "", "http": "80", "https": "443", "ws": "80", "wss": "443"}
"""The special schemes and their default ports. Source: URL standard, section 4.2."""

PLAIN = ComponentSyntax()
HOST = ComponentSyntax(delimiter=".")
PATH = ComponentSyntax(delimiter="/", prefix="/")

MOST_MEMORY = 64 * 1024
"""How much memory one pattern's automaton may take, in bytes: a usual one has 50 steps, and this is enough for 2,000."""

ANYTHING = f"{encoded(EVERY)}*"


class UrlPattern:
    """
    A compiled pattern.

    Attributes:
        prefix: what every topic that matches begins with, as `subject` returns it.
        needle: what every such topic has besides, somewhere after that; empty where there is nothing.

    Args:
        text: the pattern, absolute or relative.
        base: the URL that a relative one is resolved against.

    Raises:
        InvalidPatternError: the text is no URL pattern, or has what cannot be matched in linear time.

    Source: URL Pattern standard, without the option `ignoreCase`.
    """

    __slots__ = ("_expression", "needle", "prefix")

    def __init__(self, text: str, base: str) -> None:
        components = components_of(text, base)
        parts = compiled(components)
        self.prefix, self.needle = fixed_texts(parts)
        options = re2.Options()
        options.encoding = re2.Options.Encoding.LATIN1
        options.max_mem = MOST_MEMORY
        options.never_capture = True
        options.log_errors = False
        try:
            self._expression: Any = re2.compile("\n".join(parts_expression(*each) for each in parts).encode(), options)
        except re2.error:
            raise InvalidPatternError(f"the URL pattern {text!r} takes too much memory") from None

    def matches(self, subject: bytes) -> bool:
        """Return whether a topic matches; it comes as `subject` returns it."""
        # An expression costs fifty times what this does.
        if not subject.startswith(self.prefix) or subject.find(self.needle, len(self.prefix)) < 0:
            return False
        return self._expression.fullmatch(subject) is not None


def subject(topic: str, base: str) -> bytes | None:
    """
    Return a topic as what URL patterns are matched against: the components of its URL, one a line. None where it is no URL.

    Args:
        topic: the topic, absolute or relative.
        base: the URL that a relative one is resolved against.
    """
    try:
        url = URL(topic, base)
    except ValueError:
        return None
    parts = [
        url.protocol.removesuffix(":"),
        url.hostname,
        url.port,
        url.pathname,
        url.search.removeprefix("?"),
        url.hash.removeprefix("#"),
        url.username,
        url.password,
    ]
    return "\n".join(parts).encode("ascii")


def components_of(text: str, base: str) -> dict[str, str]:
    """
    Return the patterns of all components, those that the text leaves out taken from the base, or `*`.

    Raises:
        InvalidPatternError: the protocol's pattern is none.

    An absolute pattern takes nothing of the base: browsers would take its folder for the path of `urn:a`.

    Source: URL Pattern standard, "process a URLPatternInit", for patterns.
    """
    given = ConstructorStringParser(text, is_special).parse()
    url = URL(base)
    from_base = {
        "protocol": url.protocol.removesuffix(":"),
        "hostname": url.hostname,
        "port": url.port,
        "pathname": url.pathname,
        "search": url.search.removeprefix("?"),
        "hash": url.hash.removeprefix("#"),
    }
    # What stands before a given component is the base's, what stands behind it is not.
    after = {
        "protocol": ("protocol",),
        "hostname": ("protocol", "hostname"),
        "port": ("protocol", "hostname", "port"),
        "pathname": ("protocol", "hostname", "port", "pathname"),
        "search": ("protocol", "hostname", "port", "pathname", "search"),
        "hash": ("protocol", "hostname", "port", "pathname", "search", "hash"),
    }
    components = {name: escaped(value) for name, value in from_base.items() if not given.keys() & set(after[name])}
    components |= given
    if "protocol" in given:
        components["protocol"] = given["protocol"].removesuffix(":")
    if "pathname" in given and not is_absolute(given["pathname"]) and "protocol" not in given and "hostname" not in given:
        folder, slash, _ = escaped(url.pathname).rpartition("/")
        components["pathname"] = folder + slash + given["pathname"]
    for name, sign in (("search", "?"), ("hash", "#")):
        if name in given:
            components[name] = given[name].removeprefix(sign)
    result = {name: components.get(name, "*") for name in COMPONENTS}
    if result["port"] and SPECIAL.get(result["protocol"]) == result["port"]:
        result["port"] = ""
    return result


def is_absolute(path: str) -> bool:
    """Return whether a path's pattern begins at the root."""
    return path[:1] == "/" or path[:2] in ("\\/", "{/")


def escaped(text: str) -> str:
    """Return a text as a pattern that matches it alone."""
    return "".join([f"\\{character}" if character in "+*?:{}()\\" else character for character in text])


def compiled(components: dict[str, str]) -> list[tuple[list[Part], ComponentSyntax]]:
    """
    Return the parts of each component, and how it is divided.

    Raises:
        InvalidPatternError: one is no pattern.

    Source: URL Pattern standard, "create a URL pattern".
    """
    has_special_scheme = is_special(components["protocol"])
    host: Canonical = canonical.hostname if has_special_scheme else canonical.opaque_hostname
    if is_ipv6(components["hostname"]):
        host = canonical.ipv6_hostname
    path: tuple[ComponentSyntax, Canonical] = (PATH, canonical.pathname) if has_special_scheme else (PLAIN, canonical.opaque_pathname)
    ways: dict[str, tuple[ComponentSyntax, Canonical]] = {
        "protocol": (PLAIN, canonical.protocol),
        "username": (PLAIN, canonical.username),
        "password": (PLAIN, canonical.password),
        "hostname": (HOST, host),
        "port": (PLAIN, canonical.port),
        "pathname": path,
        "search": (PLAIN, canonical.search),
        "hash": (PLAIN, canonical.hash_),
    }
    return [(PartsParser(components[name], *ways[name]).parse(), ways[name][0]) for name in COMPONENTS]


def is_special(protocol: str) -> bool:
    """
    Return whether a protocol's pattern can be that of a special scheme.

    Raises:
        InvalidPatternError: it is no pattern.
    """
    expression = re2.compile(parts_expression(PartsParser(protocol, PLAIN, canonical.protocol).parse(), PLAIN))
    return any(expression.fullmatch(scheme) is not None for scheme in SPECIAL)


def is_ipv6(hostname: str) -> bool:
    """Return whether a host's pattern is that of an address of IPv6."""
    return hostname[:1] == "[" or hostname[:2] in ("\\[", "{[")


def parts_expression(parts: list[Part], syntax: ComponentSyntax) -> str:
    """
    Return the regular expression of a component.

    Source: URL Pattern standard, "generate a regular expression and name list".
    """
    return "".join([part_expression(part, syntax) for part in parts])


def part_expression(part: Part, syntax: ComponentSyntax) -> str:
    """Return the regular expression of a part."""
    if part.kind is PartKind.FIXED:
        return f"(?:{literal(part.value)}){part.modifier}" if part.modifier else literal(part.value)
    if part.kind is PartKind.ANYTHING:
        inner = ANYTHING
    elif part.kind is PartKind.SEGMENT:
        inner = encoded(EVERY - set(map(ord, syntax.delimiter))) + "+"
    else:
        inner = Translator(part.value).translate()
    prefix, suffix = literal(part.prefix), literal(part.suffix)
    if part.modifier in ("", "?"):
        return f"(?:{prefix}(?:{inner}){suffix}){part.modifier}"
    # Between two repetitions stand the suffix of the one and the prefix of the other.
    repeated = f"(?:{prefix}(?:{inner})(?:{suffix}{prefix}(?:{inner}))*{suffix})"
    return f"{repeated}?" if part.modifier == "*" else repeated


def fixed_texts(components: list[tuple[list[Part], ComponentSyntax]]) -> tuple[bytes, bytes]:
    """Return the fixed text that everything begins with that matches, and the longest one that stands somewhere after it."""
    texts = [""]
    for number, (parts, _) in enumerate(components):
        texts[-1] += "\n" if number else ""
        for part in parts:
            if part.kind is PartKind.FIXED and not part.modifier:
                texts[-1] += part.value
            elif part.kind is PartKind.FIXED or part.modifier in ("?", "*"):
                texts.append("")
            else:
                texts[-1] += part.prefix
                texts.append(part.suffix)
    prefix, *others = texts
    return prefix.encode(), max(others, key=len, default="").encode()
