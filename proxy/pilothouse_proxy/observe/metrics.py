"""The metrics of a proxy: every name, its labels and its meaning. They are an interface, kept in a golden file."""

from pilothouse_proxy.exchange.usage import Usage
from pilothouse_proxy.observe.meters import Counter, Family, Histogram

UNROUTED = ""
"""The route label of requests that reached no route: refused, unknown, malformed."""

CLIENT_CLOSED = 499
"""The code of requests whose client went away before the answer was complete."""


class RouteMeters:
    """Of one route and operation."""

    __slots__ = ("_codes", "_labels", "_requests", "duration", "first_byte")

    def __init__(self, metrics: "Metrics", *, route: str, operation: str) -> None:
        self._requests = metrics.requests
        self._labels = (route, operation)
        self._codes: dict[int, Counter] = {}
        self.duration = metrics.duration.series(route, operation)
        self.first_byte = metrics.first_byte.series(route, operation)

    def count(self, status: int) -> None:
        """One more request answered with `status`."""
        counter = self._codes.get(status)
        if counter is None:
            counter = self._codes[status] = self._requests.series(*self._labels, str(status))
        counter.value += 1


class TargetMeters:
    """Of one provider and model."""

    __slots__ = ("_attempts", "_labels", "_outcomes", "cache_read", "cache_write", "input", "output", "reasoning")

    def __init__(self, metrics: "Metrics", *, provider: str, model: str) -> None:
        self._attempts = metrics.attempts
        self._labels = (provider, model)
        self._outcomes: dict[str, Counter] = {}
        series = metrics.tokens.series
        self.input = series(provider, model, "input")
        self.output = series(provider, model, "output")
        self.cache_read = series(provider, model, "cache_read")
        self.cache_write = series(provider, model, "cache_write")
        self.reasoning = series(provider, model, "reasoning")

    def attempt(self, outcome: str) -> None:
        """One more attempt that ended so: `ok`, or the kind of its failure."""
        counter = self._outcomes.get(outcome)
        if counter is None:
            counter = self._outcomes[outcome] = self._attempts.series(*self._labels, outcome)
        counter.value += 1

    def count(self, usage: Usage) -> None:
        """The tokens of one answer."""
        self.input.value += usage.input_tokens
        self.output.value += usage.output_tokens
        if usage.cached_tokens or usage.cache_write_tokens:
            self.cache_read.value += usage.cached_tokens
            self.cache_write.value += usage.cache_write_tokens
        if usage.reasoning_tokens:
            self.reasoning.value += usage.reasoning_tokens


class Metrics:
    """All families of one proxy."""

    def __init__(self) -> None:
        route = ("route", "operation")
        target = ("provider", "model")
        self.requests = Family(
            Counter,
            "pilothouse_requests",
            "Requests answered, by HTTP status code; 499 = the client went away first. No route: refused before one was"
            " found.",
            (*route, "code"),
        )
        self.duration = Family(
            Histogram,
            "pilothouse_request_duration_seconds",
            "From the request's arrival to its answer's last byte.",
            route,
        )
        self.first_byte = Family(
            Histogram,
            "pilothouse_first_byte_seconds",
            "Streams only: from the request's arrival to the first byte of its answer, hence to the first token.",
            route,
        )
        self.attempts = Family(
            Counter, "pilothouse_attempts", "Tries of a target, by how they ended: ok, or the kind of failure.",
            (*target, "outcome"),
        )  # fmt: skip
        self.tokens = Family(
            Counter,
            "pilothouse_tokens",
            "Tokens as providers report them, or as estimated where a stream was cut. cache_read and cache_write are"
            " parts of input, reasoning is a part of output.",
            (*target, "type"),
        )
        self.quota_rejections = Family(
            Counter, "pilothouse_quota_rejections", "Requests refused by a limit.", ("quota", "resource")
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
        for family in (self.attempts, self.tokens):
            family.keep(providers)
        self.quota_rejections.keep(quotas)
