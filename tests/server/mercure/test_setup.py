"""The file that describes the hub, and a hub with other settings than usual."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pricewire.errors import PricewireError
from pricewire.market.feeds.simulated.feed import SimulatedFeed
from pricewire.server.app import create_app
from pricewire.server.limits import Limits
from pricewire.server.mercure.configuration import read_setup
from support.command import pricewire
from support.mercure import HUB, PATH, PUBLISHER, SETUP, Subscriber, detail, get, publish, token, unique, write_setup
from support.serving import Serving


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "url"),
        ('url = "hub.example.com"', "not like"),
        ('url = "https://hub.example.com/"', "not like"),
        (f'url = "{HUB}?a"', "query"),
        (f'url = "{HUB}"\norigin = "x"', "origin"),
        (f'url = "{HUB}"\norigins = ["*"]', "not like"),
        (f'url = "{HUB}"\norigins = ["https://example.com/"]', "not like"),
        (f'url = "{HUB}"\ncookie = "a b"', "cookie"),
        (SETUP.replace('secret_file = "secret"', ""), "one of key_file"),
        (SETUP.replace("HS256", "none"), "none"),
        (SETUP.replace("HS256", "RS256"), "go with secret_file"),
        (SETUP.replace('"HS256"', ""), "algorithms"),
        (SETUP.replace('"secret"', '"missing"'), "No such file"),
        (SETUP.replace('"secret"', '"short"'), "too short"),
        ("url = ", "mercure.toml"),
    ],
)
def test_what_is_wrong_with_the_file_is_said(tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "short").write_text("short")
    path = write_setup(tmp_path, text)
    with pytest.raises(PricewireError, match=fault):
        create_app([SimulatedFeed(seed=1)], mercure=path)


def test_check_says_whether_it_can_be_read(tmp_path: Path) -> None:
    path = write_setup(tmp_path)
    assert f"mercure\tok\t{HUB}\n" in pricewire("check", "--mercure", str(path), cwd=tmp_path).stdout
    (tmp_path / "secret").unlink()
    assert "mercure\tfailed\t" in pricewire("check", "--mercure", str(path), cwd=tmp_path).stdout


def test_files_are_looked_for_beside_it(tmp_path: Path) -> None:
    (issuer,) = read_setup(write_setup(tmp_path)).issuers
    assert issuer.secret_file == str(tmp_path / "secret")


def test_a_server_without_trading_has_it_too_and_may_ask_everybody_for_a_token(tmp_path: Path) -> None:
    path = write_setup(tmp_path, f"anonymous = false\n{SETUP}")
    limits = Limits(streams_per_address=1)
    with Serving(create_app([SimulatedFeed(seed=1)], mercure=path, limits=limits, heartbeat=0.5)) as server:
        refused = get(server, f"{PATH}?match=a")
        assert refused.status_code == 401
        assert "resource_metadata" in refused.headers["www-authenticate"]
        topic = unique()
        with Subscriber(server, ("match", topic), bearer=token(detail("subscribe", topics=[topic]))) as subscriber:
            assert publish(server, topic, "secret", private="on").status_code == 200
            assert subscriber.update().data == "secret"


def test_streams_of_one_address_are_limited(tmp_path: Path) -> None:
    with Serving(create_app([SimulatedFeed(seed=1)], mercure=write_setup(tmp_path), limits=Limits(streams_per_address=1))) as server:
        with Subscriber(server, ("match", "a")) as subscriber:
            assert subscriber.status == 200
            refused = get(server, f"{PATH}?match=a")
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) > 0
        assert publish(server, "a", bearer=PUBLISHER).status_code == 200


def test_where_it_is_off_nothing_of_it_is_loaded() -> None:
    program = (
        "import sys; from pricewire.server.app import create_app; from pricewire.market.feeds.simulated.feed import SimulatedFeed;"
        "create_app([SimulatedFeed(seed=1)]);"
        "print([name for name in sys.modules if name in ('re2', 'ada_url') or name.startswith('pricewire.server.mercure')])"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip() == "[]"
