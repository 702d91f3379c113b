from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse_api.names import QuotaKey, RouteKey
from pilothouse_api.snapshot.quotas import Limit, Per, Quota, Resource, Subjects
from pilothouse_proxy.auth import subject
from pilothouse_proxy.quota.reserve import QuotaExceeded, Quotas, Reservation, applies, span
from pilothouse_proxy.quota.stores.memory import Store

APP = subject.of_service_account(namespace="team-a", name="app")
OTHER = subject.of_service_account(namespace="team-a", name="other")
ALICE = subject.Subject(principal="user:team-b/alice", namespace="team-b", user="alice", team="ml", tier="gold")


def limit(resource: Resource, amount: int, window_s: int = 60) -> Limit:
    return Limit(resource=resource, amount=amount, window=f"{window_s}s", window_s=window_s)


REQUESTS: Callable[..., Limit] = lambda amount, **more: limit(Resource.REQUESTS, amount, **more)  # noqa: E731
TOKENS: Callable[..., Limit] = lambda amount, **more: limit(Resource.TOKENS, amount, **more)  # noqa: E731


def quotas(*limits: Limit, store: Store | None = None, per: Per = Per.SUBJECT, routes: tuple[str, ...] = ()) -> Quotas:
    quota = Quota(
        namespace="team-a", generation=1, per=per, limits=limits, routes=tuple(RouteKey(route) for route in routes)
    )
    return Quotas({QuotaKey("team-a/q"): quota}, store or Store())


def ask(
    over: Quotas,
    *,
    caller: subject.Subject = APP,
    tokens: int = 10,
    least: int = 10,
    now: float = 0.0,
    route: str = "team-a/r",
) -> Reservation | QuotaExceeded:
    return over.reserve(caller=caller, route=RouteKey(route), model="m", tokens=tokens, least_tokens=least, now=now)


def granted(answer: Reservation | QuotaExceeded) -> Reservation:
    assert isinstance(answer, Reservation)
    return answer


def refused(answer: Reservation | QuotaExceeded) -> QuotaExceeded:
    assert isinstance(answer, QuotaExceeded)
    return answer


def test_requests_are_granted_up_to_the_amount_and_again_when_the_window_has_passed() -> None:
    over = quotas(REQUESTS(2))
    granted(ask(over))
    granted(ask(over))
    exceeded = refused(ask(over, now=10.0))
    assert exceeded.retry_after_s == pytest.approx(51.0)
    granted(ask(over, now=61.0))


def test_a_refused_request_takes_nothing_from_any_limit() -> None:
    over = quotas(REQUESTS(100), TOKENS(15))
    granted(ask(over, tokens=10))
    refused(ask(over, tokens=10))
    uses = over.usage(now=0.0)[QuotaKey("team-a/q")]
    assert [use.used for use in uses] == [1, 10]


def test_each_subject_has_a_counter_of_its_own() -> None:
    over = quotas(REQUESTS(1))
    granted(ask(over))
    granted(ask(over, caller=OTHER))
    refused(ask(over))


def test_a_namespace_shares_one_counter() -> None:
    over = quotas(REQUESTS(1), per=Per.NAMESPACE)
    granted(ask(over))
    refused(ask(over, caller=OTHER))


def test_the_actual_usage_replaces_the_estimate() -> None:
    over = quotas(TOKENS(100))
    granted(ask(over, tokens=90)).commit(tokens=20, now=0.0)
    granted(ask(over, tokens=80))


def test_an_overrun_counts_against_the_next() -> None:
    over = quotas(TOKENS(100))
    granted(ask(over, tokens=10)).commit(tokens=100, now=0.0)
    assert refused(ask(over, tokens=1, least=1)).retry_after_s == pytest.approx(61.0)


def test_an_overrun_counts_from_when_it_is_known_though_the_request_has_outlived_the_window() -> None:
    over = quotas(TOKENS(100))
    long = granted(ask(over, tokens=10, least=10, now=0.0))
    over.usage(now=100.0)  # drops the counter: it counts nothing any more
    long.commit(tokens=100, now=180.0)
    assert refused(ask(over, tokens=20, least=20, now=190.0)).retry_after_s == pytest.approx(51.0)


