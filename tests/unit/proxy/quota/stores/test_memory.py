from pilothouse_api.names import QuotaKey
from pilothouse_proxy.quota.stores.memory import CROWD, Counters, LimitKey, Store

KEY = LimitKey(QuotaKey("a/q"), "Tokens", "1m")


def test_a_caller_s_counter_is_the_same_again() -> None:
    counters = Counters(window_s=60)
    assert counters.of("a", now=0.0) is counters.of("a", now=1.0)
    assert counters.of("a", now=0.0) is not counters.of("b", now=0.0)


def test_a_sweep_drops_what_counts_nothing_and_tells_the_rest() -> None:
    counters = Counters(window_s=60)
    counters.of("idle", now=0.0).take(5, now=0.0)
    busy = counters.of("busy", now=50.0)
    busy.take(7, now=50.0)
    assert counters.sweep(now=100.0) == {"busy": 7}
    assert counters.of("busy", now=100.0) is busy


def test_callers_that_come_once_do_not_fill_the_memory() -> None:
    counters = Counters(window_s=60)
    for second in range(50 * CROWD):
        counters.of(f"caller-{second}", now=second / 10).take(1, now=second / 10)
    # In 61 s come 610 of them.
    assert len(counters._windows) <= 2 * CROWD


def test_a_limit_keeps_its_counters_until_no_configuration_names_it() -> None:
    store = Store()
    first = store.counters(KEY, window_s=60)
    store.keep({KEY})
    assert store.counters(KEY, window_s=60) is first
    store.keep(set())
    assert store.counters(KEY, window_s=60) is not first
