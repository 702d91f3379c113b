"""What was asked, and how each exchange ended. Secrets are replaced when a record is shown, not on the hot path."""

from __future__ import annotations

import base64
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from tests.simulators.wire.server import Request

_MAX_RECORDS: Final = 2000
_MAX_BODY_BYTES: Final = 64 * 1024 * 1024
_SECRET_HEADERS: Final = frozenset({b"api-key", b"x-api-key", b"x-amz-security-token", b"cookie"})
REDACTED: Final = "[redacted]"


@dataclass(slots=True)
class Record:
    """One exchange. `outcome` is pending, answered, cut (by a fault) or client-gone; `steps` are the pieces sent."""

    seq: int
    provider: str
    request: Request
    model: str | None = None
    operation: str | None = None
    credential: str | None = None
    status: int = 0
    fault: str | None = None
    outcome: str = "pending"
    steps: int = 0
    ended_at: float | None = None

    def ended(self, outcome: str, *, steps: int) -> None:
        self.outcome = outcome
        self.steps = steps
        self.ended_at = time.time()

    def shown(self) -> dict[str, Any]:
        request = self.request
        try:
            body: Any = msgspec.json.decode(request.body) if request.body else None
        except msgspec.DecodeError:
            body = {"base64": base64.b64encode(request.body).decode()}
        return {
            "seq": self.seq,
            "provider": self.provider,
            "model": self.model,
            "operation": self.operation,
            "credential": self.credential,
            "method": request.method.decode("latin-1"),
            "target": request.target.decode("latin-1"),
            "headers": [[n.decode("latin-1"), _header_value(n, v)] for n, v in request.headers],
            "body": body,
            "receivedAt": request.received_at,
            "endedAt": self.ended_at,
            "status": self.status,
            "fault": self.fault,
            "outcome": self.outcome,
            "steps": self.steps,
        }


def _header_value(name: bytes, value: bytes) -> str:
    if name in _SECRET_HEADERS:
        return REDACTED
    text = value.decode("latin-1")
    if name != b"authorization":
        return text
    scheme, _, rest = text.partition(" ")
    if scheme != "AWS4-HMAC-SHA256":
        return f"{scheme} {REDACTED}"
    visible = rest.partition("Signature=")[0]
    return f"{scheme} {visible}Signature={REDACTED}"


@dataclass(slots=True)
class Recorder:
    """The last requests (bounded by number and by bytes) and counts since the last reset.

    `heard` is called with each when its answer is decided.
    """

    records: deque[Record] = field(default_factory=deque)
    counts: dict[tuple[str, str, int], int] = field(default_factory=dict)
    seq: int = 0
    heard: Callable[[Record], None] | None = None
    _body_bytes: int = 0

    def open(self, provider: str, request: Request) -> Record:
        self.seq += 1
        record = Record(self.seq, provider, request)
        self.records.append(record)
        self._body_bytes += len(request.body)
        while len(self.records) > _MAX_RECORDS or (self._body_bytes > _MAX_BODY_BYTES and len(self.records) > 1):
            self._body_bytes -= len(self.records.popleft().request.body)
        return record

    def answered(self, record: Record, status: int) -> None:
        record.status = status
        key = (record.provider, record.model or "", status)
        self.counts[key] = self.counts.get(key, 0) + 1
        if self.heard is not None:
            self.heard(record)

    def shown_counts(self) -> dict[str, dict[str, dict[str, int]]]:
        """Provider → model → status (as text, and `total`) → number."""
        shown: dict[str, dict[str, dict[str, int]]] = {}
        for (provider, model, status), number in self.counts.items():
            row = shown.setdefault(provider, {}).setdefault(model, {"total": 0})
            row[str(status)] = row.get(str(status), 0) + number
            row["total"] += number
        return shown

    def shown(
        self, *, provider: str | None = None, model: str | None = None, since: int = 0, limit: int = _MAX_RECORDS
    ) -> list[dict[str, Any]]:
        """Oldest first; the newest `limit` of those after sequence number `since`."""
        chosen = [
            record
            for record in self.records
            if record.seq > since and provider in (None, record.provider) and model in (None, record.model)
        ]
        return [record.shown() for record in chosen[-limit:]] if limit > 0 else []

    def reset(self) -> None:
        self.records.clear()
        self.counts.clear()
        self._body_bytes = 0