@settings(max_examples=300)
@given(
    st.lists(
        st.tuples(st.floats(0, 30), st.integers(1, 60), st.integers(0, 120), st.floats(0, 200), st.booleans()),
        max_size=60,
    )
)
def test_nothing_is_granted_beyond_what_is_known_to_be_used_whatever_requests_take(
    asked: list[tuple[float, int, int, float, bool]],
) -> None:
    over, now = quotas(TOKENS(100)), 0.0
    under_way: list[tuple[float, int, Reservation]] = []
    used: list[tuple[float, int]] = []
    """By the time at which it counts: what was reserved at its start, an overrun at the end."""
    for passed, tokens, actual, lasts, reports in asked:
        now += passed
        for end, spent, reservation in sorted(under_way, key=lambda one: one[0]):
            if end <= now:
                reservation.commit(tokens=spent, now=end)
        under_way = [one for one in under_way if one[0] > now]
        if reports:
            over.usage(now=now)
        answer = ask(over, tokens=tokens, least=tokens, now=now)
        if isinstance(answer, Reservation):
            known = [amount for at, amount in used if now - 60 < at <= now]
            assert sum(known) + min(tokens, actual) <= 100
            under_way.append((now + lasts, actual, answer))
            used.append((now, min(tokens, actual)))
            used.append((now + lasts, max(0, actual - tokens)))


def test_a_refund_gives_back_request_and_tokens() -> None:
    over = quotas(REQUESTS(1), TOKENS(10))
    granted(ask(over)).refund(now=0.0)
    granted(ask(over))


def test_a_guess_above_the_limit_gives_way_to_it() -> None:
    over = quotas(TOKENS(100))
    reservation = granted(ask(over, tokens=500, least=30))
    assert b"x-ratelimit-remaining-tokens: 0\r\n" in reservation.lines(now=0.0)


def test_what_the_client_itself_asks_above_the_limit_can_never_be_granted() -> None:
    exceeded = refused(ask(quotas(TOKENS(100)), tokens=500, least=101))
    assert exceeded.retry_after_s is None
    assert "101" in exceeded.message


def test_of_several_limits_the_longest_wait_is_told() -> None:
    over = quotas(REQUESTS(1), REQUESTS(1, window_s=3_600))
    granted(ask(over))
    exceeded = refused(ask(over, now=1.0))
    assert exceeded.retry_after_s == pytest.approx(3_659.0)
    assert "3600s" in exceeded.message


def test_the_headers_show_the_tightest_limit_of_each_resource() -> None:
    over = quotas(REQUESTS(10), REQUESTS(5, window_s=3_600), TOKENS(1_000))
    assert granted(ask(over, tokens=40)).lines(now=0.0).splitlines() == [
        b"x-ratelimit-limit-requests: 5",
        b"x-ratelimit-remaining-requests: 4",
        b"x-ratelimit-reset-requests: 1h1m0s",
        b"x-ratelimit-limit-tokens: 1000",
        b"x-ratelimit-remaining-tokens: 960",
        b"x-ratelimit-reset-tokens: 1m1s",
    ]


def test_anthropic_s_headers_say_the_same_with_the_moment_of_the_reset() -> None:
    over = quotas(REQUESTS(10), REQUESTS(5, window_s=3_600), TOKENS(1_000))
    assert granted(ask(over, tokens=40)).anthropic_lines(now=0.0, wall=1_700_000_000.5).splitlines() == [
        b"anthropic-ratelimit-requests-limit: 5",
        b"anthropic-ratelimit-requests-remaining: 4",
        b"anthropic-ratelimit-requests-reset: 2023-11-14T23:14:21Z",
        b"anthropic-ratelimit-tokens-limit: 1000",
        b"anthropic-ratelimit-tokens-remaining: 960",
        b"anthropic-ratelimit-tokens-reset: 2023-11-14T22:14:22Z",
    ]


def test_a_refusal_has_the_headers_too() -> None:
    over = quotas(REQUESTS(1))
    granted(ask(over))
    exceeded = refused(ask(over))
    assert b"x-ratelimit-remaining-requests: 0\r\n" in exceeded.lines
    told = exceeded.anthropic_lines(now=0.0, wall=1_700_000_000.0)
    assert b"anthropic-ratelimit-requests-remaining: 0\r\n" in told


