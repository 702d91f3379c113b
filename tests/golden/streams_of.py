"""Streams of the golden cases as bytes, and the relays that they are put through."""

import base64
import json
from typing import Any

from pilothouse_proxy import translation
from pilothouse_proxy.framing import eventstream
from pilothouse_proxy.ports import DialectName, StreamRelay
from tests.golden import cases


def frame(event: list[Any]) -> bytes:
    """`[event type, payload]`, `["exception", name, payload]` or `["error", code, message]`, as Bedrock frames it."""
    if event[0] == "error":
        return eventstream.encode({":message-type": "error", ":error-code": event[1], ":error-message": event[2]}, b"")
    kind = "exception" if event[0] == "exception" else "event"
    name, payload = event[-2], event[-1]
    return eventstream.encode(
        {f":{kind}-type": name, ":content-type": "application/json", ":message-type": kind},
        payload.encode() if isinstance(payload, str) else json.dumps(payload, separators=(",", ":")).encode(),
    )


def chunk(native: dict[str, Any]) -> bytes:
    """One document of a family, as InvokeModelWithResponseStream frames it."""
    said = base64.b64encode(json.dumps(native, separators=(",", ":"), ensure_ascii=False).encode()).decode()
    return frame(["chunk", {"bytes": said, "p": "abcdef"}])


def stream_of(document: dict[str, Any]) -> bytes:
    if "stream" in document:
        return "".join(document["stream"]).encode()
    stream = b"".join(chunk(native) for native in document.get("documents", ()))
    stream += b"".join(frame(event) for event in document.get("events", ()))
    if document.get("flip_last_byte"):
        stream = stream[:-1] + bytes([stream[-1] ^ 1])
    return stream[: len(stream) - document.get("cut_bytes", 0)]


def relay_of(client: DialectName, upstream: DialectName, document: dict[str, Any]) -> StreamRelay:
    met = translation.between(client, upstream)
    assert met is not None
    headers = [(b"x-amzn-requestid", b"11111111-2222-3333-4444-555555555555")]
    return met.relay(cases.call_of(client, upstream, document), headers)
