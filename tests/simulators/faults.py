"""Faults on demand: a queue of rules, and what each kind does to an answer.

A rule says which requests it meets and how often. The first rule that meets a request is used and its count goes down.
What a fault looks like on the wire in a provider's own format is told by that provider's `Voice`.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final, Protocol

import msgspec

from tests.simulators import pacing
from tests.simulators.answers import Answer, Stream, Whole
from tests.simulators.wire import replies
from tests.simulators.wire.replies import Ending, Reply, Step
from tests.simulators.wire.server import Request


class Kind(enum.Enum):
    # Instead of the answer.
    ERROR = "error"
    THROTTLE = "throttle"
    HTML = "html"
    EMPTY = "empty"
    BAD_JSON = "bad-json"
    NOT_HTTP = "not-http"
    SILENCE = "silence"
    CLOSE = "close"
    RESET = "reset"
    # To the answer.
    SLOW = "slow"
    CUT = "cut"
    STALL = "stall"
    # To a streamed answer.
    STREAM_ERROR = "stream-error"
    STREAM_EXCEPTION = "stream-exception"
    BAD_CRC = "bad-crc"
    UNKNOWN_EVENT = "unknown-event"
    UNKNOWN_MEMBER = "unknown-member"
    MISSING_EVENT = "missing-event"
    # To the content, Azure only.
    PROMPT_FILTER = "prompt-filter"
    COMPLETION_FILTER = "completion-filter"


_BEDROCK_ONLY: Final = frozenset({Kind.STREAM_EXCEPTION, Kind.BAD_CRC, Kind.UNKNOWN_EVENT, Kind.UNKNOWN_MEMBER})
THROTTLES: Final = ("requests", "tokens", "capacity", "quota", "utilisation")
_AZURE_ONLY: Final = frozenset({Kind.PROMPT_FILTER, Kind.COMPLETION_FILTER})
_STREAM_ONLY: Final = frozenset({Kind.STREAM_ERROR, Kind.MISSING_EVENT}) | _BEDROCK_ONLY
CONTENT: Final = _AZURE_ONLY


class Provider(enum.Enum):
    ANY = "*"
    BEDROCK = "bedrock"
    AZURE = "azure"
    OPENAI = "openai"
    ANTHROPIC = "anthropic"


class CutEnding(enum.Enum):
    GRACEFUL = "graceful"  # the HTTP body ends well; what was missing was only meant
    CLOSE = "close"
    RESET = "reset"


class Shape(enum.Enum):
    """Where Bedrock puts an error's name: header, header with a URL, body, or with a capital `Message`."""

    HEADER = "header"
    HEADER_URL = "header-url"
    BODY = "body"
    CAPITAL = "capital"
    # API Management in front of Azure
    GATEWAY = "gateway"


