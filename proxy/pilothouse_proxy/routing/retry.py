"""Whether the same target is tried again, and after which pause."""

from dataclasses import dataclass

from pilothouse_api.snapshot.routes import FailureClass, Retry
from pilothouse_proxy import errors


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A route's `retry`, ready for use. Times in seconds; `attempts` counts the first."""

    attempts: int
    on: frozenset[FailureClass]
    base_s: float
    max_s: float


def policy(retry: Retry) -> Policy:
    """The snapshot's form, prepared once a snapshot."""
    return Policy(
        attempts=retry.attempts,
        on=frozenset(retry.on),
        base_s=retry.backoff_base_ms / 1_000,
        max_s=retry.backoff_max_ms / 1_000,
    )


def pause_s(
    policy: Policy, failure: errors.Failure, *, attempts: int, remaining_s: float, point: float
) -> float | None:
    """Seconds to wait before the same target is tried again; None: not at all.

    Full jitter: uniform in 0 … min(max, base·2ⁿ). A provider's `Retry-After` is a lower bound; one that is longer than
    the route's longest pause is not waited for: another target, or the client, makes better use of that time. So is
    whatever would leave no time for the attempt itself.

    Args:
        policy: the route's.
        failure: of the last attempt.
        attempts: how many times this target has been tried for this request.
        remaining_s: until the request's deadline.
        point: uniform in [0, 1).
    """
    most = {errors.Retry.NEVER: 1, errors.Retry.ONCE: 2, errors.Retry.BACKOFF: policy.attempts}[failure.row.retry]
    if attempts >= min(most, policy.attempts) or failure.failure_class not in policy.on:
        return None
    pause = point * min(policy.max_s, policy.base_s * 2.0 ** (attempts - 1))
    if failure.retry_after_s is not None:
        if failure.retry_after_s > policy.max_s:
            return None
        pause = max(pause, failure.retry_after_s)
    return pause if pause < remaining_s / 2 else None


def share_s(*, remaining_s: float, untried: int) -> float:
    """The part of the remaining time that one target may use, so that those after it have a chance as well.

    Args:
        remaining_s: until the request's deadline.
        untried: targets that have not been tried, the one at hand included.
    """
    return remaining_s / max(untried, 1)
