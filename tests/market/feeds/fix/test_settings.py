"""The file of a FIX feed: quickfix's settings, and what instruments there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from pricewire.errors import FeedError, MissingExtraError
from pricewire.market.feeds.find import open_address, shown_name
from pricewire.market.feeds.fix.feed import FixFeed
from pricewire.market.feeds.fix.settings import read_settings
from pricewire.protocol.messages import Instrument
from support.message_feeds import OptionsFile

SESSION = "[SESSION]\nSocketConnectHost=venue.example\nSocketConnectPort=9876\nSenderCompID=ME\nTargetCompID=VENUE\n"


def test_quickfix_s_settings_and_instruments_are_in_one_file(options_file: OptionsFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VENUE_PASSWORD", "s3cret = % ;x")
    file = options_file(f"""
# A comment.
[default]
HeartBtInt=10
  MarketDepth = 0
Username=me
{SESSION}
HeartBtInt=20
Password=${{VENUE_PASSWORD}}
TargetSubID=QUOTE
ConnectionType=initiator
CheckLatency=N

[EURUSD]
pip_size = 5
symbol = EUR/USD
display_name = Euro = Dollar
max_jump = 0.05

[GOLD]
pip_size = 2
market = Commodities
""")
    settings = read_settings(Path(file))
    assert settings.session["HeartBtInt"] == "20"
    assert settings.session["CheckLatency"] == "N"
    assert settings.session["BeginString"] == "FIX.4.4"
    assert settings.logon == {"553": "me", "554": "s3cret = % ;x"}
    assert settings.header == {"57": "QUOTE"}
    assert settings.request == {"264": "0", "265": "1"}
    assert settings.symbols == ["EUR/USD", "GOLD"]
    assert settings.secrets == ("s3cret = % ;x", "me", "s3cret = % ;x")
    assert "s3cret" not in repr(settings)
    assert not {"Username", "Password", "TargetSubID", "MarketDepth"} & set(settings.session)
    feed = FixFeed(settings)
    assert feed.name == "fix://venue.example:9876#feed.toml"
    assert feed.instruments == [
        Instrument(id="EURUSD", display_name="Euro = Dollar", categories=["Forex"], pip_size=5),
        Instrument(id="GOLD", display_name="GOLD", categories=["Commodities"], pip_size=2),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[EURUSD]\npip_size=5", r"no section \[SESSION\] with SocketConnectHost"),
        (SESSION.replace("SenderCompID=ME\n", ""), r"\[SESSION\] lacks SenderCompID"),
        (SESSION, r"no instrument is named"),
        (SESSION.replace("9876", "70000") + "[A]\npip_size=5", "SocketConnectPort is 70000"),
        (SESSION + "HeartBtInt=0\n[A]\npip_size=5", "HeartBtInt is 0"),
        (SESSION + "BeginString=FIX.4.2\n[A]\npip_size=5", r"BeginString is FIX\.4\.2"),
        (SESSION + "ConnectionType=acceptor\n[A]\npip_size=5", "ConnectionType is acceptor"),
        (SESSION + "[EURUSD]\nsymbol=x", r"\[EURUSD\]: .*pip_size"),
        (SESSION + "[EURUSD]\npip_size=five", r"\[EURUSD\]: .*pip_size"),
        (SESSION + "[EURUSD]\npip_size=5\nsymbl=x", r"\[EURUSD\]: .*symbl"),
        (SESSION + "[A]\npip_size=5\nsymbol=x\n[B]\npip_size=5\nsymbol=x", "another instrument has the symbol 'x'"),
        (SESSION + SESSION, "SESSION"),
        (SESSION + "Password=${NO_SUCH_VARIABLE}", "NO_SUCH_VARIABLE"),
        ("HeartBtInt=5", "no section headers"),
        ("[SESSION]\nnonsense", "nonsense"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_what_is_wrong(text: str, message: str, options_file: OptionsFile) -> None:
    with pytest.raises(FeedError, match=message):
        FixFeed(read_settings(Path(options_file(text))))


def test_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="there is no such file"):
        read_settings(tmp_path / "none.cfg")
    (tmp_path / "bytes.cfg").write_bytes(b"\xff\xfe")
    with pytest.raises(FeedError, match="decode"):
        read_settings(tmp_path / "bytes.cfg")


def test_without_quickfix_the_extra_is_named(options_file: OptionsFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pricewire.market.feeds.find.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"needs quickfix, which is not installed: pip install 'pricewire\[fix\]'"):
        open_address(f"fix:{options_file(SESSION)}")
    assert shown_name("fix:quotes.cfg") == "fix:quotes.cfg"
