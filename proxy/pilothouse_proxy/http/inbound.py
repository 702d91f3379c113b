"""What the listening side is told, and what the system lets come of it."""

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path

from pilothouse_proxy.http import grants
from pilothouse_proxy.http.doors import Doors
from pilothouse_proxy.http.ledger import Ledger
from pilothouse_proxy.http.limits import Limits

CONNECTIONS = 16_384
"""Of callers; the limit where none is set, if there are open files for so many."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TLSFiles:
    """Where the certificates are: PEM files, read anew when they change."""

    cert: Path
    key: Path
    sni_dir: Path | None = None
    """Further pairs, `<name>/tls.crt` and `<name>/tls.key`: for callers that ask for one of the names in them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbound:
    """As configured."""

    limits: Limits = field(default_factory=Limits)
    max_connections: int | None = None
    """None: what the limit of open files is good for, up to `CONNECTIONS`."""
    max_connections_per_peer: int = 0
    """0: no limit."""
    budget_bytes: int | None = None
    """None: what the memory limit of the process makes of it."""
    tls: TLSFiles | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """As it can be."""

    limits: Limits
    ledger: Ledger
    doors: Doors


def fit(told: Inbound) -> Fitted:
    """Within what the system grants. Raises the process' limit of open files; logs what had to give way."""
    ledger = Ledger(grants.budget_bytes() if told.budget_bytes is None else told.budget_bytes)
    limits = told.limits
    if limits.body_bytes > ledger.body_limit_bytes:
        logger.warning(
            "bodies of %d bytes do not fit: a quarter of the %d bytes for all messages, %d, is what one may have; grant"
            " the process more memory or --memory-budget, or lower --max-body-size",
            limits.body_bytes,
            ledger.budget_bytes,
            ledger.body_limit_bytes,
        )
        limits = replace(limits, body_bytes=ledger.body_limit_bytes)
    possible = grants.raise_descriptors()
    most = min(CONNECTIONS, possible) if told.max_connections is None else told.max_connections
    if most > possible:
        logger.warning(
            "the limit of open files is good for %d connections of callers, each with one to a provider, not for %d:"
            " raise it, or lower --max-connections",
            possible,
            most,
        )
    return Fitted(limits=limits, ledger=ledger, doors=Doors(most=most, most_a_peer=told.max_connections_per_peer))
