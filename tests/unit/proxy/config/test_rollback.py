import pytest

from pilothouse_proxy.config.rollback import newest, older


@pytest.mark.parametrize(
    ("offered", "running", "verdict"),
    [
        ({"routes": "9"}, {"routes": "10"}, True),
        ({"routes": "10"}, {"routes": "10"}, False),
        ({"routes": "11"}, {"routes": "10"}, False),
        ({"routes": "9", "quotas": "11"}, {"routes": "10", "quotas": "10"}, False),
        ({"routes": "9", "quotas": "10"}, {"routes": "10", "quotas": "10"}, True),
        ({"secrets": "1"}, {"routes": "10"}, False),
        ({"routes": "9", "secrets": "1"}, {"routes": "10"}, True),
        ({}, {"routes": "10"}, False),
        ({"routes": "9"}, {}, False),
        ({"routes": "abc"}, {"routes": "10"}, False),
        ({"routes": "9"}, {"routes": "abc"}, False),
    ],
)
def test_older_is_behind_in_some_kind_and_ahead_in_none(
    offered: dict[str, str], running: dict[str, str], verdict: bool
) -> None:
    assert older(offered, running) is verdict


def test_of_two_views_of_the_same_thing_the_newest_of_each_kind_counts() -> None:
    assert newest({"a": "9", "b": "5", "d": "x"}, {"a": "10", "b": "4", "c": "1", "d": "2"}) == {
        "a": "10",
        "b": "5",
        "c": "1",
        "d": "2",
    }
