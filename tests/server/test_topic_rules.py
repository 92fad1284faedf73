"""What an operator's file says of free topics."""

from __future__ import annotations

from pathlib import Path

import pytest

from pricewire.errors import InvalidTopicError, PricewireError
from pricewire.hub.log import LogLimits
from pricewire.server.auth.grants import Action, may
from pricewire.server.topic_rules import MOST_KNOWN, TopicRules, TopicSettings, read_rules


def test_the_longest_pattern_counts(tmp_path: Path) -> None:
    file = tmp_path / "topics.toml"
    file.write_text(
        """
        ["*"]
        log_events = 5

        ["news:*"]
        public = true
        retain = 3

        ["news:internal:*"]
        key = "it"

        ["news:internal:open"]
        public = true
        """
    )
    rules = read_rules(file)
    assert len(rules) == 4
    assert [rules.of(name).log_events for name in ("chat", "news:a", "newspaper")] == [5, 1000, 5]
    assert [rules.of(name).key for name in ("news:a", "news:internal:a", "news:internal:open")] == [None, "it", None]
    public = {
        name: may(Action.READ, name, rules.public) for name in ("chat", "news:a", "news:internal:a", "news:internal:open", "ticks:R_100")
    }
    assert public == {"chat": False, "news:a": True, "news:internal:a": False, "news:internal:open": True, "ticks:R_100": False}
    assert not may(Action.PUBLISH, "news:a", rules.public)


def test_nothing_is_public_where_nobody_says_so() -> None:
    assert not may(Action.READ, "news", TopicRules().public)
    assert not may(Action.READ, "news", TopicRules({"*": TopicSettings()}).public)


def test_the_servers_own_topics_keep_their_logs() -> None:
    rules = TopicRules({"*": TopicSettings(log_events=7)})
    assert rules.log_limits("ticks:R_100") == LogLimits()
    assert rules.log_limits("proposal:x").linger == 0
    assert rules.log_limits("chat").count == 7
    assert rules.log_limits("chat").budget is rules.budget


def test_of_how_many_topics_it_is_remembered_is_bounded() -> None:
    rules = TopicRules({"a*": TopicSettings(retain=1)})
    for number in range(MOST_KNOWN + 10):
        assert rules.of(f"a{number}").retain == 1
    assert len(rules._known) <= MOST_KNOWN


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[news", "Expected ']'"),
        ("news = 1", "Expected `object`"),
        ("[news]\npubic = true", "pubic"),
        ("[news]\nlog_events = 0", ">= 1"),
        ("[news]\nlog_seconds = nan", "log_seconds"),
        ("[news]\nretain = -1", ">= 0"),
        ("[news]\nkey = ''", "length >= 1"),
        ('["a*b"]', "at the end alone"),
        ('["ticks:*"]', "the server's own"),
        ('["TICKS"]', "the server's own"),
        ('[""]', "0 characters"),
    ],
)
def test_what_is_wrong_is_said_with_the_file(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "topics.toml"
    file.write_text(text)
    with pytest.raises(PricewireError, match=message) as caught:
        read_rules(file)
    assert str(file) in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(PricewireError, match="No such file"):
        read_rules(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"# \xe4")
    with pytest.raises(PricewireError, match="no UTF-8"):
        read_rules(tmp_path / "latin.toml")
    with pytest.raises(InvalidTopicError):
        TopicRules({"balance:*": TopicSettings()})
