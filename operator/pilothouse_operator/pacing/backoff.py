"""How long to wait after a failure. Pure: chance is an argument (`point`, uniform in [0, 1))."""

_SHORTEST_S = 1.0
_LONGEST_S = 300.0
_MENDED_S = 60.0
_REFUSED_S = 10.0

# Of what is left until a credential ends: so that some tries come before it, more and more closely.
_SHARE_OF_THE_REST = 1 / 4


def passing_s(failures: int, *, left_s: float | None, point: float) -> float:
    """After what may be over at the next try: full jitter over a span that doubles, from 1 s to 5 min.

    Args:
        failures: in a row, this one counted.
        left_s: until the value that still serves ends; None: there is none, or it does not end.
        point: uniform in [0, 1).
    """
    return _between(_SHORTEST_S, _SHORTEST_S * 2.0 ** min(failures, 16), left_s=left_s, point=point)


def mended_s(failures: int, *, left_s: float | None, point: float) -> float:
    """After what somebody has to mend first: 1 to 2 minutes, and after the third 1 to 5."""
    return _between(_MENDED_S, _MENDED_S * 2.0 ** min(failures, 16), left_s=left_s, point=point)


def refused_s(refusals: int) -> float:
    """Between two that take the place of refused ones: 10 s, and twice as long for each in a row, up to 5 min."""
    return min(_REFUSED_S * 2.0 ** min(max(refusals - 1, 0), 16), _LONGEST_S)


def jittered_s(span_s: float, *, point: float) -> float:
    """A span of which many begin at once: up to a tenth shorter or longer."""
    return span_s * (0.9 + 0.2 * point)


def _between(shortest_s: float, longest_s: float, *, left_s: float | None, point: float) -> float:
    longest_s = min(longest_s, _LONGEST_S)
    if left_s is not None:
        longest_s = min(longest_s, left_s * _SHARE_OF_THE_REST)
    return shortest_s + point * max(longest_s - shortest_s, 0.0)
