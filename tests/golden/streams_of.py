"""Streams of the golden cases as bytes, and the relays that they are put through."""

from pilothouse_proxy.operations import DialectName
import base64
import json
from typing import Any

from pilothouse_proxy import translation
from pilothouse_proxy.framing import eventstream, sse
from pilothouse_proxy.ports import StreamRelay
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


def server_sent(event: dict[str, Any] | str) -> bytes:
    """An event of Messages as Anthropic's API sends it; text goes as it is."""
    if isinstance(event, str):
        return b"data: " + event.encode() + b"\n\n"
    return sse.encode(json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode(), name=event["type"].encode())


def chunk(event: dict[str, Any] | list[Any]) -> bytes:
    """The same as InvokeModel sends it; a list is a frame as of `frame`."""
    if isinstance(event, list):
        return frame(event)
    data = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
    return frame(["chunk", {"bytes": base64.b64encode(data).decode(), "p": "abcdefgh"}])


def stream_of(document: dict[str, Any]) -> bytes:
    if "stream" in document:
        return "".join(document["stream"]).encode()
    if "messages" in document:
        stream = b"".join(server_sent(event) for event in document["messages"])
    elif "chunks" in document:
        stream = b"".join(chunk(event) for event in document["chunks"])
    else:
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
