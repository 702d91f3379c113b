"""What follows from a fault: how it counts for the service, when it is worth a condition, when to try again. Pure."""

from dataclasses import dataclass

from pilothouse_operator.pacing import backoff
from pilothouse_operator.pacing.limiter import Answer
from pilothouse_operator.ports import Fault

# Three tries in a row fail within ten seconds; a service that is back by then is no news.
_TOLD_AFTER = 3


OUTCOMES = {
    Answer.GOOD: "ok",
    Answer.THROTTLED: "throttled",
    Answer.REFUSED: "refused",
    Answer.UNAVAILABLE: "unavailable",
}
"""As labels of metrics."""


def answer(given: object) -> Answer:
    """What came, a Fault or something better, as the service's answer."""
    if not isinstance(given, Fault):
        return Answer.GOOD
    if given.throttled:
        return Answer.THROTTLED
    return Answer.UNAVAILABLE if given.passing else Answer.REFUSED


@dataclass(slots=True)
class Streak:
    """The failures in a row of one value that is asked for."""

    count: int = 0
    last: Fault | None = None
    since: float = 0.0
    """Unix seconds of the first."""

    def add(self, fault: Fault, *, wall: float) -> None:
        """One more. Being asked to slow down does not make up for what failed before."""
        self.since = wall if self.last is None else self.since
        self.count += 1
        if self.last is None or self.last.throttled or not fault.throttled:
            self.last = fault

    def end(self) -> None:
        """It has been given."""
        self.count, self.last, self.since = 0, None, 0.0

    def told(self, *, serves: bool) -> Fault | None:
        """The fault, if the reader should know: always where nothing serves meanwhile.

        Beside a good value, being asked to slow down is none, and one that may pass has a few tries to do so.
        """
        if self.last is None or not serves:
            return self.last
        quiet = self.last.throttled or (self.last.passing and self.count < _TOLD_AFTER)
        return None if quiet else self.last

    def pause_s(self, *, left_s: float | None, point: float) -> float:
        """Until the next try; `left_s` and `point` as of `backoff`."""
        fault = self.last
        if fault is None:
            return 0.0
        if fault.throttled or fault.passing:
            return backoff.passing_s(self.count, left_s=left_s, point=point)
        return backoff.mended_s(self.count, left_s=left_s, point=point)