def test_the_quota_is_named_to_its_own_namespace_alone() -> None:
    over = quotas(REQUESTS(1), routes=("team-a/r",))
    granted(ask(over))
    granted(ask(over, caller=ALICE))
    assert '"team-a/q"' in refused(ask(over)).message
    assert "team-a" not in refused(ask(over, caller=ALICE)).message


def test_counters_survive_a_new_configuration_of_the_same_limit() -> None:
    store = Store()
    granted(ask(quotas(REQUESTS(1), store=store)))
    refused(ask(quotas(REQUESTS(1), store=store)))
    granted(ask(quotas(REQUESTS(2), store=store)))


def test_another_window_begins_anew() -> None:
    store = Store()
    granted(ask(quotas(REQUESTS(1), store=store)))
    granted(ask(quotas(REQUESTS(1, window_s=120), store=store)))


def test_a_limit_that_is_gone_is_forgotten() -> None:
    store = Store()
    over = quotas(REQUESTS(1), store=store)
    granted(ask(over))
    store.keep(set())
    granted(ask(quotas(REQUESTS(1), store=store)))


def test_the_report_shows_the_fullest_counter_first_and_forgets_idle_ones() -> None:
    over = quotas(TOKENS(100))
    granted(ask(over, tokens=20))
    granted(ask(over, caller=OTHER, tokens=100))
    (use,) = over.usage(now=30.0)[QuotaKey("team-a/q")]
    assert (use.used, use.counters, use.exceeded, use.resets_in_s) == (100, 2, 1, 31)
    assert use.top == (("serviceaccount:team-a/other", 100), ("serviceaccount:team-a/app", 20))
    (use,) = over.usage(now=100.0)[QuotaKey("team-a/q")]
    assert (use.used, use.counters, use.top) == (0, 0, ())


def test_many_callers_are_reported_by_the_ten_fullest() -> None:
    over = quotas(REQUESTS(100))
    for number in range(30):
        granted(ask(over, caller=subject.of_service_account(namespace="team-a", name=f"app-{number}")))
    (use,) = over.usage(now=0.0)[QuotaKey("team-a/q")]
    assert (use.counters, len(use.top)) == (30, 10)


def fits(
    caller: subject.Subject, *, route: str = "team-a/r", model: str = "gpt-4o", **selector: tuple[str, ...]
) -> bool:
    routes = tuple(RouteKey(route) for route in selector.pop("routes", ()))
    models = selector.pop("models", ())
    quota = Quota(
        namespace="team-a",
        generation=1,
        per=Per.SUBJECT,
        limits=(),
        subjects=Subjects(**selector),
        models=models,
        routes=routes,
    )
    return applies(quota, caller=caller, route=RouteKey(route), model=model)


def test_without_routes_only_callers_of_its_namespace_are_counted() -> None:
    assert fits(APP)
    assert not fits(ALICE)


def test_with_routes_every_caller_of_these_is_counted_and_nobody_else() -> None:
    assert fits(ALICE, routes=("team-a/r",))
    assert not fits(APP, routes=("team-a/other",))


def test_selectors_must_all_fit() -> None:
    assert fits(ALICE, routes=("team-a/r",), teams=("ml",), tiers=("gold", "silver"))
    assert not fits(ALICE, routes=("team-a/r",), teams=("ml",), tiers=("silver",))
    assert fits(ALICE, routes=("team-a/r",), users=("alice",))
    assert not fits(APP, users=("alice",))


def test_a_bare_service_account_is_one_of_the_quota_s_namespace() -> None:
    elsewhere = subject.of_service_account(namespace="team-b", name="app")
    assert fits(APP, service_accounts=("app",))
    assert not fits(elsewhere, routes=("team-a/r",), service_accounts=("app",))
    assert fits(elsewhere, routes=("team-a/r",), service_accounts=("team-b/app",))


def test_models_are_names_or_prefixes() -> None:
    assert fits(APP, models=("gpt-*",))
    assert fits(APP, models=("gpt-4o",))
    assert not fits(APP, models=("gpt-4", "claude*"))


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, b"0ms"), (0.12, b"120ms"), (6.0, b"6s"), (89.2, b"1m30s"), (7_205.0, b"2h0m5s")]
)
def test_spans_are_written_as_openai_does(seconds: float, text: bytes) -> None:
    assert span(seconds) == text
