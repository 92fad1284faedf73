"""Random URL patterns, and topics that some of them match."""

from __future__ import annotations

import random

SCHEMES = ("https", "http", "ws", "ftp")
OPAQUE = ("urn", "ticks", "data", "foo")
HOSTS = ("example.com", "a.b.example.com", "EXAMPLE.com", "localhost", "[::1]", "127.0.0.1", "münchen.de", "x_y.z", "example.com.")
HOST_PATTERNS = (
    "*.example.com",
    ":sub.example.com",
    "{*.}?example.com",
    "(www|m).example.com",
    "*",
    "[:x]",
    "[\\:\\:1]",
    "example.*",
    ":h",
)
SCHEME_PATTERNS = ("http{s}?", "*", ":proto", "(https?)", "{https}?", "http*", "(HTTPS)")
SEGMENTS = (
    *("books", "1", "foo%20bar", "é", "a.b", "a:b", "..", ".", "%2e", "%6D", "A", "", "b-c", "x y", "{z", "1,2", "a=b", "~", "%zz", "'"),
    *("%C3%A9", "a|b", "$", "日本", "\\"),
)
GROUPS = (
    *(":id", ":x", "*", "(\\d+)", "(a|b)", ":k(foo|bar)", "([a-z]+)", "(.*)", "(\\w{2,3})", "{foo}", "{/foo}?", "{/:id}?", "{a:id}*"),
    *("{-:q}+", "{b}+", "\\:", "\\*", "\\{", "([^/]+)", "(?:x)", "((?:a)b)", "(a++)", "([b-a])", "(\\p{L}+)", "(\\P{Lu})", "(^a)", "(a$)"),
    *("([\\w--a])", "([a&&b])", "((?i:AB))", "(\\-)", "(/)", "([/])", "({)", "(a{2})", "(\\x41)", "(.)", ":a:b", ":é", "{:u}{:v}", "?"),
    *("+", "(", "}", "{", ":", "(?<n>a)", "((?<n>a))", "()", "(é)", "[", "]", "([()])", "(\\s|\\S)", "(\\bz\\b)", "([a-c-e])", "([--])"),
    *(
        "([\\-a])",
        "([a-])",
        "(a|)",
        "({2})",
        "(\\/x)",
        "(\\c)",
        "([[a-z]--[aeiou]])",
        "([a&&&b])",
        "((?-i:a))",
        "([^])",
        "([])",
        "(a{2,1})",
    ),
    *(
        "(\\u0062)",
        "(\\u{61})",
        "(\\cA)",
        "([\\D])",
        "((?i:[^a]))",
        "((?i:[b-d])x)",
        "(?=a)",
        "([A-z]+)",
        "(\\))",
        "{a}{b}?",
        ":id?",
        ":id+",
    ),
)


def generate(seed: int, count: int) -> list[tuple[str, list[str]]]:
    """Return random patterns, each with topics; the same ones for the same seed."""
    source = random.Random(seed)

    def piece(*, of_pattern: bool) -> str:
        return source.choice(GROUPS) if of_pattern and source.random() < 0.45 else source.choice(SEGMENTS)

    def path(*, of_pattern: bool) -> str:
        count = source.choice([0, 1, 1, 2, 3])
        return "".join(["/" + "".join([piece(of_pattern=of_pattern) for _ in range(source.choice([1, 1, 2]))]) for _ in range(count)])

    def make(*, of_pattern: bool) -> str:
        kind = source.random()
        if kind < 0.2:
            text = path(of_pattern=of_pattern)
        elif kind < 0.27:
            text = piece(of_pattern=of_pattern) + path(of_pattern=of_pattern)
        elif kind < 0.37:
            return f"{source.choice(OPAQUE)}:{piece(of_pattern=of_pattern)}{source.choice(['', ':'])}{piece(of_pattern=of_pattern)}"
        else:
            scheme = source.choice(SCHEME_PATTERNS) if of_pattern and source.random() < 0.1 else source.choice(SCHEMES)
            host = source.choice(HOST_PATTERNS) if of_pattern and source.random() < 0.2 else source.choice(HOSTS)
            users = ("", "", "", "", "user@", "user:pass@", *((":u@", "*:*@") if of_pattern else ()))
            ports = ("", "", "", ":80", ":443", ":8080", ":99999", ":x", *((":*", ":(\\d+)", ":{80}?") if of_pattern else ()))
            text = f"{scheme}://{source.choice(users)}{host}{source.choice(ports)}{path(of_pattern=of_pattern)}"
        if source.random() < 0.25:
            text += f"?{piece(of_pattern=of_pattern)}{source.choice(['', '=1', '&' + piece(of_pattern=of_pattern)])}"
        if source.random() < 0.15:
            text += f"#{piece(of_pattern=of_pattern)}"
        return text

    def near(pattern: str) -> str:
        text = pattern
        for group in sorted(GROUPS, key=len, reverse=True):
            while len(group) > 1 and group in text:
                text = text.replace(group, source.choice([*SEGMENTS, "a", "ab", "12", "foo"]), 1)
        return text.replace("*", source.choice(["x", "a/b", ""]))

    patterns = [make(of_pattern=True) for _ in range(count)]
    return [(pattern, [near(pattern), near(pattern), make(of_pattern=False)]) for pattern in patterns]
