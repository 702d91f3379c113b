"""Shows a compiled request path what its work is like, while the compiler counts: `python mk/train.py`.

Run by the interpreter that has the instrumented libraries (see `hatch_build.py`). One process is caller, proxy and
provider at once, over real sockets: whole answers and streams, OpenAI's as they are and translated to Bedrock, short
and long.
"""

import asyncio
import hashlib
import json
import struct
import sys
import time
import zlib
from random import Random

import uvloop

from pilothouse_api.names import (
    GATEWAY_SCOPE,
    ModelName,
    ProviderKey,
    QuotaKey,
    RouteKey,
    SnapshotVersion,
    UpstreamModel,
)
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot import credentials, identity, providers, quotas, routes, snapshot
from pilothouse_api.snapshot.endpoints.bedrock import BedrockEndpoint
from pilothouse_api.snapshot.endpoints.openai import OpenAIEndpoint
from pilothouse_proxy import runtime
from pilothouse_proxy.http import client, limits, server
from pilothouse_proxy.observe.metrics import Metrics
from pilothouse_proxy.pipeline import serve
from pilothouse_proxy.pipeline.renewals import Renewals
from pilothouse_proxy.pipeline.services import Services
from pilothouse_proxy.quota.stores.memory import Store

KEY = "training-key-0123456789"
CALLERS = 16
EVENTS = 50
PAUSE_S = 0.001
"""Between the events of a stream, so that each comes by itself."""
WORDS = ("the pilot brings the ship past the light and into the harbour before the tide turns " * 12).split()


class Clock:
    """This machine's."""

    monotonic = staticmethod(time.monotonic)
    wall = staticmethod(time.time)


def configuration(upstream: str) -> snapshot.Snapshot:
    """Two providers, their models, a key and quotas."""
    compatible, bedrock = ProviderKey("training/compatible"), ProviderKey("training/bedrock")
    gpt, claude = ModelName("gpt"), ModelName("claude")
    key = credentials.AccessKey(access_key_id="AKIATRAINING", secret_access_key=Secret("training"))
    limited = (quotas.Resource.REQUESTS, quotas.Resource.TOKENS)
    return snapshot.Snapshot(
        schema=snapshot.SCHEMA,
        scope=GATEWAY_SCOPE,
        providers={
            compatible: providers.Provider(
                endpoint=OpenAIEndpoint(url=f"{upstream}/v1"),
                models={gpt: providers.Model(upstream=UpstreamModel("gpt-4o-mini"))},
            ),
            bedrock: providers.Provider(
                endpoint=BedrockEndpoint(url=upstream, region="us-east-1"),
                models={claude: providers.Model(upstream=UpstreamModel("anthropic.claude-3-haiku-20240307-v1:0"))},
            ),
        },
        credentials={compatible: credentials.APIKey(key=Secret("training")), bedrock: key},
        routes={
            RouteKey(f"training/{model}"): routes.Route(
                models=(model,),
                created="2026-01-01T00:00:00Z",
                generation=1,
                targets=(routes.Target(provider=provider, model=model),),
            )
            for model, provider in ((gpt, compatible), (claude, bedrock))
        },
        quotas={
            QuotaKey("training/all"): quotas.Quota(
                namespace="training",
                generation=1,
                per=quotas.Per.SUBJECT,
                limits=tuple(
                    quotas.Limit(resource=resource, amount=10**12, window="1m", window_s=60) for resource in limited
                ),
            )
        },
        identity=identity.Identity(
            api_keys={
                hashlib.sha256(KEY.encode()).hexdigest(): identity.KeyHolder(
                    namespace="training", user="caller", team="training", tier="gold"
                )
            }
        ),
    )


# The provider.

USAGE = {"prompt_tokens": 180, "completion_tokens": 120, "total_tokens": 300}
HEAD = {"id": "chatcmpl-1", "created": 1766000000, "model": "gpt-4o-mini"}


def compact(body: object) -> bytes:
    """JSON as SDKs and providers write it."""
    return json.dumps(body, separators=(",", ":")).encode()


