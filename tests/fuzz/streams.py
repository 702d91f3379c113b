"""What streams hold: bytes into both framings and into the relays between dialects."""

import json
import re
import zlib
from collections.abc import Iterator

from pilothouse_proxy.framing import eventstream, sse
from pilothouse_proxy.operations import DialectName
from tests.fuzz.pieces import same_every_way
from tests.golden import cases
from tests.golden.streams_of import relay_of, stream_of

_OPENAI, _CONVERSE = DialectName.OPENAI_CHAT, DialectName.BEDROCK_CONVERSE
_LEGACY = DialectName.OPENAI_COMPLETIONS
_RESPONSES = DialectName.OPENAI_RESPONSES
MAX_EVENT_BYTES = 512
_ENDS_AN_EVENT = re.compile(rb"(?:\r\n|\n|\r){2}\Z")
_HEADERS_AT, _OVERHEAD_BYTES = 12, 16


def sse_seeds() -> list[bytes]:
    """Streams of OpenAI's, and what else the format allows."""
    odd = b"\xef\xbb\xbf: hello\rdata: a\r\n\r\nevent: note\ndata: b\ndata:c\n\nid: 7\nretry: 10\n\n\n\r\r\r"
    return [odd, odd + b"data: " + b"x" * MAX_EVENT_BYTES + b"\n\n", *_golden(_OPENAI)]


def check_sse(data: bytes) -> None:
    """However it is cut: the same events, whose bytes are those of the stream; and none over the limit."""

    def read(pieces: list[bytes]) -> tuple[object, ...]:
        decoder = sse.Decoder(max_event_bytes=MAX_EVENT_BYTES)
        events = [event for piece in pieces for event in decoder.feed(piece)]
        events += decoder.end()
        raw = b"".join(event.raw for event in events)
        assert data.startswith(raw), "the events are not the stream"
        assert len(raw) == len(data) or decoder.broken is not None, "the stream has lost bytes"
        assert all(len(event.raw) <= MAX_EVENT_BYTES for event in events), "an event over the limit"
        return events, str(decoder.broken)

    same_every_way(read, data)


def eventstream_seeds() -> list[bytes]:
    """Streams of Bedrock's, and a header of each type."""
    values = (True, False, 7, "text", b"\0\1", eventstream.Typed(eventstream.HeaderType.UUID, bytes(16)))
    every_type = eventstream.encode({f"h{at}": value for at, value in enumerate(values)}, b"payload")
    return [every_type, *_golden(_CONVERSE)]


def check_eventstream(data: bytes) -> None:
    """As it is, and with its checksums put right: however it is cut, the same messages."""
    for stream in (data, mended(data)):
        same_every_way(_read_eventstream, stream)


def _read_eventstream(pieces: list[bytes]) -> tuple[object, ...]:
    decoder = eventstream.Decoder()
    messages = [(dict(message.headers), message.payload) for piece in pieces for message in decoder.feed(piece)]
    decoder.end()
    return messages, str(decoder.broken)


def relay_seeds() -> list[bytes]:
    """Golden streams of the same dialect."""
    return list(_golden(_OPENAI))


def check_relay(data: bytes) -> None:
    """However it is cut: the same bytes for the client, in whole events, and the same outcome."""
    same_every_way(lambda pieces: _relayed(_OPENAI, _OPENAI, pieces), data)


def check_chat(data: bytes) -> None:
    """The same for a client of another dialect."""
    same_every_way(lambda pieces: _relayed(_LEGACY, _OPENAI, pieces), data)


def converse_seeds() -> list[bytes]:
    """Golden streams of Bedrock's."""
    return list(_golden(_CONVERSE))


def check_converse(data: bytes) -> None:
    """The same between two dialects, the checksums put right."""
    for client in (_OPENAI, _RESPONSES):
        same_every_way(lambda pieces, client=client: _relayed(client, _CONVERSE, pieces), mended(data))


def responses_seeds() -> list[bytes]:
    """Golden streams of OpenAI's Responses."""
    return list(_golden(_RESPONSES))


def check_responses(data: bytes) -> None:
    """To clients of the same dialect and of chat completions."""
    for client in (_OPENAI, _RESPONSES):
        same_every_way(lambda pieces, client=client: _relayed(client, _RESPONSES, pieces), data)


def _relayed(client: DialectName, upstream: DialectName, pieces: list[bytes]) -> tuple[object, ...]:
    relay = relay_of(client, upstream, _DOCUMENT)
    sent = b"".join(relay.feed(piece) for piece in pieces) + relay.end()
    assert relay.feed(b"data: more\n\n") == relay.end() == b"", "something is relayed behind the end"
    assert relay.complete != (relay.failure is not None), "neither complete nor failed, or both"
    assert not sent or _ENDS_AN_EVENT.search(sent), "the client gets no whole events"
    if upstream is not client:
        for event in sse.Decoder().feed(sent):
            assert event.data == b"[DONE]" or isinstance(json.loads(event.data), dict)
    if relay.failure is not None:
        (told,) = sse.Decoder().feed(relay.error_event(relay.failure))
        json.loads(told.data)
    return sent, relay.complete, relay.content, relay.finish_reason, relay.usage, relay.unknown, relay.failure


def mended(stream: bytes) -> bytes:
    """With the checksums that its sizes ask for: a changed frame would be refused at once, and nothing else tried."""
    out = bytearray(stream)
    at = 0
    while len(out) - at >= _OVERHEAD_BYTES:
        out[at + 8 : at + _HEADERS_AT] = zlib.crc32(out[at : at + 8]).to_bytes(4)
        end = at + int.from_bytes(out[at : at + 4])
        if not at + _OVERHEAD_BYTES <= end <= len(out):
            break
        out[end - 4 : end] = zlib.crc32(out[at : end - 4]).to_bytes(4)
        at = end
    return bytes(out)


_DOCUMENT = {"upstream": "some-model", "request": {**cases.MINIMAL, "stream": True}}


def _golden(dialect: DialectName) -> Iterator[bytes]:
    for case in cases.inputs("streams", dialect):
        yield stream_of(cases.load("streams", dialect, case))
