from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse_operator.pacing.agenda import Agenda

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 9), st.integers(0, 5)),
        st.tuples(st.just("discard"), st.integers(0, 9), st.just(0)),
        st.tuples(st.just("take"), st.just(0), st.integers(0, 5)),
    ),
    max_size=80,
)


@settings(deadline=None)
@given(STEPS)
def test_it_is_a_sorted_table(steps: list[tuple[str, int, int]]) -> None:
    agenda, table = Agenda[int](), {}
    for order, (what, key, at) in enumerate(steps):
        if what == "put":
            agenda.put(key, at)
            table[key] = (at, order)
        elif what == "discard":
            agenda.discard(key)
            table.pop(key, None)
        else:
            first = min(table, key=lambda each: table[each], default=None)
            expected = first if first is not None and table[first][0] <= at else None
            assert agenda.take(until=at) == expected
            if expected is not None:
                del table[expected]
        assert len(agenda) == len(table)
        assert agenda.first() == min((number for number, _ in table.values()), default=None)
        assert all(key in agenda for key in table)


def test_keys_that_are_moved_again_and_again_take_no_more_room() -> None:
    agenda = Agenda[int]()
    for number in range(10_000):
        agenda.put(number % 10, 10_000 - number)
    assert len(agenda._heap) < 50
