"""Which limits a request meets, whether it fits under all of them, and what it has used in the end."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from heapq import nlargest
from typing import Final, NamedTuple, Protocol

from pilothouse_api.names import QuotaKey, RouteKey
from pilothouse_api.snapshot.quotas import Limit, Per, Quota, Resource
from pilothouse_api.snapshot.stream import LimitUse
from pilothouse_proxy.http.messages import Lines
from pilothouse_proxy.quota.stores.memory import Counters, LimitKey, Store
from pilothouse_proxy.quota.window import Bucket, Window

_CACHED_BINDINGS: Final = 4_096
_TOP: Final = 10


class Caller(Protocol):
    """What quotas know of who calls."""

    @property
    def namespace(self) -> str: ...
    @property
    def principal(self) -> str: ...
    @property
    def service_account(self) -> str | None: ...
    @property
    def user(self) -> str | None: ...
    @property
    def team(self) -> str | None: ...
    @property
    def tier(self) -> str | None: ...


class _Bound:
    """One limit of one quota, with its counters and the words that never change."""

    def __init__(self, key: QuotaKey, quota: Quota, limit: Limit, counters: Counters) -> None:
        self.key = key
        self.quota = quota
        self.limit = limit
        self.counters = counters
        self.amount = limit.amount
        self.is_tokens = limit.resource is Resource.TOKENS
        word = b"tokens" if self.is_tokens else b"requests"
        self._before = b"x-ratelimit-limit-%b: %d\r\nx-ratelimit-remaining-%b: " % (word, limit.amount, word)
        self._between = b"\r\nx-ratelimit-reset-%b: " % word

    def lines(self, remaining: int, resets_in_s: float) -> bytes:
        """What the client is told of it."""
        told = (self._before, str(remaining).encode(), self._between, span(resets_in_s), b"\r\n")
        return b"".join(told)

    def anthropic_lines(self, remaining: int, resets_at: float) -> bytes:
        """The same in the words of Anthropic's API; `resets_at` in Unix seconds."""
        moment = datetime.fromtimestamp(math.ceil(resets_at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ").encode()
        name = b"anthropic-ratelimit-tokens-" if self.is_tokens else b"anthropic-ratelimit-requests-"
        limit_, left = str(self.amount).encode(), str(remaining).encode()
        return b"%blimit: %b\r\n%bremaining: %b\r\n%breset: %b\r\n" % (name, limit_, name, left, name, moment)


class _Applied(NamedTuple):
    """A limit that one caller meets, and the name of its counter."""

    bound: _Bound
    counter: str


class _Asked:
    def __init__(self, bound: _Bound, counter: str, window: Window, amount: int) -> None:
        self.bound = bound
        self.counter = counter
        self.window = window
        self.amount = amount
        self.bucket = Bucket(0)
        """Once it is taken."""


class Reservation:
    """What one request has taken. It ends in exactly one of `commit` and `refund`."""

    def __init__(self, asked: list[_Asked], *, now: float) -> None:
        self._asked = asked
        for one in asked:
            one.bucket = one.window.take(one.amount, now=now)
        self.limited: Final = bool(asked)
        """Whether any limit applies."""

    def commit(self, *, tokens: int, now: float) -> None:
        """The request was made and used `tokens`. What it used above what was reserved counts from now on."""
        for one in self._asked:
            if not one.bound.is_tokens or tokens == one.amount:
                continue
            if tokens < one.amount:
                one.window.give_back(one.bucket, one.amount - tokens, now=now)
            else:
                # Asked for anew: one that counted nothing any more may have been dropped during a long request.
                one.bound.counters.of(one.counter, now=now).take(tokens - one.amount, now=now)

    def refund(self, *, now: float) -> None:
        """Nothing was asked of any provider."""
        for one in self._asked:
            one.window.give_back(one.bucket, one.amount, now=now)

    def lines(self, *, now: float) -> Lines:
        """`x-ratelimit-*` as OpenAI sends them: the tightest limit of each resource."""
        return _lines(self._asked, now)

    def anthropic_lines(self, *, now: float, wall: float) -> Lines:
        """`anthropic-ratelimit-*`, of the same limits. `wall` is the same moment in Unix seconds."""
        return _anthropic_lines(self._asked, now, wall)


@dataclass(frozen=True, kw_only=True)
class QuotaExceeded:
    """The request does not fit. `retry_after_s` is None if it never will."""

    quota: QuotaKey
    resource: str
    message: str
    retry_after_s: float | None
    lines: Lines
    asked: tuple[_Asked, ...]

    def anthropic_lines(self, *, now: float, wall: float) -> Lines:
        """As those of a reservation."""
        return _anthropic_lines(self.asked, now, wall)


class Quotas:
    """The quotas of one snapshot over the counters of the process."""

    def __init__(self, quotas: Mapping[QuotaKey, Quota], store: Store) -> None:
        self._bound = tuple(
            _Bound(key, quota, limit, store.counters(_limit_key(key, limit), window_s=limit.window_s))
            for key, quota in sorted(quotas.items())
            for limit in quota.limits
        )
        self._bindings: dict[tuple[Caller, RouteKey, str], tuple[_Applied, ...]] = {}

    @property
    def any(self) -> bool:
        """Whether there is a limit at all."""
        return bool(self._bound)

    @property
    def limit_keys(self) -> set[LimitKey]:
        """The limits whose counters are in use."""
        return {_limit_key(bound.key, bound.limit) for bound in self._bound}

    def reserve(
        self, *, caller: Caller, route: RouteKey, model: str, tokens: int, least_tokens: int, now: float
    ) -> Reservation | QuotaExceeded:
        """Take one request and its tokens from every limit that applies, or nothing at all.

        Args:
            caller: who asks; the object itself is remembered, one a sign-in.
            route: that serves the request.
            model: as the client named it.
            tokens: what the request is expected to use.
            least_tokens: the part of it that the client has fixed (its input, the output limit that it named). Where
                only our guess of the rest is above a limit, the guess gives way.
            now: seconds, monotonic.
        """
        asked: list[_Asked] = []
        refused: list[_Asked] = []
        for bound, counter in self._binding(caller, route, model):
            amount = 1
            if bound.is_tokens:
                amount = tokens if tokens <= bound.amount else max(least_tokens, bound.amount)
            window = bound.counters.of(counter, now=now)
            one = _Asked(bound, counter, window, amount)
            asked.append(one)
            if window.used(now=now) + amount > bound.amount:
                refused.append(one)
        return _exceeded(asked, refused, caller, now) if refused else Reservation(asked, now=now)

    def _binding(self, caller: Caller, route: RouteKey, model: str) -> tuple[_Applied, ...]:
        key = (caller, route, model)
        found = self._bindings.get(key)
        if found is None:
            if len(self._bindings) >= _CACHED_BINDINGS:
                self._bindings.clear()
            found = self._bindings[key] = tuple(
                _Applied(bound, caller.namespace if bound.quota.per is Per.NAMESPACE else caller.principal)
                for bound in self._bound
                if applies(bound.quota, caller=caller, route=route, model=model)
            )
        return found

    def usage(self, *, now: float) -> dict[QuotaKey, tuple[LimitUse, ...]]:
        """The report to the operator; drops idle counters on the way."""
        uses: dict[QuotaKey, tuple[LimitUse, ...]] = {}
        for bound in self._bound:
            uses[bound.key] = (*uses.get(bound.key, ()), _use(bound, now))
        return uses


def applies(quota: Quota, *, caller: Caller, route: RouteKey, model: str) -> bool:
    """Whether a quota counts this request."""
    if quota.routes:
        if route not in quota.routes:
            return False
    elif quota.namespace != caller.namespace:
        return False
    subjects = quota.subjects
    account = caller.service_account
    named = account is not None and (
        f"{caller.namespace}/{account}" in subjects.service_accounts
        or (caller.namespace == quota.namespace and account in subjects.service_accounts)
    )
    return (
        (not subjects.service_accounts or named)
        and (not subjects.users or caller.user in subjects.users)
        and (not subjects.teams or caller.team in subjects.teams)
        and (not subjects.tiers or caller.tier in subjects.tiers)
        and (not quota.models or any(_fits(pattern, model) for pattern in quota.models))
    )


def _fits(pattern: str, model: str) -> bool:
    return model.startswith(pattern[:-1]) if pattern.endswith("*") else model == pattern


def _limit_key(key: QuotaKey, limit: Limit) -> LimitKey:
    return LimitKey(key, limit.resource.value, limit.window)


def _exceeded(asked: list[_Asked], refused: list[_Asked], caller: Caller, now: float) -> QuotaExceeded:
    waits = [(one.window.wait_s(one.amount, limit=one.bound.amount, now=now), one.bound, one.amount) for one in refused]
    wait_s, bound, amount = max(waits, key=lambda entry: math.inf if entry[0] is None else entry[0])
    limit = bound.limit
    # Who calls from another namespace uses the route, but need not learn what is called how over there.
    name = f'quota "{bound.key}"' if bound.quota.namespace == caller.namespace else "a quota of the route's namespace"
    allows = f"{name} allows {limit.amount} {limit.resource.value} per {limit.window} to each {bound.quota.per.value}"
    lines = _lines(asked, now)
    if wait_s is None:
        message = f"{allows}; this request alone asks for about {amount}: shorten it or lower its output limit"
        return QuotaExceeded(
            quota=bound.key,
            resource=limit.resource.value,
            message=message,
            retry_after_s=None,
            lines=lines,
            asked=tuple(asked),
        )
    needs = f" and this request needs about {amount}" if limit.resource is Resource.TOKENS else ""
    message = f"{allows}; too much of that is used{needs}. Try again in {math.ceil(wait_s)} s"
    return QuotaExceeded(
        quota=bound.key,
        resource=limit.resource.value,
        message=message,
        retry_after_s=wait_s,
        lines=lines,
        asked=tuple(asked),
    )


def _lines(asked: Sequence[_Asked], now: float) -> Lines:
    written = b""
    for one, remaining in _tightest(asked, now):
        written += one.bound.lines(remaining, one.window.empty_in_s(now=now))
    return Lines(written)


def _anthropic_lines(asked: Sequence[_Asked], now: float, wall: float) -> Lines:
    written = b""
    for one, remaining in _tightest(asked, now):
        written += one.bound.anthropic_lines(remaining, wall + one.window.empty_in_s(now=now))
    return Lines(written)


def _tightest(asked: Sequence[_Asked], now: float) -> list[tuple[_Asked, int]]:
    """Of requests and of tokens the limit with the least left, and how much that is."""
    requests: _Asked | None = None
    tokens: _Asked | None = None
    fewest_requests = fewest_tokens = -1
    for one in asked:
        bound = one.bound
        remaining = max(0, bound.amount - one.window.used(now=now))
        if bound.is_tokens:
            if tokens is None or remaining < fewest_tokens:
                tokens, fewest_tokens = one, remaining
        elif requests is None or remaining < fewest_requests:
            requests, fewest_requests = one, remaining
    found: list[tuple[_Asked, int]] = []
    if requests is not None:
        found.append((requests, fewest_requests))
    if tokens is not None:
        found.append((tokens, fewest_tokens))
    return found


_SPANS: Final = [b"%ds" % seconds for seconds in range(60)]


def span(seconds: float) -> bytes:
    """A duration as OpenAI writes it in `x-ratelimit-reset-*`: `120ms`, `6s`, `1m30s`, `2h0m5s`."""
    if seconds < 1:
        return b"%dms" % math.ceil(max(0.0, seconds) * 1_000)
    whole = math.ceil(seconds)
    return _SPANS[whole] if whole < 60 else _long_span(whole)


@lru_cache(maxsize=4_096)
def _long_span(seconds: int) -> bytes:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return b"%dh%dm%ds" % (hours, minutes, rest) if hours else b"%dm%ds" % (minutes, rest)


def _use(bound: _Bound, now: float) -> LimitUse:
    used = bound.counters.sweep(now=now)
    top = tuple(nlargest(_TOP, used.items(), key=lambda entry: (entry[1], entry[0])))
    resets_in_s = bound.counters.of(top[0][0], now=now).empty_in_s(now=now) if top else 0.0
    return LimitUse(
        resource=bound.limit.resource.value,
        window=bound.limit.window,
        used=top[0][1] if top else 0,
        counters=len(used),
        exceeded=sum(1 for amount in used.values() if amount >= bound.limit.amount),
        resets_in_s=math.ceil(resets_in_s),
        top=top,
    )
