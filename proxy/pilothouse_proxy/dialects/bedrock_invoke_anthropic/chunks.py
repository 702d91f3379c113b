"""The frames of InvokeModelWithResponseStream: `chunk{bytes: base64 of one event's JSON}`, or an exception."""

import binascii

import msgspec

from pilothouse_proxy.anthropic.events import broken
from pilothouse_proxy.errors import Failure
from pilothouse_proxy.framing import eventstream, exceptions


class _Chunk(msgspec.Struct):
    bytes: str


_chunk = msgspec.json.Decoder(_Chunk)


def read(message: eventstream.Message, *, request_id: str | None) -> bytes | Failure | None:
    """One event's JSON, the failure that the frame tells of, or None for a frame of another kind."""
    headers = message.headers
    kind = headers.get(":message-type")
    if kind == "event":
        if headers.get(":event-type") != "chunk":
            return None
        try:
            return binascii.a2b_base64(_chunk.decode(message.payload).bytes)
        except (ValueError, RecursionError) as error:
            return broken(f"a chunk is not as promised: {error}")
    if kind == "exception":
        name = str(headers.get(":exception-type", ""))
        return exceptions.from_exception(name, message.payload, request_id=request_id)
    code, text = str(headers.get(":error-code", "")), str(headers.get(":error-message", ""))
    return exceptions.from_error_frame(code, text, request_id=request_id)


def name(message: eventstream.Message) -> str:
    """What a frame of another kind is counted as."""
    return f"event.{str(message.headers.get(':event-type'))[:64]}"
