"""The metrics of a proxy: every name, its labels and its meaning. They are an interface, kept in a golden file."""

from typing import Any, Final

from pilothouse_proxy.exchange.usage import Usage
from pilothouse_proxy.observe.meters import Counter, Family, Histogram

UNROUTED: Final = ""
"""The route label of requests that reached no route: refused, unknown, malformed."""

CLIENT_CLOSED = 499
"""The code of requests whose client went away before the answer was complete."""


class RouteMeters:
    """Of one route and operation. Series come into being with the first request: most routes see one operation."""

    def __init__(self, metrics: "Metrics", *, route: str, operation: str) -> None:
        self._metrics = metrics
        self._labels = (route, operation)
        self._codes: dict[int, Counter] = {}
        self._duration: Histogram | None = None
        self._first_byte: Histogram | None = None

    def count(self, status: int, *, seconds: float, first_byte_s: float | None) -> None:
        """One more request answered; `first_byte_s` for a stream."""
        counter = self._codes.get(status)
        if counter is None:
            counter = self._codes[status] = self._metrics.requests.series(*self._labels, str(status))
        counter.value += 1
        if self._duration is None:
            self._duration = self._metrics.duration.series(*self._labels)
        self._duration.observe(seconds)
        if first_byte_s is not None:
            if self._first_byte is None:
                self._first_byte = self._metrics.first_byte.series(*self._labels)
            self._first_byte.observe(first_byte_s)


class TargetMeters:
    """Of one provider and model. Series come into being with the first attempt."""

    def __init__(self, metrics: "Metrics", *, provider: str, model: str) -> None:
        self._metrics = metrics
        self._labels = (provider, model)
        self._outcomes: dict[str, Counter] = {}
        self._tokens: tuple[Counter, ...] | None = None
        self._unknown: set[str] = set()

    def attempt(self, outcome: str) -> None:
        """One more attempt that ended so: `ok`, or the kind of its failure."""
        counter = self._outcomes.get(outcome)
        if counter is None:
            counter = self._outcomes[outcome] = self._metrics.attempts.series(*self._labels, outcome)
        counter.value += 1

    def count(self, usage: Usage) -> None:
        """The tokens of one answer."""
        if self._tokens is None:
            self._tokens = tuple(self._metrics.tokens.series(*self._labels, kind) for kind in _TOKEN_TYPES)
        read, written, cached, cache_written, reasoned = self._tokens
        read.value += usage.input_tokens
        written.value += usage.output_tokens
        cached.value += usage.cached_tokens
        cache_written.value += usage.cache_write_tokens
        reasoned.value += usage.reasoning_tokens

    def unknown(self, dialect: str, names: tuple[str, ...]) -> None:
        """What the provider sent and the client's dialect cannot say. The names are the provider's, so bounded here."""
        for name in names:
            if name not in self._unknown and len(self._unknown) >= _UNKNOWN_NAMES:
                name = _MORE  # noqa: PLW2901 - all further names share one series
            self._unknown.add(name)
            self._metrics.unknown.series(*self._labels, dialect, name[:_UNKNOWN_CHARS]).value += 1


_ROUTE: Final = ("route", "operation")
_TARGET: Final = ("provider", "model")
_UNKNOWN_NAMES: Final = 50
_UNKNOWN_CHARS: Final = 80
_MORE: Final = "(more)"
_TOKEN_TYPES: Final = ("input", "output", "cache_read", "cache_write", "reasoning")


class Metrics:
    """All families of one proxy."""

    def __init__(self) -> None:
        self.requests = Family(
            Counter,
            "pilothouse_requests",
            "Requests answered, by HTTP status code; 499 = the client went away first. No route: refused before one was"
            " found.",
            (*_ROUTE, "code"),
        )
        self.duration = Family(
            Histogram,
            "pilothouse_request_duration_seconds",
            "From the request's arrival to its answer's last byte.",
            _ROUTE,
        )
        self.first_byte = Family(
            Histogram,
            "pilothouse_first_byte_seconds",
            "Streams only: from the request's arrival to the first byte of its answer, hence to the first token.",
            _ROUTE,
        )
        self.attempts = Family(
            Counter, "pilothouse_attempts", "Tries of a target, by how they ended: ok, or the kind of failure.",
            (*_TARGET, "outcome"),
        )  # fmt: skip
        self.tokens = Family(
            Counter,
            "pilothouse_tokens",
            "Tokens as providers report them, or as estimated where a stream was cut. cache_read and cache_write are"
            " parts of input, reasoning is a part of output.",
            (*_TARGET, "type"),
        )
        self.unknown = Family(
            Counter,
            "pilothouse_unknown",
            "Things in providers' answers that the caller's format has no word for and that were left out, by name.",
            (*_TARGET, "dialect", "what"),
        )
        self.quota_rejections = Family(
            Counter, "pilothouse_quota_rejections", "Requests refused by a limit.", ("quota", "resource")
        )
        self.credential_renewals = Family(
            Counter,
            "pilothouse_credential_renewals",
            "Credentials that end, replaced by the operator while all else went on.",
            ("provider",),
        )
        self.credential_refusals = Family(
            Counter,
            "pilothouse_credential_refusals",
            "Renewed credentials that the provider refused as ended or not valid; the operator was asked for others.",
            ("provider",),
        )
        self.config_rejections = Family(
            Counter,
            "pilothouse_config_rejections",
            "Configurations that could not be built; the one before stayed.",
            (),
        )
        self.log_lines_dropped = Family(
            Counter, "pilothouse_log_lines_dropped", "Access-log lines lost because their reader is too slow.", ()
        )
        self.families: tuple[Family[Any], ...] = (
            self.requests,
            self.duration,
            self.first_byte,
            self.attempts,
            self.tokens,
            self.unknown,
            self.quota_rejections,
            self.credential_renewals,
            self.credential_refusals,
            self.config_rejections,
            self.log_lines_dropped,
        )
        """All of them, in the order in which they are shown."""
        self._unrouted: dict[str, RouteMeters] = {}

    def unrouted(self, operation: str) -> RouteMeters:
        """Of requests that reach no route."""
        found = self._unrouted.get(operation)
        if found is None:
            found = self._unrouted[operation] = RouteMeters(self, route=UNROUTED, operation=operation)
        return found

    def keep(self, *, routes: set[str], providers: set[str], quotas: set[str]) -> None:
        """Drop the series of what the configuration does not name any more."""
        for family in (self.requests, self.duration, self.first_byte):
            family.keep(routes | {UNROUTED})
        for family in (self.attempts, self.tokens, self.unknown, self.credential_renewals, self.credential_refusals):
            family.keep(providers)
        self.quota_rejections.keep(quotas)
