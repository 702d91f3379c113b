from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse_operator.sources.ledger import Item, Ledger, Move, Name, Sight

Value = tuple[str, int]


def item(name: str, version: int, *, uid: str = "u", generation: int = 1, going: bool = False) -> dict[str, Any]:
    metadata = {"namespace": "n", "name": name, "uid": uid, "resourceVersion": str(version), "generation": generation}
    return {"metadata": metadata | ({"deletionTimestamp": "2026-01-01T00:00:00Z"} if going else {})}


def read(found: Item) -> tuple[str, int, str]:
    metadata = found["metadata"]
    return metadata["uid"], metadata["generation"], metadata["resourceVersion"]


def same(before: tuple[str, int, str], after: tuple[str, int, str]) -> bool:
    return before[:2] == after[:2]


def ledger() -> Ledger[tuple[str, int, str]]:
    return Ledger(read=read, same=same)


A: Name = ("n", "a")


def test_an_event_adds_and_a_newer_one_replaces() -> None:
    held = ledger()
    assert held.see(item("a", 1), Sight.PRESENT) is Move.CONTENT
    assert held.see(item("a", 2, generation=2), Sight.PRESENT) is Move.CONTENT
    assert held.values() == {A: ("u", 2, "2")}
    assert held.newest == 2


def test_an_older_event_changes_nothing() -> None:
    held = ledger()
    held.see(item("a", 2, generation=2), Sight.PRESENT)
    assert held.see(item("a", 1), Sight.PRESENT) is Move.NOTHING
    assert held.see(item("a", 1), Sight.ABSENT) is Move.NOTHING
    assert held.values() == {A: ("u", 2, "2")}


def test_versions_are_ordered_as_integers() -> None:
    held = ledger()
    held.see(item("a", 9), Sight.PRESENT)
    assert held.see(item("a", 10, generation=2), Sight.PRESENT) is Move.CONTENT


def test_the_echo_of_a_status_write_is_on_the_surface_only() -> None:
    held = ledger()
    held.see(item("a", 1), Sight.PRESENT)
    assert held.see(item("a", 2), Sight.PRESENT) is Move.SURFACE
    assert held.values() == {A: ("u", 1, "2")}


def test_another_uid_is_another_object() -> None:
    held = ledger()
    held.see(item("a", 1), Sight.PRESENT)
    assert held.see(item("a", 5, uid="v"), Sight.PRESENT) is Move.CONTENT
    assert held.see(item("a", 4), Sight.ABSENT) is Move.NOTHING
    assert held.values() == {A: ("v", 1, "5")}


def test_what_is_being_deleted_counts_as_deleted() -> None:
    held = ledger()
    held.see(item("a", 1), Sight.PRESENT)
    assert held.see(item("a", 2, going=True), Sight.PRESENT) is Move.CONTENT
    assert held.values() == {}
    assert held.see(item("a", 3, going=True), Sight.PRESENT) is Move.NOTHING
    assert held.see(item("a", 4, going=True), Sight.ABSENT) is Move.NOTHING


def test_a_list_takes_away_what_it_lacks() -> None:
    held = ledger()
    held.see(item("a", 1), Sight.PRESENT)
    assert held.listed([item("b", 2)], 5) is Move.CONTENT
    assert held.values().keys() == {("n", "b")}


def test_a_list_leaves_what_is_newer_than_it() -> None:
    held = ledger()
    held.see(item("a", 7), Sight.PRESENT)
    assert held.listed([], 5) is Move.NOTHING
    assert held.values().keys() == {A}


def test_an_event_from_before_a_list_brings_nothing_back() -> None:
    held = ledger()
    held.listed([], 5)
    assert held.see(item("a", 4), Sight.PRESENT) is Move.NOTHING
    assert held.values() == {}


def test_a_list_from_before_a_deletion_brings_nothing_back() -> None:
    held = ledger()
    held.see(item("a", 1), Sight.PRESENT)
    held.see(item("a", 6), Sight.ABSENT)
    assert held.listed([item("a", 1)], 5) is Move.NOTHING
    assert held.values() == {}


def test_leaving_a_selection_is_told_with_the_objects_own_version() -> None:
    held = ledger()
    held.listed([item("a", 3)], 3)
    assert held.see(item("a", 3), Sight.ABSENT) is Move.CONTENT
    assert held.values() == {}


