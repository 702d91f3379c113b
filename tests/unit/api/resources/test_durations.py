import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse_api.resources.durations import DURATION_PATTERN, WINDOW_PATTERN, milliseconds, window_seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0s", 0), ("500ms", 500), ("5s", 5_000), ("1m30s", 90_000), ("1h2m3s4ms", 3_723_004), ("1m1m", 120_000)],
)
def test_a_duration_is_the_sum_of_its_terms(text: str, expected: int) -> None:
    assert milliseconds(text) == expected


@pytest.mark.parametrize(("text", "expected"), [("1m", 60), ("24h", 86_400), ("30d", 2_592_000)])
def test_a_window_is_a_number_of_its_unit(text: str, expected: int) -> None:
    assert window_seconds(text) == expected


@given(st.from_regex(DURATION_PATTERN, fullmatch=True))
def test_every_term_of_a_well_formed_duration_is_read(text: str) -> None:
    terms = re.findall(r"[0-9]+", text)
    assert milliseconds(text) >= sum(int(term) for term in terms)


@given(st.from_regex(WINDOW_PATTERN, fullmatch=True))
def test_every_well_formed_window_is_longer_than_nothing(text: str) -> None:
    assert window_seconds(text) >= 60
