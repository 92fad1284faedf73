"""Steps of scenarios of the topic set, in the form that both clients run."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from pricewire.client.topics.topic_set import Listing, TopicSet

Step = dict[str, Any]
"""What happens, what comes of it, and the state afterwards: as in `tests/vectors/topic_set.json`."""

OUTCOMES = ("actions", "listing", "kept", "state")
"""What a step has beside what happens."""


def take(topic_set: TopicSet[str], do: str, **arguments: Any) -> tuple[Any, Step]:
    """Have something happen; return what the topic set returns, and the whole step."""
    outcome = getattr(topic_set, do)(**arguments)
    if isinstance(outcome, Listing):
        made: Step = {"listing": asdict(outcome)}
    elif isinstance(outcome, bool):
        made = {"kept": outcome}
    else:
        made = {"actions": [{"do": type(action).__name__.lower()} | asdict(action) for action in outcome]}
    state = {
        "confirmed": sorted(topic_set.confirmed),
        "agreed": None if topic_set.agreed is None else sorted(topic_set.agreed),
        "unknown": topic_set.unknown,
        "leaving": sorted(topic_set.leaving),
        "refused": topic_set.refused,
    }
    # Through JSON, which knows no difference between lists and tuples, and as it is now.
    return outcome, json.loads(json.dumps({"do": do, **arguments, **made, "state": state}))
