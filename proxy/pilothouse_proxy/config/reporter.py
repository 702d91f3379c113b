"""What the operator is told: acknowledgements at once, a report when it differs from the last. Both are only a view."""

import asyncio
import logging
from random import Random

import msgspec

from pilothouse_api.names import ProviderKey, QuotaKey
from pilothouse_api.snapshot.stream import Ack, LimitUse, Report, Unknown
from pilothouse_proxy import ports
from pilothouse_proxy.config.applier import Applier
from pilothouse_proxy.config.operator import NotReadable, Operator, Refused
from pilothouse_proxy.http.messages import HTTPError
from pilothouse_proxy.observe.metrics import Metrics

REPORT_S = 2.0
REFRESH_S = 60.0
"""A report is repeated after so long although nothing has changed, for a replica that has restarted."""
MAX_UNKNOWN = 64
ACK_TRIES = 6
ACK_PAUSE_S = 0.2

logger = logging.getLogger(__name__)


class Reporter:
    """Speaks over the connection of the control stream that is open; without one, it waits."""

    def __init__(self, *, applier: Applier, metrics: Metrics, clock: ports.Clock, rng: Random) -> None:
        self._applier = applier
        self._metrics = metrics
        self._clock = clock
        self._rng = rng
        self._boot = f"{rng.getrandbits(64):016x}"
        self._sequence = 0

    async def acknowledge(self, operator: Operator, ack: Ack) -> None:
        """Tell what became of a publication. A lost one is healed by the next report."""
        for attempt in range(ACK_TRIES):
            try:
                await operator.acknowledge(ack)
                return
            except (HTTPError, Refused, NotReadable) as error:
                if isinstance(error, Refused) and error.status in {400, 401, 403, 413}:
                    logger.warning("an acknowledgement was not taken: %s", error)
                    return
                await asyncio.sleep(self._rng.uniform(0.5, 1.0) * ACK_PAUSE_S * 2**attempt)

    async def run(self, operator: Operator) -> None:
        """Report for as long as the connection is wanted; cancelled at its end."""
        told: tuple[object, ...] | None = None
        told_at = 0.0
        while True:
            now = self._clock.monotonic()
            state = self._state(now)
            comparable = _comparable(state)
            if comparable != told or now - told_at > REFRESH_S:
                try:
                    await operator.report(state)
                    told, told_at = comparable, now
                except (HTTPError, Refused, NotReadable) as error:
                    # The stream tells when the operator is away; a report that is not taken is made again.
                    logger.debug("a report was not taken: %s", error)
            await asyncio.sleep(REPORT_S)

    def _state(self, now: float) -> Report:
        running = self._applier.running
        self._sequence += 1
        return Report(
            boot=self._boot,
            sequence=self._sequence,
            applied=None if running is None else running.version,
            quotas={} if running is None else running.quotas.usage(now=now),
            unknown=self._unknown(),
        )

    def _unknown(self) -> dict[ProviderKey, tuple[Unknown, ...]]:
        found: dict[ProviderKey, set[Unknown]] = {}
        for (provider, _, dialect, what), _ in self._metrics.unknown.items():
            found.setdefault(ProviderKey(provider), set()).add(Unknown(dialect=dialect, what=what))
        return {provider: tuple(sorted(things))[:MAX_UNKNOWN] for provider, things in found.items()}


def _comparable(report: Report) -> tuple[object, ...]:
    """Without what changes by itself: the sequence, and the seconds until a window is empty."""
    quotas: dict[QuotaKey, tuple[LimitUse, ...]] = {
        key: tuple(msgspec.structs.replace(use, resets_in_s=0) for use in uses) for key, uses in report.quotas.items()
    }
    return (report.applied, quotas, report.unknown)
