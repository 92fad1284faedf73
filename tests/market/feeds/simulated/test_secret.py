from __future__ import annotations

import stat
from pathlib import Path

import pytest

from pricewire.errors import PricewireError
from pricewire.market.feeds.simulated.secret import FILE_NAME, local_secret


def test_it_is_drawn_once_and_kept_for_its_owner_alone(tmp_path: Path) -> None:
    drawn = local_secret(tmp_path / "data")
    assert len(drawn) == 32
    assert local_secret(tmp_path / "data") == drawn
    assert stat.S_IMODE((tmp_path / "data" / FILE_NAME).stat().st_mode) == 0o600
    assert local_secret(tmp_path / "other") != drawn


@pytest.mark.parametrize("text", ["", "17", "x" * 64, "0" * 62, "0" * 66])
def test_a_file_that_holds_no_secret_is_refused_without_showing_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / FILE_NAME
    path.touch(mode=0o600)
    path.write_text(text)
    with pytest.raises(PricewireError) as raised:
        local_secret(tmp_path)
    assert str(raised.value) == f"{path} holds no secret: remove it to have a new one drawn; the prices are others then"


def test_a_secret_that_others_may_read_is_refused(tmp_path: Path) -> None:
    local_secret(tmp_path)
    (tmp_path / FILE_NAME).chmod(0o644)
    with pytest.raises(PricewireError, match="chmod 600"):
        local_secret(tmp_path)
