"""Every option is listed, in a form that the file can have."""

from __future__ import annotations

import re
import tomllib

import pytest

from pricewire.cli.config import command
from pricewire.cli.main import COMMANDS
from pricewire.errors import PricewireError


def test_every_option_is_listed_as_a_file_can_have_it(capsys: pytest.CaptureFixture[str]) -> None:
    command()
    listed = capsys.readouterr().out
    assert all(line == "" or line[0] in "#[" for line in listed.splitlines())
    # What the options are said to be by default is what a file can have.
    options = tomllib.loads(re.sub(r"^# (\w+ = \S.*)$", r"\1", listed, flags=re.MULTILINE))
    assert options["serve"]["port"] == 8080
    assert options["account"]["add"]["currency"] == "USD"
    assert options["watch"] == {"url": "http://127.0.0.1:8080", "once": False}
    assert set(options) == set(COMMANDS) - {"check", "config"}
    assert "# seed =\n" in listed
    assert "(PRICEWIRE_MAX_STREAMS)" in " ".join(listed.split())


def test_those_of_one_command(capsys: pytest.CaptureFixture[str]) -> None:
    command("account", "add")
    assert re.findall(r"^\[(.*)\]$", capsys.readouterr().out, re.MULTILINE) == ["account.add"]
    command("account")
    assert "[account.house]" in capsys.readouterr().out
    with pytest.raises(PricewireError, match="there is no command 'nonsense' with options; there are account add, account list"):
        command("nonsense")
