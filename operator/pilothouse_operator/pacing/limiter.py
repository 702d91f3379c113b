"""How much one service is asked at once and a second: learnt from its answers. Pure: `now` is an argument.

Additive increase, multiplicative decrease, with a fast start until the service first objects; how much that halves, and
that calls of one round trip count once, is TCP's congestion control (RFC 5681).
"""

import enum
from dataclasses import dataclass

_RATE = (0.5, 10.0, 100.0)
"""Calls a second: at least, at first, at most."""
_WIDTH = (1.0, 4.0, 32.0)
"""Calls under way: at least, at first, at most."""
_FAST_GROWTH = 0.25
_PAUSE_S = 1.0
# A service that gave something good so lately is well; whoever fails meanwhile spaces out his own calls.
_WELL_S = 10.0
_LONGEST_PAUSE_S = 600.0


class Answer(enum.Enum):
    """What an answer says about the service, whatever it was about."""

    GOOD = enum.auto()
    REFUSED = enum.auto()
    """It is well, and would not."""
    UNAVAILABLE = enum.auto()
    """None came, or one that says that the service is not well."""
    THROTTLED = enum.auto()
    """It asks for less."""


@dataclass(frozen=True, slots=True)
class Call:
    """One that was started. `pressed`: others waited, so that its success says that more may be borne."""

    started: float
    pressed: bool


class Limiter:
    """Who may start a call, and when. Calls are a rate's interval apart: there are no bursts."""

    def __init__(self) -> None:
        self.rate = _RATE[1]
        self.width = _WIDTH[1]
        self._under_way = 0
        self._next = float("-inf")
        self._reduced = float("-inf")
        self._good = float("-inf")
        self._fast = True

    def opens_at(self, now: float) -> float | None:
        """When the next call may start, now or later; None: not before one has ended."""
        return max(now, self._next) if self._under_way < int(self.width) else None

    def start(self, now: float, *, waiting: int) -> Call:
        """Begins a call, at a time that `opens_at` allows, while `waiting` others would like to."""
        self._under_way += 1
        self._next = now + 1 / self.rate
        return Call(now, pressed=waiting > 0)

    def cancelled(self) -> None:
        """A call has ended without an answer that would say anything."""
        self._under_way -= 1

    def ended(self, call: Call, answer: Answer, *, now: float, retry_after_s: float | None = None) -> None:
        """Learns from the answer. A wait that the service asks for is the whole service's, up to ten minutes."""
        self._under_way -= 1
        match answer:
            case Answer.GOOD:
                self._good = now
                if call.pressed:
                    self._grow()
            case Answer.REFUSED:
                pass
            case Answer.UNAVAILABLE:
                if now - self._good > _WELL_S:
                    self._reduce(call, now)
            case Answer.THROTTLED:
                self._reduce(call, now)
                pause = _PAUSE_S if retry_after_s is None else min(retry_after_s, _LONGEST_PAUSE_S)
                self._next = max(self._next, now + pause)

    def _grow(self) -> None:
        # Per call, so that it comes to a quarter, later to one call a second more, in each second.
        self.rate = min(self.rate + (_FAST_GROWTH if self._fast else min(1.0, 1 / self.rate)), _RATE[2])
        self.width = min(self.width + (_FAST_GROWTH if self._fast else 1 / self.width), _WIDTH[2])

    def _reduce(self, call: Call, now: float) -> None:
        self._fast = False
        if call.started >= self._reduced:
            self._reduced = now
            self.rate = max(self.rate / 2, _RATE[0])
            self.width = max(self.width / 2, _WIDTH[0])
