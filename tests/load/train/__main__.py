"""Shows a compiled request path what its work is like, while the compiler counts: `python -m tests.load.train`.

Run by the interpreter that has the instrumented libraries (see `hatch_build.py`), and beside them needs no package that
the proxy does not. One process is caller, proxy and provider at once, over real sockets; what they say is the bench's.
"""

import asyncio
import functools
import pathlib
import struct
import sys
import tempfile
import time
from random import Random

import uvloop

from pilothouse_api.names import SnapshotVersion
from pilothouse_proxy import runtime
from pilothouse_proxy.http import client, limits, server
from pilothouse_proxy.observe.metrics import Metrics
from pilothouse_proxy.pipeline import serve
from pilothouse_proxy.pipeline.renewals import Renewals
from pilothouse_proxy.pipeline.services import Services
from pilothouse_proxy.quota.stores.memory import Store
from tests.load.bench import payloads
from tests.load.bench.configuration import API_KEY, configuration
from tests.load.bench.works import WORKS, Upstream, write_body

CALLERS = 16
PAUSE_S = 0.001
"""Between the events of a stream, so that each comes by itself."""
MODELS = {Upstream.OPENAI: "gpt", Upstream.BEDROCK: "claude"}
TIMES = {"chat": 200, "chat_100k": 20, "sse": 12, "bedrock": 120, "bedrock_paced": 12}
"""How often each caller asks."""


class Clock:
    """This machine's."""

    monotonic = staticmethod(time.monotonic)
    wall = staticmethod(time.time)


def parts(path: pathlib.Path) -> list[bytes]:
    """The pieces of an answer, as `payloads` has written them."""
    data, found, at = path.read_bytes(), [], 0
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at)
        found.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return found


def length(head: bytes) -> int:
    """Of the body behind a head."""
    return next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))


async def provide(answers: dict[str, list[bytes]], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection of the provider's."""
    while True:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return
        body = await reader.readexactly(length(head))
        path = head.split(b" ", 2)[1]
        kind = "sse" if b'"stream":true' in body else "chat"
        if b"/converse" in path:
            kind = "converse_stream" if path.endswith(b"-stream") else "converse"
        pieces = answers[kind]
        for piece in pieces:
            writer.write(piece)
            if len(pieces) > 1:
                await asyncio.sleep(PAUSE_S)


def request(body: bytes) -> bytes:
    """With a head as OpenAI's SDK writes it."""
    lines = [
        "POST /v1/chat/completions HTTP/1.1",
        "host: gateway",
        "accept: application/json",
        "content-type: application/json",
        f"authorization: Bearer {API_KEY}",
        "user-agent: OpenAI/Python 2.0.0",
        f"content-length: {len(body)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def call(port: int, asked: list[tuple[bytes, int]]) -> None:
    """One connection of a caller's."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    for sent, times in asked:
        for _ in range(times):
            writer.write(sent)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200 "):
                raise SystemExit(f"the training was refused: {head.decode()}{(await reader.read(2_000)).decode()}")
            if b"transfer-encoding: chunked" in head:
                told = await reader.readuntil(b"\r\n0\r\n\r\n")
                if told.count(b'"content":" ') < payloads.EVENTS - 4 or b"data: [DONE]" not in told:
                    raise SystemExit(f"the training got another stream than it was sent: {told.decode()}")
            else:
                await reader.readexactly(length(head))
    writer.close()


async def train() -> None:
    """The whole of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        payloads.write(folder)
        answers = {kind: parts(folder / f"{kind}.parts") for kind in ("chat", "sse", "converse", "converse_stream")}
        asked = [
            (request(write_body(work, MODELS[work.upstream], folder).read_bytes()), TIMES[work.name])
            for work in WORKS
            if work.name in TIMES
        ]
    upstream = await asyncio.start_server(functools.partial(provide, answers), "127.0.0.1", 0, limit=1 << 20)
    metrics = Metrics()
    services = Services(
        client=client.Client(limits.ClientLimits()),
        clock=Clock(),
        rng=Random(0),
        metrics=metrics,
        renewals=Renewals(metrics),
        access_log=None,
    )
    pipeline = serve.Pipeline(services, elsewhere={})
    built = runtime.build(
        configuration(upstream.sockets[0].getsockname()[1]),
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
    await asyncio.gather(*(call(port, asked) for _ in range(CALLERS)))
    print(f"trained with {listener.requests:,} requests in {time.monotonic() - began:.1f} s")
    await listener.drain(1.0)
    upstream.close()


if __name__ == "__main__":
    if not server.__file__.endswith(".so"):
        sys.exit(f"there is nothing to train: {server.__file__} is not compiled")
    uvloop.run(train())
