"""Which limits a request meets, whether it fits under all of them, and what it has used in the end."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from heapq import nlargest
from typing import NamedTuple, Protocol

from pilothouse_api.names import QuotaKey, RouteKey
from pilothouse_api.snapshot.quotas import Limit, Per, Quota, Resource
from pilothouse_api.snapshot.stream import LimitUse
from pilothouse_proxy.quota.stores.memory import Counters, LimitKey, Store
from pilothouse_proxy.quota.window import Bucket, Window

_CACHED_BINDINGS = 4_096
_TOP = 10

HeaderList = list[tuple[bytes, bytes]]


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


class _Bound(NamedTuple):
    """One limit of one quota, with its counters."""

    key: QuotaKey
    quota: Quota
    limit: Limit
    counters: Counters

    def counter(self, caller: Caller) -> str:
        return caller.namespace if self.quota.per is Per.NAMESPACE else caller.principal


class _Taken(NamedTuple):
    bound: _Bound
    window: Window
    bucket: Bucket
    amount: int


class Reservation:
    """What one request has taken. It ends in exactly one of `commit` and `refund`."""

    __slots__ = ("_taken",)

    def __init__(self, taken: tuple[_Taken, ...] = ()) -> None:
        self._taken = taken

    @property
    def limited(self) -> bool:
        """Whether any limit applies."""
        return bool(self._taken)

    def commit(self, *, tokens: int, now: float) -> None:
        """The request was made and used `tokens`, which may be more than was reserved."""
        for bound, window, bucket, amount in self._taken:
            if bound.limit.resource is Resource.TOKENS and tokens != amount:
                window.settle(bucket, tokens - amount, now=now)

    def refund(self, *, now: float) -> None:
        """Nothing was asked of any provider."""
        for _, window, bucket, amount in self._taken:
            window.settle(bucket, -amount, now=now)

    def headers(self, *, now: float) -> HeaderList:
        """`x-ratelimit-*` as OpenAI sends them: the tightest limit of each resource."""
        return _headers([(taken.bound, taken.window) for taken in self._taken], now)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaExceeded:
    """The request does not fit. `retry_after_s` is None if it never will."""

    quota: QuotaKey
    resource: str
    message: str
    retry_after_s: float | None
    headers: HeaderList


class Quotas:
    """The quotas of one snapshot over the counters of the process."""

    def __init__(self, quotas: Mapping[QuotaKey, Quota], store: Store) -> None:
        self._bound = tuple(
            _Bound(key, quota, limit, store.counters(_limit_key(key, limit), window_s=limit.window_s))
            for key, quota in sorted(quotas.items())
            for limit in quota.limits
        )
        self._bindings: dict[tuple[Caller, RouteKey, str], tuple[_Bound, ...]] = {}

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
        asked: list[tuple[_Bound, Window, int]] = []
        refused: list[tuple[_Bound, Window, int]] = []
        for bound in self._binding(caller, route, model):
            limit = bound.limit
            amount = 1
            if limit.resource is Resource.TOKENS:
                amount = tokens if tokens <= limit.amount else max(least_tokens, limit.amount)
            window = bound.counters.of(bound.counter(caller))
            asked.append((bound, window, amount))
            if window.used(now=now) + amount > limit.amount:
                refused.append(asked[-1])
        if refused:
            return _exceeded(asked, refused, caller, now)
        return Reservation(tuple(_Taken(bound, w, w.take(amount, now=now), amount) for bound, w, amount in asked))

    def _binding(self, caller: Caller, route: RouteKey, model: str) -> tuple[_Bound, ...]:
        key = (caller, route, model)
        found = self._bindings.get(key)
        if found is None:
            if len(self._bindings) >= _CACHED_BINDINGS:
                self._bindings.clear()
            found = self._bindings[key] = tuple(
                bound for bound in self._bound if applies(bound.quota, caller=caller, route=route, model=model)
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


def _exceeded(
    asked: list[tuple[_Bound, Window, int]], refused: list[tuple[_Bound, Window, int]], caller: Caller, now: float
) -> QuotaExceeded:
    waits = [
        (
            math.inf if (wait := window.wait_s(amount, limit=bound.limit.amount, now=now)) is None else wait,
            bound,
            amount,
        )
        for bound, window, amount in refused
    ]
    wait_s, bound, amount = max(waits, key=lambda entry: entry[0])
    limit = bound.limit
    # Who calls from another namespace uses the route, but need not learn what is called how over there.
    name = f'quota "{bound.key}"' if bound.quota.namespace == caller.namespace else "a quota of the route's namespace"
    allows = f"{name} allows {limit.amount} {limit.resource.value} per {limit.window} to each {bound.quota.per.value}"
    headers = _headers([(bound, window) for bound, window, _ in asked], now)
    if wait_s == math.inf:
        message = f"{allows}; this request alone asks for about {amount}: shorten it or lower its output limit"
        return QuotaExceeded(
            quota=bound.key, resource=limit.resource.value, message=message, retry_after_s=None, headers=headers
        )
    needs = f" and this request needs about {amount}" if limit.resource is Resource.TOKENS else ""
    message = f"{allows}; too much of that is used{needs}. Try again in {math.ceil(wait_s)} s"
    return QuotaExceeded(
        quota=bound.key, resource=limit.resource.value, message=message, retry_after_s=wait_s, headers=headers
    )


def _headers(windows: list[tuple[_Bound, Window]], now: float) -> HeaderList:
    tightest: dict[Resource, tuple[int, _Bound, Window]] = {}
    for bound, window in windows:
        resource = bound.limit.resource
        remaining = max(0, bound.limit.amount - window.used(now=now))
        if resource not in tightest or remaining < tightest[resource][0]:
            tightest[resource] = (remaining, bound, window)
    headers: HeaderList = []
    for resource, (remaining, bound, window) in tightest.items():
        limit_name, remaining_name, reset_name = _HEADER_NAMES[resource]
        headers.append((limit_name, b"%d" % bound.limit.amount))
        headers.append((remaining_name, b"%d" % remaining))
        headers.append((reset_name, span(window.empty_in_s(now=now))))
    return headers


_HEADER_NAMES = {
    resource: tuple(b"x-ratelimit-%s-%s" % (part, word) for part in (b"limit", b"remaining", b"reset"))
    for resource, word in ((Resource.REQUESTS, b"requests"), (Resource.TOKENS, b"tokens"))
}


def span(seconds: float) -> bytes:
    """A duration as OpenAI writes it in `x-ratelimit-reset-*`: `120ms`, `6s`, `1m30s`, `2h0m5s`."""
    if seconds < 1:
        return b"%dms" % math.ceil(max(0.0, seconds) * 1_000)
    minutes, rest = divmod(math.ceil(seconds), 60)
    if not minutes:
        return b"%ds" % rest
    hours, minutes = divmod(minutes, 60)
    return b"%dh%dm%ds" % (hours, minutes, rest) if hours else b"%dm%ds" % (minutes, rest)


def _use(bound: _Bound, now: float) -> LimitUse:
    used = bound.counters.sweep(now=now)
    top = tuple(nlargest(_TOP, used.items(), key=lambda entry: (entry[1], entry[0])))
    resets_in_s = bound.counters.of(top[0][0]).empty_in_s(now=now) if top else 0.0
    return LimitUse(
        resource=bound.limit.resource.value,
        window=bound.limit.window,
        used=top[0][1] if top else 0,
        counters=len(used),
        exceeded=sum(1 for amount in used.values() if amount >= bound.limit.amount),
        resets_in_s=math.ceil(resets_in_s),
        top=top,
    )