def whole(kind: str, body: object) -> list[bytes]:
    """An answer of one piece."""
    data = compact(body)
    return [b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n%b" % (kind.encode(), len(data), data)]


def chunked(kind: str, pieces: list[bytes]) -> list[bytes]:
    """A stream, each piece a chunk."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ntransfer-encoding: chunked\r\n\r\n" % kind.encode()
    return [head, *(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces), b"0\r\n\r\n"]


def event(**more: object) -> bytes:
    """One of OpenAI's."""
    return b"data: " + compact({**HEAD, "object": "chat.completion.chunk", **more}) + b"\n\n"


def said(delta: dict[str, str], finish: str | None = None) -> bytes:
    """An event that says something."""
    return event(choices=[{"index": 0, "delta": delta, "finish_reason": finish}])


def frame(name: str, body: object) -> bytes:
    """A message of AWS's event streams: lengths, their checksum, headers, payload, checksum of all."""
    headers = b"".join(
        bytes([len(key)]) + key + b"\x07" + struct.pack(">H", len(value)) + value
        for key, value in (
            (b":event-type", name.encode()),
            (b":content-type", b"application/json"),
            (b":message-type", b"event"),
        )
    )
    payload = compact(body)
    prelude = struct.pack(">II", len(headers) + len(payload) + 16, len(headers))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return message + struct.pack(">I", zlib.crc32(message))


TEXT = " ".join(WORDS)
ANSWERS = {
    "chat": whole(
        "application/json",
        {
            **HEAD,
            "object": "chat.completion",
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"},
            ],
            "usage": USAGE,
        },
    ),
    "stream": chunked(
        "text/event-stream",
        [
            said({"role": "assistant", "content": ""}),
            *(said({"content": f" {word}"}) for word in WORDS[:EVENTS]),
            said({}, "stop"),
            event(choices=[], usage=USAGE),
            b"data: [DONE]\n\n",
        ],
    ),
    "converse": whole(
        "application/json",
        {
            "output": {"message": {"role": "assistant", "content": [{"text": TEXT}]}},
            "stopReason": "end_turn",
            "usage": {"inputTokens": 180, "outputTokens": 120, "totalTokens": 300},
            "metrics": {"latencyMs": 400},
        },
    ),
    "converse-stream": chunked(
        "application/vnd.amazon.eventstream",
        [
            frame("messageStart", {"role": "assistant"}),
            *(
                frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": f" {word}"}, "p": "abcdefgh"})
                for word in WORDS[:EVENTS]
            ),
            frame("contentBlockStop", {"contentBlockIndex": 0}),
            frame("messageStop", {"stopReason": "end_turn"}),
            frame(
                "metadata",
                {
                    "usage": {"inputTokens": 180, "outputTokens": 120, "totalTokens": 300},
                    "metrics": {"latencyMs": 400},
                },
            ),
        ],
    ),
}


async def provide(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection of the provider's."""
    while True:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return
        size = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        body = await reader.readexactly(size)
        path = head.split(b" ", 2)[1]
        name = "stream" if b'"stream":true' in body else "chat"
        if b"/converse" in path:
            name = "converse-stream" if path.endswith(b"-stream") else "converse"
        pieces = ANSWERS[name]
        for piece in pieces:
            writer.write(piece)
            if len(pieces) > 1:
                await asyncio.sleep(PAUSE_S)


# The callers.


def request(model: str, *, length: int = 0, stream: bool = False) -> bytes:
    """As OpenAI's SDK writes it."""
    body: dict[str, object] = {
        "messages": [
            {"role": "system", "content": "You are a harbour pilot."},
            {"role": "user", "content": TEXT * max(1, length // len(TEXT))},
        ],
        "model": model,
        "max_tokens": 256,
        "temperature": 0.2,
    }
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    data = compact(body)
    lines = [
        "POST /v1/chat/completions HTTP/1.1",
        "host: gateway",
        "accept: application/json",
        "content-type: application/json",
        f"authorization: Bearer {KEY}",
        "user-agent: OpenAI/Python 2.0.0",
        f"content-length: {len(data)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + data


WORK = (
    (request("gpt"), 200),
    (request("gpt", length=100_000), 20),
    (request("gpt", stream=True), 12),
    (request("claude"), 120),
    (request("claude", stream=True), 12),
)
"""What each caller sends, and how often."""


async def call(port: int) -> None:
    """One connection of a caller's."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    for sent, times in WORK:
        for _ in range(times):
            writer.write(sent)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200 "):
                raise SystemExit(f"the training was refused: {head.decode()}{(await reader.read(2_000)).decode()}")
            if b"transfer-encoding: chunked" in head:
                told = await reader.readuntil(b"\r\n0\r\n\r\n")
                if told.count(b'"content":" ') != EVENTS or b"data: [DONE]" not in told:
                    raise SystemExit(f"the training got another stream than it was sent: {told.decode()}")
            else:
                size = next(int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
                await reader.readexactly(size)
    writer.close()


async def train() -> None:
    """The whole of it."""
    upstream = await asyncio.start_server(provide, "127.0.0.1", 0, limit=1 << 20)
    metrics = Metrics()
    services = Services(
        client=client.Client(limits.ClientLimits()),
        clock=Clock(),
        rng=Random(0),  # noqa: S311 -- for names of requests
        metrics=metrics,
        renewals=Renewals(metrics),
        access_log=None,
    )
    pipeline = serve.Pipeline(services, elsewhere={})
    built = runtime.build(
        configuration(f"http://127.0.0.1:{upstream.sockets[0].getsockname()[1]}"),
        version=SnapshotVersion("training"),
        renewed={},
        resident=None,
        metrics=metrics,
        store=Store(),
        previous=None,
        now=time.monotonic(),
    )
    if not isinstance(built, runtime.Runtime):
        raise SystemExit(f"the configuration of the training is refused: {built}")
    pipeline.runtime = built
    services.renewals.arrived(built.sign_ins)
    listener = server.Server(pipeline.handle, limits.Limits(), on_failure=serve.on_failure, on_refusal=pipeline.refuse)
    port = await listener.start("127.0.0.1", 0)
    began = time.monotonic()
    await asyncio.gather(*(call(port) for _ in range(CALLERS)))
    print(f"trained with {listener.requests:,} requests in {time.monotonic() - began:.1f} s")
    await listener.drain(1.0)
    upstream.close()


if __name__ == "__main__":
    if not server.__file__.endswith(".so"):
        sys.exit(f"there is nothing to train: {server.__file__} is not compiled")
    uvloop.run(train())
