"""Reports of several proxies, put together."""

from pilothouse_api.names import ProviderKey, QuotaKey
from pilothouse_api.snapshot.stream import LimitUse, Report, Unknown
from pilothouse_operator.compile.world import Kind, ResourceKey
from pilothouse_operator.distribution.fleet import ReportsView
from pilothouse_operator.distribution.usage import newest, unknown, usage

QUOTA = QuotaKey("default/q")
KEY = ResourceKey(Kind.QUOTA, "default", "q")


def use(**counters: int) -> LimitUse:
    top = tuple(sorted(counters.items(), key=lambda item: -item[1]))
    return LimitUse(resource="Requests", window="1m", used=top[0][1], counters=len(top), top=top)


def test_the_newest_report_of_a_proxy_wins_over_replicas() -> None:
    old = ReportsView(reports={"a": Report(boot="1", sequence=1)})
    new = ReportsView(reports={"a": Report(boot="1", sequence=2)})
    assert newest([old, new])["a"].sequence == 2
    assert newest([new, old])["a"].sequence == 2


def test_the_same_counter_in_two_proxies_is_added_up() -> None:
    reports = {
        "a": Report(boot="1", sequence=1, quotas={QUOTA: (use(alice=3, bob=5),)}),
        "b": Report(boot="2", sequence=1, quotas={QUOTA: (use(alice=4),)}),
    }
    found = usage(reports)[KEY]
    assert found.proxies == 2
    assert found.limits[0].used == 7
    assert found.limits[0].top == (("alice", 7), ("bob", 5))


def test_one_proxys_counts_are_shown_as_they_are() -> None:
    reported = use(alice=3)
    assert usage({"a": Report(boot="1", sequence=1, quotas={QUOTA: (reported,)})})[KEY].limits == (reported,)


def test_limits_are_told_apart_by_resource_and_window() -> None:
    hourly = LimitUse(resource="Requests", window="1h", used=9, counters=1)
    found = usage({"a": Report(boot="1", sequence=1, quotas={QUOTA: (use(alice=3), hourly)})})[KEY]
    assert [(limit.window, limit.used) for limit in found.limits] == [("1m", 3), ("1h", 9)]


def test_what_any_proxy_could_not_translate_is_told_once_and_in_order() -> None:
    provider = ProviderKey("default/p")
    video, audio = (Unknown(dialect="bedrock.converse", what=what) for what in ("video", "audio"))
    reports = {
        "a": Report(boot="1", sequence=1, unknown={provider: (video,)}),
        "b": Report(boot="2", sequence=1, unknown={provider: (audio, video)}),
    }
    assert unknown(reports) == {ResourceKey(Kind.PROVIDER, "default", "p"): (audio, video)}


def test_no_more_of_it_is_told_than_a_status_should_hold() -> None:
    things = tuple(Unknown(dialect="d", what=f"{number:02}") for number in range(40))
    found = unknown({"a": Report(boot="1", sequence=1, unknown={ProviderKey("default/p"): things})})
    assert found[ResourceKey(Kind.PROVIDER, "default", "p")] == things[:20]
