from hypothesis import given
from hypothesis import strategies as st

from pilothouse_proxy.observe.meters import SECONDS, Counter, Family, Histogram


@given(st.lists(st.floats(0, 2_000)))
def test_a_histogram_puts_each_value_into_the_first_bucket_that_holds_it(values: list[float]) -> None:
    histogram = Histogram()
    for value in values:
        histogram.observe(value)
    below = 0
    for bound, count in zip(SECONDS, histogram.counts, strict=False):
        below += count
        assert below == sum(value <= bound for value in values)
    assert sum(histogram.counts) == len(values)


def test_the_same_labels_are_the_same_series() -> None:
    family = Family(Counter, "x", "", ("a",))
    family.series("1").value += 2
    assert family.series("1").value == 2


def test_series_of_what_is_gone_are_dropped() -> None:
    family = Family(Counter, "x", "", ("a", "b"))
    family.series("kept", "1")
    family.series("gone", "1")
    family.keep({"kept"})
    assert [labels for labels, _ in family.items()] == [("kept", "1")]
