"""What the attempts of the past say about a target: passive outlier ejection, and cooling after "too many requests"."""

from pilothouse_proxy import errors

EJECT_AFTER = 5
"""Hard failures in a row."""
EJECTION_S = 5.0
MAX_EJECTION_S = 300.0
PROBE_S = 2.0
"""After an ejection one request may try; the others wait this long for what it finds."""
COOL_S = 1.0
"""How long a target rests that says it is busy, but not for how long."""
LISTEN_EACH_S = 1.0
MAX_COOL_S = 60.0
"""A `Retry-After` of hours is obeyed by asking once a minute."""


class Health:
    """One target's record. Times in seconds, monotonic.

    `shunned_until` is all that choosing a target looks at: later than now = pass it over if there is another.
    """

    def __init__(self) -> None:
        self.failures = 0
        self.shunned_until = 0.0
        self.listens_at = 0.0
        """When to look again at what the provider says of its limits: not at every answer."""
        self._ejections = 0
        self._ejected_until = 0.0

    def attempted(self, *, now: float) -> None:
        """A request goes to it: on probation it is the only one for a while."""
        if self.failures >= EJECT_AFTER:
            self.shunned_until = max(self.shunned_until, now + PROBE_S)

    def succeeded(self) -> None:
        """It has answered. That it is busy (a soft failure) remains true for as long as it said."""
        if self.failures >= EJECT_AFTER:
            self.shunned_until = 0.0
        self.failures = 0
        self._ejections = 0

    def listened(self, rest_s: float, *, now: float) -> None:
        """The provider has said, beside an answer, that it has nothing left for `rest_s`."""
        self.listens_at = now + LISTEN_EACH_S
        if rest_s > 0:
            self.shunned_until = max(self.shunned_until, now + min(rest_s, MAX_COOL_S))

    def failed(self, failure: errors.Failure, *, now: float) -> None:
        """An attempt on it has failed."""
        match failure.row.breaker:
            case errors.Breaker.HARD:
                self.failures += 1
                # Attempts that were under way when it was ejected tell nothing new: they do not lengthen the ejection.
                if self.failures >= EJECT_AFTER and now >= self._ejected_until:
                    self._ejected_until = now + min(MAX_EJECTION_S, EJECTION_S * 2.0 ** min(self._ejections, 16))
                    self._ejections += 1
                    self.shunned_until = max(self.shunned_until, self._ejected_until)
            case errors.Breaker.SOFT:
                span = COOL_S if failure.retry_after_s is None else min(failure.retry_after_s, MAX_COOL_S)
                self.shunned_until = max(self.shunned_until, now + span)
            case errors.Breaker.NO:
                pass
