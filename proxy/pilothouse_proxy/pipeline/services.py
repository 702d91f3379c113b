"""What every request uses and no snapshot changes."""

from dataclasses import dataclass, field
from random import Random

from pilothouse_proxy import ports
from pilothouse_proxy.http import client
from pilothouse_proxy.http.ledger import Ledger
from pilothouse_proxy.observe.log import Log
from pilothouse_proxy.observe.metrics import Metrics
from pilothouse_proxy.observe.outcome import Outcome
from pilothouse_proxy.pipeline.renewals import Renewals


@dataclass(frozen=True, kw_only=True)
class Services:
    """Handed in once at the start."""

    client: client.Client
    clock: ports.Clock
    rng: Random
    metrics: Metrics
    renewals: Renewals
    access_log: Log | None
    """None: requests are not logged."""
    ledger: Ledger = field(default_factory=Ledger)
    """The server's own."""
    beat_s: float = 15.0
    """How long a client that waits for a stream hears nothing; inf: as long as the upstream is silent."""

    def record(self, outcome: Outcome) -> None:
        """Count and log a finished request."""
        ended = self.clock.monotonic()
        first_byte_at = outcome.first_byte_at
        outcome.meters.count(
            outcome.status,
            seconds=ended - outcome.started,
            first_byte_s=None if first_byte_at is None else first_byte_at - outcome.started,
        )
        if self.access_log is not None:
            self.access_log.request(outcome, ended=ended)
