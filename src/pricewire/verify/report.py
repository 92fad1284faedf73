"""What a test found, as text, as JSON, and as JUnit's XML."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from xml.sax.saxutils import quoteattr

import msgspec

from pricewire.verify.verdicts import Finding, Verdict

SCHEMA = 1
"""The form of the JSON; it grows when a member changes its meaning."""

UNPRINTABLE = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML cannot hold, not even escaped."""


class Report(msgspec.Struct, frozen=True):
    """
    What a test of a stream found.

    Attributes:
        url: the address, without its query.
        servers: the servers and proxies that the heads name.
        findings: a verdict of each rule.
        connections: how many connections were made, those of --load not counted.
        seconds: how long it took.
    """

    url: str
    servers: tuple[str, ...]
    findings: tuple[Finding, ...]
    connections: int
    seconds: float

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The findings that failed."""
        return tuple(each for each in self.findings if each.verdict is Verdict.FAILED)

    @property
    def is_ok(self) -> bool:
        """Whether none failed."""
        return not self.failures

    def __getitem__(self, name: str) -> Finding:
        """
        Return the finding of a rule.

        Raises:
            KeyError: there is no such rule.
        """
        for each in self.findings:
            if each.name == name:
                return each
        raise KeyError(name)

    @property
    def summary(self) -> str:
        """How many of each verdict there are."""
        counts = Counter(each.verdict for each in self.findings)
        return ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict)

    def text(self) -> str:
        """Return it for people: what is wrong in full, the rest as a line each."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        servers = ", ".join(self.servers)
        yield f"{self.url} ({servers})" if servers else self.url
        for each in self.findings:
            yield f"{each.verdict.value:7}  {each.name}: {each.detail}"
            if each.verdict in (Verdict.FAILED, Verdict.WARNED):
                yield from (f"         {line}" for line in explain(each))
        yield f"{self.summary}; {self.connections} connections, {self.seconds:g} s"

    def json(self) -> str:
        """Return it for programs."""
        members = msgspec.structs.asdict(self)
        return msgspec.json.format(msgspec.json.encode({"schema": SCHEMA, "is_ok": self.is_ok, **members}), indent=2).decode() + "\n"

    def junit(self) -> str:
        """Return it for CI: a failure for each finding that failed, and `skipped` for what is unknown."""
        counts = Counter(each.verdict for each in self.findings)
        numbers = f'tests="{len(self.findings)}" failures="{counts[Verdict.FAILED]}" skipped="{counts[Verdict.UNKNOWN]}" errors="0"'
        lines = ['<?xml version="1.0" encoding="UTF-8"?>', f'<testsuite name="pricewire verify" {numbers} time="{self.seconds:g}">']
        lines.append(f"<properties><property name={attribute('url')} value={attribute(self.url)}/></properties>")
        for each in self.findings:
            case = f"<testcase classname={attribute('verify')} name={attribute(each.name)}"
            said, more = attribute(each.detail), text_of("\n".join(explain(each)))
            match each.verdict:
                case Verdict.PASSED:
                    lines.append(f"{case}/>")
                case Verdict.FAILED:
                    lines.append(f"{case}><failure message={said}>{more}</failure></testcase>")
                case Verdict.UNKNOWN:
                    lines.append(f"{case}><skipped message={said}/></testcase>")
                case Verdict.WARNED:
                    lines.append(f"{case}><system-out>{text_of(each.detail)}\n{more}</system-out></testcase>")
        return "\n".join([*lines, "</testsuite>"]) + "\n"


def explain(finding: Finding) -> Iterator[str]:
    """Yield the lines that say why something is wrong, and what to do."""
    if finding.evidence:
        yield f"seen: {finding.evidence}"
    yield f"why: {finding.source}"
    yield from (f"do: {each}" for each in finding.advice)


def text_of(text: str) -> str:
    """Return a text for XML."""
    escaped = UNPRINTABLE.sub("\ufffd", text)
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def attribute(text: str) -> str:
    """Return a text as the quoted value of an attribute of XML."""
    return quoteattr(UNPRINTABLE.sub("\ufffd", text))
