from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pricewire.client.topics.topic_set import TopicSet


def topic_set(*wanted: str) -> TopicSet:
    made = TopicSet()
    made.wanted = dict.fromkeys(wanted)
    return made


def test_what_was_added_since_the_last_event_is_added_again_after_a_loss() -> None:
    made = topic_set("A")
    assert made.next_request(has_cursor=False) == (["A"], False)
    made.opened()
    made.wanted["B"] = None
    assert made.difference() == (["B"], [])
    made.agreed(["B"], [])
    assert made.difference() == ([], [])
    # The connection is lost before the stream has confirmed it: B's value may not have come.
    assert made.next_request(has_cursor=True) == (["A"], True)
    made.opened()
    assert made.difference() == (["B"], [])
    made.agreed(["B"], [])
    made.changed(["A", "B"])
    assert made.next_request(has_cursor=True) == (["A", "B"], True)


def test_what_left_is_not_asked_for_again() -> None:
    made = topic_set("A", "B")
    made.next_request(has_cursor=False)
    made.opened()
    del made.wanted["A"]
    assert made.difference() == ([], ["A"])
    assert made.next_request(has_cursor=True) == (["B"], True)
    made.wanted = {"C": None}
    assert made.next_request(has_cursor=True) == (["C"], False)


def test_a_stream_that_cannot_be_changed_begins_anew_with_all() -> None:
    made = topic_set("A")
    made.next_request(has_cursor=False)
    made.opened()
    made.wanted["B"] = None
    made.is_rigid = True
    assert made.next_request(has_cursor=True) == (["A", "B"], False)
    made.opened()
    assert not made.is_rigid
    del made.wanted["A"]
    made.is_rigid = True
    assert made.next_request(has_cursor=True) == (["B"], True)


@given(st.integers(1, 12), st.sets(st.integers(0, 11)), st.booleans(), st.sets(st.integers(0, 11)))
def test_refused_topics_are_found_and_only_these(count: int, bad: set[int], can_change: bool, carried: set[int]) -> None:
    topics = [str(number) for number in range(count)]
    refused = {topic for topic in topics if int(topic) in bad}
    made = topic_set(*topics)
    made.carried = {topic for topic in topics if int(topic) in carried}
    found: set[str] = set()
    requests = 0
    cursor = bool(made.carried)
    while made.wanted:
        requests += 1
        assert requests < 200
        listed, _ = made.next_request(has_cursor=cursor)
        assert listed
        if refused.isdisjoint(listed):
            made.opened()
            add, _ = made.difference()
            if not add:
                break
            if can_change:
                # The adjuster finds out about the rest.
                found |= refused.intersection(add)
                break
            made.is_rigid = True
        elif (culprit := made.refused()) is not None:
            found.add(culprit)
            del made.wanted[culprit]
    assert found == refused
