"""What became of one request; the pipeline fills it on the way."""

from typing import Final, Protocol

from pilothouse_proxy.errors import Failure, Kind, Shape
from pilothouse_proxy.exchange.usage import Usage
from pilothouse_proxy.observe.metrics import RouteMeters

_OPENAI: Final = Shape.OPENAI
"""A member of an enum is looked up anew at each use."""


class Caller(Protocol):
    """What is told of a caller."""

    @property
    def namespace(self) -> str: ...
    @property
    def principal(self) -> str: ...
    @property
    def team(self) -> str | None: ...
    @property
    def tier(self) -> str | None: ...


class Outcome:
    """Times in monotonic seconds. Empty text and None: it never came to that."""

    def __init__(self, *, method: str, path: str, request_id: str, started: float, meters: RouteMeters) -> None:
        self.method = method
        self.path = path
        self.request_id = request_id
        self.started = started
        self.meters = meters
        self.status = 0
        self.first_byte_at: float | None = None
        self.model = ""
        self.stream = False
        self.route = ""
        self.provider = ""
        self.upstream_model = ""
        self.attempts = 0
        self.namespace = ""
        self.principal = ""
        self.team: str | None = None
        self.tier: str | None = None
        self.usage: Usage | None = None
        self.search_units = 0
        self.finish_reason = ""
        self.error = ""
        self.param = ""
        self.note = ""
        self.shape = _OPENAI
        """How the client is told of errors."""

    def called_by(self, caller: Caller) -> None:
        """Note who calls."""
        self.namespace = caller.namespace
        self.principal = caller.principal
        self.team = caller.team
        self.tier = caller.tier

    def failed(self, provider: str, failure: Failure) -> None:
        """Note a failed attempt: for the log, where the reader wants to know why it took a second one."""
        self.param = failure.param or ""
        # What broke a stream is in words of our own; other messages may quote the request.
        words = failure.note or (failure.message if failure.kind is Kind.STREAM_BROKEN else "")
        told = [str(failure.status or ""), failure.code or "", words]
        if failure.request_id is not None:
            told.append(f"request {failure.request_id}")
        details = ", ".join(word for word in told if word)
        note = f"{provider}: {failure.kind} ({details})" if details else f"{provider}: {failure.kind}"
        self.note = f"{self.note}; {note}" if self.note else note
