"""The file that describes the hub, and a hub with other settings than usual."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

from pricewire.cli.check import check_mercure
from pricewire.errors import PricewireError
from pricewire.market.feeds.simulated.feed import SimulatedFeed
from pricewire.server.app import create_app
from pricewire.server.limits import Limits
from pricewire.server.mercure.configuration import read_setup
from support.app_server import open_app_server
from support.mercure import HUB, PATH, PUBLISHER, SETUP, Subscriber, detail, get, publish, token, unique, write_setup
from support.metrics import wait_until
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
    assert check_mercure(path) == HUB
    (tmp_path / "secret").unlink()
    with pytest.raises(PricewireError, match="No such file"):
        check_mercure(path)


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


def test_patterns_of_one_address_are_limited(tmp_path: Path) -> None:
    with (
        Serving(create_app([SimulatedFeed(seed=1)], mercure=write_setup(tmp_path), heartbeat=0.5)) as server,
        contextlib.ExitStack() as stack,
    ):
        patterns = [("match_urlpattern", f"https://example.com/{number}/:id") for number in range(100)]
        streams = [stack.enter_context(Subscriber(server, *patterns)) for _ in range(10)]
        assert get(server, f"{PATH}?match_urlpattern=/:id").status_code == 429
        with Subscriber(server, ("match", "a")) as subscriber:
            assert subscriber.status == 200
        streams[0].socket.close()
        wait_until(lambda: is_let_in(server))


def is_let_in(server: Serving) -> bool:
    with Subscriber(server, ("match_urlpattern", "/:id")) as subscriber:
        return subscriber.status == 200


def test_streams_go_on_after_a_restart(tmp_path: Path) -> None:
    path = write_setup(tmp_path)
    topic = unique()
    with open_app_server(tmp_path / "accounts.sqlite", mercure=path, bus=None) as server:
        first = publish(server, topic, "first", id="urn:own:first")
        publish(server, topic, "secret", private="on")
        publish(server, topic, "second")
        assert first.status_code == 200
    with open_app_server(tmp_path / "accounts.sqlite", mercure=path, bus=None) as server:
        publish(server, topic, "third")
        with Subscriber(server, ("match", topic), ("last_event_id", "urn:own:first")) as subscriber:
            assert subscriber.head["mercure-last-event-id"] == "urn:own:first"
            assert [subscriber.update().data for _ in range(2)] == ["second", "third"]


def test_where_it_is_off_nothing_of_it_is_loaded() -> None:
    program = (
        "import sys; from pricewire.server.app import create_app; from pricewire.market.feeds.simulated.feed import SimulatedFeed;"
        "assert create_app([SimulatedFeed(seed=1)]).mercure is None;"
        "print([name for name in sys.modules if name in ('re2', 'ada_url') or name.startswith('pricewire.server.mercure')])"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip() == "[]"
