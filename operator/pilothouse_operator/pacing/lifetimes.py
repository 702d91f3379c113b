"""When within its life a credential is renewed. Pure; times are of any clock, in seconds."""

_RENEWED_AT = 2 / 3
_SPREAD = 1 / 10
_CROWD_FROM = 1 / 3


def renewal_window(*, now: float, ends: float) -> tuple[float, float]:
    """From when to when one that was issued now is to be renewed: two thirds of its life, a tenth of it to each side.

    So more than a fifth of its life is left when the first try begins: for an hour, at least 14 minutes.
    """
    life = ends - now
    return now + (_RENEWED_AT - _SPREAD) * life, now + (_RENEWED_AT + _SPREAD) * life


def first_renewal_window(*, now: float, ends: float) -> tuple[float, float]:
    """The same for one that was not renewed ahead of time, but issued because there was none.

    Such ones come in crowds, when the operator starts or a service is back, and would come as a crowd again. The window
    opens at a third of the life: twice as wide, and never later.
    """
    _, latest = renewal_window(now=now, ends=ends)
    return now + _CROWD_FROM * (ends - now), latest