class Fault(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """A rule. `count` None = until it is deleted; `skip` lets so many requests pass first; `contains` is looked for in
    the request's body. The other fields belong to single kinds, see the README."""

    kind: Kind
    provider: Provider = Provider.ANY
    model: str = "*"
    operation: str = "*"
    contains: str | None = None
    count: int | None = 1
    skip: int = 0
    status: int | None = None
    name: str | None = None
    message: str | None = None
    shape: Shape = Shape.HEADER
    retry_after_s: int | None = None
    retry_after_ms: int | None = None
    after_events: int | None = None
    before_event: str | None = None
    after_bytes: int | None = None
    ending: CutEnding = CutEnding.CLOSE
    first_byte_ms: float = 0.0
    between_events_ms: float = 0.0
    category: str = "hate"

    def __post_init__(self) -> None:
        if self.kind in _BEDROCK_ONLY and self.provider not in (Provider.ANY, Provider.BEDROCK):
            raise ValueError(f"kind {self.kind.value} exists for provider bedrock only")
        if self.kind in _AZURE_ONLY and self.provider not in (Provider.ANY, Provider.AZURE):
            raise ValueError(f"kind {self.kind.value} exists for provider azure only")
        if self.kind is Kind.ERROR and self.status is None and self.name is None:
            raise ValueError("kind error needs status or name")
        if self.kind is Kind.THROTTLE and self.name not in (None, *THROTTLES):
            raise ValueError(f"name of kind throttle must be one of {', '.join(THROTTLES)}")
        if self.kind is Kind.MISSING_EVENT and self.before_event is None:
            raise ValueError("kind missing-event needs beforeEvent: the name of the event to leave out")

    def meets(self, *, provider: str, model: str, operation: str, streamed: bool, request: Request) -> bool:
        if self.provider.value not in ("*", provider) or not fnmatchcase(model, self.model):
            return False
        if not fnmatchcase(operation, self.operation) or (self.kind in _STREAM_ONLY and not streamed):
            return False
        if (self.kind in _BEDROCK_ONLY and provider != "bedrock") or (self.kind in _AZURE_ONLY and provider != "azure"):
            return False
        return self.contains is None or self.contains.encode() in request.body


class Faults:
    """The rules, oldest first."""

    def __init__(self) -> None:
        self.rules: list[Fault] = []

    def take(self, *, provider: str, model: str, operation: str, streamed: bool, request: Request) -> Fault | None:
        for position, rule in enumerate(self.rules):
            if not rule.meets(provider=provider, model=model, operation=operation, streamed=streamed, request=request):
                continue
            if rule.skip > 0:
                rule.skip -= 1
                continue
            if rule.count is not None:
                rule.count -= 1
                if rule.count <= 0:
                    del self.rules[position]
            return rule
        return None


class Voice(Protocol):
    """How a provider says that something went wrong."""

    def error(self, fault: Fault) -> Whole:
        """The answer of kinds error and throttle."""
        ...

    def html(self, fault: Fault) -> Whole: ...

    def stream_error(self, fault: Fault) -> bytes:
        """One event that ends a stream, before any HTTP chunking."""
        ...

    def mangled(self, fault: Fault, events: Sequence[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
        """The events after a fault of the framing itself: bad-crc, unknown-event, unknown-member."""
        ...


def instead(fault: Fault, voice: Voice, *, extra: bytes) -> tuple[Reply, int] | None:
    """The whole reply and its status (0 = none), if this kind replaces the answer. `extra` are header lines."""
    if fault.kind in (Kind.ERROR, Kind.THROTTLE):
        return sent(voice.error(fault), extra=extra)
    if fault.kind is Kind.HTML:
        return sent(voice.html(fault), extra=extra)
    if fault.kind is Kind.EMPTY:
        status = fault.status or 500
        return Reply([(0.0, replies.whole(status, [], b""))]), status
    if fault.kind is Kind.BAD_JSON:
        body = b'{"output": {"message": '
        return Reply([(0.0, replies.whole(200, [("content-type", "application/json")], body))]), 200
    if fault.kind is Kind.NOT_HTTP:
        return Reply([(0.0, b"\x16\x03\x01 this is not HTTP\r\n\r\n")], Ending.CLOSE), 0
    if fault.kind in _SILENT:
        return Reply([], _SILENT[fault.kind]), 0
    return None


_SILENT: Final[Mapping[Kind, Ending]] = {
    Kind.SILENCE: Ending.HANG,
    Kind.CLOSE: Ending.CLOSE,
    Kind.RESET: Ending.RESET,
}


def sent(answer: Whole, *, extra: bytes) -> tuple[Reply, int]:
    """A reply at once, and its status."""
    return Reply([(0.0, answer.wire(extra=extra))]), answer.status


def spoiled(fault: Fault, answer: Answer, *, voice: Voice, pace: pacing.Pace, extra: bytes) -> Reply:
    """The reply when a fault of the second or third group meets an answer."""
    if fault.kind is Kind.SLOW:
        pace = pacing.Pace(first_byte_ms=fault.first_byte_ms, between_events_ms=fault.between_events_ms)
        return paced(answer, pace=pace, extra=extra)
    if isinstance(answer, Whole):
        return _spoiled_whole(fault, answer, pace=pace, extra=extra)
    return _spoiled_stream(fault, answer, voice=voice, pace=pace, extra=extra)


def paced(answer: Answer, *, pace: pacing.Pace, extra: bytes) -> Reply:
    """An answer in good order."""
    first, between = pace.first_byte_ms / 1000, pace.between_events_ms / 1000
    if isinstance(answer, Whole):
        return Reply([(first, answer.wire(extra=extra))])
    pieces = answer.wire(extra=extra)
    if not first and not between:
        return Reply([(0.0, b"".join(pieces))])
    steps: list[Step] = [(between, piece) for piece in pieces]
    steps[0] = (first, pieces[0])
    return Reply(steps)


def _spoiled_whole(fault: Fault, answer: Whole, *, pace: pacing.Pace, extra: bytes) -> Reply:
    wire = answer.wire(extra=extra)
    first = pace.first_byte_ms / 1000
    if fault.kind not in (Kind.CUT, Kind.STALL):
        return Reply([(first, wire)])
    keep = fault.after_bytes if fault.after_bytes is not None else len(wire) - len(answer.body) // 2
    return Reply([(first, wire[:keep])], _ending(fault))


def _ending(fault: Fault) -> Ending:
    if fault.kind is Kind.STALL:
        return Ending.HANG
    return Ending.RESET if fault.ending is CutEnding.RESET else Ending.CLOSE


def _spoiled_stream(fault: Fault, answer: Stream, *, voice: Voice, pace: pacing.Pace, extra: bytes) -> Reply:
    head, events = answer.numbered(extra=extra)
    if fault.after_bytes is not None and fault.kind in (Kind.CUT, Kind.STALL):
        return _cut_at_byte(fault, head, events, pace=pace)
    keep = _position(fault, events)
    if fault.kind in (Kind.STREAM_ERROR, Kind.STREAM_EXCEPTION):
        events = [*events[:keep], ("error", voice.stream_error(fault))]
        return _played(head, events, pace=pace, graceful=True, ending=Ending.KEEP)
    if fault.kind in (Kind.CUT, Kind.STALL):
        graceful = fault.kind is Kind.CUT and fault.ending is CutEnding.GRACEFUL
        ending = Ending.KEEP if graceful else _ending(fault)
        return _played(head, events[:keep], pace=pace, graceful=graceful, ending=ending)
    if fault.kind is Kind.MISSING_EVENT:
        left = [event for event in events if event[0] != fault.before_event]
    else:
        left = voice.mangled(fault, events)
    return _played(head, left, pace=pace, graceful=True, ending=Ending.KEEP)


def _position(fault: Fault, events: Sequence[tuple[str, bytes]]) -> int:
    """How many events go out before the fault; by default half of them, at least one."""
    if fault.before_event is not None:
        for position, (name, _) in enumerate(events):
            if name == fault.before_event:
                return position
        return len(events)
    if fault.after_events is not None:
        return min(fault.after_events, len(events))
    return max(1, len(events) // 2)


def _played(
    head: bytes, events: Sequence[tuple[str, bytes]], *, pace: pacing.Pace, graceful: bool, ending: Ending
) -> Reply:
    first, between = pace.first_byte_ms / 1000, pace.between_events_ms / 1000
    steps: list[Step] = [(first, head)]
    steps += [(between, replies.chunk(payload)) for _, payload in events]
    if graceful:
        steps.append((0.0, replies.LAST_CHUNK))
    return Reply(steps, ending)


def _cut_at_byte(fault: Fault, head: bytes, events: Sequence[tuple[str, bytes]], *, pace: pacing.Pace) -> Reply:
    """Cut the body (not the HTTP framing around it) after so many bytes, wherever in an event that is."""
    assert fault.after_bytes is not None
    body = b"".join(payload for _, payload in events)[: fault.after_bytes]
    graceful = fault.kind is Kind.CUT and fault.ending is CutEnding.GRACEFUL
    ending = Ending.KEEP if graceful else _ending(fault)
    pieces = [("cut", body)] if body else []
    return _played(head, pieces, pace=pace, graceful=graceful, ending=ending)