def test_the_same_list_again_changes_nothing() -> None:
    held = ledger()
    held.listed([item("a", 1)], 5)
    assert held.listed([item("a", 1)], 9) is Move.NOTHING
    assert (held.floor, held.newest) == (9, 9)


def test_a_list_after_history_was_set_back_is_believed() -> None:
    held = ledger()
    held.listed([item("a", 100), item("b", 90)], 110)
    assert held.take([item("a", 7)], 8) is Move.CONTENT
    assert held.values() == {A: ("u", 1, "7")}
    assert held.see(item("a", 9, generation=2), Sight.PRESENT) is Move.CONTENT


def test_history_set_back_to_the_same_content_is_on_the_surface_only() -> None:
    held = ledger()
    held.listed([item("a", 100)], 110)
    assert held.rewound([item("a", 7)], 8) is Move.SURFACE


# The law: whatever order the news comes in, what is known in the end is the truth.


@dataclass
class History:
    """What really happened: the events, and the whole collection as it was at each version."""

    events: list[tuple[dict[str, Any], Sight]] = field(default_factory=list)
    states: list[dict[str, dict[str, Any]]] = field(default_factory=lambda: [{}])

    @property
    def head(self) -> int:
        return len(self.states) - 1

    def truth(self, at: int) -> dict[Name, tuple[str, int, str]]:
        alive = (found for found in self.states[at].values() if "deletionTimestamp" not in found["metadata"])
        return {("n", found["metadata"]["name"]): read(found) for found in alive}


@st.composite
def histories(draw: st.DrawFn) -> History:
    history = History()
    acts = draw(
        st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["write", "delete", "finalize"])), max_size=12)
    )
    for name, act in acts:
        version, state = history.head + 1, dict(history.states[-1])
        before = state.get(name)
        sight = Sight.PRESENT
        if act == "write":
            metadata = before["metadata"] if before else {"uid": f"u{version}", "generation": 0}
            going = "deletionTimestamp" in metadata
            made = item(name, version, uid=metadata["uid"], generation=metadata["generation"] + 1, going=going)
            state[name] = made
        elif before is None:
            continue
        else:
            metadata = before["metadata"]
            made = item(name, version, uid=metadata["uid"], generation=metadata["generation"], going=True)
            if act == "delete":
                del state[name]
                sight = Sight.ABSENT
            else:
                state[name] = made
        history.events.append((made, sight))
        history.states.append(state)
    return history


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_news_with_a_list_of_the_end_among_it_ends_in_the_truth(data: st.DataObject) -> None:
    history = data.draw(histories())
    every = st.one_of(
        st.sampled_from([("event", at) for at in range(len(history.events))] or [("list", 0)]),
        st.integers(0, history.head).map(lambda at: ("list", at)),
    )
    news = data.draw(st.lists(every, max_size=25))
    news.insert(data.draw(st.integers(0, len(news))), ("list", history.head))
    held, done = ledger(), False
    for kind, at in news:
        if kind == "list":
            held.listed(list(history.states[at].values()), at)
            done = done or at == history.head
        else:
            held.see(*history.events[at])
        if done:
            assert held.values() == history.truth(history.head)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_all_events_in_any_order_with_any_lists_end_in_the_truth(data: st.DataObject) -> None:
    history = data.draw(histories())
    news = [("event", at) for at in range(len(history.events))]
    news += [("list", at) for at in data.draw(st.lists(st.integers(0, history.head), max_size=4))]
    held = ledger()
    for kind, at in data.draw(st.permutations(news)):
        if kind == "list":
            held.listed(list(history.states[at].values()), at)
        else:
            held.see(*history.events[at])
    assert held.values() == history.truth(history.head)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_nothing_changes_without_being_told(data: st.DataObject) -> None:
    history = data.draw(histories())
    held = ledger()
    for _ in range(data.draw(st.integers(0, 15))):
        before = held.values()
        if history.events and data.draw(st.booleans()):
            move = held.see(*data.draw(st.sampled_from(history.events)))
        else:
            at = data.draw(st.integers(0, history.head))
            move = held.listed(list(history.states[at].values()), at)
        after = held.values()
        content = {name: value[:2] for name, value in before.items()} != {n: v[:2] for n, v in after.items()}
        assert (move is Move.CONTENT) == content
        assert (move is Move.NOTHING) == (before == after)
