"""The proxy's own output: a line a request, a line an event; text for people or JSON for programs."""

import asyncio
import enum
import logging
import os
from collections.abc import Callable
from time import gmtime, strftime

import msgspec

from pilothouse_proxy.observe.meters import Counter
from pilothouse_proxy.observe.outcome import Outcome

BATCH_S = 0.1
MAX_WAITING_BYTES = 4_000_000
"""What may wait for a reader that has stalled; lines beyond it are dropped and counted."""
MAX_NAME_CHARS = 200
"""Of names that are the client's own words: model, path."""

logger = logging.getLogger(__name__)


class Format(enum.StrEnum):
    """How log lines look."""

    TEXT = "text"
    JSON = "json"


class Line(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A JSON line. Times in milliseconds; what never came to be is left out."""

    time: str
    event: str
    """Always `request`: tells these lines from others on the same output."""
    request_id: str
    method: str
    path: str
    status: int
    duration_ms: float
    first_byte_ms: float | None = None
    model: str = ""
    stream: bool = False
    route: str = ""
    provider: str = ""
    upstream_model: str = ""
    attempts: int = 0
    namespace: str = ""
    subject: str = ""
    team: str | None = None
    tier: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int = 0
    tokens_estimated: bool = False
    search_units: int = 0
    """What a rerank is billed by."""
    finish_reason: str = ""
    error: str = ""
    param: str = ""
    """The parameter that an error is about."""
    note: str = ""
    """What each failed attempt met, or why the request never became one."""


class Log:
    """Writes to a file descriptor, in batches and in another thread: nobody waits, lines are out within 0.1 s.

    Warnings and tracebacks are not its business: they go through `logging` at once.
    """

    def __init__(self, *, descriptor: int, form: Format, wall: Callable[[], float], dropped: Counter) -> None:
        self._descriptor = descriptor
        self._wall = wall
        self._dropped = dropped
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Future[None] | None = None
        self._json = form is Format.JSON
        self._second = 0
        self._stamp = ""

    def request(self, outcome: Outcome, *, ended: float) -> None:
        """Take one finished request; `ended` on the clock of the outcome's own times."""
        duration_ms = 1_000 * (ended - outcome.started)
        render = _json if self._json else _text
        self._take(render(outcome, self._time(), duration_ms))

    def event(self, event: str, **told: str | int) -> None:
        """Take something that happened to the proxy as a whole, with what there is to tell of it."""
        if self._json:
            self._take(_encoder.encode({"time": self._time(), "event": event, **told}) + b"\n")
            return
        words = [self._time(), event, *(f"{name}={_plain(str(value))}" for name, value in told.items())]
        self._take(" ".join(words).encode() + b"\n")

    def _take(self, line: bytes) -> None:
        if self._waiting_bytes > MAX_WAITING_BYTES:
            self._dropped.value += 1
            return
        self._waiting.append(line)
        self._waiting_bytes += len(line)
        if self._timer is None and self._writing is None:
            self._timer = asyncio.get_running_loop().call_later(BATCH_S, self._flush)

    async def close(self) -> None:
        """Write what waits, and return when it is out."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting or self._writing is not None:
            if self._writing is None:
                self._flush()
            if self._writing is not None:
                await asyncio.wait([self._writing])
                await asyncio.sleep(0)

    def _flush(self) -> None:
        self._timer = None
        if not self._waiting:
            return
        batch = b"".join(self._waiting)
        self._waiting.clear()
        self._waiting_bytes = 0
        loop = asyncio.get_running_loop()
        # A pipe whose reader has stalled blocks; it must not block the loop.
        self._writing = loop.run_in_executor(None, _write_all, self._descriptor, batch)
        self._writing.add_done_callback(self._written)

    def _written(self, writing: asyncio.Future[None]) -> None:
        self._writing = None
        if error := writing.exception():
            logger.warning("the access log cannot be written: %s", error)
        if self._waiting:
            self._timer = asyncio.get_running_loop().call_later(BATCH_S, self._flush)

    def _time(self) -> str:
        now = self._wall()
        second = int(now)
        if second != self._second:
            self._second = second
            self._stamp = strftime("%Y-%m-%dT%H:%M:%S", gmtime(second))
        return f"{self._stamp}.{int((now - second) * 1_000):03d}Z"


def _write_all(descriptor: int, batch: bytes) -> None:
    view = memoryview(batch)
    while view:
        view = view[os.write(descriptor, view) :]


_encoder = msgspec.json.Encoder()


def _json(outcome: Outcome, time: str, duration_ms: float) -> bytes:
    usage = outcome.usage
    first = outcome.first_byte_at
    line = Line(
        time=time,
        event="request",
        request_id=outcome.request_id,
        method=outcome.method,
        path=outcome.path[:MAX_NAME_CHARS],
        status=outcome.status,
        duration_ms=round(duration_ms, 2),
        first_byte_ms=None if first is None else round(1_000 * (first - outcome.started), 2),
        model=outcome.model[:MAX_NAME_CHARS],
        stream=outcome.stream,
        route=outcome.route,
        provider=outcome.provider,
        upstream_model=outcome.upstream_model[:MAX_NAME_CHARS],
        attempts=outcome.attempts,
        namespace=outcome.namespace,
        subject=outcome.principal,
        team=outcome.team,
        tier=outcome.tier,
        input_tokens=None if usage is None else usage.input_tokens,
        output_tokens=None if usage is None else usage.output_tokens,
        cached_tokens=0 if usage is None else usage.cached_tokens,
        tokens_estimated=usage is not None and usage.estimated,
        search_units=outcome.search_units,
        finish_reason=outcome.finish_reason,
        error=outcome.error,
        param=outcome.param[:MAX_NAME_CHARS] if outcome.error else "",
        note=outcome.note,
    )
    return _encoder.encode(line) + b"\n"


def _text(outcome: Outcome, time: str, duration_ms: float) -> bytes:
    parts = [time, outcome.method, _plain(outcome.path), str(outcome.status), f"{duration_ms:.1f}ms"]
    if outcome.model:
        parts.append(_plain(outcome.model))
    if outcome.provider:
        parts.append(f"-> {outcome.provider}/{_plain(outcome.upstream_model)}")
    if outcome.attempts > 1:
        parts.append(f"attempts={outcome.attempts}")
    if outcome.usage is not None:
        about = "~" if outcome.usage.estimated else ""
        parts.append(f"tokens={about}{outcome.usage.input_tokens}+{outcome.usage.output_tokens}")
    if outcome.search_units:
        parts.append(f"search_units={outcome.search_units}")
    if outcome.principal:
        parts.append(f"by={outcome.principal}")
    if outcome.error:
        parts.append(f"error={outcome.error}")
    if outcome.error and outcome.param:
        parts.append(f"param={_plain(outcome.param)}")
    if outcome.note:
        parts.append(_plain(outcome.note))
    parts.append(f"id={outcome.request_id}")
    return " ".join(parts).encode() + b"\n"


def _plain(word: str) -> str:
    """A client's own words must not make lines of their own, or colour a terminal."""
    word = word[:MAX_NAME_CHARS]
    return word if word.isprintable() else ascii(word)[1:-1]
