"""The header by which an application tells where the hub is."""

from __future__ import annotations

import pytest

from pricewire.server.mercure.link import hub_link

HUB = "https://hub.example.com/.well-known/mercure"


def test_the_link_has_what_is_given() -> None:
    assert hub_link(HUB) == f'<{HUB}>; rel="mercure"'
    link = hub_link(HUB, last_event_id='a"b', content_type="application/json")
    assert link == f'<{HUB}>; rel="mercure"; last-event-id="a\\"b"; content-type="application/json"'


@pytest.mark.parametrize(("url", "last_event_id"), [(f"{HUB}>", None), (f"{HUB}\n", None), (HUB, "a\nb"), (HUB, "é")])
def test_nothing_can_be_put_into_the_header(url: str, last_event_id: str | None) -> None:
    with pytest.raises(ValueError, match="ASCII"):
        hub_link(url, last_event_id=last_event_id)
