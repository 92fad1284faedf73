from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pricewire.client.topics.topic_set import TopicSet
from support.topic_set_steps import OUTCOMES, take

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parents[2] / "vectors" / "topic_set.json").read_text())
"""Scenarios: what happens, what is to be done about it, and the state afterwards; `fault` names what an earlier client got wrong."""


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_the_shared_vectors(vector: dict[str, Any]) -> None:
    topic_set: TopicSet[str] = TopicSet()
    for step in vector["steps"]:
        _, made = take(topic_set, **{name: value for name, value in step.items() if name not in OUTCOMES})
        assert made == step


def test_names_of_the_server_are_not_remembered_without_end() -> None:
    topic_set: TopicSet[str] = TopicSet()
    topic_set.want(["q:x:y:0"])
    topic_set.listen(has_cursor=False)
    topic_set.opened(can_change=True, is_new=True)
    for number in range(1, 3000):
        topic_set.want(["q:x:y:0", f"q:x:y:{number}.0"])
        names = {f"q:x:y:{number}.0": f"q:x:y:{number}"}
        topic_set.answered(2 * number - 1, ["q:x:y:0", f"q:x:y:{number}"], names)
        topic_set.changed(["q:x:y:0", f"q:x:y:{number}"], names)
        assert topic_set.topic_of(f"q:x:y:{number}.0") == f"q:x:y:{number}"
        topic_set.want(["q:x:y:0"])
        topic_set.answered(2 * number, ["q:x:y:0"], {})
        topic_set.changed(["q:x:y:0"], {})
    assert sum(topic_set.topic_of(f"q:x:y:{number}.0") == f"q:x:y:{number}" for number in range(1, 3000)) <= 1001
