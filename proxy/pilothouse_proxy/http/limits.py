"""What the two sides of the HTTP layer put up with. Sizes in bytes, times in seconds."""

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The server's. One instance serves all connections."""

    request_line_bytes: int = 8 * KIB
    header_count: int = 100
    header_bytes: int = 32 * KIB
    """Names and values of one head together, trailers included."""
    body_bytes: int = 25 * MIB
    header_timeout_s: float = 10.0
    """From a request's first byte to the end of its head; on a new connection, from its start."""
    handshake_timeout_s: float = 10.0
    """For TLS, before all else."""
    body_timeout_s: float = 30.0
    """Grace for a body to arrive, beyond what `body_rate_bytes_s` allows for its size."""
    body_rate_bytes_s: int = 16 * KIB
    """Every so many bytes of a body buy one more second: a large upload may take long, a trickle may not."""
    keep_alive_s: float = 75.0
    write_timeout_s: float = 60.0
    """How long a client that is owed bytes may take none at all."""
    linger_s: float = 2.0
    """How long what a refused client still sends is read and thrown away, so that the refusal reaches it."""
    high_water_bytes: int = 64 * KIB
    """A slow reader is owed no more than this, and one write, before `drain` waits."""
    low_water_bytes: int = 16 * KIB
    unsent_bytes: int = 128 * KIB
    """What the system takes in advance for a reader, beyond what is on the wire."""
    pipeline_bytes: int = 64 * KIB
    """What a client may send ahead while its request is being answered; then its socket is not read."""


@dataclass(frozen=True, kw_only=True)
class ClientLimits:
    """The client's."""

    header_count: int = 128
    header_bytes: int = 64 * KIB
    buffer_bytes: int = 64 * KIB
    """A body that is not taken is read no further than this, and one read."""
    idle_s: float = 45.0
    """An unused connection is closed after so long; below the 60 s at which common load balancers close theirs."""
    lifetime_s: float = 600.0
    """A connection is not reused after so long, so that a moved endpoint is followed."""
    peek_after_s: float = 1.0
    """A connection unused for longer is asked whether the other side has closed it before anything is sent."""
    resolved_s: float = 1.0
    """For so long what a name was resolved to serves further connects."""
    attempt_delay_s: float = 0.25
    """Head start of one address over the next (RFC 8305, section 5)."""
