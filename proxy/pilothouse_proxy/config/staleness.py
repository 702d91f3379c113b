"""How old a configuration may become while the operator is silent."""

from pilothouse_proxy import ports
from pilothouse_proxy.config.applier import Applier

CHECK_S = 1.0


def check(applier: Applier, *, clock: ports.Clock, max_staleness_s: float) -> None:
    """Take the configuration out of service if nobody has confirmed it for too long."""
    heard_at = applier.heard_at
    if heard_at is not None and clock.monotonic() - heard_at > max_staleness_s:
        applier.expire(
            f"the operator has not been heard for more than {max_staleness_s:g} s, and the configuration may not be"
            " served for longer than that (--max-staleness)"
        )
