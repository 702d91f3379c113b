"""Canned upstream replies (*.parts) and request bodies (*.json) for the benchmarks, written into a folder."""

import json
import pathlib
import struct
import zlib

WORDS = (
    "the pilot brings the ship past the light and into the harbour before the tide turns".split()  # noqa: SIM905 - a sentence
)
EVENTS = 50


def text(n: int, start: int = 0) -> str:
    out, i, size = [], start, 0
    while size < n:
        w = WORDS[i % len(WORDS)]
        out.append(w)
        size += len(w) + 1
        i += 1
    return " ".join(out)[:n]


def parts(path: pathlib.Path, chunks: list[bytes]) -> None:
    path.write_bytes(b"".join(struct.pack("<I", len(c)) + c for c in chunks))


def reply(body: bytes, ctype: str = "application/json", extra: str = "") -> list[bytes]:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {ctype}\r\n{extra}Content-Length: {len(body)}\r\n\r\n"
    return [head.encode() + body]


def chunked(ctype: str, items: list[bytes], extra: str = "") -> list[bytes]:
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: {ctype}\r\nCache-Control: no-cache\r\n"
        f"{extra}Transfer-Encoding: chunked\r\n\r\n"
    )
    return [head.encode()] + [b"%x\r\n%b\r\n" % (len(i), i) for i in items] + [b"0\r\n\r\n"]


def dumps(o: object) -> bytes:
    return json.dumps(o, separators=(",", ":")).encode()


def frame(event: str, payload: dict) -> bytes:
    """One application/vnd.amazon.eventstream message."""
    headers = b""
    for k, v in ((":event-type", event), (":content-type", "application/json"), (":message-type", "event")):
        headers += bytes([len(k)]) + k.encode() + b"\x07" + struct.pack(">H", len(v)) + v.encode()
    body = dumps(payload)
    total = 12 + len(headers) + len(body) + 4
    prelude = struct.pack(">II", total, len(headers))
    msg = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + body
    return msg + struct.pack(">I", zlib.crc32(msg))


def write(out: pathlib.Path) -> None:
    """Writes everything into `out`."""
    out.mkdir(parents=True, exist_ok=True)
    usage = {"prompt_tokens": 180, "completion_tokens": 120, "total_tokens": 300}
    answer = text(640)
    chat = {
        "id": "chatcmpl-Bm7n0aW2Xq3yQhVwz5TtUu8Kk1LrP",
        "object": "chat.completion",
        "created": 1766000000,
        "model": "gpt-4o-mini",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": answer, "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": usage
        | {"prompt_tokens_details": {"cached_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 0}},
        "service_tier": "default",
        "system_fingerprint": "fp_0123456789",
    }
    parts(out / "chat.parts", reply(dumps(chat), extra="x-request-id: req_0123456789abcdef\r\n"))

    def event(delta: dict, finish: str | None = None, **more: object) -> bytes:
        o = {
            "id": "chatcmpl-Bm7n0aW2Xq3yQhVwz5TtUu8Kk1LrP",
            "object": "chat.completion.chunk",
            "created": 1766000000,
            "model": "gpt-4o-mini",
            "system_fingerprint": "fp_0123456789",
            "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}],
        } | more
        return b"data: " + dumps(o) + b"\n\n"

    events = [event({"role": "assistant", "content": "", "refusal": None})]
    events += [event({"content": " " + WORDS[i % len(WORDS)]}) for i in range(EVENTS - 3)]
    events += [event({}, "stop"), event({}, None, choices=[], usage=usage)]
    assert len(events) == EVENTS
    parts(out / "sse.parts", chunked("text/event-stream; charset=utf-8", [*events, b"data: [DONE]\n\n"]))

    converse = {
        "metrics": {"latencyMs": 1},
        "output": {"message": {"role": "assistant", "content": [{"text": answer}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 180, "outputTokens": 120, "totalTokens": 300},
    }
    amzn = "x-amzn-RequestId: 0a1b2c3d-0000-4000-8000-0123456789ab\r\n"
    parts(out / "converse.parts", reply(dumps(converse), extra=amzn))
    frames = [frame("messageStart", {"role": "assistant"})]
    frames += [
        frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": " " + WORDS[i % len(WORDS)]}})
        for i in range(EVENTS - 4)
    ]
    frames += [
        frame("contentBlockStop", {"contentBlockIndex": 0}),
        frame("messageStop", {"stopReason": "end_turn"}),
        frame("metadata", {"usage": converse["usage"], "metrics": {"latencyMs": 1}}),
    ]
    parts(out / "converse_stream.parts", chunked("application/vnd.amazon.eventstream", frames, amzn))
    parts(
        out / "models.parts",
        reply(
            dumps(
                {"object": "list", "data": [{"id": "gpt-4o-mini", "object": "model", "created": 1, "owned_by": "mock"}]}
            )
        ),
    )

    def ask(name: str, prompt: str, model: str, **more: object) -> None:
        body = {
            "model": model,
            "messages": [
                {"role": "system", "content": "You are a harbour pilot. Answer briefly."},
                {"role": "user", "content": prompt},
            ],
            "max_tokens": 256,
            "temperature": 0.2,
        } | more
        (out / name).write_bytes(dumps(body))

    # MODEL is replaced by the measuring script with the name that the proxy routes on
    ask("chat.json", text(820), "MODEL")
    ask("big.json", text(100_000), "MODEL")
    ask("sse.json", text(820), "MODEL", stream=True, stream_options={"include_usage": True})
    ask("paced.json", "PACE10 " + text(813), "MODEL", stream=True, stream_options={"include_usage": True})
