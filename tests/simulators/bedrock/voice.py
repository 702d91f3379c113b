"""How Bedrock says that something went wrong: the faults in its own format."""

from __future__ import annotations

from collections.abc import Sequence

from tests.simulators import faults
from tests.simulators.answers import Whole
from tests.simulators.bedrock import errors, eventstream
from tests.simulators.faults import Fault, Kind

_THROTTLED = {
    "tokens": ("ThrottlingException", "Too many tokens, please wait before trying again."),
    "requests": ("ThrottlingException", "Too many requests, please wait before trying again."),
    "capacity": ("ServiceUnavailableException", "Bedrock is unable to process your request. Too many connections."),
    "utilisation": ("ThrottlingException", "The provisioned throughput of this model is exhausted."),
    "quota": ("ServiceQuotaExceededException", "Too many tokens per day, please wait before trying again."),
}
_BY_STATUS = {
    400: "ValidationException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}


class BedrockVoice:
    def error(self, fault: Fault) -> Whole:
        if fault.kind is Kind.THROTTLE:
            name, message = _THROTTLED[fault.name or "requests"]
            answer = errors.answer(name, fault.message or message, shape=fault.shape)
        else:
            name = fault.name or _BY_STATUS.get(fault.status or 500, "InternalServerException")
            answer = errors.answer(name, fault.message, status=fault.status, shape=fault.shape)
        if fault.retry_after_s is not None:
            answer.head += b"retry-after: %d\r\n" % fault.retry_after_s
        return answer

    def html(self, fault: Fault) -> Whole:
        return errors.html(fault.status or 503)

    def stream_error(self, fault: Fault) -> bytes:
        if fault.kind is Kind.STREAM_ERROR:
            return eventstream.error(fault.name or "InternalFailure", fault.message or "the stream has failed")
        name = fault.name or "internalServerException"
        modelled = name[:1].upper() + name[1:]
        message = fault.message or errors.message_of(modelled)
        return eventstream.exception(name, errors.details(modelled, message))

    def mangled(self, fault: Fault, events: Sequence[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
        position = min(fault.after_events if fault.after_events is not None else 1, len(events) - 1)
        before, after = list(events[:position]), list(events[position:])
        if fault.kind is Kind.BAD_CRC:
            name, frame = after[0]
            return [*before, (name, eventstream.with_bad_crc(frame)), *after[1:]]
        if fault.kind is Kind.UNKNOWN_EVENT:
            strange = eventstream.event("contentBlockTelemetry", {"contentBlockIndex": 0, "note": "ignore me"})
            return [*before, ("contentBlockTelemetry", strange), *after]
        strange = eventstream.event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"hologram": {"x": 1}}})
        return [*before, ("contentBlockDelta", strange), *after]


VOICE: faults.Voice = BedrockVoice()
